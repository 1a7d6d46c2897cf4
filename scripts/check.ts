// npm run check: format, lint, types and unit tests. All run at once; what they print appears in order.
import { passSignalsOn } from './lib/children.ts';
import { runCheck } from './lib/run-check.ts';

passSignalsOn();
const totals = await runCheck(process.argv[2]);
process.stdout.write(`${totals.passed} passed, ${totals.failed} failed\n`);
process.exitCode = totals.failed === 0 ? 0 : 1;
