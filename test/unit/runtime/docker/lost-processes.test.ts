import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controlGroupsOf } from '../../../../src/runtime/docker/lost-processes.ts';

const id = 'ab'.repeat(32);
const cases: [name: string, parent: string | undefined, groups: readonly string[]][] = [
  ['a slice below another', 'muster-stop.slice', [`/muster.slice/muster-stop.slice/docker-${id}.scope`]],
  ['a path', '/muster.slice/muster-stop.slice', [`/muster.slice/muster-stop.slice/${id}`]],
  ['a path without a slash', 'team', [`/team/${id}`]],
  ['no parent', undefined, [`/system.slice/docker-${id}.scope`, `/docker/${id}`]],
  ['an empty parent', '', [`/system.slice/docker-${id}.scope`, `/docker/${id}`]],
];
for (const [name, parent, groups] of cases) {
  test(`controlGroupsOf() finds those of a container with ${name}`, () => {
    const host = parent === undefined ? {} : { HostConfig: { CgroupParent: parent } };
    assert.deepEqual(controlGroupsOf({ Id: id, State: { Status: 'exited' }, ...host }), groups);
  });
}

test('controlGroupsOf() makes no path of what is no ID', () => {
  assert.deepEqual(controlGroupsOf({ Id: '../../', State: { Status: 'exited' } }), []);
});
