import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkloadDocument } from '../../../src/domain/document.ts';
import { parseUnitDocument } from '../../../src/input/unit-document.ts';

const parse = (name: string, lines: readonly string[]): WorkloadDocument =>
  parseUnitDocument(name, `[Service]\nExecStart=/bin/true\n\n[X-Fleet]\n${lines.join('\n')}\n`, { file: name, line: 1 })
    .document;

type Expected = Partial<WorkloadDocument['placement']> & { readonly global?: boolean };

const accepted: readonly (readonly [what: string, lines: readonly string[], expected: Expected, name?: string])[] = [
  ['nothing', [], {}],
  ['a machine by its whole ID', [`MachineID=${'a'.repeat(32)}`], { machineIds: ['a'.repeat(32)] }],
  ['a machine by 8 digits', ['MachineID=abcdef01'], { machineIds: ['abcdef01'] }],
  ['the first of several machines', ['MachineID=a', 'MachineID=b'], { machineIds: ['a'] }],
  ['the first machine of a line', ['MachineID="a" "b"'], { machineIds: ['a'] }],
  ['a machine before its old name', ['X-ConditionMachineID=old', 'MachineID=new'], { machineIds: ['new'] }],
  ['the old name of a machine', ['X-ConditionMachineID=old'], { machineIds: ['old'] }],
  ['a boot ID, which no machine has', ['X-ConditionMachineBootID=boot'], { machineIds: ['boot'] }],
  [
    'several units to be with',
    ['MachineOf=a.service', 'MachineOf=b.service'],
    { machineOf: ['a.service', 'b.service'] },
  ],
  ['units to be with, on one line', ['MachineOf="a.service" "b.service"'], { machineOf: ['a.service', 'b.service'] }],
  ['the old name of being with', ['X-ConditionMachineOf=a.service'], { machineOf: ['a.service'] }],
  [
    'metadata: keys are ANDed, values of one key ORed, across lines',
    ['MachineMetadata=region=eu', 'MachineMetadata="region=us" "disk=ssd"'],
    {
      labels: [
        { key: 'region', values: ['eu', 'us'] },
        { key: 'disk', values: ['ssd'] },
      ],
    },
  ],
  [
    'metadata with blanks in quotes',
    ['MachineMetadata="a=b c" "d=e"'],
    {
      labels: [
        { key: 'a', values: ['b c'] },
        { key: 'd', values: ['e'] },
      ],
    },
  ],
  [
    'malformed metadata, silently',
    ['MachineMetadata=a', 'MachineMetadata=a=b=c', 'MachineMetadata==x', 'MachineMetadata=x='],
    {},
  ],
  [
    'an empty line, which says nothing',
    ['MachineMetadata=a=b', 'MachineMetadata='],
    { labels: [{ key: 'a', values: ['b'] }] },
  ],
  ['the old name of metadata', ['X-ConditionMachineMetadata=a=b'], { labels: [{ key: 'a', values: ['b'] }] }],
  [
    'globs of conflicts, several on a line',
    ['Conflicts=a*.service b?.service', 'Conflicts=c.service'],
    { conflicts: ['a*.service', 'b?.service', 'c.service'] },
  ],
  ['the old name of conflicts', ['X-Conflicts=a*'], { conflicts: ['a*'] }],
  ['globs of what is replaced', ['Replaces=old@*.service'], { replaces: ['old@*.service'] }],
  ...['true', 'yes', '1', 'on', 't', 'TRUE', 'Yes', 'T'].map(
    (word) => [`global by "${word}"`, [`Global=${word}`], { global: true }] as const,
  ),
  ...['false', 'no', '0', 'off', 'maybe', '2'].map(
    (word) => [`not global by "${word}"`, [`Global=${word}`], {}] as const,
  ),
  ['the last word of being global', ['Global=true', 'Global=no'], {}],
  [
    'global with metadata and conflicts',
    ['Global=true', 'MachineMetadata=a=b', 'Conflicts=x'],
    { global: true, labels: [{ key: 'a', values: ['b'] }], conflicts: ['x'] },
  ],
  [
    'units to be with and conflicts that differ',
    ['MachineOf=a.service', 'Conflicts=b*'],
    { machineOf: ['a.service'], conflicts: ['b*'] },
  ],
  [
    'specifiers',
    ['MachineOf=%p-db@%i.service', 'Conflicts=%p@*.service', 'MachineMetadata=name=%N', 'MachineMetadata=unit=%n'],
    {
      machineOf: ['web-db@7.service'],
      conflicts: ['web@*.service'],
      labels: [
        { key: 'name', values: ['web@7'] },
        { key: 'unit', values: ['web@7.service'] },
      ],
    },
    'web@7.service',
  ],
];
for (const [what, lines, { global = false, ...placement }, name = 'x.service'] of accepted) {
  test(`[X-Fleet] means ${what}`, () => {
    const document = parse(name, lines);
    const nothing = { machineIds: [], machineOf: [], labels: [], conflicts: [], replaces: [] };
    assert.deepEqual(document.placement, { ...nothing, ...placement });
    assert.equal(document.scale.kind === 'global', global);
  });
}

const refused: readonly (readonly [lines: readonly string[], says: RegExp])[] = [
  [['MachineID=a', 'MachineOf=b'], /MachineID with MachineOf/],
  [['MachineID=a', 'Conflicts=b'], /MachineID with Conflicts/],
  [['MachineID=a', 'Global=true'], /MachineID with Global/],
  [['MachineID=a', 'Replaces=b'], /MachineID with Replaces/],
  [['X-ConditionMachineID=a', 'X-Conflicts=b'], /MachineID with Conflicts/],
  [['MachineOf=a', 'Global=true'], /MachineOf with Global/],
  [['Replaces=a', 'Global=1'], /Replaces with Global/],
  [['Conflicts=a', 'Replaces=b'], /Conflicts with Replaces/],
  [['MachineOf=web.service', 'Conflicts=web.*'], /"web.service" in MachineOf with "web\.\*"/],
  [['MachineOf=web.service', 'Replaces=w*'], /"web.service" in MachineOf with "w\*"/],
];
for (const [lines, says] of refused) {
  test(`[X-Fleet] can't say ${lines.join(' and ')}`, () => {
    assert.throws(() => parse('x.service', lines), { code: 'INVALID_INPUT', message: says });
  });
}
