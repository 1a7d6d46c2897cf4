import type { InstanceRow } from '../wire/answers.ts';
import type { WatchedWorkload } from '../wire/client.ts';
import type { Context } from './context.ts';
import type { ProgressView } from './follow-rollout.ts';
import { phaseCell } from './show-instances.ts';
import { type Cell, printable, renderTable } from './table.ts';
import { cut } from './text-width.ts';

/** Shows a rollout as it goes: redrawn on a terminal, a line for each change elsewhere, nothing to programs. */
export function makeProgress(context: Context): ProgressView {
  if (context.json || context.quiet) return { show: () => {}, end: () => {} };
  return context.stdout.isTTY ? new ProgressScreen(context) : new ProgressLines(context);
}

/** One line for each change of an instance's phase, node or trouble. */
class ProgressLines implements ProgressView {
  readonly #context: Context;
  readonly #told = new Map<string, { readonly copy: string; readonly text: string }>();

  constructor(context: Context) {
    this.#context = context;
  }

  show(frame: WatchedWorkload): void {
    for (const id of frame.removed) this.#tellGone(id);
    for (const row of frame.all) this.#tell(row.id, nameCopy(row), describePhase(row));
    const known = new Set(frame.all.map(({ display }) => display));
    for (const { instance, text } of frame.summary.problems) {
      if (!known.has(instance)) this.#tell(`problem ${instance}`, instance, text);
    }
  }

  end(): void {}

  #tell(id: string, copy: string, text: string): void {
    if (this.#told.get(id)?.text === text) return;
    this.#told.set(id, { copy, text });
    this.#context.stdout.write(`${printable(`${copy}: ${text}`)}\n`);
  }

  /** A copy has left its node. An instance that was on none has not gone, but got one. */
  #tellGone(id: string): void {
    const told = this.#told.get(id);
    this.#told.delete(id);
    if (told?.copy.includes(' on ') === true) this.#context.stdout.write(`${printable(told.copy)}: gone\n`);
  }
}

function nameCopy(row: InstanceRow): string {
  return row.node === undefined ? row.display : `${row.display} on ${row.node.hostname}`;
}

function describePhase(row: InstanceRow): string {
  const phase = row.phase === 'running' && row.healthy ? 'running, healthy' : row.phase;
  const trouble = troubleOf(row);
  return `${phase}${trouble === '' ? '' : `: ${trouble}`}`;
}

function troubleOf(row: InstanceRow): string {
  if (row.phase === 'running' && row.health === 'unhealthy') return row.lastError ?? 'unhealthy';
  if (row.phase === 'running' || row.phase === 'pulling' || row.phase === 'starting' || row.phase === 'stopping')
    return '';
  return row.reason ?? row.lastError ?? '';
}

/** All instances, or those that matter most, redrawn in place at most ten times a second. */
class ProgressScreen implements ProgressView {
  readonly #context: Context;
  readonly #frames = new Map<string, WatchedWorkload>();
  #drawnLines = 0;
  #cancelDraw: (() => void) | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  show(frame: WatchedWorkload): void {
    this.#frames.set(frame.workload, frame);
    if (this.#cancelDraw !== undefined) return;
    this.#cancelDraw = this.#context.clock.after(100, () => {
      this.#cancelDraw = undefined;
      this.#draw();
    });
  }

  end(): void {
    this.#cancelDraw?.();
    this.#draw();
  }

  #draw(): void {
    const { stdout } = this.#context;
    const text = this.#render();
    const back = this.#drawnLines === 0 ? '' : `\u001b[${this.#drawnLines}A\r\u001b[J`;
    this.#drawnLines = text.split('\n').length - 1;
    stdout.write(back + text);
  }

  #render(): string {
    const { stdout, paint } = this.#context;
    const width = (stdout.columns ?? 80) - 1;
    const height = Math.max(4, Math.min(20, (stdout.rows ?? 24) - 3));
    const frames = [...this.#frames.values()];
    const all = frames.flatMap((frame) => frame.all);
    const sorted = all.length <= height ? all : all.toSorted((a, b) => rank(a) - rank(b));
    const shown = sorted.slice(0, height);
    const healthy = frames.reduce((sum, frame) => sum + frame.summary.healthy, 0);
    const wanted = frames.reduce((sum, frame) => sum + frame.summary.wanted, 0);
    const more = all.length > shown.length ? `, ${all.length - shown.length} more not shown` : '';
    const total = paint(cut(`${healthy} of ${wanted} healthy${more}`, width), 'dim');
    if (shown.length === 0) return `${total}\n`;
    return `${renderTable(columns, shown.map(screenCells), { width, paint })}${total}\n`;
  }
}

const columns = [{ title: 'INSTANCE' }, { title: 'NODE' }, { title: 'PHASE' }, { title: '', shrinks: true }];

function screenCells(row: InstanceRow): readonly Cell[] {
  const phase =
    row.phase === 'running' && !row.healthy
      ? { text: 'running, not healthy yet', tone: 'warn' as const }
      : phaseCell(row.phase);
  const detail = troubleOf(row) === '' ? (row.progress ?? '') : troubleOf(row);
  return [{ text: row.display, tone: 'strong' }, { text: row.node?.hostname ?? '-' }, phase, { text: detail }];
}

/** What somebody who waits wants to see first. */
function rank(row: InstanceRow): number {
  if (row.phase === 'failed' || row.phase === 'pending' || row.phase === 'lost') return 0;
  return row.phase === 'running' && row.healthy ? 2 : 1;
}
