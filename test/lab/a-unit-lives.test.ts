import assert from 'node:assert/strict';
import type { ExplainAnswer } from '../../src/wire/answers.ts';
import { eventually } from '../support/eventually.ts';
import type { LabNode } from './lab-node.ts';
import type { Cluster } from './scenario/cluster.ts';
import { sleeper } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

/** The node that a unit's only copy runs on. */
async function homeOf(cluster: Cluster, name: string): Promise<LabNode> {
  const [row] = await cluster.awaitRunning(name, 1);
  return cluster.lab.node(row?.node?.hostname ?? '');
}

async function property(node: LabNode, unit: string, name: string): Promise<string> {
  return (await node.run(['systemctl', 'show', `--property=${name}`, '--value', unit])).stdout;
}

/** Everything on a machine that bears this name. */
async function traces(node: LabNode, stem: string): Promise<string> {
  const folders = ['/run/systemd/system', '/etc/systemd', '/run/muster', '/usr/local/lib/systemd'];
  const script = `find ${folders.join(' ')} -name '*${stem}*' 2>/dev/null; systemctl list-units --all --plain --no-legend '${stem}*'`;
  return (await node.run(['sh', '-c', script])).stdout;
}

scenarios('a unit lives', (scenario, sideBySide) => {
  scenario(
    'a global unit runs on each node and on one that joins later; pending work takes the new node too',
    async (cluster) => {
      await cluster.apply('each.service', sleeper([], ['[X-Muster]', 'Global=true']));
      await cluster.awaitRunning('each.service', 3);
      await cluster.apply('ssd.service', sleeper([], ['[X-Muster]', 'MachineMetadata=disk=ssd']), ['--no-wait']);
      await cluster.awaitRows(
        'ssd.service',
        'pending',
        15_000,
        ([row]) => row?.phase === 'pending' && /label disk/.test(row.reason ?? ''),
      );
      const { instances } = await cluster.musterJson<ExplainAnswer>(['explain', 'ssd.service']);
      assert.deepEqual(
        instances[0]?.nodes.map(({ node, reason }) => `${node.hostname}: ${reason}`).sort(),
        cluster.nodes.map(({ name }) => `${name}: label disk is not set, not ssd`),
      );
      assert.match(
        (await cluster.muster(['explain', 'ssd.service'])).stdout,
        /node2: label disk is not set, not ssd|node2 +label disk/,
      );
      const before = await cluster.identities();
      const node = await cluster.lab.addNode({ labels: { disk: 'ssd' } });
      await cluster.awaitRunning('each.service', 4, 30_000);
      const [row] = await cluster.awaitRunning('ssd.service', 1, 30_000);
      assert.equal(row?.node?.hostname, node.name);
      const names = (await cluster.runners([node])).map(({ name }) => name);
      assert.deepEqual(names, ['each.service', 'ssd.service']);
      assert.deepEqual(await cluster.identities(cluster.nodes.slice(0, 3)), before);
    },
  );

  sideBySide((scenario) => {
    scenario('it runs from its text, byte for byte, changes with it, and goes without a trace', async (cluster) => {
      // Odd, and all systemd's own business.
      const text = [
        '# A comment, trailing spaces   ',
        '[Unit]',
        'Description=Ünïcode %H',
        '',
        '[Service]',
        'Environment="GREETING=hello world" \\',
        '  OTHER=1',
        `ExecStart=/bin/sh -c 'echo "$GREETING" %n %m; exec sleep infinity'`,
        '',
        '[X-Unknown]',
        'Key=value',
      ].join('\n');
      await cluster.apply('odd.service', text);
      const node = await homeOf(cluster, 'odd.service');
      const file = await node.readFile('/run/systemd/system/odd.service');
      assert.ok(file.includes(`\n${text}\n`), file);
      assert.equal(await property(node, 'odd.service', 'Description'), `Ünïcode ${node.name}`);
      await eventually('what it says', 5_000, async () => {
        const { stdout } = await cluster.muster(['logs', 'odd.service'], { on: node });
        return stdout.includes(`hello world odd.service ${node.machineId}`);
      });
      const [row] = await cluster.rows('odd.service');
      assert.deepEqual(row?.unit, { load: 'loaded', active: 'active', sub: 'running' });
      assert.equal(row?.pid, await node.mainPid('odd.service'));

      const output = await cluster.apply('odd.service', text.replace('hello world', 'hello again'));
      assert.match(output, /^odd\.service: changed, spec \d+$/m);
      const home = await homeOf(cluster, 'odd.service');
      assert.notEqual(await home.mainPid('odd.service'), row?.pid);
      assert.match(await home.readFile('/run/systemd/system/odd.service'), /hello again/);
      assert.equal(await property(home, 'odd.service', 'NeedDaemonReload'), 'no');

      await cluster.muster(['rm', 'odd.service']);
      for (const each of cluster.nodes) {
        await eventually(`no trace on ${each.name}`, 10_000, async () => {
          const left = await traces(each, 'odd');
          if (left === '') return true;
          throw new Error(left);
        });
        assert.equal(await property(each, 'odd.service', 'LoadState'), 'not-found');
      }
    });

    scenario('only its placement changes: it is not restarted', async (cluster) => {
      await cluster.apply('calm.service', sleeper());
      const own = async () => (await cluster.identities()).filter((each) => each.startsWith('calm'));
      const before = await own();
      const rows = await cluster.rows('calm.service');
      const node = cluster.lab.node(rows[0]?.node?.hostname ?? '');
      await cluster.apply(
        'calm',
        `name: calm.service\nplacement: {machineId: "${node.machineId}"}\nunit: |\n${indent(sleeper())}`,
      );
      assert.deepEqual(await own(), before);
    });

    scenario('a template whose instances conflict has one on each node, and waits with the fourth', async (cluster) => {
      const text = (replicas: number): string =>
        sleeper(['Environment=WHO=%i'], ['[X-Muster]', `Replicas=${replicas}`, 'Conflicts=lonely@*.service']);
      await cluster.apply('lonely@.service', text(3));
      const rows = await cluster.awaitRunning('lonely@.service', 3);
      assert.equal(new Set(rows.map(({ node }) => node?.hostname)).size, 3);
      assert.deepEqual(
        rows.map(({ display }) => display),
        ['lonely@1.service', 'lonely@2.service', 'lonely@3.service'],
      );
      for (const { display, node } of rows) {
        const environment = await property(cluster.lab.node(node?.hostname ?? ''), display, 'Environment');
        assert.equal(environment, `WHO=${/@(\d)/.exec(display)?.[1]}`, 'specifiers are systemd’s');
      }
      const own = async () => (await cluster.identities()).filter((each) => each.startsWith('lonely@'));
      const before = await own();
      const four = await cluster.muster(['apply', '--name', 'lonely@.service', '-', '--give-up', '1s'], {
        input: text(4),
        reject: false,
      });
      assert.equal(four.exitCode, 1);
      assert.match(four.stderr, /lonely@4\.service pending: none of 3 nodes fits: .*conflicts with lonely@/);
      await cluster.apply('lonely@.service', text(2));
      const left = await cluster.awaitRunning('lonely@.service', 2);
      assert.ok(
        (await own()).every((each) => before.includes(each)),
        'scaling restarts nothing',
      );
      assert.deepEqual(
        left.map(({ slot }) => slot as string),
        ['1', '2'],
      );
    });

    scenario('[Install] is honoured, and undone when it goes', async (cluster) => {
      const text = sleeper([], ['[Install]', 'WantedBy=multi-user.target', 'Alias=other-name.service']);
      await cluster.apply('wanted.service', text);
      const node = await homeOf(cluster, 'wanted.service');
      const links =
        'find /run/systemd /etc/systemd -type l -name "*wanted.service" -o -type l -name "other-name.service"';
      const { stdout } = await node.run(['sh', '-c', links]);
      assert.match(stdout, /multi-user\.target\.wants\/wanted\.service/);
      assert.match(stdout, /other-name\.service/);
      await cluster.muster(['rm', 'wanted.service']);
      await eventually('no link left', 10_000, async () => (await node.run(['sh', '-c', links])).stdout === '');
    });

    scenario('one that fails to start says why, and systemd’s own Restart= is left to systemd', async (cluster) => {
      const failing = await cluster.muster(['apply', '--name', 'broken.service', '-', '--give-up', '1s'], {
        input: sleeper(['ExecStart=', 'ExecStart=/no/such/program']),
        reject: false,
      });
      assert.equal(failing.exitCode, 1);
      assert.match(failing.stderr, /broken\.service failed: .*(203|no\/such\/program|EXEC|exit)/);
      const [row] = await cluster.rows('broken.service');
      assert.equal(row?.unit?.active, 'failed');
      assert.equal(row?.exitCode, 203);

      await cluster.apply('again.service', sleeper(['Restart=always', 'RestartSec=100ms']));
      const node = await homeOf(cluster, 'again.service');
      const pid = await node.mainPid('again.service');
      await node.killProcess('again.service');
      const [restarted] = await cluster.awaitRows('again.service', 'restarted by systemd', 15_000, ([each]) => {
        return each?.phase === 'running' && each.pid !== undefined && each.pid !== pid && each.restarts >= 1;
      });
      assert.equal(restarted?.restarts, 1);
    });

    scenario('a unit that is a file of nonsense is reported, and holds up no other', async (cluster) => {
      await Promise.all([
        cluster.apply('nonsense.service', '[Service]\nType=teapot\n', ['--no-wait']),
        cluster.apply('sound.service', sleeper()),
      ]);
      const [row] = await cluster.awaitRows('nonsense.service', 'failed', 10_000, ([each]) => each?.phase === 'failed');
      assert.match(row?.reason ?? '', /ExecStart|bad-setting|bad unit file|not valid/i);
    });
  });
});

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');
}
