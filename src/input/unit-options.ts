import { didYouMean } from './near-match.ts';
import { quote, refuse } from './refuse.ts';
import type { UnitFile, UnitOption } from './unit-file.ts';

/** One value of an option, and the line it stands on. */
export interface OptionValue {
  readonly value: string;
  readonly line: number;
}

/** The options of muster's own section, or of fleet's, by name. Values are in order; an empty assignment has reset them. */
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
];

/** Names that fleet itself had replaced and went on to read. */
const deprecatedKeys: ReadonlyMap<string, string> = new Map([
  ['X-ConditionMachineID', 'MachineID'],
  ['X-ConditionMachineOf', 'MachineOf'],
  ['X-ConditionMachineMetadata', 'MachineMetadata'],
  ['X-Conflicts', 'Conflicts'],
]);

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
  const values = group(unit, 'X-Fleet', (option) => {
    const key = deprecatedKeys.get(option.key) ?? option.key;
    if (fleetKeys.includes(key)) return key;
    warnings.push(`${file}:${option.line}: ${quote(option.key)} of [X-Fleet] is unknown and ignored`);
    return undefined;
  });
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
    if (option.value === '') values.delete(key);
    else {
      const more = splitQuoted(option.value).map((value) => ({ value, line: option.line }));
      values.set(key, [...(values.get(key) ?? []), ...more]);
    }
  }
  return values;
}

/** fleet's lines of several values: `"region=eu" "disk=ssd"`. A line that isn't quoted throughout is one value. */
function splitQuoted(value: string): string[] {
  if (!/^"[^"]*"(\s+"[^"]*")*$/.test(value)) return [value];
  return [...value.matchAll(/"([^"]*)"/g)].map(([, part]) => part ?? '').filter((part) => part !== '');
}
