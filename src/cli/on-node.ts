import { errorCodeOf } from '../domain/errors.ts';
import type { NodeSettingsAnswer } from '../wire/node-settings-answers.ts';
import { exitCodes } from './command.ts';
import type { Context } from './context.ts';
import { makeNotFound } from './not-found.ts';
import { printJson } from './print-answer.ts';

/** The argument of every command about one node. */
export const nodeArgument = { name: 'NODE', help: "A node's hostname, its ID, or the ID's first digits" } as const;

/** Asks about a node; one that there isn't is an error that suggests the near one. */
export async function askNode<T>(context: Context, name: string, asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    throw errorCodeOf(error) === 'NOT_FOUND' ? await makeNotFound(context, 'a node', name) : error;
  }
}

/** Says what a change of a node came to. */
export function printNodeChange(context: Context, answer: NodeSettingsAnswer, done: string): number {
  if (context.json) printJson(context, answer);
  else if (context.quiet) context.stdout.write(`${answer.node.hostname}\n`);
  else context.stdout.write(`${answer.node.hostname}: ${answer.changed ? done : 'was so already'}\n`);
  return exitCodes.done;
}
