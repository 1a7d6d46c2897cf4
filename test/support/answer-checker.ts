import assert from 'node:assert/strict';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { GenericSchema } from 'valibot';
import { convert } from '../../scripts/lib/open-api.ts';
import { namedSchemas } from '../../src/wire/route-schemas.ts';

const ajv = new Ajv2020({ allErrors: true, strict: false });
for (const [name, schema] of Object.entries(namedSchemas)) {
  ajv.addSchema(convert(schema, name, true) as object, `#/components/schemas/${name}`);
}

/** Throws where a value isn't what its schema says, or has more than that. */
export function checkAnswer(schema: GenericSchema, value: unknown, what: string): void {
  const validate = ajv.compile(convert(schema, undefined, true) as object);
  const shown = JSON.stringify(value, undefined, 1).slice(0, 3_000);
  assert.ok(validate(value), `${what}: ${ajv.errorsText(validate.errors)}\n${shown}`);
}

/** Throws for anything but problem details. */
export function checkProblem(value: unknown, what: string): void {
  checkAnswer(namedSchemas['Problem'] as GenericSchema, value, what);
}
