import { didYouMean } from './near-match.ts';
import { quote, refuse } from './refuse.ts';
import type { UnitFile, UnitOption } from './unit-file.ts';

/** One value of an option, and the line it stands on. */
export interface OptionValue {
  readonly value: string;
  readonly line: number;
}

/** The options of muster's own section, or of fleet's, by name. Values are in order; in ours an empty assignment has reset them. */
export interface PlacementOptions {
  readonly section: 'X-Muster' | 'X-Fleet';
  readonly values: ReadonlyMap<string, readonly OptionValue[]>;
  readonly warnings: readonly string[];
}

/** fleet's options: both sections have them, with fleet's meaning. */
const fleetKeys = ['MachineID', 'MachineOf', 'MachineMetadata', 'Conflicts', 'Replaces', 'Global'];
const musterKeys = [
  ...fleetKeys,
  'Replicas',
  'Disconnect',
  'ReplaceAfter',
  'OnReturn',
  'OfflineStart',
  'Reschedule',
  'RescheduleAfter',
  'RescheduleDelay',
  'RescheduleMaxDelay',
  'Memory',
  'CPUs',
  'MoveOrder',
  'Sticky',
  'Launch',
];

/** Names that fleet itself had replaced and went on to read, behind those that replaced them. A boot ID never was a machine's. */
const deprecatedKeys: Readonly<Record<string, readonly string[]>> = {
  MachineID: ['X-ConditionMachineID', 'X-ConditionMachineBootID'],
  MachineOf: ['X-ConditionMachineOf'],
  MachineMetadata: ['X-ConditionMachineMetadata'],
  Conflicts: ['X-Conflicts'],
};

/**
 * Reads `[X-Muster]`; without it, `[X-Fleet]`. An unknown key in ours is an error; in fleet's a warning, as with fleet.
 * Undefined when the unit has neither section.
 */
export function readPlacementOptions(unit: UnitFile, file: string): PlacementOptions | undefined {
  const has = (name: string) => unit.sections.some((section) => section.name === name);
  if (has('X-Muster')) {
    const warnings = has('X-Fleet') ? [`${file}: [X-Fleet] is ignored, as [X-Muster] is there`] : [];
    const values = group(unit, 'X-Muster', (option) => {
      if (musterKeys.includes(option.key)) return option.key;
      const expected = `one of ${musterKeys.join(', ')}${didYouMean(option.key, musterKeys)}`;
      throw refuse(`key ${quote(option.key)} of [X-Muster]`, { file, line: option.line }, expected);
    });
    return { section: 'X-Muster', values, warnings };
  }
  if (!has('X-Fleet')) return undefined;
  const warnings: string[] = [];
  const values = new Map<string, OptionValue[]>();
  const known = [...fleetKeys, ...Object.values(deprecatedKeys).flat()];
  const byKey = group(unit, 'X-Fleet', ({ key, line }) => {
    if (known.includes(key)) return key;
    warnings.push(`${file}:${line}: ${quote(key)} of [X-Fleet] is unknown and ignored`);
    return undefined;
  });
  for (const key of fleetKeys) {
    const all = [key, ...(deprecatedKeys[key] ?? [])].flatMap((name) => byKey.get(name) ?? []);
    if (all.length > 0) values.set(key, all);
  }
  return { section: 'X-Fleet', values, warnings };
}

function group(
  unit: UnitFile,
  section: string,
  keyOf: (option: UnitOption) => string | undefined,
): Map<string, OptionValue[]> {
  const values = new Map<string, OptionValue[]>();
  for (const option of unit.options) {
    if (option.section !== section) continue;
    const key = keyOf(option);
    if (key === undefined) continue;
    if (option.value === '') {
      if (section === 'X-Muster') values.delete(key); // as in systemd's own sections; fleet knew no such thing
    } else {
      const more = splitQuoted(option.value).map((value) => ({ value, line: option.line }));
      values.set(key, [...(values.get(key) ?? []), ...more]);
    }
  }
  return values;
}

/**
 * fleet's lines of several values: `"region=eu" "disk=ssd"`. A line that doesn't begin and end with a quote is one value; within one
 * that does, blanks outside of quotes separate, and quotes are dropped wherever they are.
 */
function splitQuoted(value: string): string[] {
  if (!value.startsWith('"') || !value.endsWith('"')) return [value];
  const parts = value.match(/(?:"[^"]*"?|[^" \t])+/g) ?? [];
  return parts.map((part) => part.replaceAll('"', '')).filter((part) => part !== '');
}
