import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { InstanceKey } from '../../../../src/domain/ids.ts';
import { UnitStore } from '../../../../src/runtime/systemd/unit-store.ts';
import { composeUnitFile, type OwnershipRecord } from '../../../../src/runtime/systemd/unit-text.ts';

const unitDir = 'run/systemd/system';
const unit = 'a.service';
const record: OwnershipRecord = {
  cluster: 'one',
  key: 'a.service/0' as InstanceKey,
  specHash: 'h',
  assignmentRevision: 1,
  disconnect: 'keep',
};
const ours = composeUnitFile(record, '[Service]\n');

function machine(context: TestContext): { readonly root: string; readonly store: UnitStore } {
  const root = mkdtempSync(join(tmpdir(), 'muster-store-'));
  context.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, unitDir), { recursive: true });
  mkdirSync(join(root, 'etc/systemd/system'), { recursive: true });
  return { root, store: new UnitStore(root) };
}

test('a store sees no systemd where its folder is missing', (context) => {
  const { root, store } = machine(context);
  assert.equal(store.isBooted(), true);
  rmSync(join(root, unitDir), { recursive: true });
  assert.equal(store.isBooted(), false);
  assert.equal(store.list().size, 0);
});

test('a store finds again what an earlier one created', (context) => {
  const { root, store } = machine(context);
  assert.equal(store.create(unit, ours), true);
  assert.equal(store.list().get(unit)?.specHash, 'h');
  const later = new UnitStore(root);
  assert.equal(later.list().get(unit)?.key, 'a.service/0');
  assert.equal(later.read(unit)?.content, ours);
  assert.equal(statSync(join(root, unitDir, unit)).mode & 0o777, 0o644);
  assert.deepEqual(readdirSync(join(root, unitDir)), [unit]);
});

test('a store never replaces a file by creating one', (context) => {
  const { root, store } = machine(context);
  writeFileSync(join(root, unitDir, unit), 'theirs');
  assert.equal(store.create(unit, ours), false);
  assert.equal(readFileSync(join(root, unitDir, unit), 'utf8'), 'theirs');
  assert.equal(store.read(unit), undefined);
  assert.equal(store.list().size, 0);
  assert.deepEqual(readdirSync(join(root, unitDir)), [unit]);
});

test('a store follows no link, neither to read nor to write', (context) => {
  const { root, store } = machine(context);
  writeFileSync(join(root, 'target'), ours);
  symlinkSync(join(root, 'target'), join(root, unitDir, unit));
  assert.equal(store.read(unit), undefined);
  assert.equal(store.list().size, 0);
  rmSync(join(root, unitDir, unit));
  symlinkSync(join(root, 'target'), join(root, unitDir, `.${unit}.muster`)); // where it writes first
  assert.equal(store.create(unit, ours.replace('"h"', '"new"')), true);
  assert.equal(readFileSync(join(root, 'target'), 'utf8'), ours);
});

test('a store goes on from a half-written file that a crash left', (context) => {
  const { root, store } = machine(context);
  writeFileSync(join(root, unitDir, `.${unit}.muster`), '# mus');
  assert.equal(store.list().size, 0);
  assert.equal(store.create(unit, ours), true);
  assert.deepEqual(readdirSync(join(root, unitDir)), [unit]);
});

test('a store notices what it removed and replaced', (context) => {
  const { root, store } = machine(context);
  store.create(unit, ours);
  assert.equal(store.list().size, 1);
  store.replace(unit, composeUnitFile({ ...record, disconnect: 'stop' }, '[Service]\n'));
  assert.equal(store.list().get(unit)?.disconnect, 'stop');
  store.remove(unit);
  assert.equal(store.list().size, 0);
  assert.deepEqual(readdirSync(join(root, 'run/muster/units')), []);
});

test('a store removes everything that belongs to a unit', (context) => {
  const { root, store } = machine(context);
  store.create(unit, ours);
  store.writeEnvironment(unit, { A: 'b' });
  store.markStarted(unit);
  assert.equal(readFileSync(join(root, 'run/muster/env', unit), 'utf8'), 'A="b"\n');
  assert.equal(statSync(join(root, 'run/muster/env', unit)).mode & 0o777, 0o600);
  store.remove(unit);
  store.remove(unit);
  assert.ok(!existsSync(join(root, unitDir, unit)));
  assert.deepEqual(readdirSync(join(root, 'run/muster/env')), []);
  assert.equal(store.wasStarted(unit), false);
});

test('a store remembers across restarts that a unit was started', (context) => {
  const { root, store } = machine(context);
  store.markStarted(unit);
  assert.equal(new UnitStore(root).wasStarted(unit), true);
  store.clearStarted(unit);
  assert.equal(store.wasStarted(unit), false);
  assert.equal(new UnitStore(root).wasStarted(unit), false);
});

test('a store does not take what is up for started where it was stopped or only installed, across restarts too', (context) => {
  const { root, store } = machine(context);
  store.clearStarted(unit);
  for (const each of [store, new UnitStore(root)]) {
    each.markSeenUp(unit);
    assert.equal(each.wasStarted(unit), false);
  }
  store.expectStart(unit);
  store.markSeenUp(unit);
  assert.equal(store.wasStarted(unit), true);
  store.remove(unit);
  assert.deepEqual(readdirSync(join(root, 'run/muster/unstarted')), []);
});

const folders = ['/etc/systemd/system', '/run/systemd/system'];
const foreign: readonly (readonly [what: string, path: string, unit: string])[] = [
  ['a unit', 'etc/systemd/system/a.service', 'a.service'],
  ['a unit in our own folder', 'run/systemd/system/a.service', 'a.service'],
  ['the template of an instance', 'etc/systemd/system/a@.service', 'a@1.service'],
];
for (const [what, path, name] of foreign) {
  test(`a store names the file by which the host has ${what}`, (context) => {
    const { root, store } = machine(context);
    assert.equal(store.foreignPath(name, folders), undefined);
    writeFileSync(join(root, path), '[Service]\n');
    assert.equal(store.foreignPath(name, folders), `/${path}`);
  });
}

test('a store takes a masked unit for the host’s, and its own for its own', (context) => {
  const { root, store } = machine(context);
  store.create(unit, ours);
  assert.equal(store.foreignPath(unit, folders), undefined);
  symlinkSync('/dev/null', join(root, 'etc/systemd/system', unit));
  assert.equal(store.foreignPath(unit, folders), `/etc/systemd/system/${unit}`);
});

test('touching the folder changes its time, however fast after a change', (context) => {
  const { root, store } = machine(context);
  const before = statSync(join(root, unitDir), { bigint: true }).mtimeNs;
  store.touchFolder();
  assert.ok(statSync(join(root, unitDir), { bigint: true }).mtimeNs > before);
});
