import { type Family, type FamilyName, families } from '../../../src/metrics/families.ts';
import { Metrics, type Reading } from '../../../src/metrics/metrics.ts';

/** Metrics that have a value of every family, with labels that say their own names. */
export function makeFullMetrics(): Metrics {
  const metrics = new Metrics();
  const readings: Reading[] = [];
  for (const [name, family] of Object.entries(families) as [FamilyName, Family][]) {
    const labels = Object.fromEntries(family.labels.map((label) => [label, `a ${label}`]));
    if (family.type === 'histogram') metrics.time(name as 'muster_loop_pass_duration_seconds', labels as never, 40);
    else readings.push({ name, labels, value: 1 });
  }
  metrics.addSource(() => readings);
  return metrics;
}
