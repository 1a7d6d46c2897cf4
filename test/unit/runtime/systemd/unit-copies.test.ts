import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { InstanceKey } from '../../../../src/domain/ids.ts';
import { UnitStore } from '../../../../src/runtime/systemd/unit-store.ts';
import { composeUnitFile, type OwnershipRecord } from '../../../../src/runtime/systemd/unit-text.ts';

const unit = 'a.service';
const record: OwnershipRecord = {
  cluster: 'one',
  key: 'a.service/0' as InstanceKey,
  specHash: 'h',
  assignmentRevision: 1,
  disconnect: 'keep',
};
const ours = composeUnitFile(record, '[Service]\nExecStart=/bin/true\n');

function machine(context: TestContext) {
  const root = mkdtempSync(join(tmpdir(), 'muster-copies-'));
  context.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, 'run/systemd/system'), { recursive: true });
  const putBack: string[] = [];
  const open = () => new UnitStore(root, (one) => putBack.push(one));
  const store = open();
  store.create(unit, ours);
  return { path: join(root, 'run/systemd/system', unit), store, open, putBack, root };
}

test('a unit file that was removed by hand is put back and told of, once', (context) => {
  const { path, store, putBack } = machine(context);
  store.list();
  rmSync(path);
  assert.equal(store.list().get(unit)?.specHash, 'h');
  store.list();
  assert.equal(readFileSync(path, 'utf8'), ours);
  assert.deepEqual(putBack, [unit]);
});

test('also by an agent that was started since', (context) => {
  const { path, open, putBack } = machine(context);
  rmSync(path);
  assert.equal(open().list().get(unit)?.key, record.key);
  assert.equal(readFileSync(path, 'utf8'), ours);
  assert.deepEqual(putBack, [unit]);
});

test('a unit file that was removed with the instance stays away', (context) => {
  const { path, store, open, putBack } = machine(context);
  store.list();
  store.remove(unit);
  assert.equal(store.list().size, 0);
  assert.equal(open().list().size, 0);
  assert.ok(!existsSync(path));
  assert.deepEqual(putBack, []);
});

test('a unit file that was changed by hand is known to be, until it is replaced', (context) => {
  const { path, store } = machine(context);
  store.list();
  assert.equal(store.isEdited(unit), false);
  writeFileSync(path, `${ours}# more\n`);
  assert.equal(store.isEdited(unit), true);
  assert.equal(store.list().get(unit)?.key, record.key);
  store.replace(unit, ours);
  assert.equal(store.isEdited(unit), false);
});

test('a file that somebody wrote over ours is not replaced, and what we started is known to be ours', (context) => {
  const { path, store, open } = machine(context);
  const theirs = '[Service]\nExecStart=/bin/false\n';
  writeFileSync(path, theirs);
  const later = open();
  assert.equal(later.list().get(unit)?.key, record.key);
  assert.equal(later.isEdited(unit), true);
  assert.equal(later.read(unit), undefined, 'the file is theirs');
  assert.equal(later.record(unit)?.key, record.key);
  store.remove(unit);
  assert.equal(readFileSync(path, 'utf8'), theirs);
  assert.equal(open().list().size, 0);
});

test('an agent that finds unit files without copies makes them', (context) => {
  const { path, root, open } = machine(context);
  rmSync(join(root, 'run/muster/units'), { recursive: true });
  open().list();
  rmSync(path);
  assert.equal(open().list().size, 1);
});

test('a copy that makes no sense is dropped', (context) => {
  const { path, root, open } = machine(context);
  writeFileSync(join(root, 'run/muster/units', unit), 'garbage');
  rmSync(path);
  assert.equal(open().list().size, 0);
  assert.ok(!existsSync(path));
});
