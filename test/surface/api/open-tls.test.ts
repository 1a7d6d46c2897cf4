import assert from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { request } from 'node:https';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { eventually } from '../../support/eventually.ts';
import { makeTestPki, type TestCertificate } from '../../support/test-pki.ts';
import { ask, openTlsFixture, serverName } from '../../unit/api/tls-fixture.ts';

test('a certificate of the cluster gives its holder their role and name', async (t) => {
  const fixture = await openTlsFixture(t);
  for (const role of ['viewer', 'operator', 'node'] as const) {
    const name = role === 'node' ? '2'.repeat(32) : `some-${role}`;
    assert.equal((await ask(fixture, await fixture.pki.issue({ role, name }))).status, 200);
    assert.deepEqual(fixture.callers.at(-1), { via: 'tls', role, name });
  }
});

test('only an agent is believed on whose behalf it asks', async (t) => {
  const fixture = await openTlsFixture(t);
  const headers = { 'muster-on-behalf-of': 'anna', 'muster-on-behalf-role': 'viewer' };
  await ask(fixture, await fixture.pki.issue({ role: 'operator', name: 'bob' }), { headers });
  assert.deepEqual(fixture.callers.at(-1), { via: 'tls', role: 'operator', name: 'bob' });
  await ask(fixture, await fixture.pki.issue({ role: 'node', name: '2'.repeat(32) }), { headers });
  assert.deepEqual(fixture.callers.at(-1)?.onBehalfOf, { name: 'anna', role: 'viewer' });
});

test('whoever has no certificate that is good is told why, in problem details, and logged', async (t) => {
  const fixture = await openTlsFixture(t);
  const { pki } = fixture;
  const hour = 3_600_000;
  const other = await makeTestPki('test');
  const others = await makeTestPki('others');
  const cases: readonly [
    name: string,
    certificate: Partial<TestCertificate>,
    status: number,
    code: string,
    says: RegExp,
  ][] = [
    ['none', {}, 401, 'UNAUTHENTICATED', /without a client certificate: expected one of cluster "test"/],
    [
      'of another CA',
      await other.issue({ name: 'mallory' }),
      401,
      'UNAUTHENTICATED',
      /of "mallory", it is not signed by the CA of cluster "test"/,
    ],
    [
      'expired',
      await pki.issue({ now: new Date(Date.now() - hour), lifetimeMs: hour / 2 }),
      401,
      'UNAUTHENTICATED',
      /of "anna", it has expired/,
    ],
    [
      'not valid yet',
      await pki.issue({ now: new Date(Date.now() + hour) }),
      401,
      'UNAUTHENTICATED',
      /of "anna", it is not valid yet/,
    ],
    ['of another cluster and its CA', await others.issue(), 401, 'UNAUTHENTICATED', /not signed by the CA/],
    ['the CA itself', { cert: pki.ca, key: pki.caKey }, 401, 'UNAUTHENTICATED', /Cannot accept/],
  ];
  for (const [name, certificate, status, code, says] of cases) {
    const answer = await ask(fixture, certificate);
    assert.equal(answer.status, status, name);
    assert.equal(answer.headers['content-type'], 'application/problem+json', name);
    assert.equal(answer.headers['connection'], 'close', name);
    assert.equal(answer.json['code'], code, name);
    assert.match(String(answer.json['detail']), says, name);
    const line = fixture.lines.at(-1);
    assert.deepEqual(
      [line?.level, line?.message, line?.fields['client']],
      ['warn', 'client refused', '127.0.0.1'],
      name,
    );
    assert.match(String(line?.fields['reason']), says, name);
  }
  assert.deepEqual(fixture.callers, [], 'nothing was asked of the API');
});

test('a certificate of another cluster, or with no role, is forbidden also where its CA is believed', async (t) => {
  const fixture = await openTlsFixture(t);
  const others = await makeTestPki('others');
  fixture.listener.reload({ ...fixture.server, ca: fixture.server.ca + others.ca });
  const answer = await ask(fixture, await others.issue({ name: 'bob' }));
  assert.equal(answer.status, 403);
  assert.match(String(answer.json['detail']), /of "bob", it is of cluster "others": expected one of cluster "test"/);
});

test('a body that nobody may send is not read, and the refusal arrives', async (t) => {
  const fixture = await openTlsFixture(t);
  const answer = await new Promise<number>((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: fixture.listener.port,
        method: 'POST',
        path: '/v1/apply',
        rejectUnauthorized: false,
        agent: false,
      },
      (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      },
    );
    sent.on('error', reject);
    sent.end(Buffer.alloc(1_000_000));
  });
  assert.equal(answer, 401);
});

test('nothing but TLS is spoken on the port', async (t) => {
  const fixture = await openTlsFixture(t);
  const broken = new Promise<string>((resolve) => {
    httpRequest({ host: '127.0.0.1', port: fixture.listener.port, path: '/v1/version' })
      .on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
      .on('response', () => resolve('answered'))
      .end();
  });
  assert.match(await broken, /ECONNRESET|HPE/);
  await eventually('the connection to be gone', 5_000, () => fixture.listener.connections === 0);
});

test('a connection whose upgrade is refused is closed, also where its client would keep it', async (t) => {
  const fixture = await openTlsFixture(t);
  const { cert, key } = await fixture.pki.issue();
  const options = { host: '127.0.0.1', port: fixture.listener.port, cert, key, rejectUnauthorized: false };
  const kept = { allowHalfOpen: true };
  const socket = connect({ ...options, ...kept }, () => {
    socket.write('GET /v1/x HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
  });
  t.after(() => socket.destroy());
  let heard = '';
  socket
    .on('error', () => {})
    .on('data', (data) => {
      heard += data.toString();
    });
  await eventually('the refusal', 5_000, () => heard.endsWith('}'));
  await eventually('the connection to be gone', 5_000, () => fixture.listener.connections === 0);
  assert.match(heard, /^HTTP\/1\.1 500 /);
});

test('TLS before 1.2 is refused, and a session is never resumed', async (t) => {
  const fixture = await openTlsFixture(t);
  const { cert, key } = await fixture.pki.issue();
  const options = { host: '127.0.0.1', port: fixture.listener.port, cert, key, rejectUnauthorized: false };
  const old = await new Promise<string>((resolve) => {
    const socket = connect(
      { ...options, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
      () => resolve('connected'),
    );
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
  assert.notEqual(old, 'connected');
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const open = async (offered?: Buffer) =>
      new Promise<{ session: Buffer | undefined; reused: boolean }>((resolve, reject) => {
        let session: Buffer | undefined;
        let reused = false;
        const socket = connect({ ...options, maxVersion, ...(offered === undefined ? {} : { session: offered }) });
        socket.on('session', (each) => {
          session = each;
        });
        socket.on('error', reject);
        socket.on('secureConnect', () => {
          session ??= socket.getSession();
          reused = socket.isSessionReused();
          socket.write('GET /v1/version HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
        });
        socket.resume().on('close', () => resolve({ session, reused }));
      });
    const first = await open();
    assert.equal((await open(first.session)).reused, false, maxVersion);
  }
});

test('no connection can show a second certificate after its first', async (t) => {
  const fixture = await openTlsFixture(t);
  const { cert, key } = await fixture.pki.issue({ role: 'viewer', name: 'vera' });
  const { port } = fixture.listener;
  const renegotiate = async () =>
    new Promise<string>((resolve) => {
      const options = { host: '127.0.0.1', port, cert, key, rejectUnauthorized: false, maxVersion: 'TLSv1.2' } as const;
      const socket = connect(options, () => {
        socket.renegotiate({}, (error) => {
          resolve(error?.message ?? 'renegotiated');
          socket.destroy();
        });
      });
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    });
  assert.equal(await renegotiate(), 'ERR_SSL_NO_RENEGOTIATION');
  fixture.listener.reload(await fixture.pki.issue({ role: 'node', name: serverName }));
  assert.equal(await renegotiate(), 'ERR_SSL_NO_RENEGOTIATION', 'with a new certificate neither');
});

test('a connection ends with its certificate, what goes on over it too', async (t) => {
  let endless: (() => void) | undefined;
  const api = {
    fetch: () =>
      new Response(
        new ReadableStream({
          start: (controller) => {
            controller.enqueue(Buffer.from('one\n'));
            endless = () => controller.close();
          },
        }),
      ),
    open: 0,
    upgrade: async () => {},
    close: () => {},
  };
  const fixture = await openTlsFixture(t, { api });
  const short = await fixture.pki.issue({ lifetimeMs: 2_500 });
  const ended = await new Promise<string>((resolve, reject) => {
    request(
      {
        host: '127.0.0.1',
        port: fixture.listener.port,
        path: '/',
        rejectUnauthorized: false,
        agent: false,
        cert: short.cert,
        key: short.key,
      },
      (response) => {
        response.on('data', () => {});
        response.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
        response.on('end', () => resolve('end'));
      },
    )
      .on('error', reject)
      .end();
  });
  assert.equal(ended, 'ECONNRESET');
  endless?.();
});

test('a certificate that ends between two requests of one connection is refused with the second', async (t) => {
  let nowMs = Date.now();
  const clock = { ...systemClock, wallTime: () => new Date(nowMs), after: () => () => {} };
  const fixture = await openTlsFixture(t, { clock });
  const { cert, key } = await fixture.pki.issue({ lifetimeMs: 60_000 });
  const { Agent } = await import('node:https');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  assert.equal((await ask(fixture, { cert, key }, { agent })).status, 200);
  nowMs += 3_600_000; // long after its minute: making the certificates may take seconds, and the clock stood still meanwhile
  const second = await ask(fixture, { cert, key }, { agent });
  assert.equal(second.status, 401);
  assert.match(String(second.json['detail']), /has expired/);
});

test('a new certificate is shown to new connections, and one CA after another is believed', async (t) => {
  const fixture = await openTlsFixture(t);
  const { cert, key } = await fixture.pki.issue();
  const shown = async () =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(
        { host: '127.0.0.1', port: fixture.listener.port, cert, key, rejectUnauthorized: false },
        () => {
          resolve(socket.getPeerX509Certificate()?.fingerprint256 ?? '');
          socket.destroy();
        },
      );
      socket.on('error', reject);
    });
  const first = await shown();
  const next = await fixture.pki.issue({ role: 'node', name: serverName });
  fixture.listener.reload(next);
  assert.notEqual(await shown(), first);
  const other = await makeTestPki('test');
  const theirs = await other.issue({ name: 'bob' });
  assert.equal((await ask(fixture, theirs)).status, 401);
  fixture.listener.reload({ ...next, ca: next.ca + other.ca });
  assert.equal((await ask(fixture, theirs)).status, 200);
  fixture.listener.reload({ ...(await other.issue({ role: 'node', name: serverName })) });
  assert.equal((await ask(fixture, { cert, key })).status, 401, 'the old CA is no longer believed');
});

test('whoever asks too often is told when to come again, others are served', async (t) => {
  let nowMs = 0;
  const clock = { ...systemClock, monotonicMs: () => nowMs };
  const fixture = await openTlsFixture(t, { clock, requestsPerSecond: 5 });
  const [anna, bob] = [await fixture.pki.issue(), await fixture.pki.issue({ name: 'bob' })];
  for (let count = 0; count < 10; count += 1) assert.equal((await ask(fixture, anna)).status, 200);
  const refused = await ask(fixture, anna);
  assert.equal(refused.status, 429);
  assert.equal(refused.headers['retry-after'], '1');
  assert.match(String(refused.json['detail']), /expected at most 5 a second/);
  assert.equal((await ask(fixture, bob)).status, 200);
  nowMs += 200;
  assert.equal((await ask(fixture, anna)).status, 200);
  assert.equal((await ask(fixture, anna)).status, 429);
});
