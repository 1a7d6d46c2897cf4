// node scripts/docs.ts: makes src/api/openapi.json and docs/api.md of the routes and their schemas.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderApiReference } from './lib/api-reference.ts';
import { renderOpenApi } from './lib/open-api.ts';
import { root } from './lib/paths.ts';

writeFileSync(join(root, 'src', 'api', 'openapi.json'), renderOpenApi());
writeFileSync(join(root, 'docs', 'api.md'), renderApiReference());
