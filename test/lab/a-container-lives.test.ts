import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import { containerYaml, sleepingContainer, webYaml } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

async function homeOf(cluster: Cluster, name: string): Promise<LabNode> {
  const [row] = await cluster.awaitRunning(name, 1);
  return cluster.lab.node(row?.node?.hostname ?? '');
}

async function inContainer(node: LabNode, container: string, script: string): Promise<string> {
  return (await node.run(['docker', 'exec', container, 'sh', '-c', script])).stdout;
}

interface Inspected {
  readonly Id: string;
  readonly Config: { readonly Labels: Record<string, string>; readonly Hostname: string; readonly User: string };
  readonly HostConfig: Record<string, unknown>;
}

async function inspect(node: LabNode, container: string): Promise<Inspected> {
  const [found] = JSON.parse((await node.run(['docker', 'inspect', container])).stdout) as Inspected[];
  if (found === undefined) throw new Error(`no container ${container}`);
  return found;
}

scenarios('a container lives', (scenario, sideBySide) => {
  scenario('every option reaches it', async (cluster) => {
    const [node] = cluster.nodes;
    if (node === undefined) throw new Error('three nodes');
    await node.writeFile('/srv/page', 'bound\n');
    const options = [
      'image: busybox:1',
      'entrypoint: [sh, -c]',
      'command: ["trap exit TERM; while :; do sleep 0.1; done"]',
      'environment: {GREETING: "hello $world", EMPTY: ""}',
      'labels: {team: blue}',
      'mounts: ["/srv:/srv:ro", "every-data:/data", {type: tmpfs, target: /scratch, size: 1m}]',
      'user: nobody',
      'workingDir: /tmp',
      'hostname: box',
      'stopSignal: SIGTERM',
      'stopGrace: 20s',
      'readOnly: true',
      'capAdd: [NET_ADMIN]',
      'capDrop: [CHOWN]',
      'extraHosts: {db: 10.0.0.1}',
    ];
    await cluster.apply('every', containerYaml('every', options, [`placement: {machineId: "${node.machineId}"}`]));
    const name = 'muster-every.0';
    const asked = await inContainer(
      node,
      name,
      'echo "$GREETING|$EMPTY|$(cat /srv/page)|$(id -un)|$(pwd)|$(hostname)"; grep db /etc/hosts',
    );
    assert.equal(asked, 'hello $world||bound|nobody|/tmp|box\n10.0.0.1\tdb');
    const writes = await inContainer(node, name, 'touch /srv/x /bin/x 2>&1; df -k /scratch | tail -1');
    assert.match(writes, /\/srv\/x: Read-only/);
    assert.match(writes, /\/bin\/x: Read-only/);
    assert.match(writes, /1024 +\d+ +\d+ +\d+% \/scratch/);
    const { Config, HostConfig } = await inspect(node, name);
    assert.equal(Config.Labels['team'], 'blue');
    assert.equal(Config.Labels['muster.workload'], 'every');
    assert.deepEqual(HostConfig['CapAdd'], ['NET_ADMIN']);
    assert.deepEqual(HostConfig['CapDrop'], ['CHOWN']);
    assert.deepEqual(HostConfig['RestartPolicy'], { Name: 'no', MaximumRetryCount: 0 }, 'restarts are the agent’s');
    assert.equal((HostConfig['LogConfig'] as { Type: string }).Type, 'journald');
    const beganMs = performance.now();
    await cluster.muster(['rm', 'every']);
    assert.ok(performance.now() - beganMs < 15_000, 'it heeds its stop signal');
    await cluster.removeVolume(node, 'every-data');
  });

  scenario('memory and CPU limits hold on a node with controllers', async (cluster) => {
    const node = await cluster.lab.addNode({ limits: true, labels: { limits: 'yes' } });
    await cluster.awaitJoined(node);
    const lines = ['image: busybox:1', 'command: [sleep, infinity]', 'stopGrace: 1s', 'memory: 32m', 'cpus: 0.5'];
    await cluster.apply('small', containerYaml('small', lines, ['placement: {constraints: ["limits=yes"]}']));
    const files = '/sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpu/cpu.cfs_quota_us';
    assert.equal(await inContainer(node, 'muster-small.0', `cat ${files}`), `${32 * 1024 * 1024}\n50000`);
  });

  sideBySide((scenario) => {
    scenario('three nginx answer on their nodes, stop, start, change and go', async (cluster) => {
      const webs = async (nodes = cluster.nodes) =>
        (await cluster.runners(nodes)).filter(({ name }) => name.startsWith('muster-web'));
      await cluster.apply('web', webYaml('web', 8080, ['replicas: 3']));
      const rows = await cluster.awaitRunning('web', 3);
      assert.equal(new Set(rows.map(({ node }) => node?.hostname)).size, 3, 'a port fits once on a node');
      const pages = async (): Promise<string[]> =>
        Promise.all(
          cluster.nodes.map(async ({ address }) => {
            const response = await fetch(`http://${address}:8080/`, { signal: AbortSignal.timeout(10_000) });
            return (await response.text()).slice(0, 10);
          }),
        );
      assert.deepEqual(await pages(), ['hello from', 'hello from', 'hello from']);
      const digests = await Promise.all(
        cluster.nodes.map(async (node) => inspect(node, (await webs([node]))[0]?.name ?? '')),
      );
      assert.equal(
        new Set(digests.map((each) => (each as unknown as { Image: string }).Image)).size,
        1,
        'all run the same bytes',
      );

      await cluster.muster(['stop', 'web']);
      await assert.rejects(pages());
      await cluster.muster(['start', 'web']);
      assert.equal((await pages()).length, 3);
      const before = await webs();
      await cluster.apply('web', webYaml('web', 8080, ['replicas: 1']));
      const [left] = await webs();
      assert.ok(
        before.some(({ id }) => id === left?.id),
        'scaling restarts nothing',
      );
      await assert.rejects(pages());
      await cluster.apply('web', webYaml('web', 8081, ['replicas: 1']));
      const after = await webs();
      assert.deepEqual(
        after.map(({ name }) => name),
        ['muster-web.0'],
      );
      assert.notEqual(after[0]?.id, left?.id, 'it has the new spec');
      const address = cluster.lab.node(after[0]?.node ?? '').address;
      assert.match(await (await fetch(`http://${address}:8081/`)).text(), /^hello from/);
      await cluster.muster(['rm', 'web']);
      await eventually('no container left', 15_000, async () => (await webs()).length === 0);
    });

    scenario('its health check decides whether it is healthy', async (cluster) => {
      const check = ['healthCheck: {test: "test -e /tmp/well", interval: 300ms, timeout: 5s, retries: 2}'];
      const lines = [
        'image: busybox:1',
        'command: [sh, -c, "touch /tmp/well; sleep infinity"]',
        'stopGrace: 0s',
        ...check,
      ];
      await cluster.apply('patient', containerYaml('patient', lines));
      const node = await homeOf(cluster, 'patient');
      const [row] = await cluster.rows('patient');
      assert.deepEqual([row?.health, row?.healthy], ['healthy', true]);
      await inContainer(node, 'muster-patient.0', 'rm /tmp/well');
      await cluster.awaitRows(
        'patient',
        'unhealthy',
        15_000,
        ([each]) => each?.health === 'unhealthy' && !each.healthy,
      );
      assert.match((await cluster.muster(['ls'])).stdout, /patient .*0\/1.*health check fails/);
      await inContainer(node, 'muster-patient.0', 'touch /tmp/well');
      await cluster.awaitRows('patient', 'healthy again', 15_000, ([each]) => each?.healthy === true);
    });

    scenario('one that ends is restarted at once, then after ten seconds', async (cluster) => {
      const lines = ['image: busybox:1', 'command: [sh, -c, "sleep 1; exit 7"]'];
      await cluster.apply('ends', containerYaml('ends', lines), ['--no-wait']);
      const [ended] = await cluster.awaitRows(
        'ends',
        'restarted, and ended again',
        15_000,
        ([row]) => row?.restarts === 1 && row.phase === 'failed' && row.exitCode === 7,
      );
      const { finishedAt = '' } = ended ?? {};
      const [second] = await cluster.awaitRows(
        'ends',
        'restarted again',
        20_000,
        ([row]) => row?.restarts === 2 && (row.startedAt ?? '') > finishedAt,
      );
      assert.ok(second?.startedAt !== undefined && ended?.finishedAt !== undefined);
      const pausedMs = Date.parse(second.startedAt) - Date.parse(ended.finishedAt);
      assert.ok(pausedMs > 8_500 && pausedMs < 18_000, `after ${pausedMs} ms`);
    });

    scenario('an image of the private registry is pulled with the node’s credentials', async (cluster) => {
      const { address, user, password } = cluster.lab.privateRegistry;
      const yaml = containerYaml('secret', [
        `image: ${address}/busybox:1`,
        'command: [sleep, infinity]',
        'stopGrace: 0s',
      ]);
      const refused = await cluster.muster(['apply', '-', '--give-up', '1s', '--timeout', '20s'], {
        input: yaml,
        reject: false,
      });
      assert.notEqual(refused.exitCode, 0);
      assert.match(refused.stderr, /unauthorized|auth|denied|credentials/i);
      await cluster.muster(['rm', 'secret']);
      const auths = { [address]: { auth: Buffer.from(`${user}:${password}`).toString('base64') } };
      for (const node of cluster.nodes)
        await node.writeFile('/root/.docker/config.json', JSON.stringify({ auths }), 0o600);
      await cluster.apply('secret', yaml);
      await Promise.all(cluster.nodes.map(async (node) => node.run(['rm', '/root/.docker/config.json'])));
    });

    scenario('one whose image does not exist says so, and holds up no other', async (cluster) => {
      const missing = cluster.muster(['apply', '-', '--give-up', '2s', '--timeout', '40s'], {
        input: containerYaml('missing', [`image: ${cluster.lab.registry}/nowhere:9`], ['replicas: 3']),
        reject: false,
      });
      await cluster.apply('sound', sleepingContainer('sound', ['replicas: 3']));
      const { exitCode, stderr } = await missing;
      assert.equal(exitCode, 1, stderr);
      assert.match(stderr, /missing\.0 failed: .*nowhere/);
      await eventually('the reason shown', 20_000, async () =>
        /missing\.2 .*failed.*nowhere/.test((await cluster.muster(['ps', 'missing'])).stdout),
      );
      await eventually('the others healthy', 10_000, async () =>
        (await cluster.rows('sound')).every(({ healthy }) => healthy),
      );
    });
  });
});
