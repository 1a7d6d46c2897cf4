import assert from 'node:assert/strict';
import { after, suite, test } from 'node:test';
import { Field } from '../chaos/field.ts';
import { rows } from '../chaos/rows.ts';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** One lab at a time: rows that need the same one follow each other. */
let opened: { readonly key: string; readonly field: Field } | undefined;
const stop = new AbortController();

async function close(): Promise<void> {
  const field = opened?.field;
  opened = undefined;
  await field?.close();
}

/** Faults that a scenario of test/lab makes in each run of the tests: they'd only be made twice. */
const inLab: ReadonlySet<string> = new Set(['etcd-away', 'agent-kill', 'agent-frozen', 'half-lost']);

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
for (const [name, number] of Object.entries(signalNumbers)) {
  process.once(name, () => {
    stop.abort(new Error(`interrupted by ${name}`));
    void close().finally(() => process.exit(128 + number));
  });
}

suite('the table of docs/reliability.md, few repetitions', () => {
  for (const row of rows.filter(({ name, times }) => times.quick > 0 && !inLab.has(name))) {
    test(`${row.fault}: ${row.mustShow}`, async () => {
      const key = JSON.stringify(row.lab);
      if (opened?.key === key) await opened.field.clear();
      else {
        await close();
        opened = { key, field: await Field.open({ ...row.lab, name: 'reliability', progress: say }) };
      }
      const { field } = opened;
      const context = { field, times: row.times.quick, quick: true, say, signal: stop.signal };
      const { failures, measured } = await row.run(context);
      say(`# ${row.name}: ${measured}`);
      assert.deepEqual(failures, []);
    });
  }
  after(close);
});
