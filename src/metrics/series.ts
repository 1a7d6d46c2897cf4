/** Labels by their names. */
export type Labels = Readonly<Record<string, string>>;

/** One value of a metric, ready to be read. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** What a histogram has counted under one set of labels. */
export interface Distribution {
  readonly labels: Labels;
  /** How many values were in each bucket, not cumulated; one more than there are bounds. */
  readonly counts: Float64Array;
  sum: number;
}

/** A counter's values, one for each set of labels. */
export class CounterSeries {
  readonly #samples = new Map<string, { readonly labels: Labels; value: number }>();

  add(labels: Labels, by: number): void {
    const key = keyOf(labels);
    const sample = this.#samples.get(key);
    if (sample === undefined) this.#samples.set(key, { labels, value: by });
    else sample.value += by;
  }

  get samples(): readonly Sample[] {
    return [...this.#samples.values()];
  }
}

/** A histogram's distributions, one for each set of labels. */
export class HistogramSeries {
  readonly #bounds: readonly number[];
  readonly #byLabels = new Map<string, Distribution>();

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
  }

  observe(labels: Labels, value: number): void {
    const key = keyOf(labels);
    let distribution = this.#byLabels.get(key);
    if (distribution === undefined) {
      distribution = { labels, counts: new Float64Array(this.#bounds.length + 1), sum: 0 };
      this.#byLabels.set(key, distribution);
    }
    const at = this.#bounds.findIndex((bound) => value <= bound);
    const bucket = at < 0 ? this.#bounds.length : at;
    distribution.counts[bucket] = (distribution.counts[bucket] ?? 0) + 1;
    distribution.sum += value;
  }

  get distributions(): readonly Distribution[] {
    return [...this.#byLabels.values()];
  }
}

function keyOf(labels: Labels): string {
  let key = '';
  for (const name in labels) key += `${labels[name]}\n`;
  return key;
}
