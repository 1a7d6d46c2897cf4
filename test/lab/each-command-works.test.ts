import assert from 'node:assert/strict';
import type {
  ApplyAnswer,
  ExplainAnswer,
  InstancesAnswer,
  NodesAnswer,
  WorkloadsAnswer,
} from '../../src/wire/answers.ts';
import { eventually } from '../support/eventually.ts';
import { command } from './command.ts';
import { containerYaml, sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

interface ApplyOutput {
  readonly accepted: readonly ApplyAnswer[];
  readonly outcome: string;
}

const talker = sleeper(['ExecStart=', `ExecStart=/bin/sh -c 'echo one; echo two; exec sleep infinity'`]);

scenarios('each command works', (scenario, sideBySide) => {
  scenario('version, wait, node ls and help answer people and programs', async (cluster) => {
    const people = await cluster.muster(['version']);
    const programs = await cluster.musterJson<{ version: string; commit: string }>(['version']);
    assert.equal(people.stdout, `muster ${programs.version} (${programs.commit})`);
    assert.deepEqual((await cluster.musterJson<{ joined: boolean }>(['wait', '--joined'])).joined, true);
    const table = (await cluster.muster(['node', 'ls'])).stdout.split('\n');
    assert.match(table[0] ?? '', /^NODE +ID +STATE +ROLE +ADDRESS/);
    assert.equal(table.length, 4);
    assert.equal(table.filter((line) => line.includes(' leader ')).length, 1);
    const { nodes } = await cluster.musterJson<NodesAnswer>(['node', 'ls']);
    assert.deepEqual(nodes.map(({ hostname }) => hostname).sort(), ['node1', 'node2', 'node3']);
    assert.match((await cluster.muster(['node', 'inspect', 'node3'])).stdout, /^Node: +node3$/m);
    assert.match((await cluster.muster(['node', 'cordon', 'node3'])).stdout, /^node3: cordoned/);
    assert.match((await cluster.muster(['node', 'ls'])).stdout, /^node3 .* up, cordoned /m);
    assert.match((await cluster.muster(['uncordon', 'node3'])).stdout, /^node3: uncordoned/);
    assert.match((await cluster.muster(['help'])).stdout, /apply/);
  });

  scenario('a workload is applied, listed, inspected, explained, stopped, started and removed', async (cluster) => {
    const applied = await cluster.muster(['apply', '--name', 'talker.service', '-', '--json'], { input: talker });
    const { accepted, outcome } = JSON.parse(applied.stdout) as ApplyOutput;
    assert.deepEqual([accepted[0]?.name, accepted[0]?.created, outcome], ['talker.service', true, 'converged']);
    const again = await cluster.apply('talker.service', talker);
    assert.match(again, /^talker\.service: unchanged, spec \d+$/m);

    assert.match((await cluster.muster(['ls'])).stdout, /^talker\.service +unit +run +1\/1/m);
    const { workloads } = await cluster.musterJson<WorkloadsAnswer>(['ls']);
    assert.deepEqual(
      workloads.map(({ name, summary }) => [name, summary.converged]),
      [['talker.service', true]],
    );
    const { rows } = await cluster.musterJson<InstancesAnswer>(['ps', 'talker.service']);
    const [row] = rows;
    assert.deepEqual([row?.phase, row?.healthy, row?.upToDate], ['running', true, true]);
    assert.match((await cluster.muster(['ps'])).stdout, /talker\.service.*running/);

    for (const on of cluster.nodes) {
      const shown = (await cluster.muster(['inspect', 'talker.service'], { on })).stdout;
      assert.match(shown, /talker\.service/);
      assert.match(shown, /echo one/);
    }
    assert.match((await cluster.muster(['inspect', 'node2'])).stdout, /node2/);
    assert.match((await cluster.muster(['explain', 'talker.service'])).stdout, /^talker\.service: run/);
    const explained = await cluster.musterJson<ExplainAnswer>(['explain', 'talker.service']);
    assert.equal(explained.instances[0]?.phase, 'running');

    assert.match((await cluster.muster(['stop', 'talker.service'])).stdout, /stopped/);
    assert.match((await cluster.muster(['ls'])).stdout, /^talker\.service +unit +stop/m);
    assert.deepEqual(
      (await cluster.runners()).filter(({ active }) => active),
      [],
    );
    assert.match((await cluster.muster(['start', 'talker.service'])).stdout, /running/);
    assert.match((await cluster.muster(['rm', 'talker.service'])).stdout, /removed/);
    assert.match((await cluster.muster(['ls'])).stdout, /^No workloads/);
    assert.match((await cluster.muster(['ps'])).stdout, /^No instances/);
    const left = await cluster.store.list(cluster.root);
    assert.deepEqual(
      left.filter(({ key }) => key.includes('talker')),
      [],
    );
  });

  sideBySide((scenario) => {
    scenario('logs shows what was written, and goes on with -f until it is interrupted', async (cluster) => {
      const script = 'echo begun; n=0; while sleep 0.2; do n=$((n+1)); echo line $n; done';
      await cluster.apply(
        'chatter',
        containerYaml('chatter', ['image: busybox:1', `command: [sh, -c, '${script}']`, 'stopGrace: 1s']),
      );
      await cluster.apply('talker.service', talker, ['--no-wait']);
      await cluster.awaitRunning('talker.service', 1);
      for (const [name, expected] of [
        ['chatter', /^begun\nline 1$/m],
        ['chatter.0', /^begun\nline 1$/m],
        ['talker.service', /^one\ntwo$/m],
      ] as const) {
        const on = cluster.lab.node(
          (await cluster.rows()).find(({ workload }) => name.startsWith(workload))?.node?.hostname ?? '',
        );
        await eventually(`the log of ${name}`, 5_000, async () => {
          const { stdout } = await cluster.muster(['logs', name], { on });
          if (expected.test(stdout)) return true;
          throw new Error(stdout);
        });
      }
      const on = cluster.lab.node((await cluster.rows('chatter'))[0]?.node?.hostname ?? '');
      const linesOf = async (...args: string[]): Promise<string[]> =>
        (await cluster.muster(['logs', 'chatter', ...args], { on })).stdout.split('\n');
      await eventually('a long log', 20_000, async () => (await linesOf()).length > 30);
      // Lines that come while the last ones are read may be among them.
      const tail = await linesOf('-n', '2', '--json');
      assert.ok(tail.length >= 2 && tail.length < 20, tail.join('\n'));
      const entry = JSON.parse(tail.at(-1) ?? '') as { instance: string; stream: string; text: string };
      assert.deepEqual([entry.instance, entry.stream], ['chatter.0', 'stdout']);
      const elsewhere = cluster.others(on)[0];
      const refused = await cluster.muster(['logs', 'chatter'], {
        reject: false,
        ...(elsewhere ? { on: elsewhere } : {}),
      });
      assert.equal(refused.exitCode, 1);
      assert.match(refused.stderr, new RegExp(on.name), 'it says on which node the log is');
      const followed = await command(on.commandLine(['timeout', '-s', 'INT', '6', 'muster', 'logs', '-f', 'chatter']), {
        reject: false,
      });
      const numbers = [...followed.stdout.matchAll(/^line (\d+)$/gm)].map(([, number]) => Number(number));
      assert.ok(numbers.length >= 12, `the last ten lines and some that came: ${followed.stdout}`);
      assert.deepEqual(
        numbers,
        numbers.map((_, index) => (numbers[0] ?? 0) + index),
        'no line lost or doubled',
      );
    });

    scenario('what is misused, unknown or wrong is refused with the reason and the exit code', async (cluster) => {
      const cases: readonly [args: string[], code: number, says: RegExp, input?: string][] = [
        [['frobnicate'], 2, /frobnicate/],
        [['ls', '--colour'], 2, /no such option/],
        [['apply'], 2, /expected FILE/],
        [['apply', '/no/such/file'], 1, /Cannot read "\/no\/such\/file": expected a readable file/],
        [['inspect', 'nobody'], 1, /Cannot find .*"nobody"|"nobody"/],
        [['explain', 'nobody'], 1, /nobody/],
        [['logs', 'nobody'], 1, /nobody/],
        [['stop', 'nobody'], 1, /nobody/],
        [['start', 'nobody'], 1, /nobody/],
        [['rm', 'nobody'], 1, /nobody/],
        [['ps', 'nobody'], 1, /nobody/],
        [['ls', '--socket', '/run/nothing.sock'], 1, /Cannot reach the agent at \/run\/nothing\.sock/],
        [['apply', '-'], 1, /stdin:3.*imag/s, 'name: web\ncontainer:\n  imag: nginx:1\n'],
        [['apply', '-'], 1, /name/, 'name: "Bad Name"\ncontainer: {image: "nginx:1"}\n'],
        [
          ['apply', '--name', 'x.service', '-'],
          1,
          /Replicaz/,
          '[Service]\nExecStart=/bin/true\n[X-Muster]\nReplicaz=1\n',
        ],
      ];
      for (const [args, code, says, input] of cases) {
        const { exitCode, stderr } = await cluster.muster(args, {
          reject: false,
          ...(input === undefined ? {} : { input }),
        });
        assert.match(stderr, says, args.join(' '));
        assert.equal(exitCode, code, `${args.join(' ')}: ${stderr}`);
      }
      const names = (await cluster.workloads()).map(({ name }) => name);
      assert.ok(!names.some((name) => ['x.service', 'web', 'Bad Name'].includes(name)), names.join());
    });

    scenario(
      'an apply that does not converge says what is in the way: 1 when stuck, 3 when out of time',
      async (cluster) => {
        const nowhere = sleepingContainer('nowhere', ['placement: {constraints: ["zone=nowhere"]}']);
        const stuck = await cluster.muster(['apply', '-', '--give-up', '1s'], { input: nowhere, reject: false });
        assert.equal(stuck.exitCode, 1);
        assert.match(stuck.stderr, /nowhere\.0 pending: none of 3 nodes fits: .*label zone is/);
        const late = await cluster.muster(['start', 'nowhere', '--timeout', '500ms'], { reject: false });
        assert.equal(late.exitCode, 3, late.stderr);
        assert.match(late.stderr, /Accepted, but "nowhere" has not come to what was ordered/);
        const without = await cluster.muster(['apply', '-', '--no-wait'], { input: nowhere });
        assert.equal(without.exitCode, 0);
      },
    );
  });
});
