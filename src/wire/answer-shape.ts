import * as v from 'valibot';

/** A field that may be absent. */
type Optional<T> = v.ExactOptionalSchema<v.GenericSchema<T>, undefined>;

/** A schema for each field of an answer, none left out and none too many: a field that's added to it doesn't compile before it's here. */
type Fields<T> = {
  readonly [K in keyof T]-?: Record<never, never> extends Pick<T, K>
    ? Optional<Exclude<T[K], undefined>>
    : v.GenericSchema<T[K]>;
};

/** The schema of an answer's type. Strict, so that tests see what it doesn't name; documents say that more may come. */
export function shape<T extends object>(fields: Fields<T>): v.GenericSchema<T> {
  return v.strictObject(fields as v.ObjectEntries) as unknown as v.GenericSchema<T>;
}

/** A field that may be absent. */
export function optional<T>(schema: v.GenericSchema<T>): Optional<T> {
  return v.exactOptional(schema);
}

/** Any number of them. */
export function list<T>(schema: v.GenericSchema<T>): v.GenericSchema<readonly T[]> {
  return v.array(schema);
}

/** A text whose form its type vouches for. */
export function id<T extends string>(): v.GenericSchema<T> {
  return v.string() as unknown as v.GenericSchema<T>;
}

/** A text of a few. */
export function oneOf<const T extends string>(...values: readonly T[]): v.GenericSchema<T> {
  return v.picklist(values) as unknown as v.GenericSchema<T>;
}

export const text: v.GenericSchema<string> = v.string();
export const flag: v.GenericSchema<boolean> = v.boolean();
/** A whole number that isn't negative. */
export const count: v.GenericSchema<number> = v.pipe(v.number(), v.integer(), v.minValue(0));
export const amount: v.GenericSchema<number> = v.number();
export const texts: v.GenericSchema<readonly string[]> = v.array(v.string());
export const textMap: v.GenericSchema<Readonly<Record<string, string>>> = v.record(v.string(), v.string());
/** ISO 8601. */
export const time: v.GenericSchema<string> = v.string();
