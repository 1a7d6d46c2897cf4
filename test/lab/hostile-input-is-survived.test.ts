import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import type { Cluster } from './scenario/cluster.ts';
import { type Garbage, makeGarbage } from './scenario/garbage.ts';
import { sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

scenarios('hostile input is survived', (scenario, sideBySide) => {
  scenario('hostile names are refused before anything is written', async (cluster) => {
    const names = [
      '../../etc/passwd.service',
      '../../../run/evil.service',
      'a/b.service',
      '.hidden.service',
      'docker.service',
      'dbus.socket',
      'muster.service',
      'systemd-journald.service',
      'multi-user.target',
      `${'n'.repeat(300)}.service`,
      'two@at@.service',
      'space here.service',
      '-.mount',
      '%i.service',
    ];
    const applyAsUnit = async (name: string): Promise<void> => {
      // As YAML, since a file's folders are not part of its name.
      const input = `name: ${JSON.stringify(name)}\nunit: |\n  [Service]\n  ExecStart=/bin/true\n`;
      const { exitCode, stderr } = await cluster.muster(['apply', '-', '--no-wait'], { input, reject: false });
      assert.equal(exitCode, 1, name);
      assert.match(stderr, /Cannot (use|apply|manage)/, name);
      assert.ok(stderr.length < 700, 'no message floods a terminal');
    };
    const applyAsContainer = async (name: string): Promise<void> => {
      const { exitCode } = await cluster.muster(['apply', '-', '--no-wait'], {
        input: sleepingContainer(JSON.stringify(name)),
        reject: false,
      });
      assert.equal(exitCode, 1, name);
    };
    await Promise.all(names.map(applyAsUnit));
    await Promise.all(['UPPER', '../web', 'a b', 'x'.repeat(300), '-web', 'wéb'].map(applyAsContainer));
    const past = await cluster.lab
      .node('node1')
      .run([
        'curl',
        '-s',
        '--path-as-is',
        '--unix-socket',
        '/run/muster/muster.sock',
        '-X',
        'PUT',
        '-H',
        'content-type: application/json',
        '--data',
        JSON.stringify({ name: '../x', run: { kind: 'unit', text: '[Service]' } }),
        'http://muster/v1/workloads/..%2Fx',
      ]);
    assert.match(past.stdout, /"status":4\d\d/, 'the API checks by itself');
    for (const range of ['workloads', 'specs', 'instances', 'assignments'])
      assert.deepEqual(await cluster.store.list(`${cluster.root}${range}/`), []);
  });

  scenario(
    'garbage in the store is reported with its key, once, stops nobody, and leaves nothing behind',
    async (cluster) => {
      await cluster.startAll({ 'steady.service': sleeper([], ['[X-Muster]', 'Global=true']) });
      const steady = await steadyRuns(cluster);
      const keysBefore = await sortedKeys(cluster);
      const garbage = await spoil(cluster);
      try {
        await cluster.apply('after.service', sleeper(), ['--no-wait']);
        await cluster.apply('after', sleepingContainer('after', ['replicas: 3']), ['--no-wait']);
        await Promise.all([cluster.awaitRunning('after.service', 1), cluster.awaitRunning('after', 3)]);
        assert.deepEqual(await steadyRuns(cluster), steady);
        await awaitReports(cluster, garbage);
        const small = garbage.filter(({ value }) => value.length < 100);
        for (let round = 0; round < 10; round += 1) await write(cluster, small);
        await cluster.startAll({ 'again.service': sleeper() });
        assertCalm(await reports(cluster), garbage, 3);
        // A new leader and agents that list everything anew cope, too: also twice, when everybody stands behind the garbage.
        for (const name of ['later', 'last']) {
          await Promise.all(cluster.nodes.map(async (each) => each.killProcess('muster')));
          await Promise.all(cluster.nodes.map(async (each) => cluster.awaitJoined(each)));
          await cluster.leader();
          await cluster.apply(`${name}.service`, sleeper(), ['--no-wait']);
          await cluster.awaitRunning(`${name}.service`, 1);
        }
        assert.deepEqual(await steadyRuns(cluster), steady);
        // Workloads like any other but for their specs: what they have is taken back in order.
        await cluster.muster(['rm', 'specless.service', 'newer.service']);
      } finally {
        await Promise.all(garbage.map(async ({ path }) => cluster.store.delete(keyOf(cluster, path))));
      }
      await cluster.muster(['rm', 'after', 'after.service', 'again.service', 'later.service', 'last.service']);
      await eventually('nothing left but what was there before', 20_000, async () => {
        const [now, then] = [await sortedKeys(cluster), new Set(keysBefore)];
        const more = now.filter((key) => !then.has(key));
        if (more.length === 0 && now.length === keysBefore.length) return true;
        throw new Error(`${now.length} of ${keysBefore.length} keys, more: ${more.join(' ')}`);
      });
      assert.deepEqual(await steadyRuns(cluster), steady);
      for (const listing of ['ls', 'ps', 'node']) {
        const { stderr } = await cluster.muster(listing === 'node' ? ['node', 'ls'] : [listing]);
        assert.equal(stderr, '', `muster ${listing}`);
      }
    },
  );

  scenario(
    'what an agent has written itself can be spoilt: it is written anew, and what runs is not disturbed',
    async (cluster) => {
      await cluster.startAll({ 'steady.service': sleeper([], ['[X-Muster]', 'Global=true']) });
      const steady = await steadyRuns(cluster);
      const node = cluster.nodes[1]!;
      const { id } = await cluster.nodeRow(node);
      const leader = await cluster.leader();
      const [candidacy] = (await cluster.store.list(`${cluster.root}election/`)).filter(({ value }) =>
        value.includes(id),
      );
      const own = [`nodes/${id}/presence`, `nodes/${id}/record`, `status/${id}/steady.service/${id}`];
      const spoilt = [...own.map((path) => cluster.root + path), candidacy?.key ?? ''];
      await Promise.all(spoilt.map(async (key) => cluster.store.put(key, 'garbage')));
      await eventually('presence to be its own again', 20_000, async () => {
        const found = await cluster.store.get(await cluster.presenceKey(node));
        return found !== undefined && found.lease !== '0' && found.value.startsWith('{');
      });
      await cluster.awaitJoined(node);
      await cluster.awaitRunning('steady.service', 3);
      // The lead goes on, also when its own candidacy is spoilt.
      const lead = (await cluster.nodeRow(leader)).id;
      for (const { key, value } of await cluster.store.list(`${cluster.root}election/`))
        if (value.includes(lead)) await cluster.store.put(key, 'garbage');
      await cluster.apply('after.service', sleeper(), ['--no-wait']);
      await cluster.awaitRunning('after.service', 1, 30_000);
      // An instance's record that names a node that doesn't exist.
      const copies = [{ node: 'f'.repeat(32), role: 'current' }];
      await cluster.store.put(`${cluster.root}instances/after.service/0`, JSON.stringify({ v: 1, copies, moves: [] }));
      await cluster.awaitRunning('after.service', 1, 30_000);
      assert.deepEqual(await steadyRuns(cluster), steady);
      await eventually('one process of it', 20_000, async () => {
        return (await cluster.runners()).filter(({ name, active }) => name === 'after.service' && active).length === 1;
      });
      await cluster.muster(['rm', 'after.service']);
    },
  );

  sideBySide((scenario) => {
    scenario('a unit of the same name that the host has is refused and stays as it is', async (cluster) => {
      const node = cluster.lab.node('node2');
      const own = sleeper(['Environment=OWNER=host']);
      await node.writeFile('/etc/systemd/system/hosts.service', own);
      await node.run(['systemctl', 'start', 'hosts.service']);
      const pid = await node.mainPid('hosts.service');
      const text = sleeper([], ['[X-Muster]', `MachineID=${node.machineId}`]);
      const { exitCode, stderr } = await cluster.muster(['apply', '--name', 'hosts.service', '-', '--give-up', '1s'], {
        input: text,
        reject: false,
      });
      assert.equal(exitCode, 1);
      assert.match(stderr, /hosts\.service failed: .*\/etc\/systemd\/system\/hosts\.service/);
      await cluster.muster(['rm', 'hosts.service']);
      assert.equal(await node.mainPid('hosts.service'), pid, 'it runs on');
      assert.equal(await node.readFile('/etc/systemd/system/hosts.service'), own);
      await node.run([
        'sh',
        '-c',
        'systemctl stop hosts.service && rm /etc/systemd/system/hosts.service && systemctl daemon-reload',
      ]);
    });

    scenario('a container of the same name that the host has is refused and stays as it is', async (cluster) => {
      const node = cluster.lab.node('node3');
      const run = ['docker', 'run', '-d', '--name', 'muster-theirs.0', 'busybox:1', 'sleep', 'infinity'];
      const id = (await node.run(run)).stdout;
      const input = sleepingContainer('theirs', [`placement: {machineId: "${node.machineId}"}`]);
      const { exitCode, stderr } = await cluster.muster(['apply', '-', '--give-up', '1s'], { input, reject: false });
      assert.equal(exitCode, 1);
      assert.match(stderr, /theirs\.0 failed: .*muster-theirs\.0/);
      await cluster.muster(['rm', 'theirs']);
      const seen = await node.run([
        'docker',
        'inspect',
        '-f',
        '{{.Id}} {{.State.Running}} {{.RestartCount}}',
        'muster-theirs.0',
      ]);
      assert.equal(seen.stdout, `${id} true 0`);
      await node.run(['docker', 'rm', '-f', 'muster-theirs.0']);
    });
  });
});

const keyOf = (cluster: Cluster, path: string | Uint8Array): string | Uint8Array =>
  typeof path === 'string' ? cluster.root + path : Buffer.concat([Buffer.from(cluster.root), path]);

/** One after the other: several large values at once would be etcd's trouble, not ours. */
async function write(cluster: Cluster, garbage: readonly Garbage[]): Promise<void> {
  for (const { path, value } of garbage) await cluster.store.put(keyOf(cluster, path), value);
}

/** Writes garbage of all kinds beside what is sound. */
async function spoil(cluster: Cluster): Promise<Garbage[]> {
  const [row] = await cluster.nodeRows();
  const workload = (await cluster.store.get(`${cluster.root}workloads/steady.service`))?.value ?? '';
  const [spec] = await cluster.store.list(`${cluster.root}specs/steady.service/`);
  const garbage = makeGarbage({ node: row?.id ?? '', workload, spec: spec?.value ?? '' });
  await write(cluster, garbage);
  return garbage;
}

/** Which process runs it where. */
async function steadyRuns(cluster: Cluster): Promise<string[]> {
  return (await cluster.identities()).filter((line) => line.startsWith('steady'));
}

async function sortedKeys(cluster: Cluster): Promise<string[]> {
  const keys = (await cluster.store.list(cluster.root)).map(({ key }) => key.slice(cluster.root.length));
  return keys.filter((key) => !key.startsWith('election/')).sort();
}

/** What each agent has said since it began to run, and what the listings warn of. */
async function reports(cluster: Cluster): Promise<{ readonly journals: readonly string[]; readonly listed: string }> {
  const commands = [['ls'], ['ps'], ['node', 'ls']];
  const answers = await Promise.all(commands.map(async (args) => cluster.muster(args)));
  const journals = await Promise.all(
    cluster.nodes.map(async (each) => each.journal('muster.service', { output: 'cat' })),
  );
  return { journals, listed: answers.map(({ stdout, stderr }) => stdout + stderr).join('\n') };
}

/** How a line of a log, or of a listing, has the key. */
const shown = ({ path }: Garbage): string => JSON.stringify(path).slice(1, -1).slice(0, 250);

async function awaitReports(cluster: Cluster, garbage: readonly Garbage[]): Promise<void> {
  await eventually('each key to have been named', 20_000, async () => {
    const { journals, listed } = await reports(cluster);
    const text = [listed, ...journals].join('\n');
    const silent = garbage.filter((each) => each.isReported === true && !text.includes(shown(each)));
    if (silent.length === 0) return true;
    throw new Error(`nothing was said of ${silent.map(shown).join(', ')}`);
  });
}

/** Nobody repeats themselves, floods anything, or passes on what a terminal would obey. */
function assertCalm(
  { journals, listed }: Awaited<ReturnType<typeof reports>>,
  garbage: readonly Garbage[],
  most: number,
): void {
  for (const journal of journals) {
    const lines = journal.split('\n');
    for (const each of garbage.filter(({ path }) => typeof path === 'string')) {
      const about = lines.filter((line) => line.includes(`"key":"/`) && line.includes(`${shown(each)}"`)).length;
      assert.ok(about <= most, `${about} lines about ${shown(each)}`);
    }
    assert.ok(lines.every((line) => line.length < 8_000));
  }
  assert.ok(
    listed.split('').every((character) => character === '\n' || (character >= ' ' && character !== '\u007f')),
    'a terminal is sent text alone',
  );
  assert.ok(listed.length < 100_000);
  assert.match(listed, /warning: .*workloads\/broken/);
}
