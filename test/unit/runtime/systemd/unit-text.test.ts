import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InstanceKey } from '../../../../src/domain/ids.ts';
import {
  composeEnvironment,
  composeUnitFile,
  installSection,
  isSameUnit,
  type OwnershipRecord,
  parseOwnership,
} from '../../../../src/runtime/systemd/unit-text.ts';

const record: OwnershipRecord = {
  cluster: 'one',
  key: 'hello@.service/1' as InstanceKey,
  specHash: 'abc',
  assignmentRevision: 7,
  disconnect: 'keep',
};
const unit = 'hello@1.service';
const text = '[Service]\nExecStart=/bin/true\n';

test('a unit file keeps the text byte for byte and says whose it is', () => {
  const odd = '\uFEFF# comment\r\n[Service]\r\nExecStart=/bin/echo \\\r\n  "ü"';
  const file = composeUnitFile(record, odd);
  assert.ok(file.includes(`\n${odd}\n`));
  assert.deepEqual(parseOwnership(unit, file), { version: 1, ...record });
});

test('a unit file ends a continued line before our own settings', () => {
  const file = composeUnitFile(record, '[Service]\nExecStart=/bin/true \\');
  assert.match(file, /\\\n\n# Added by muster\n\[Service\]\nEnvironmentFile=-\/run\/muster\/env\/%n\n$/);
});

test('a unit file leaves restarts to systemd in mode keep, to the agent in mode stop', () => {
  assert.ok(!composeUnitFile(record, text).includes('Restart=no'));
  assert.ok(composeUnitFile({ ...record, disconnect: 'stop' }, text).includes('\nRestart=no\n'));
});

const fence = '[Unit]\nRequisite=muster-lease.target\nPartOf=muster-lease.target\nAfter=muster-lease.target\n';

test('a unit file in mode stop binds the unit to the lease and puts its processes where the switch finds them', () => {
  const file = composeUnitFile({ ...record, disconnect: 'stop' }, text);
  const environment = 'EnvironmentFile=-/run/muster/env/%n\n';
  assert.ok(file.endsWith(`# Added by muster\n${fence}[Service]\nSlice=muster-stop.slice\nRestart=no\n${environment}`));
  assert.ok(!composeUnitFile(record, text).includes('muster-lease'));
});

test('a unit file of another type than service gets what its type can have', () => {
  const ownOf = (type: string, disconnect: 'keep' | 'stop') => {
    const other = { ...record, key: `a.${type}/0` as InstanceKey, disconnect };
    return composeUnitFile(other, '[X]\n').split('\n[X]\n')[1];
  };
  for (const type of ['timer', 'path', 'socket']) assert.equal(ownOf(type, 'keep'), '\n');
  for (const type of ['timer', 'path']) assert.equal(ownOf(type, 'stop'), `\n\n# Added by muster\n${fence}`);
  assert.equal(ownOf('socket', 'stop'), `\n\n# Added by muster\n${fence}[Socket]\nSlice=muster-stop.slice\n`);
});

const notOurs: readonly (readonly [why: string, file: string])[] = [
  ['without a record', text],
  ['with a record that is not the first line', `\n${composeUnitFile(record, text)}`],
  ['with a broken record', '# muster: {"cluster":"one"\n'],
  ['with a record that lacks a field', '# muster: {"version":1,"cluster":"one","key":"hello@.service/1"}\n'],
  ['with a record of another name', composeUnitFile({ ...record, key: 'hello@.service/2' as InstanceKey }, text)],
  ['with a record that is no object', '# muster: 3\n'],
  ['that is empty', ''],
];
for (const [why, file] of notOurs) {
  test(`parseOwnership() disowns a file ${why}`, () => {
    assert.equal(parseOwnership(unit, file), undefined);
  });
}

test('isSameUnit() ignores the revision and nothing that systemd reads', () => {
  const file = composeUnitFile(record, text);
  assert.ok(isSameUnit(file, composeUnitFile({ ...record, assignmentRevision: 8 }, text)));
  assert.ok(!isSameUnit(file, composeUnitFile({ ...record, disconnect: 'stop' }, text)));
  assert.ok(!isSameUnit(file, composeUnitFile(record, `${text}\n`)));
});

test('installSection() reads the section as systemd does, and only that', () => {
  const parsed = installSection(
    '[Unit]\nAlias=no\n[Install]\n; x\nWantedBy=a.target \\\n  b.target\nWantedBy = c.service\n# Alias=no\nAlias=d.service\n[Service]\nAlias=no\n',
  );
  assert.deepEqual(Object.fromEntries(parsed ?? []), {
    WantedBy: ['a.target', 'b.target', 'c.service'],
    Alias: ['d.service'],
  });
  assert.equal(installSection('[Unit]\nDescription=[Install]\n#[Install]\n'), undefined);
});

test('composeEnvironment() quotes what would end a value, and leaves out what is no name', () => {
  const value = 'a "b" \\ $HOME `id`\nEVIL=1';
  assert.equal(
    composeEnvironment({ MUSTER_A: value, 'B C': 'x', 'D\n': 'x' }),
    'MUSTER_A="a \\"b\\" \\\\ \\$HOME \\`id\\`\nEVIL=1"\n',
  );
});
