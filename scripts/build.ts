// npm run build: dist/muster, one executable.
import { buildExecutable } from './lib/build-executable.ts';

await buildExecutable();
