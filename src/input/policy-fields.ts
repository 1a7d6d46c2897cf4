import { AgentError } from '../domain/errors.ts';
import { DEFAULT_RESCHEDULE, RETURN_CHOICES } from '../domain/policies.ts';
import { DURATION_FORM, parseDurationMs } from '../domain/quantity.ts';
import type { DisconnectPolicy, ReschedulePolicy } from '../domain/spec.ts';
import type { Fields } from './fields.ts';
import { didYouMean } from './near-match.ts';
import type { OptionReader } from './option-reader.ts';
import { quote } from './refuse.ts';

const modes = ['keep', 'stop'] as const;
const rescheduleKeys = ['afterRestarts', 'delay', 'maxDelay'];

/** A property that is there only when it has a value. */
export function given<K extends string, T>(key: K, value: T | undefined): { readonly [key in K]?: T } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [key in K]?: T });
}

/** `disconnect:` of a YAML document. */
export function readDisconnectFields(document: Fields): DisconnectPolicy {
  const fields = document.fields('disconnect', ['mode', 'replaceAfter', 'onReturn']);
  return {
    mode: fields?.word('mode', modes) ?? 'keep',
    ...given('replaceAfterMs', fields?.parsed('replaceAfter', parseReplaceAfter)),
    ...given('onReturn', fields?.word('onReturn', RETURN_CHOICES)),
  };
}

/** `Disconnect=` and what belongs to it. */
export function readDisconnectOptions(reader: OptionReader): DisconnectPolicy {
  return {
    mode: reader.word('Disconnect', modes) ?? 'keep',
    ...given('replaceAfterMs', reader.last('ReplaceAfter', parseReplaceAfter)),
    ...given('onReturn', reader.word('OnReturn', RETURN_CHOICES)),
  };
}

/** `reschedule:` of a YAML document: `never`, or a map; what it doesn't say is as by default. */
export function readRescheduleFields(document: Fields): ReschedulePolicy | 'never' | undefined {
  const tree = document.tree('reschedule');
  if (tree === undefined) return undefined;
  if (tree.kind !== 'map') {
    if (tree.kind === 'scalar' && tree.value === 'never') return 'never';
    const near = tree.kind === 'scalar' ? didYouMean(String(tree.value), ['never']) : '';
    throw document.refuse('reschedule', `"never" or a map of ${rescheduleKeys.join(', ')}${near}`);
  }
  const fields = document.fields('reschedule', rescheduleKeys);
  return complete({
    afterRestarts: fields?.integer('afterRestarts', 0, 1_000),
    delayMs: fields?.durationMs('delay'),
    maxDelayMs: fields?.durationMs('maxDelay'),
  });
}

/** `Reschedule=never`, or the options that say when. */
export function readRescheduleOptions(reader: OptionReader): ReschedulePolicy | 'never' | undefined {
  const never = reader.word('Reschedule', ['never']);
  const said = {
    afterRestarts: reader.last('RescheduleAfter', parseRestarts),
    delayMs: reader.last('RescheduleDelay', parseDurationMs),
    maxDelayMs: reader.last('RescheduleMaxDelay', parseDurationMs),
  };
  const isSaid = Object.values(said).some((value) => value !== undefined);
  if (never === undefined) return isSaid ? complete(said) : undefined;
  if (isSaid) throw reader.refuse('Reschedule=never', 'no other Reschedule option with it');
  return never;
}

/** A delay alone above the default's limit is its own limit. */
function complete(said: { readonly [key in keyof ReschedulePolicy]: number | undefined }): ReschedulePolicy {
  const delayMs = said.delayMs ?? Math.min(DEFAULT_RESCHEDULE.delayMs, said.maxDelayMs ?? Infinity);
  return {
    afterRestarts: said.afterRestarts ?? DEFAULT_RESCHEDULE.afterRestarts,
    delayMs,
    maxDelayMs: said.maxDelayMs ?? Math.max(DEFAULT_RESCHEDULE.maxDelayMs, delayMs),
  };
}

function parseReplaceAfter(text: string): number | 'never' {
  if (text === 'never') return 'never';
  try {
    return parseDurationMs(text);
  } catch {
    const expected = `"never", or ${DURATION_FORM}${didYouMean(text, ['never'])}`;
    throw new AgentError('INVALID_INPUT', `Cannot parse duration ${quote(text)}: expected ${expected}`);
  }
}

function parseRestarts(text: string): number {
  if (/^\d{1,4}$/.test(text) && Number(text) <= 1_000) return Number(text);
  throw new AgentError('INVALID_INPUT', `Cannot parse restarts ${quote(text)}: expected a whole number from 0 to 1000`);
}
