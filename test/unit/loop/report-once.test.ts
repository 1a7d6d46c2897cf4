import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReportOnce } from '../../../src/loop/report-once.ts';
import { FakeClock } from '../../support/fake-clock.ts';

test('ReportOnce says a thing once, and again when it has changed', () => {
  const reports = new ReportOnce(new FakeClock());
  const said: string[] = [];
  for (const text of ['x', 'x', 'y', 'y', 'x']) reports.report('key', text, () => said.push(text));
  assert.deepEqual(said, ['x', 'y', 'x']);
});

test('ReportOnce says no more than its share of a minute, and the rest when it comes up again', async () => {
  const clock = new FakeClock();
  const reports = new ReportOnce(clock);
  let said = 0;
  const sayAll = () => {
    for (let subject = 0; subject < 50; subject += 1) reports.report(String(subject), 'x', () => (said += 1));
  };
  sayAll();
  assert.equal(said, 20);
  await clock.advance(60_000);
  sayAll();
  assert.equal(said, 40);
});
