import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { eventually } from '../support/eventually.ts';
import { command } from './command.ts';
import { builtExecutable } from './image-layer.ts';
import { Lab } from './lab.ts';
import type { LabNode } from './lab-node.ts';
import { labNumbers } from './ownership.ts';
import { labNames, repository } from './paths.ts';

// The lab itself, whatever the nodes' muster can do: a script stands in for it until it is built.
const standIn = join(repository, 'test/lab/stand-in/muster.py');

let lab: Lab;
let first: LabNode;
let second: LabNode;

describe('the lab', () => {
  before(async () => {
    lab = await Lab.open({
      nodes: 3,
      name: 'lab.test',
      ...(existsSync(builtExecutable) ? {} : { executable: standIn }),
    });
    [first, second] = [lab.node('node1'), lab.node('node2')];
  });

  after(async () => {
    await lab?.close();
  });

  test('a node is provisioned by the shipped user-data and nothing else', async () => {
    const seed = await first.readFile('/var/lib/cloud/seed/nocloud-net/user-data');
    assert.equal(seed, await readFile(join(repository, 'cloud-config/debian.yaml'), 'utf8'));
    const configuration = await first.readFile('/etc/muster/muster.yaml');
    assert.match(configuration, /^cluster: lab$/m);
    assert.match(configuration, new RegExp(`^advertise: ${first.address}$`, 'm'));
    assert.match(configuration, /^labels: \{zone: "a"\}$/m);
    assert.match(configuration, /^ {2}ttl: 4000ms$/m);
    const { stdout } = await first.run(['systemctl', 'is-enabled', 'muster', 'etcd']);
    assert.equal(stdout, 'enabled\nenabled');
  });

  test('the shipped user-data is valid without metadata, and reads the properties of an OpenStack server', async () => {
    const render = async (metadata: unknown): Promise<string> => {
      await first.writeFile(
        '/tmp/instance.json',
        JSON.stringify({ ds: { meta_data: metadata }, v1: { local_hostname: 'vm' } }),
      );
      const userData = '/var/lib/cloud/seed/nocloud-net/user-data';
      const { stdout } = await first.run(['cloud-init', 'devel', 'render', '-i', '/tmp/instance.json', userData]);
      assert.doesNotMatch(stdout, /CI_MISSING_JINJA_VAR|\{\{|\{%/);
      const { write_files } = parse(stdout) as { write_files: { path: string; content: string }[] };
      const file = write_files.find(({ path }) => path === '/etc/muster/muster.yaml');
      return JSON.stringify(parse(file?.content ?? ''));
    };
    const bare = {
      cluster: 'my-cluster',
      etcd: { endpoints: ['http://127.0.0.1:2379'] },
      labels: {},
      lease: { ttl: '10s' },
    };
    assert.equal(await render({ name: 'vm' }), JSON.stringify(bare));
    const properties = { muster_cluster_id: 'prod', muster_labels: 'zone: b, disk: ssd', muster_leader: 'false' };
    const told = { ...bare, cluster: 'prod', labels: { zone: 'b', disk: 'ssd' }, leader: false };
    assert.deepEqual(JSON.parse(await render({ name: 'vm', meta: properties })), told);
  });

  test('each node has its own identity, and nothing failed at boot', async () => {
    const seen = await Promise.all(
      lab.nodes.map(async (node) => {
        const { stdout } = await node.run([
          'sh',
          '-c',
          'hostname; cat /etc/machine-id /proc/sys/kernel/random/boot_id',
        ]);
        const failed = await node.run(['systemctl', 'list-units', '--failed', '--plain', '--no-legend', '--no-pager']);
        assert.equal(failed.stdout, '', `${node.name} has failed units`);
        assert.ok(stdout.includes(node.machineId));
        return stdout.split('\n');
      }),
    );
    assert.equal(new Set(seen.flat()).size, 9);
  });

  test('etcd is one cluster of three members', async () => {
    const { stdout } = await first.run(etcdctl(lab, 'endpoint', 'status', '--cluster', '--write-out=json'));
    const members = JSON.parse(stdout) as { Status: { header: { cluster_id: number }; leader: number } }[];
    assert.equal(members.length, 3);
    assert.equal(new Set(members.map(({ Status }) => Status.leader)).size, 1);
  });

  test('dockerd pulls by a plain name from the lab, and by a login from the private registry', async () => {
    assert.equal((await first.run(['docker', 'run', '--rm', 'busybox:1', 'echo', 'hello'])).stdout, 'hello');
    const { address, user, password } = lab.privateRegistry;
    const refused = await second.run(['docker', 'pull', `${address}/busybox:1`], { reject: false });
    assert.notEqual(refused.exitCode, 0);
    await second.run(['docker', 'login', '--username', user, '--password-stdin', address], { input: password });
    await second.run(['docker', 'pull', `${address}/busybox:1`]);
  });

  test('a container on one node reaches a container on another', async () => {
    await first.run(['docker', 'run', '-d', '--name', 'page', '--hostname', 'page-host', '-p', '8080:80', 'nginx:1']);
    const page = await eventually('the page', 10_000, async () => {
      const fetched = [
        'docker',
        'run',
        '--rm',
        'busybox:1',
        'timeout',
        '2',
        'wget',
        '-qO-',
        `http://${first.address}:8080/`,
      ];
      return (await second.run(fetched)).stdout;
    });
    assert.equal(page, 'hello from page-host');
  });

  test('redis keeps its data in /data', async () => {
    await second.run(['docker', 'run', '-d', '--name', 'store', '-v', 'store:/data', 'redis:1']);
    const ask = async (...words: string[]): Promise<string> =>
      eventually('an answer of redis', 10_000, async () => {
        return (await second.run(['docker', 'exec', 'store', 'redis-cli', '-e', ...words])).stdout;
      });
    assert.equal(await ask('set', 'key', 'kept'), 'OK');
    await second.run(['docker', 'restart', 'store']);
    assert.equal(await ask('get', 'key'), 'kept');
  });

  test('a node that is cut off answers nobody, in the chosen direction only, until it is reconnected', async () => {
    const reach = async (from: LabNode, to: LabNode, limit = '1'): Promise<number> => {
      const url = `http://${to.address}:2379/version`;
      return (await from.run(['curl', '-s', '-m', limit, '-o', '/dev/null', url], { reject: false })).exitCode;
    };
    const timedOut = 28;
    assert.equal(await reach(second, first, '5'), 0);
    await first.cutOff();
    assert.equal(await reach(second, first), timedOut, 'silence, not a refusal');
    assert.equal(await reach(first, second), timedOut);
    await first.cutOff('from-node');
    assert.equal(await reach(second, first), timedOut);
    await first.reconnect();
    assert.equal(await reach(second, first, '5'), 0);
    assert.equal(await reach(first, second, '5'), 0);
  });

  test('a frozen node stands still and goes on where it was', async () => {
    const boot = await bootId(second);
    await second.run([
      'sh',
      '-c',
      'nohup sh -c "while :; do date +%s%N >>/tmp/beats; sleep 0.05; done" >/dev/null 2>&1 &',
    ]);
    const beats = async (): Promise<number> => (await readFile(beatsFile(second), 'utf8')).split('\n').length;
    await eventually('beats', 5000, async () => (await beats()) > 3);
    await second.freeze();
    const atFreeze = await beats();
    await assert.rejects(eventually('a beat of a frozen node', 300, async () => (await beats()) > atFreeze));
    await second.thaw();
    await eventually('a beat after the thaw', 5000, async () => (await beats()) > atFreeze);
    assert.equal(await bootId(second), boot);
  });

  test('one process can be frozen, thawed and killed while the rest of the node goes on', async () => {
    const pid = await first.mainPid('etcd');
    await first.freezeProcess('etcd');
    const state = async (): Promise<string> => (await first.run(['ps', '-o', 'stat=', '-p', String(pid)])).stdout;
    assert.match(await state(), /^T/);
    await first.thawProcess('etcd');
    assert.match(await state(), /^[^T]/);
    await first.killProcess('etcd', 'SIGKILL');
    await eventually('etcd started again', 10_000, async () => ![0, pid].includes(await first.mainPid('etcd')));
    await lab.awaitEtcd();
    assert.match(await first.journal('etcd.service'), /Main process exited, code=killed, status=9\/KILL/);
  });

  test('a node that loses its power keeps its disk and comes back as itself', async () => {
    await first.writeFile('/var/lib/kept', 'by the disk');
    const boot = await bootId(first);
    await first.run(['sync']);
    await first.powerOff();
    assert.equal(first.isOn, false);
    await assert.rejects(first.run(['true']), /switched on/);
    assert.match(await first.journal(), /cloud-init/);
    await first.boot();
    assert.equal(await first.readFile('/var/lib/kept'), 'by the disk');
    assert.notEqual(await bootId(first), boot);
    await lab.awaitEtcd();
    assert.equal((await first.run(['docker', 'inspect', '-f', '{{.State.Status}}', 'page'])).stdout, 'exited');
  });

  test('a frozen node can lose its power', async () => {
    await second.freeze();
    await second.powerOff();
    await second.boot();
    await lab.awaitEtcd();
  });

  test('a reboot is orderly, whoever asks for it', async () => {
    const boot = await bootId(first);
    await first.reboot();
    const later = await bootId(first);
    assert.notEqual(later, boot);
    assert.match(await first.journal('etcd.service'), /Stopped etcd.service|Deactivated successfully/);
    await first.run(['systemctl', 'reboot'], { reject: false });
    await eventually('a reboot by the node itself', 60_000, async () => (await bootId(first)) !== later);
    await lab.awaitEtcd();
  });

  test('a node may be a clone of another, have no etcd, and have limits', async () => {
    const node = await lab.addNode({
      machineId: first.machineId,
      etcdEndpoints: [],
      limits: true,
      labels: { disk: 'ssd' },
    });
    assert.equal(node.name, 'node4');
    assert.equal((await node.readFile('/etc/machine-id')).trim(), first.machineId);
    assert.match(await node.readFile('/etc/muster/muster.yaml'), /endpoints: \[http:\/\/127\.0\.0\.1:2379\]$/m);
    const limited = ['docker', 'run', '--rm', '--memory', '32m', '--cpus', '0.5', 'busybox:1'];
    const files = ['/sys/fs/cgroup/memory/memory.limit_in_bytes', '/sys/fs/cgroup/cpu/cpu.cfs_quota_us'];
    assert.equal((await node.run([...limited, 'cat', ...files])).stdout, `${32 * 1024 * 1024}\n50000`);
    await lab.removeNode(node);
    assert.equal(lab.nodes.length, 3);
  });

  test('a reset gives new VMs and an empty etcd', async () => {
    await first.run(etcdctl(lab, 'put', '/some/key', 'value'));
    const { machineId } = first;
    await lab.reset();
    assert.equal(first.machineId, machineId);
    assert.equal((await first.run(etcdctl(lab, 'get', '--prefix', '/some/'))).stdout, '');
    assert.equal((await first.run(['docker', 'ps', '--all', '--quiet'])).stdout, '');
    await assert.rejects(first.readFile('/var/lib/kept'));
  });

  test('a lab whose owner is killed is cleaned up by the guard it left', async () => {
    const script = `import { Lab } from '${repository}/test/lab/lab.ts';
    const lab = await Lab.open({ nodes: 1, name: 'doomed', executable: '${standIn}' });
    console.log(lab.number); process.kill(process.pid, 'SIGKILL');`;
    const { stdout } = await command([process.execPath, '--input-type=module-typescript', '--eval', script], {
      reject: false,
      env: { PATH: process.env['PATH'] ?? '' },
    });
    const number = Number(stdout.trim().split('\n').at(-1));
    assert.notEqual(number, lab.number);
    await eventually('the guard done', 30_000, async () => !(await labNumbers()).includes(number));
    await assertNoTraces(number); // the guard's own process may still be there
  });

  test('a closed lab leaves nothing, and another can follow at once', async () => {
    const kinds = new Set((await traces(lab.number)).map((trace) => trace.split(' ')[0]));
    assert.deepEqual([...kinds].sort(byText), ['file', 'filter', 'group', 'link', 'mount', 'process']);
    await lab.close();
    await assertNoTraces(lab.number);
    const next = await Lab.open({ nodes: 1, name: 'next', executable: standIn });
    assert.equal((await next.node('node1').run(['systemctl', 'is-active', 'muster'])).stdout, 'active');
    await next.close();
    await assertNoTraces(next.number);
  });
});

async function bootId(node: LabNode): Promise<string> {
  return node.readFile('/proc/sys/kernel/random/boot_id');
}

function beatsFile(node: LabNode): string {
  return `/proc/${node.leaderPid}/root/tmp/beats`;
}

function etcdctl({ etcdEndpoints }: Lab, ...words: string[]): string[] {
  return ['env', 'ETCDCTL_API=3', 'etcdctl', `--endpoints=${etcdEndpoints.join(',')}`, ...words];
}

async function assertNoTraces(number: number): Promise<void> {
  await eventually(`no trace of lab ${number}`, 10_000, async () => {
    const left = await traces(number);
    if (left.length === 0) return true;
    throw new Error(left.join('\n'));
  });
}

/** Everything on the host that bears the lab's number. */
async function traces(number: number): Promise<string[]> {
  const { prefix, bridge, table, group, data, state } = labNames(number);
  const list = async (kind: string, folder: string): Promise<string[]> =>
    (await readdir(folder).catch(() => [])).map((name) => `${kind} ${folder}/${name}`);
  const lines = async (kind: string, text: string | Promise<string>): Promise<string[]> =>
    (await text).split('\n').map((line) => `${kind} ${line}`);
  const found = await Promise.all([
    lines('mount', readFile('/proc/mounts', 'utf8')),
    list('link', '/sys/class/net'),
    list('mount', '/run/netns'),
    lines(
      'filter',
      command(['nft', 'list', 'tables']).then(({ stdout }) => stdout),
    ),
    lines(
      'process',
      command(['ps', '-ww', '-eo', 'cgroup,args']).then(({ stdout }) => stdout),
    ),
    ...['unified', 'systemd', 'memory', 'cpu', 'freezer', '.'].map(async (name) =>
      list('group', `/sys/fs/cgroup/${name}`),
    ),
    ...['/run/muster-lab', '/var/lib/muster-lab', '/run/systemd/nspawn/propagate'].map(async (path) =>
      list('file', path),
    ),
  ]);
  const names = [
    `/${prefix}`,
    `/${bridge}$`,
    `${table}$`,
    `/${group}\\b`,
    `${data}\\b`,
    `${state}\\b`,
    `sweep.ts ${number}$`,
  ];
  const pattern = new RegExp(names.join('|'));
  // The host's PID 1 reaps in its own time.
  return found.flat().filter((line) => pattern.test(line) && !line.endsWith('<defunct>'));
}

function byText(a: string | undefined, b: string | undefined): number {
  return (a ?? '').localeCompare(b ?? '');
}
