import { type Metric, Registry } from 'prom-client';
import { type Family, type FamilyName, families } from './families.ts';
import type { Metrics } from './metrics.ts';
import type { Distribution, Labels, Sample } from './series.ts';

/** A value as the library's registry writes it. */
interface Line {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** What the registry asks of a metric: that is all of the library's own that it needs. */
interface Readable {
  readonly name: string;
  get(): Promise<Omit<Family, 'labels' | 'buckets'> & { readonly name: string; readonly values: readonly Line[] }>;
}

/**
 * The metrics in Prometheus' text format. Loaded when somebody first asks: an agent that nobody scrapes has nothing of the library in
 * its memory. The library keeps no counts, it writes down ours.
 */
export class Exposition {
  static readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  async text(): Promise<string> {
    const readings = await this.#metrics.read();
    const registry = new Registry();
    for (const [name, family] of Object.entries(families) as [FamilyName, Family][]) {
      const { help, type } = family;
      const lines = [...this.#kept(name, family), ...(readings.get(name) ?? []).map((each) => lineOf(name, each))];
      const metric: Readable = { name, get: async () => ({ name, help, type, values: lines }) };
      registry.registerMetric(metric as unknown as Metric);
    }
    return registry.metrics();
  }

  #kept(name: FamilyName, { buckets = [] }: Family): readonly Line[] {
    const { counters, histograms } = this.#metrics;
    const distributions = histograms.get(name)?.distributions ?? [];
    return [
      ...(counters.get(name)?.samples ?? []).map((sample) => lineOf(name, sample)),
      ...distributions.flatMap((each) => distributionLines(name, buckets, each)),
    ];
  }
}

function lineOf(metricName: string, { labels, value }: Sample): Line {
  return { metricName, labels, value };
}

/** Prometheus' buckets hold all that is up to their bound. */
function distributionLines(name: string, bounds: readonly number[], { labels, counts, sum }: Distribution): Line[] {
  let count = 0;
  const bucketLine = (bound: number | '+Inf', at: number): Line => {
    count += counts[at] ?? 0;
    return { metricName: `${name}_bucket`, labels: withBound(labels, bound), value: count };
  };
  const buckets = [...bounds, '+Inf' as const].map(bucketLine);
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
}

function withBound(labels: Labels, le: number | '+Inf'): Line['labels'] {
  return { le, ...labels };
}
