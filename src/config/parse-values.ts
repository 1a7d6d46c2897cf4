import { parseDurationMs } from '../domain/quantity.ts';

/** Thrown by a parser for a value that it does not take. */
export class NotExpected extends Error {}

function text(value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  if (typeof value === 'number') return String(value);
  throw new NotExpected();
}

/** True or false, also as text. */
export function flag(value: unknown): boolean {
  if (value === true || value === 'true') return true;
  if (value === false || value === 'false') return false;
  throw new NotExpected();
}

/** A list, or a text with commas. */
export function list(value: unknown): readonly string[] {
  const items = typeof value === 'string' ? value.split(',').map((item) => item.trim()) : value;
  if (!Array.isArray(items) || items.length === 0) throw new NotExpected();
  return items.map(text);
}

/** A map, or a text of `name=value` pairs with commas. */
export function map(value: unknown): Readonly<Record<string, string>> {
  if (value === null || value === '') return {};
  const entries = typeof value === 'string' ? value.split(',').map((pair) => splitPair(pair.trim())) : entriesOf(value);
  return Object.fromEntries(entries.map(([key, item]) => [labelKey(key), text(item)]));
}

function entriesOf(value: unknown): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new NotExpected();
  return Object.entries(value);
}

function splitPair(pair: string): [string, string] {
  const at = pair.indexOf('=');
  if (at < 1) throw new NotExpected();
  return [pair.slice(0, at), pair.slice(at + 1)];
}

function labelKey(key: string): string {
  if (/^[A-Za-z0-9_.-]{1,64}$/.test(key)) return key;
  throw new NotExpected();
}

/** A duration within limits, in milliseconds. */
export function duration(minMs: number, maxMs: number): (value: unknown) => number {
  return (value) => {
    const ms = parseDurationMs(text(value));
    if (ms < minMs || ms > maxMs) throw new NotExpected();
    return ms;
  };
}

/** A percentage within limits, as a part of 1. */
export function part(min: number, max: number): (value: unknown) => number {
  return (value) => {
    const percent = /^(\d{1,2}(?:\.\d)?)%$/.exec(text(value))?.[1];
    const share = Number(percent) / 100;
    if (percent === undefined || share < min || share > max) throw new NotExpected();
    return share;
  };
}

/** A whole number within limits. */
export function count(min: number, max: number): (value: unknown) => number {
  return (value) => {
    const number = typeof value === 'string' ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isInteger(number) || number < min || number > max)
      throw new NotExpected();
    return number;
  };
}

/** A text of a form. */
export function matching(pattern: RegExp): (value: unknown) => string {
  return (value) => {
    const string = text(value);
    if (!pattern.test(string)) throw new NotExpected();
    return string;
  };
}
