import { beatingContainer, beatingUnit } from '../lab/checker/beating-work.ts';
import { awaitConverged, type Expected } from './convergence.ts';
import type { Field } from './field.ts';

/** A workload's name, its text, and how many copies of it there are to be. */
export interface RowWork {
  readonly name: string;
  readonly text: string;
  readonly copies: number;
}

/** So many units of one template. */
export function units(name: string, copies: number, disconnect: 'keep' | 'stop', stopMs = 0, edition = 0): RowWork {
  const lines = [`Replicas=${copies}`];
  return { name: `${name}@.service`, text: beatingUnit({ disconnect, stopMs, edition, lines }), copies };
}

/** So many containers. */
export function containers(name: string, copies: number, disconnect: 'keep' | 'stop'): RowWork {
  return { name, text: beatingContainer(name, { disconnect, lines: [`replicas: ${copies}`] }), copies };
}

/** What is to run. */
export function expectedOf(work: readonly RowWork[]): Expected {
  return new Map(work.map(({ name, copies }) => [name, copies]));
}

/** Applies it and waits until everything is as desired. */
export async function start(field: Field, work: readonly RowWork[], deadlineMs = 120_000): Promise<void> {
  await Promise.all(work.map(async ({ name, text }) => field.cluster.apply(name, text, ['--no-wait'])));
  await awaitConverged(field, expectedOf(work), deadlineMs);
}
