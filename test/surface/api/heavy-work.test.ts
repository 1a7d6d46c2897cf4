import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { BodyBudget } from '../../../src/api/body-budget.ts';
import { socketCaller } from '../../../src/api/caller.ts';
import { openHttp } from '../../../src/wire/http.ts';
import { eventually } from '../../support/eventually.ts';
import type { TestCertificate } from '../../support/test-pki.ts';
import { addNode, type Fixture, makeDocument, node1, openFixture } from '../../unit/api/api-fixture.ts';
import { openTlsFixture, type TlsFixture } from '../../unit/api/tls-fixture.ts';

async function askTogether({ fetch }: Fixture, path: string, count: number): Promise<Record<number, number>> {
  const ask = async () => {
    const answer = await fetch(new Request(`http://muster${path}`), socketCaller);
    const text = await answer.text();
    if (answer.status === 429) {
      assert.equal(answer.headers.get('retry-after'), '1');
      assert.match(text, /"code":"LIMIT"/);
    }
    return answer.status;
  };
  const statuses = await Promise.all(Array.from({ length: count }, ask));
  return Object.fromEntries(
    Object.entries(Object.groupBy(statuses, (status) => status)).map(([status, all = []]) => [status, all.length]),
  );
}

test('so many histories are read at once, whoever asks; one more is told to come again', async (t) => {
  const fixture = await openFixture(t);
  await fixture.client.apply(makeDocument('web'), t.signal);
  assert.deepEqual(await askTogether(fixture, '/v1/workloads/web/history', 11), { 200: 8, 429: 3 });
  assert.deepEqual(await askTogether(fixture, '/v1/workloads/web/history', 1), { 200: 1 });
});

test('so many ask all nodes at once, and a node counts once for all who ask meanwhile', async (t) => {
  let counted = 0;
  const { promise: counting, resolve: release } = Promise.withResolvers<void>();
  const runtime = {
    kind: 'docker' as const,
    logs: () => {
      throw new Error('not used');
    },
    resolveImage: async () => undefined,
    usage: async () => {
      counted += 1;
      await counting;
      return [];
    },
  };
  const fixture = await openFixture(t, [runtime]);
  await addNode(fixture, node1, 'node1');
  const asking = askTogether(fixture, '/v1/stats', 18);
  await eventually('the first to be counted for', 5_000, () => counted === 1);
  const here = askTogether(fixture, '/v1/node/stats', 50);
  release();
  assert.deepEqual(await asking, { 200: 16, 429: 2 });
  assert.deepEqual(await here, { 200: 50 });
  assert.ok(counted <= 16, `${counted} times for 68 who asked`);
});

/** Begins to send a body and stops short of its end. */
async function stall(
  t: TestContext,
  { listener }: TlsFixture,
  { cert, key }: TestCertificate,
  bytes: number,
): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port: listener.port, rejectUnauthorized: false, cert, key });
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  await once(socket, 'secureConnect');
  const head = ['POST /v1/apply HTTP/1.1', 'host: muster', 'content-type: application/json'];
  socket.write([...head, `content-length: ${bytes + 1}`, '', 'x'.repeat(bytes)].join('\r\n'));
  return socket;
}

test('bodies that never end fill the room of their certificate, and nobody else’s', async (t) => {
  const bodies = {
    socket: new BodyBudget({ allBytes: 800_000, clientBytes: 800_000 }),
    tls: new BodyBudget({ allBytes: 800_000, clientBytes: 400_000 }),
  };
  const fixture = await openFixture(t, [], { bodies });
  const tls = await openTlsFixture(t, { api: { fetch: fixture.fetch } });
  const [anna, bob] = [await tls.pki.issue({ name: 'anna' }), await tls.pki.issue({ name: 'bob' })];
  const body = { documents: ['x'.repeat(100_000)] };
  const post = async (certificate: TestCertificate, chars = 100_000) => {
    const http = openHttp({ url: tls.url, ...certificate }, { timeoutMs: 10_000 });
    return http
      .json({ method: 'POST', path: '/v1/apply', body: { documents: ['x'.repeat(chars)] } }, t.signal)
      .then(
        () => 'answered',
        (error: Error) => error.message,
      )
      .finally(() => http.close());
  };
  assert.equal(await post(anna), 'answered');
  await eventually('its room to be given back', 5_000, () => bodies.tls.bytes === 0);
  const stalled = await Promise.all(Array.from({ length: 2 }, async () => stall(t, tls, anna, 199_000)));
  await eventually('their bytes to be held', 10_000, () => bodies.tls.bytes === 398_000);
  assert.equal(await post(anna), 'Cannot answer so many requests: expected bodies of fewer bytes at once');
  assert.equal(bodies.tls.bytes, 398_000, 'of what is refused nothing is held');
  assert.match(await post(anna, 3_000), /fewer bytes/, 'also what is small');
  assert.equal(await post(anna, 1_000), 'answered', 'for which there is room');
  assert.equal(await post(bob), 'answered');
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  assert.equal((await fixture.fetch(new Request('http://muster/v1/apply', init), socketCaller)).status, 200);
  for (const socket of stalled) socket.destroy();
  await eventually('the room to be given back', 10_000, () => bodies.tls.bytes === 0);
  assert.equal(await post(anna), 'answered');
});
