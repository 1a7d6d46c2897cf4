import { type CounterName, type FamilyName, families, type HistogramName, type LabelsOf } from './families.ts';
import { CounterSeries, HistogramSeries, type Sample } from './series.ts';

/** One value that is known only when it's asked for. */
export interface Reading extends Sample {
  readonly name: FamilyName;
}

/** Makes a reading with exactly the labels that its metric has. */
export function reading<Name extends FamilyName>(name: Name, value: number, labels: LabelsOf<Name>): Reading {
  return { name, value, labels };
}

/** The same for a metric without labels; nothing where there's no value. */
export function readingIf(name: FamilyName, value: number | undefined): readonly Reading[] {
  return value === undefined ? [] : [{ name, value, labels: {} }];
}

/** Where values come from that are read when metrics are asked for. */
export type Source = () => readonly Reading[] | Promise<readonly Reading[]>;

/** What the agent counts of itself: always on, a few numbers in memory, made into text only when somebody asks. */
export class Metrics {
  readonly #counters = new Map<FamilyName, CounterSeries>();
  readonly #histograms = new Map<FamilyName, HistogramSeries>();
  readonly #sources: Source[] = [];

  get counters(): ReadonlyMap<FamilyName, CounterSeries> {
    return this.#counters;
  }

  get histograms(): ReadonlyMap<FamilyName, HistogramSeries> {
    return this.#histograms;
  }

  /** Adds to a counter; with 0 it's there from the beginning, as Prometheus advises. */
  count<Name extends CounterName>(name: Name, labels: LabelsOf<Name>, by = 1): void {
    let series = this.#counters.get(name);
    if (series === undefined) {
      series = new CounterSeries();
      this.#counters.set(name, series);
    }
    series.add(labels, by);
  }

  /** Takes a duration into a histogram. */
  time<Name extends HistogramName>(name: Name, labels: LabelsOf<Name>, ms: number): void {
    let series = this.#histograms.get(name);
    if (series === undefined) {
      series = new HistogramSeries(families[name].buckets);
      this.#histograms.set(name, series);
    }
    series.observe(labels, ms / 1000);
  }

  /** What else is to be read, each time. */
  addSource(source: Source): void {
    this.#sources.push(source);
  }

  /** What all sources say now, by metric. One that fails leaves its own out: the others are worth all the more then. */
  async read(): Promise<ReadonlyMap<FamilyName, readonly Sample[]>> {
    const answers = await Promise.allSettled(this.#sources.map(async (source) => source()));
    const readings = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    return Map.groupBy(readings, ({ name }) => name);
  }
}
