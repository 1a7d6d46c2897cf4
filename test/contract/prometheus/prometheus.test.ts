import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { Exposition } from '../../../src/metrics/expose.ts';
import { dashboardExpressions, readAlerts } from '../../unit/metrics/documents.ts';
import { makeFullMetrics } from '../../unit/metrics/full-metrics.ts';

const rules = new URL('../../../docs/prometheus-alerts.yaml', import.meta.url).pathname;
const rulesTest = new URL('./alerts.test.yaml', import.meta.url).pathname;

async function promtool(args: readonly string[], input = ''): Promise<string> {
  const { exitCode, all } = await execa('promtool', args, { input, all: true, reject: false });
  assert.equal(exitCode, 0, `promtool ${args.join(' ')}: ${all}`);
  return all;
}

test('promtool takes the alert rules, and each fires when it should and not before', async () => {
  await promtool(['check', 'rules', rules]);
  await promtool(['test', 'rules', rulesTest]);
  const text = await readFile(rulesTest, 'utf8');
  for (const { alert } of await readAlerts()) {
    const checks = [...text.matchAll(new RegExp(`alertname: ${alert}\\n {8}exp_alerts:(.*)`, 'g'))];
    assert.deepEqual(
      new Set(checks.map(([, shown]) => shown?.trim())),
      new Set(['', '[]']),
      `${alert} is tested both ways`,
    );
  }
});

test("promtool takes the dashboard's queries", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'muster-promtool-'));
  try {
    const exprs = (await dashboardExpressions()).map((expr) => expr.replaceAll('$__rate_interval', '5m'));
    const rows = exprs.map((expr, at) => `      - record: panel:${at}\n        expr: ${JSON.stringify(expr)}`);
    const file = join(folder, 'dashboard.yaml');
    await writeFile(file, `groups:\n  - name: dashboard\n    rules:\n${rows.join('\n')}\n`);
    await promtool(['check', 'rules', file]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('promtool takes what /metrics says, with every metric in it, and finds nothing to improve', async () => {
  const text = await new Exposition(makeFullMetrics()).text();
  assert.equal(await promtool(['check', 'metrics'], text), '');
});
