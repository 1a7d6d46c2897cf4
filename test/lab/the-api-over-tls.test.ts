import assert from 'node:assert/strict';
import { request } from 'node:https';
import type { InstancesAnswer } from '../../src/wire/answers.ts';
import { eventually } from '../support/eventually.ts';
import { readResponse } from '../support/read-response.ts';
import { makeTestPki } from '../support/test-pki.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import { Laptop, type Pem } from './scenario/laptop.ts';
import { issueOperator, pkiFolder, serveTls, serveTlsNoMore } from './scenario/serve-tls.ts';
import { sleeper } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

/** Short enough to see certificates renewed, long enough for a busy machine. */
const lifetime = '45s';
/** Says this word again and again. */
const talkerOf = (word: string) =>
  sleeper(['ExecStart=', `ExecStart=/bin/sh -c 'n=0; while sleep 0.2; do n=$((n+1)); echo ${word} $n; done'`]);
const talker = 'talker.service';
const spread = 'spread@.service';

/** What the port answers to whoever shows this, if it answers. */
async function answerTo(
  node: LabNode,
  pem: Partial<Pem>,
  method = 'GET',
  path = '/v1/nodes',
): Promise<{ status: number; detail: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; detail: string }>();
  const files = pem.cert === undefined || pem.key === undefined ? {} : { cert: pem.cert, key: pem.key };
  const options = { host: node.address, port: 2773, method, path, rejectUnauthorized: false, agent: false, ...files };
  const sent = request(options, (response) => {
    readResponse(response).then((text) => {
      const { detail = '' } = JSON.parse(text || '{}') as { detail?: string };
      resolve({ status: response.statusCode ?? 0, detail });
    }, reject);
  });
  sent.on('error', reject).end();
  return promise;
}

async function seeRefusals(cluster: Cluster, node: LabNode): Promise<void> {
  const bob = await issueOperator(cluster, 'bob', ['--role', 'viewer', '--lifetime', '1h']);
  const eve = await issueOperator(cluster, 'eve', ['--lifetime', '1s']);
  const stranger = await (await makeTestPki(cluster.lab.clusterId)).issue({ name: 'mallory' });
  await eventually('her certificate to end', 10_000, async () => (await answerTo(node, eve)).status === 401);
  const cases: readonly (readonly [name: string, pem: Partial<Pem>, status: number, says: RegExp])[] = [
    ['none', {}, 401, /without a client certificate/],
    ['of another CA', stranger, 401, /of "mallory", it is not signed by the CA/],
    ['expired', eve, 401, /of "eve", it has expired/],
  ];
  for (const [name, pem, status, says] of cases) {
    const answer = await answerTo(node, pem);
    assert.equal(answer.status, status, name);
    assert.match(answer.detail, says, name);
  }
  assert.equal((await answerTo(node, bob)).status, 200);
  const tooLow = await answerTo(node, bob, 'POST', '/v1/workloads/talker.service/stop');
  assert.equal(tooLow.status, 403);
  assert.match(tooLow.detail, /as viewer "bob": expected the role operator/);
  await eventually('the refusals in the log', 10_000, async () => {
    const lines = await node.journal('muster.service', { boot: true });
    return ['without a client certificate', 'mallory', 'it has expired', 'as viewer'].every((each) =>
      lines.includes(each),
    );
  });
}

/** Certificates are shown, renewed, and made for a key that never left its machine. */
async function seeCertificates(signer: LabNode, other: LabNode): Promise<void> {
  const dir = ['--dir', pkiFolder];
  const key = `${pkiFolder}/carol-key.pem`;
  const { stdout: input } = await other.run(['muster', 'pki', 'request', '--key', key]);
  const sign = ['muster', 'pki', 'sign', '-', '--role', 'viewer', '--name', 'carol', '--lifetime', '1h', ...dir];
  await signer.writeFile(`${pkiFolder}/carol.pem`, (await signer.run(sign, { input })).stdout);
  await signer.run(['muster', 'pki', 'renew', `${pkiFolder}/carol.pem`, '--lifetime', '2h', ...dir]);
  const { stdout } = await signer.run(['muster', 'pki', 'show', `${pkiFolder}/carol.pem`]);
  assert.match(stdout, /^Role: +viewer\nName: +carol\n/m);
}

/** What reads works from elsewhere as on a node, wherever the instance runs. */
async function seeAllFromAfar(laptop: Laptop, node: LabNode): Promise<void> {
  const reads: readonly (readonly [args: readonly string[], says: RegExp])[] = [
    [['ls'], /^talker\.service /m],
    [['inspect', talker], /talker\.service/],
    [['explain', talker], /^talker\.service: run/m],
    [['history', talker], / placed /],
    [['events', talker, '--since', '10m'], / workload\.applied /],
    [['logs', talker, '-n', '2'], /line \d+$/m],
    [['exec', talker, '--', 'echo', 'from afar'], /^from afar$/m],
    [['top', '--once'], /^talker\.service /m],
    [['node', 'inspect', node.name], /^Node: /m],
    [['node', 'label', node.name, 'rack=a'], /labels set: rack=a/],
    [['status'], /^Nodes: +3 up$/m],
    [['context', 'ls'], /^lab +yes +\S+ +operator anna +https:/m],
  ];
  await Promise.all(reads.map(async ([args, says]) => laptop.mustSay(args, says)));
  await laptop.mustSay(['node', 'ls', '--label', 'rack=a'], new RegExp(`^${node.name} `, 'm'));
}

/** What goes on until it is ended, and what needs a terminal. */
async function seeSessions(laptop: Laptop): Promise<void> {
  const shell = laptop.inTerminal(
    'exec',
    '-it',
    'spread@1.service',
    '--',
    'sh',
    '-c',
    'stty size; read word; echo "got $word"; exit 7',
  );
  const top = laptop.inTerminal('top');
  await Promise.all([
    (async () => {
      await Laptop.see(shell, /^24 80\r?$/m);
      shell.type('typed\r');
      assert.equal(await shell.ended, 7, shell.shown());
      assert.match(shell.shown(), /^got typed\r?$/m);
    })(),
    (async () => {
      await Laptop.see(top, /talker\.service .*[KM]iB/);
      assert.ok(top.shown().includes('\u001b[?1049h'), 'a screen of its own');
      top.type('q');
      assert.equal(await top.ended, 0, top.shown());
    })(),
  ]);
}

/** What changes something says how it goes on until all is as it was told, wherever that is. */
async function seeChangesFromAfar(cluster: Cluster, laptop: Laptop): Promise<void> {
  const home = (await cluster.awaitRunning(talker, 1))[0]?.node?.hostname;
  await Promise.all([
    laptop.mustSay(
      ['scale', `${spread}=3`],
      /to have 3 instances\n(.*\n)*spread@3\.service on node\d: running\n(.*\n)*done: /,
    ),
    laptop.mustSay(['restart', talker], /to restart\n(.*\n)*talker\.service on node\d: running\n(.*\n)*done: /),
    seeSessions(laptop),
  ]);
  const drained =
    (await cluster.rows(spread)).map(({ node }) => node?.hostname ?? '').find((name) => name !== home) ?? '';
  await Promise.all([
    (async () => {
      await laptop.mustSay(
        ['apply', '--name', talker, '-'],
        /: running\n(.*\n)*done: talker\.service running/,
        talkerOf('word'),
      );
      await laptop.mustSay(['rollback', talker], /spec \d+ is back as spec \d+\n(.*\n)*done: /);
    })(),
    (async () => {
      await laptop.mustSay(['node', 'cordon', drained], /cordoned/);
      const progress = /^spread@\d\.service: moving to node\d: (.*\n)*spread@\d\.service: has left, 0 to go\n/m;
      const said = await laptop.mustSay(['drain', drained], progress);
      assert.match(said, new RegExp(`^drained: nothing is on ${drained} any more, in `, 'm'));
      await laptop.mustSay(['node', 'uncordon', drained], /uncordoned/);
    })(),
  ]);
}

/** The same while somebody follows the log and the events: both go on through all of it. */
async function seeChangesFollowed(cluster: Cluster, laptop: Laptop): Promise<void> {
  const log = laptop.follow('logs', '-f', '-n', '1', talker);
  const events = laptop.follow('events', '-f', '--since', '10m');
  await Promise.all([Laptop.see(log, /^line \d+\n(line \d+\n){3}/), Laptop.see(events, / workload\.applied /)]);
  await seeChangesFromAfar(cluster, laptop);
  await Laptop.see(log, /^word \d+$(.*\n)*line 1$/m);
  for (const says of [
    / workload\.scaled .*spread@/,
    / instance\.moved .*spread@/,
    / node\.drained /,
    / node\.uncordoned /,
  ])
    await Laptop.see(events, says);
  for (const session of [log, events]) {
    session.interrupt();
    assert.equal(await session.ended, 130, session.shown());
  }
}

const fingerprint = async (node: LabNode): Promise<string> =>
  (await node.run(['openssl', 'x509', '-in', `${pkiFolder}/node.pem`, '-noout', '-fingerprint', '-sha256'])).stdout;

/** An operator's own machine works with the cluster by her certificate alone. */
async function seeLaptop(cluster: Cluster, node: LabNode): Promise<void> {
  await using laptop = await Laptop.open();
  await laptop.use('lab', node, await issueOperator(cluster, 'anna', ['--lifetime', '1h']));
  await Promise.all([
    laptop.mustSay(
      ['apply', '--name', talker, '-'],
      /: running\n(.*\n)*done: talker\.service running/,
      talkerOf('line'),
    ),
    laptop.mustSay(['apply', '--name', spread, '-'], /^done: /m, sleeper([], ['[X-Muster]', 'Replicas=2'])),
  ]);
  const { rows } = JSON.parse((await laptop.muster(['ps', talker, '--json'])).stdout) as InstancesAnswer;
  assert.deepEqual(
    rows.map(({ display, phase }) => [display, phase]),
    [[talker, 'running']],
  );
  assert.equal((await laptop.muster(['context', 'use', 'lab'])).exitCode, 0);
  await laptop.mustSay(['context', 'show'], /^As: +operator anna$/m);
  await seeAllFromAfar(laptop, node);
  await seeChangesFollowed(cluster, laptop);
  await laptop.mustSay(['stop', talker], /stopped/);
  await laptop.mustSay(['context', 'rm', 'lab'], /lab/);
}

scenarios('the API over TLS', (scenario) => {
  scenario('a laptop works with the cluster by a certificate; nodes renew theirs and go on', async (cluster) => {
    const [first, second] = cluster.nodes;
    assert.ok(first && second);
    try {
      await serveTls(cluster, { lifetime });
      const before = await Promise.all(
        [first, second].map(async (node) => [await node.mainPid('muster.service'), await fingerprint(node)]),
      );
      await seeLaptop(cluster, second);
      await seeCertificates(first, second);
      await seeRefusals(cluster, second);
      for (const [at, node] of [first, second].entries()) {
        await eventually(
          `a renewed certificate on ${node.name}`,
          60_000,
          async () => (await fingerprint(node)) !== before[at]?.[1],
        );
        // A node that was away for longer than its certificate lasted would need a new one; these never were.
        assert.equal(await node.mainPid('muster.service'), before[at]?.[0], 'without a restart');
      }
    } finally {
      await serveTlsNoMore(cluster);
    }
    const closed = await answerTo(second, {}).then(
      () => 'answers',
      (error: NodeJS.ErrnoException) => error.code,
    );
    assert.equal(closed, 'ECONNREFUSED', 'without api.listen there is no port');
  });
});
