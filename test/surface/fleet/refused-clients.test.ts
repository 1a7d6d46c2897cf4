import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { makeTestPki } from '../../support/test-pki.ts';
import { type Answer, ask, openTlsFixture } from '../../unit/api/tls-fixture.ts';

/** As fleet's clients read errors. */
function assertFleets({ status, headers, json }: Answer, code: number, says: RegExp): void {
  const { error } = json as { readonly error?: { readonly code: number; readonly message: string } };
  assert.deepEqual([status, Object.keys(json), error?.code], [code, ['error'], code]);
  assert.match(error?.message ?? '', says);
  assert.equal(headers['server'], 'fleetd/1.0.0 muster/1.2.3');
  assert.equal(headers['content-type'], 'application/json');
}

test("whoever has no certificate that is good is told so in fleet's form on fleet's paths, and nowhere else", async (t) => {
  const fixture = await openTlsFixture(t);
  for (const path of ['/fleet/v1/machines?alt=json', '/v1-alpha/units/a%40b.service', '/fleet/v1', '/']) {
    const answer = await ask(fixture, {}, { path });
    assertFleets(answer, 401, /without a client certificate: expected one of cluster "test"/);
    assert.equal(answer.headers['connection'], 'close');
  }
  const others = await makeTestPki('others');
  fixture.listener.reload({ ...fixture.server, ca: fixture.server.ca + others.ca });
  const theirs = await ask(fixture, await others.issue({ name: 'bob' }), { path: '/fleet/v1/machines' });
  assertFleets(theirs, 403, /of "bob", it is of cluster "others"/);
  for (const path of ['/v1/version', '/fleet/v10', '/v1/version?at=/fleet/v1/machines']) {
    const answer = await ask(fixture, {}, { path });
    assert.deepEqual([answer.status, answer.json['code']], [401, 'UNAUTHENTICATED'], path);
    assert.equal(answer.headers['server'], undefined, path);
  }
  assert.deepEqual(fixture.callers, [], 'nothing was asked of the API');
});

test("whoever asks too often is told in fleet's form when to come again", async (t) => {
  const clock = { ...systemClock, monotonicMs: () => 0 };
  const fixture = await openTlsFixture(t, { clock, requestsPerSecond: 1 });
  const anna = await fixture.pki.issue();
  const path = '/fleet/v1/machines';
  for (let count = 0; count < 2; count += 1) assert.equal((await ask(fixture, anna, { path })).status, 200);
  const refused = await ask(fixture, anna, { path });
  assertFleets(refused, 429, /expected at most 1 a second/);
  assert.equal(refused.headers['retry-after'], '1');
});
