import fc from 'fast-check';

/** One change to a value that was valid: where, which, and with what. */
interface Edit {
  readonly at: number;
  readonly kind: (typeof kinds)[number];
  readonly value: unknown;
  readonly size: number;
}

const kinds = [
  'tweak',
  'tweak',
  'tweak',
  'drop',
  'replace',
  'duplicate',
  'nest',
  'huge',
  'prototype',
  'rename',
] as const;
const hostileKeys = ['__proto__', 'constructor', 'prototype', 'toString', '', 'v', '\0'];

const anyValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom(
    -1,
    0,
    1,
    0.5,
    1e9,
    2 ** 53,
    1e308,
    '',
    null,
    true,
    [],
    {},
    'web',
    '../../etc/passwd',
    'f'.repeat(32),
  ),
);
const edit: fc.Arbitrary<Edit> = fc.record({
  at: fc.nat(10_000),
  kind: fc.constantFrom(...kinds),
  value: anyValue,
  size: fc.oneof({ weight: 30, arbitrary: fc.nat(30) }, { weight: 1, arbitrary: fc.nat(1_000) }),
});

/** Valid values with nothing or a few things changed: dropped, replaced, doubled, nested deep, made huge, or named as no key should be. */
export function mutated(samples: readonly unknown[]): fc.Arbitrary<unknown> {
  return fc
    .tuple(fc.constantFrom(...samples), fc.array(edit, { maxLength: 3 }))
    .map(([sample, edits]) => edits.reduce(applyEdit, structuredClone(sample)))
    .map((value) => JSON.parse(JSON.stringify(value ?? null)) as unknown); // JSON knows no -0 and no Infinity
}

/** Where a value lies in what holds it. */
type Place = { readonly parent: Record<string, unknown> | unknown[]; readonly key: string };

function applyEdit(root: unknown, { at, kind, value: given, size }: Edit): unknown {
  const value = structuredClone(given); // edits share it, and change what they have put in
  const holder = { root };
  const places = [...listPlaces(holder)];
  const { parent, key } = places[at % places.length]!;
  const old = (parent as Record<string, unknown>)[key];
  const set = (name: string, next: unknown) =>
    Object.defineProperty(parent, name, { value: next, enumerable: true, configurable: true, writable: true });
  switch (kind) {
    case 'tweak':
      set(key, tweak(old, value, size));
      break;
    case 'drop':
      if (Array.isArray(parent)) parent.splice(Number(key), 1);
      else if (parent !== (holder as unknown)) delete parent[key];
      break;
    case 'replace':
      set(key, structuredClone(value));
      break;
    case 'duplicate':
      if (Array.isArray(parent))
        parent.push(...Array.from({ length: copies(old, size + 1) }, () => structuredClone(old)));
      else set(`${key}${size}`, structuredClone(old));
      break;
    case 'nest':
      set(key, nest(old, size));
      break;
    case 'huge':
      set(key, makeHuge(value, copies(value, size)));
      break;
    case 'prototype':
      if (!Array.isArray(parent))
        set(hostileKeys[size % hostileKeys.length]!, typeof value === 'object' ? { polluted: true } : value);
      break;
    case 'rename':
      if (Array.isArray(parent) || parent === (holder as unknown)) break;
      delete parent[key];
      set(hostileKeys[size % hostileKeys.length]!, old);
      break;
  }
  return holder.root;
}

/** Well over what etcd takes; edits that multiply each other would not end before memory does. */
const LIMIT_CHARACTERS = 4_000_000;

/** How many copies of a value to make, at most as many as were asked for. */
function copies(value: unknown, asked: number): number {
  return Math.min(asked, Math.floor(LIMIT_CHARACTERS / weigh(value)));
}

/** About how long it is as JSON. */
function weigh(value: unknown): number {
  if (typeof value === 'string') return value.length + 3;
  if (typeof value !== 'object' || value === null) return 8;
  return Object.entries(value).reduce((sum, [key, each]) => sum + key.length + 3 + weigh(each), 3);
}

/** Another value of the same type, so that many of these stay valid. */
function tweak(old: unknown, value: unknown, size: number): unknown {
  if (typeof old === 'number') return typeof value === 'number' ? value : size;
  if (typeof old === 'boolean') return !old;
  if (typeof old === 'string') return typeof value === 'string' ? value : `${old}${size}`;
  if (Array.isArray(old)) return [...(old as unknown[]), structuredClone(value)];
  return { ...(old as object), [typeof value === 'string' ? value : 'extra']: structuredClone(value) };
}

function nest(value: unknown, depth: number): unknown {
  let nested = value;
  for (let level = 0; level < depth; level += 1) nested = level % 2 === 0 ? [nested] : { a: nested };
  return nested;
}

function makeHuge(value: unknown, size: number): unknown {
  if (typeof value === 'number') return value * 10 ** Math.min(size, 300);
  if (typeof value === 'string') return (value || 'x').repeat(size * 10);
  return Array.from({ length: size * 3 }, () => structuredClone(value)); // a later edit changes one of them
}

function* listPlaces(holder: Record<string, unknown> | unknown[], depth = 0): Generator<Place> {
  if (depth > 12) return;
  for (const [key, value] of Object.entries(holder)) {
    yield { parent: holder, key };
    if (typeof value === 'object' && value !== null)
      yield* listPlaces(value as Record<string, unknown> | unknown[], depth + 1);
  }
}

/** One change to a text: a piece of it is taken out, doubled, or replaced. */
interface TextEdit {
  readonly from: number;
  readonly length: number;
  readonly times: number;
  readonly put: string;
}

/** Valid texts with nothing or a few pieces changed; words are of the text's own language. */
export function mutatedText(samples: readonly string[], words: readonly string[]): fc.Arbitrary<string> {
  const word = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...words) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
  );
  const times = fc.oneof({ weight: 40, arbitrary: fc.nat(4) }, { weight: 1, arbitrary: fc.nat(5_000) });
  const textEdit = fc.record<TextEdit>({ from: fc.nat(5_000), length: fc.nat(12), times, put: word });
  return fc
    .tuple(fc.constantFrom('', ...samples), fc.array(textEdit, { maxLength: 8 }))
    .map(([sample, edits]) => edits.reduce(applyTextEdit, sample));
}

function applyTextEdit(text: string, { from, length, times, put }: TextEdit): string {
  const at = from % (text.length + 1);
  const piece = put === '' ? text.slice(at, at + length) : put;
  return text.slice(0, at) + piece.repeat(times) + text.slice(at + (times === 0 ? length : 0));
}
