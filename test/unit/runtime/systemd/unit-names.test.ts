import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InstanceKey } from '../../../../src/domain/ids.ts';
import { safeUnitName, templateOf, typeInterface, unitObjectPath } from '../../../../src/runtime/systemd/unit-names.ts';

const good: readonly (readonly [key: string, unit: string])[] = [
  ['hello.service/0', 'hello.service'],
  ['hello@.service/1', 'hello@1.service'],
  ['a\\x2db.socket/0', 'a\\x2db.socket'],
  ['-.mount/0', '-.mount'],
];
for (const [key, unit] of good) {
  test(`safeUnitName() takes ${key}`, () => {
    assert.equal(safeUnitName(key as InstanceKey), unit);
  });
}

const hostile = [
  '../../etc/cron.d/x.service/0',
  '.hidden.service/0',
  'x.slice/0',
  'x@../../y.service/0',
  'hello@.service/../../x',
  'hello@.service/',
  'a b.service/0',
  'a%n.service/0',
  'a\n.service/0',
  'x\0.service/0',
  `${'x'.repeat(250)}.service/0`,
  'web/0',
];
for (const key of hostile) {
  test(`safeUnitName() refuses ${JSON.stringify(key)}`, () => {
    assert.throws(() => safeUnitName(key as InstanceKey), { code: 'INVALID_INPUT' });
  });
}

test('templateOf() names the template of an instance', () => {
  assert.equal(templateOf('hello@a.b.service'), 'hello@.service');
  assert.equal(templateOf('hello.service'), undefined);
});

test('unitObjectPath() escapes as systemd does', () => {
  const prefix = '/org/freedesktop/systemd1/unit/';
  assert.equal(unitObjectPath('probe.service'), `${prefix}probe_2eservice`);
  assert.equal(unitObjectPath('1a@x-1.service'), `${prefix}_31a_40x_2d1_2eservice`);
  assert.equal(unitObjectPath('a_b\\x2d.mount'), `${prefix}a_5fb_5cx2d_2emount`);
});

test('typeInterface() is that of the unit’s type', () => {
  assert.equal(typeInterface('a.automount'), 'org.freedesktop.systemd1.Automount');
});
