import assert from 'node:assert/strict';
import type { Finding } from '../../src/domain/finding.ts';
import { eventually } from '../support/eventually.ts';
import { follow } from './scenario/follow.ts';
import { sleeper } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

interface Diagnosis {
  readonly ok: boolean;
  readonly findings: readonly Finding[];
}

scenarios('a machine is looked at', (scenario) => {
  scenario(
    'the doctor finds a sound machine well, and says what is wrong with one whose agent and Docker are stopped',
    async (cluster) => {
      const node = cluster.lab.node('node2');
      const look = async () =>
        JSON.parse((await cluster.muster(['doctor', '--json'], { on: node, reject: false })).stdout) as Diagnosis;
      const sound = await eventually('nothing found', 10_000, async () => {
        const { ok, findings } = await look();
        if (ok) return { findings };
        throw new Error(JSON.stringify(findings.filter(({ level }) => level === 'fail')));
      });
      const about = (check: string) => sound.findings.filter((finding) => finding.check === check);
      assert.equal(about('etcd').filter(({ subject }) => subject !== undefined).length, 3, 'each endpoint by itself');
      assert.match(about('machine-id')[0]?.found ?? '', /known as "node2"/);
      assert.match(about('configuration')[0]?.found ?? '', /muster\.yaml: cluster lab, etcd at http:/);
      await node.run(['systemctl', 'stop', 'docker.socket', 'docker', 'muster']);
      try {
        const ill = await look();
        const failed = ill.findings
          .filter(({ level, check }) => level === 'fail' && check !== 'etcd')
          .map(({ check, subject }) => subject ?? check);
        assert.deepEqual([ill.ok, ...failed.sort()], [false, 'agent', 'docker', 'muster.service']);
        const shown = await cluster.muster(['doctor', '-q'], { on: node, reject: false });
        assert.equal(shown.exitCode, 1);
        assert.match(shown.stdout, /^fail +docker +does not answer.*\n +→ systemctl status docker$/m);
      } finally {
        await node.run(['systemctl', 'start', 'docker', 'muster']);
      }
      await cluster.muster(['wait', '--joined', '--timeout', '30s'], { on: node });
    },
  );

  scenario(
    'config show tells what the agent that runs was given, and that the file was changed since',
    async (cluster) => {
      const node = cluster.lab.node('node3');
      const changed = (await cluster.muster(['config', 'show', '--changed'], { on: node })).stdout;
      assert.match(changed, /^cluster +lab +\/etc\/muster\/muster\.yaml$/m);
      const own = await node.readFile('/etc/muster/muster.yaml');
      try {
        await node.writeFile('/etc/muster/muster.yaml', `${own}log: {level: debug}\n`);
        const newer = await cluster.muster(['config', 'show'], { on: node });
        assert.match(newer.stdout, /^log\.level +debug +\/etc\/muster\/muster\.yaml$/m);
        assert.match(newer.stderr, /changed since the agent \(PID \d+\) started/);
      } finally {
        await node.writeFile('/etc/muster/muster.yaml', own);
      }
    },
  );

  scenario('bash on a node completes names of the cluster, and --watch shows a change as it comes', async (cluster) => {
    const node = cluster.lab.node('node1');
    const script =
      'source <(muster completion bash); COMP_LINE="muster node cordon n" COMP_POINT=20 COMP_WORDS=(muster); _muster; echo "${COMPREPLY[@]}"';
    await eventually('all names', 10_000, async () => {
      return (await node.run(['bash', '-c', script])).stdout.trim() === 'node1 node2 node3';
    });
    assert.match((await cluster.muster(['help', '--man'])).stdout, /^\.TH MUSTER 1/m);
    await cluster.apply('early.service', sleeper(), ['--no-wait']);
    const watched = follow(node, ['ps', '--watch', '-q']);
    try {
      await eventually('what is there', 20_000, () => /^early\.service$/m.test(watched.stdout()));
      await cluster.apply('late.service', sleeper(), ['--no-wait']);
      await eventually('what comes', 20_000, () => /^late\.service$/m.test(watched.stdout()));
    } finally {
      await watched.end();
    }
  });
});
