import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Family, families } from '../../../src/metrics/families.ts';
import { dashboardExpressions, readAlerts, readDashboard, readDocumented } from './documents.ts';

const known = new Map<string, Family>(Object.entries(families));
/** What the scrape configuration gives, and what Prometheus itself does. */
const givenLabels = ['cluster', 'instance', 'job', 'le'];

function familyOf(series: string): Family | undefined {
  const base = series.replace(/_(bucket|sum|count)$/, '');
  const histogram = known.get(base);
  return known.get(series) ?? (histogram?.type === 'histogram' ? histogram : undefined);
}

/** What is wrong with a query: metrics that there aren't, or labels that they don't have. */
function findUnknown(expr: string): string[] {
  const names = [...expr.matchAll(/\b((?:muster|process|nodejs)_[a-z_]+)(?:\{([^}]*)\})?/g)];
  return names.flatMap(([, series = '', selector = '']) => {
    const family = familyOf(series);
    if (family === undefined) return [series];
    const labels = [...selector.matchAll(/(\w+)(?:=~|!~|!=|=)"/g)].map(([, label = '']) => label);
    return labels
      .filter((label) => !family.labels.includes(label) && !givenLabels.includes(label))
      .map((l) => `${series}{${l}}`);
  });
}

const flags = [
  ...['muster_build_info', 'muster_cluster_hold', 'muster_etcd_endpoint_in_use', 'muster_etcd_state'],
  ...['muster_leader', 'muster_node_fenced', 'muster_node_state', 'muster_runtime_up'],
];

function unitOf(name: string): string {
  if (flags.includes(name)) return '0 or 1';
  if (/_seconds(_total)?$/.test(name)) return 'seconds';
  if (name.endsWith('_bytes')) return 'bytes';
  return /_(revision|term)$/.test(name) ? 'revision' : 'number';
}

test('docs/metrics.md lists each metric with its type, its unit, its labels and its meaning', async () => {
  const documented = await readDocumented();
  const expected = [...known].map(([name, { type, labels, help }]) => {
    return { name, type, unit: unitOf(name), labels: [...labels], help };
  });
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
  assert.deepEqual(documented.toSorted(byName), expected.toSorted(byName));
});

test('metrics are named as Prometheus advises', () => {
  for (const [name, { type, help }] of known) {
    assert.match(name, /^(muster|process|nodejs)_[a-z]+(_[a-z]+)*$/, name);
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    if (type === 'histogram') assert.match(name, /_duration_seconds$/, name);
    assert.match(help, /\.$/, name);
  }
});

test('alerts and the dashboard use only metrics that there are, and labels that these have', async () => {
  for (const { alert, expr, annotations } of await readAlerts()) {
    assert.deepEqual(findUnknown(expr), [], alert);
    assert.ok(annotations['summary'] && annotations['description'], alert);
  }
  const { panels, templating } = await readDashboard();
  const queries = [...(await dashboardExpressions()), ...templating.list.map(({ definition = '' }) => definition)];
  for (const expr of queries) assert.deepEqual(findUnknown(expr), [], expr);
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length, 'no panel twice');
  const variables = new Set([...templating.list.map(({ name }) => name), '__rate_interval']);
  const used = queries.flatMap((expr) => [...expr.matchAll(/\$(\w+)/g)].map(([, name = '']) => name));
  assert.deepEqual(
    used.filter((name) => !variables.has(name)),
    [],
  );
});

test('findUnknown() sees names and labels that there are not', () => {
  const expr = 'rate(muster_loop_pases_total[5m]) / muster_leader{color="red",job="a"} + muster_leader_count';
  assert.deepEqual(findUnknown(expr), ['muster_loop_pases_total', 'muster_leader{color}', 'muster_leader_count']);
});
