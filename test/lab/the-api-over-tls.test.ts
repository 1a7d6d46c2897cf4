import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { InstancesAnswer } from '../../src/wire/answers.ts';
import { eventually } from '../support/eventually.ts';
import { readResponse } from '../support/read-response.ts';
import { makeTestPki } from '../support/test-pki.ts';
import { type CommandResult, command } from './command.ts';
import { builtExecutable } from './image-layer.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import { issueOperator, pkiFolder, serveTls, serveTlsNoMore } from './scenario/serve-tls.ts';
import { sleeper } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

type Pem = Readonly<Record<'ca' | 'cert' | 'key', string>>;

/** Short enough to see certificates renewed, long enough for a busy machine. */
const lifetime = '24s';
const talker = sleeper([
  'ExecStart=',
  `ExecStart=/bin/sh -c 'n=0; while sleep 0.2; do n=$((n+1)); echo line $n; done'`,
]);

/** A machine that is no node: this one, with the executable and a folder for its contexts. */
class Laptop {
  readonly #folder: string;
  constructor(folder: string) {
    this.#folder = folder;
  }

  async muster(args: readonly string[], input?: string): Promise<CommandResult> {
    const executable = process.env['MUSTER_LAB_EXECUTABLE'] ?? builtExecutable;
    const env = { XDG_CONFIG_HOME: this.#folder, NO_COLOR: '1' };
    return command([executable, ...args], {
      env,
      reject: false,
      timeoutMs: 60_000,
      ...(input === undefined ? {} : { input }),
    });
  }

  /** Adds a context for a node, with the files of a certificate, and uses it. */
  async use(name: string, node: LabNode, pem: Pem): Promise<void> {
    const files: string[] = [];
    for (const kind of ['ca', 'cert', 'key'] as const) {
      const path = join(this.#folder, `${name}-${kind}.pem`);
      await writeFile(path, pem[kind], { mode: 0o600 });
      files.push(`--${kind}`, path);
    }
    const endpoint = `https://${node.address}:2773`;
    const added = await this.muster(['context', 'add', name, '--endpoint', endpoint, ...files, '--use', '--force']);
    assert.equal(added.exitCode, 0, added.stderr);
  }
}

async function withLaptop(run: (laptop: Laptop) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-laptop-'));
  try {
    await run(new Laptop(folder));
  } finally {
    await rm(folder, { recursive: true });
  }
}

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
  const name = 'talker.service';
  const reads: readonly (readonly [args: readonly string[], says: RegExp])[] = [
    [['ls'], /^talker\.service /m],
    [['inspect', name], /talker\.service/],
    [['explain', name], /^talker\.service: run/m],
    [['history', name], / placed /],
    [['events', name, '--since', '10m'], / workload\.applied /],
    [['logs', name, '-n', '2'], /line \d+$/m],
    [['exec', name, '--', 'echo', 'from afar'], /^from afar$/m],
    [['top', '--once'], /^talker\.service /m],
    [['node', 'inspect', node.name], /^Node: /m],
  ];
  for (const [args, says] of reads) {
    const { exitCode, stdout, stderr } = await laptop.muster(args);
    assert.equal(exitCode, 0, `${args.join(' ')}: ${stderr}`);
    assert.match(stdout, says, args.join(' '));
  }
}

const fingerprint = async (node: LabNode): Promise<string> =>
  (await node.run(['openssl', 'x509', '-in', `${pkiFolder}/node.pem`, '-noout', '-fingerprint', '-sha256'])).stdout;

scenarios('the API over TLS', (scenario) => {
  scenario('a laptop works with the cluster by a certificate; nodes renew theirs and go on', async (cluster) => {
    const [first, second] = cluster.nodes;
    assert.ok(first && second);
    try {
      await serveTls(cluster, { lifetime });
      const before = await Promise.all(
        [first, second].map(async (node) => [await node.mainPid('muster.service'), await fingerprint(node)]),
      );
      const anna = await issueOperator(cluster, 'anna', ['--lifetime', '1h']);
      await withLaptop(async (laptop) => {
        await laptop.use('lab', second, anna);
        const applied = await laptop.muster(['apply', '--name', 'talker.service', '-'], talker);
        assert.equal(applied.exitCode, 0, applied.stderr);
        assert.match(applied.stdout, /done: talker\.service running/);
        const { rows } = JSON.parse((await laptop.muster(['ps', '--json'])).stdout) as InstancesAnswer;
        assert.deepEqual(
          rows.map(({ display, phase }) => [display, phase]),
          [['talker.service', 'running']],
        );
        assert.match((await laptop.muster(['status'])).stdout, /^Nodes: +3 up$/m);
        assert.match((await laptop.muster(['context', 'ls'])).stdout, /^lab +yes +\S+ +operator anna +https:/m);
        assert.equal((await laptop.muster(['context', 'use', 'lab'])).exitCode, 0);
        assert.match((await laptop.muster(['context', 'show'])).stdout, /^As: +operator anna$/m);
        await seeAllFromAfar(laptop, second);
        await seeCertificates(first, second);
        await seeRefusals(cluster, second);
        for (const [at, node] of [first, second].entries()) {
          await eventually(
            `a renewed certificate on ${node.name}`,
            40_000,
            async () => (await fingerprint(node)) !== before[at]?.[1],
          );
          assert.equal(await node.mainPid('muster.service'), before[at]?.[0], 'without a restart');
        }
        // A node that was away for longer than its certificate lasted would need a new one; these never were.
        const stopped = await laptop.muster(['stop', 'talker.service']);
        assert.equal(stopped.exitCode, 0, stopped.stderr);
        assert.equal((await laptop.muster(['context', 'rm', 'lab'])).exitCode, 0);
      });
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
