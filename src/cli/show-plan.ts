import type { FieldChange, PlanAnswer, PlannedInstance, PlannedWorkload } from '../wire/plan-answers.ts';
import type { Context, Tone } from './context.ts';
import { diffLines } from './line-diff.ts';
import { printable } from './table.ts';
import { cut } from './text-width.ts';

/** Instances of a workload that are told one by one; of more, only their number. */
const MOST_INSTANCES = 30;

/** Longer values than this are cut. */
const VALUE_CHARS = 200;

const headings: Readonly<Record<PlannedWorkload['action'], readonly [mark: string, text: string, tone: Tone]>> = {
  create: ['+', 'would be created', 'good'],
  change: ['~', 'would change', 'warn'],
  start: ['~', 'would run again', 'warn'],
  remove: ['-', 'would be removed', 'bad'],
  none: [' ', 'would not change', 'plain'],
};

const words: Readonly<Record<PlannedInstance['action'], readonly [text: string, tone: Tone]>> = {
  start: ['starts', 'good'],
  stop: ['stops', 'bad'],
  restart: ['restarts', 'warn'],
  move: ['moves', 'warn'],
  wait: ['waits', 'bad'],
};

type Shown = Pick<Context, 'stdout' | 'paint'>;

/** One workload of a plan: what differs, and what becomes of its instances. */
export function showPlannedWorkload(context: Shown, planned: PlannedWorkload): void {
  const { name, action, spec, newSpec, fields, instances } = planned;
  const [mark, text, tone] = headings[action];
  const specs = newSpec && spec !== undefined ? `, spec ${spec} → ${spec + 1}` : '';
  context.stdout.write(`${context.paint(`${mark} ${printable(name)}`, tone)}: ${text}${specs}\n`);
  if (action !== 'create') for (const field of fields) showField(context, field);
  showPlannedInstances(context, instances);
}

/** What becomes of instances, one a line. */
export function showPlannedInstances(context: Shown, instances: readonly PlannedInstance[]): void {
  for (const instance of instances.slice(0, MOST_INSTANCES)) showInstance(context, instance);
  if (instances.length > MOST_INSTANCES)
    context.stdout.write(`    and ${instances.length - MOST_INSTANCES} more: ${countText(instances)} in all\n`);
}

/** The plan in one line. */
export function summarizePlan({ workloads, others }: PlanAnswer): string {
  const planned = workloads.flatMap((each) => ('problem' in each ? [] : [each]));
  const names = { create: 'to create', change: 'to change', start: 'to start again', remove: 'to remove' } as const;
  const actions = Object.entries(names).flatMap(([action, text]) => {
    const count = planned.filter((each) => each.action === action).length;
    return count === 0 ? [] : [`${count} ${text}`];
  });
  const instances = [...planned.flatMap((each) => each.instances), ...others];
  const parts = [actions.length === 0 ? 'nothing to change' : actions.join(', '), countText(instances)];
  return parts.filter((part) => part !== '').join('; ');
}

function countText(instances: readonly PlannedInstance[]): string {
  const counts = Object.entries(words).flatMap(([action, [word]]) => {
    const count = instances.filter((each) => each.action === action).length;
    if (count === 0) return [];
    return count === 1 ? [`1 instance ${word}`] : [`${count} instances ${word.replace(/s$/, '')}`];
  });
  return counts.join(', ');
}

function showField({ stdout, paint }: Shown, { path, before, after }: FieldChange): void {
  const lines = typeof before === 'string' && typeof after === 'string' && isText(before, after);
  const diff = lines ? diffLines(before as string, after as string) : undefined;
  if (diff === undefined) {
    const [a, b] = [before, after].map((value) => (value === undefined ? '(none)' : shorten(value)));
    stdout.write(`    ${paint(path, 'strong')}: ${a} → ${b}\n`);
    return;
  }
  stdout.write(`    ${paint(path, 'strong')}:\n`);
  for (const { mark, text } of diff) {
    const tone = mark === '+' ? 'good' : mark === '-' ? 'bad' : 'dim';
    stdout.write(`      ${paint(printable(`${mark} ${text}`), tone)}\n`);
  }
}

function isText(...values: readonly string[]): boolean {
  return values.some((value) => value.includes('\n'));
}

function shorten(value: unknown): string {
  return printable(cut(typeof value === 'string' ? value : JSON.stringify(value), VALUE_CHARS));
}

function showInstance({ stdout, paint }: Shown, { instance, action, from, to, reason, nodes }: PlannedInstance): void {
  const [word, tone] = words[action];
  const place = { start: `on ${to?.hostname}`, stop: `on ${from?.hostname}`, restart: `on ${to?.hostname}` };
  const where = action === 'move' ? `${from?.hostname} → ${to?.hostname}` : action === 'wait' ? '' : place[action];
  const text = [instance, where].filter((part) => part !== '').join(' ');
  stdout.write(`    ${paint(word.padEnd(8), tone)} ${printable(`${text}: ${reason}`)}\n`);
  if (action !== 'wait') return;
  for (const { node, reason: why } of nodes) stdout.write(`               ${printable(`${node.hostname}: ${why}`)}\n`);
}
