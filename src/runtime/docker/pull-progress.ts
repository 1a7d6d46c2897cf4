interface Layer {
  currentBytes: number;
  totalBytes: number;
  done: boolean;
}

/** Adds up what Docker reports layer by layer while it pulls an image. */
export class PullProgress {
  readonly #layers = new Map<string, Layer>();

  /** Takes one message of the pull's stream; tells whether it changed the sum. */
  add(message: Readonly<Record<string, unknown>>): boolean {
    const { id, status, progressDetail } = message;
    if (typeof id !== 'string' || typeof status !== 'string' || status.startsWith('Pulling from')) return false;
    const layer = this.#layers.get(id) ?? { currentBytes: 0, totalBytes: 0, done: false };
    this.#layers.set(id, layer);
    const { current, total } = (progressDetail ?? {}) as { current?: number; total?: number };
    if (status === 'Downloading' && typeof current === 'number') {
      layer.currentBytes = current;
      layer.totalBytes = Math.max(layer.totalBytes, total ?? 0);
    } else if (status === 'Download complete' || status === 'Extracting') {
      layer.currentBytes = layer.totalBytes;
    } else if (status === 'Pull complete' || status === 'Already exists') {
      layer.currentBytes = layer.totalBytes;
      layer.done = true;
    }
    return true;
  }

  /** For people: `layer 3 of 5, 12.4 of 40.1 MB`; undefined while no layer is known. */
  get detail(): string | undefined {
    const layers = [...this.#layers.values()];
    if (layers.length === 0) return undefined;
    const at = Math.min(layers.filter(({ done }) => done).length + 1, layers.length);
    const sum = (of: (layer: Layer) => number) => layers.reduce((bytes, layer) => bytes + of(layer), 0);
    const totalBytes = sum((layer) => layer.totalBytes);
    const where = `layer ${at} of ${layers.length}`;
    if (totalBytes === 0) return where;
    return `${where}, ${megabytes(sum((layer) => layer.currentBytes))} of ${megabytes(totalBytes)} MB`;
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
