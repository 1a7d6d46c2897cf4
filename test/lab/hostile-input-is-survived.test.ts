import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import { sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

const megabyte = 'x'.repeat(1_000_000);

scenarios('hostile input is survived', (scenario) => {
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
    for (const name of names) {
      // As YAML, since a file's folders are not part of its name.
      const input = `name: ${JSON.stringify(name)}\nunit: |\n  [Service]\n  ExecStart=/bin/true\n`;
      const { exitCode, stderr } = await cluster.muster(['apply', '-', '--no-wait'], { input, reject: false });
      assert.equal(exitCode, 1, name);
      assert.match(stderr, /Cannot (use|apply|manage)/, name);
      assert.ok(stderr.length < 700, 'no message floods a terminal');
    }
    for (const name of ['UPPER', '../web', 'a b', 'x'.repeat(300), '-web', 'wéb']) {
      const { exitCode } = await cluster.muster(['apply', '-', '--no-wait'], {
        input: sleepingContainer(JSON.stringify(name)),
        reject: false,
      });
      assert.equal(exitCode, 1, name);
    }
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

  scenario('garbage in the store is reported with its key and stops nobody', async (cluster) => {
    await cluster.apply('steady.service', sleeper([], ['[X-Muster]', 'Global=true']));
    const before = await cluster.identities();
    const rows = await cluster.nodeRows();
    const [node] = rows;
    const good = await cluster.store.get(`${cluster.root}workloads/steady.service`);
    const order = (spec: number): string =>
      JSON.stringify({ v: 1, order: 'run', spec, disconnect: 'keep', reason: 'by hand', at: new Date().toISOString() });
    const garbage: Record<string, string> = {
      'workloads/broken': '{"v":1,',
      'workloads/huge': megabyte,
      'workloads/future': '{"v":99}',
      'workloads/UPPER': good?.value ?? '',
      'workloads/..%2f..': good?.value ?? '',
      'instances/broken/0': 'null',
      'instances/steady.service': '{}',
      'specs/broken/0000000001': '[]',
      'nodes/not-a-node/record': '{}',
      [`nodes/${node?.id}/settings`]: '"on fire"',
      [`nodes/${'f'.repeat(32)}/record`]: '{"v":1,"machineId":5}',
      [`assignments/${node?.id}/broken/0`]: '\u0000\u0001',
      [`assignments/${node?.id}/nowhere.service/0`]: order(1),
      [`assignments/${node?.id}/..%2f..%2fetc/0`]: order(1),
      [`assignments/${node?.id}/huge/0`]: megabyte,
      [`status/${node?.id}/broken/0`]: 'true',
      'unknown/key': 'value',
      cluster2: 'value',
    };
    const keys = Object.keys(garbage).map((key) => cluster.root + key);
    try {
      await Promise.all(
        Object.entries(garbage).map(async ([key, value]) => cluster.store.put(cluster.root + key, value)),
      );
      await cluster.apply('after.service', sleeper(), ['--no-wait']);
      await cluster.apply('after', sleepingContainer('after', ['replicas: 3']), ['--no-wait']);
      await Promise.all([cluster.awaitRunning('after.service', 1), cluster.awaitRunning('after', 3)]);
      assert.deepEqual(
        (await cluster.identities()).filter((line) => line.startsWith('steady')),
        before,
      );
      const said = await eventually('each agent to have said so', 10_000, async () => {
        const listed = (await cluster.muster(['ls'])).stderr + (await cluster.muster(['node', 'ls'])).stderr;
        const journals = await Promise.all(
          cluster.nodes.map(async (each) => each.journal('muster.service', { output: 'cat' })),
        );
        const text = [listed, ...journals].join('\n');
        const silent = [
          'workloads/broken',
          'workloads/huge',
          'workloads/future',
          'instances/broken',
          `assignments/${node?.id}/broken/0`,
        ].filter((key) => !text.includes(key));
        if (silent.length === 0) return listed;
        throw new Error(`nothing was said of ${silent.join(', ')}`);
      });
      assert.match(said, /warning: .*workloads\/broken/);
      // A new leader and agents that list everything anew cope, too.
      await Promise.all(cluster.nodes.map(async (each) => each.killProcess('muster')));
      await Promise.all(cluster.nodes.map(async (each) => cluster.awaitJoined(each)));
      await cluster.apply('later.service', sleeper(), ['--no-wait']);
      await cluster.awaitRunning('later.service', 1);
      assert.deepEqual(
        (await cluster.identities()).filter((line) => line.startsWith('steady')),
        before,
      );
    } finally {
      await Promise.all(keys.map(async (key) => cluster.store.delete(key)));
    }
    await cluster.muster(['rm', 'after', 'after.service', 'later.service']);
  });

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
