import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterId, InstanceKey } from '../../../../src/domain/ids.ts';
import { findStopGroup } from '../../../../src/runtime/docker/cgroup-parent.ts';
import type { Engine } from '../../../../src/runtime/docker/engine.ts';
import { makeContainerBody } from '../../../../src/runtime/docker/make-container-body.ts';
import { makeContainerSpec } from '../../../support/container-spec.ts';

const { signal } = new AbortController();

function engineSaying(status: number, body: object, message = ''): Pick<Engine, 'call'> {
  return { call: async () => ({ status, body, message }) };
}

test('stop containers live below the slice, in the form that the daemon takes', async () => {
  const of = (CgroupDriver: string, path?: string) => findStopGroup(engineSaying(200, { CgroupDriver }), path, signal);
  assert.equal(await of('systemd'), 'muster-stop.slice');
  assert.equal(await of('systemd', '/other'), 'muster-stop.slice');
  assert.equal(await of('cgroupfs'), '/muster.slice/muster-stop.slice');
  assert.equal(await of('cgroupfs', '/other'), '/other');
});

test('a stop container is not made where no driver is known that would put it there', async () => {
  const none = findStopGroup(engineSaying(200, { CgroupDriver: 'none' }), undefined, signal);
  await assert.rejects(none, { code: 'UNAVAILABLE', message: /it is "none"/ });
  const failing = findStopGroup(engineSaying(500, {}, 'broken'), undefined, signal);
  await assert.rejects(failing, { code: 'UNAVAILABLE', message: /broken/ });
});

test('a container has a parent only where one is given', () => {
  const run = makeContainerSpec('busybox:1', ['true']);
  const key = 'web/0' as InstanceKey;
  const order = { key, run, specHash: 'h', disconnect: 'stop', assignmentRevision: 1, environment: {} } as const;
  const hostConfig = (parent?: string) => {
    const body = makeContainerBody('one' as ClusterId, order, run, parent);
    return (body as { HostConfig: Readonly<Record<string, unknown>> }).HostConfig;
  };
  assert.equal(hostConfig('muster-stop.slice')['CgroupParent'], 'muster-stop.slice');
  assert.ok(!('CgroupParent' in hostConfig()));
});
