import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import { scenarios } from './shared.ts';

scenarios('bad configuration is refused', (scenario) => {
  scenario('the check names the key, the value and what was expected', async (cluster) => {
    const node = cluster.lab.node('node1');
    const sound = await node.run(['muster', 'agent', '--check']);
    assert.match(sound.stdout, /muster\.yaml: valid: cluster lab/);
    const own = await node.readFile('/etc/muster/muster.yaml');
    const cases: readonly [text: string, says: RegExp][] = [
      [`${own}clutser: lab\n`, /clutser/],
      [own.replace('cluster: lab', 'cluster: Not_Valid'), /cluster = "Not_Valid" .*expected 1 to 63 of a-z/],
      [own.replace('cluster: lab', ''), /cluster/],
      [own.replace('ttl: 4000ms', 'ttl: 1h'), /lease\.ttl = "1h" .*expected a duration/],
      [`${own}leader: maybe\n`, /leader = "maybe" .*expected true or false/],
      [own.replace('etcd:', 'etcd:\n  password: secret'), /etcd\.password.*client certificates/],
      ['cluster: [', /muster\.yaml/],
    ];
    for (const [text, says] of cases) {
      await node.writeFile('/tmp/muster.yaml', text);
      const checked = await node.run(['muster', 'agent', '--check', '--config', '/tmp/muster.yaml'], { reject: false });
      assert.equal(checked.exitCode, 1, text);
      assert.match(checked.stderr, says);
      assert.doesNotMatch(checked.stderr, /secret/);
    }
    const env = await node.run(['env', 'MUSTER_CLUSTER=UPPER', 'muster', 'agent', '--check'], { reject: false });
    assert.match(env.stderr, /MUSTER_CLUSTER/);
    const flag = await node.run(['env', 'MUSTER_CLUSTER=UPPER', 'muster', 'agent', '--check', '--cluster', 'other']);
    assert.match(flag.stdout, /cluster other/, 'flags go over the environment');
    const unknown = await node.run(['muster', 'agent', '--check', '--clutser', 'x'], { reject: false });
    assert.notEqual(unknown.exitCode, 0);
    assert.match(unknown.stderr, /clutser/);
  });

  scenario('an agent that is started with it ends and says why; with it corrected, it joins', async (cluster) => {
    const node = cluster.lab.node('node3');
    const own = await node.readFile('/etc/muster/muster.yaml');
    try {
      await node.writeFile('/etc/muster/muster.yaml', own.replace('cluster: lab', 'cluster: -lab-'));
      await node.run(['systemctl', 'restart', 'muster'], { reject: false });
      const journal = await eventually('the reason in the journal', 10_000, async () => {
        const text = await node.journal('muster.service', { output: 'cat', lines: 20 });
        return text.includes('-lab-') && text;
      });
      assert.match(journal, /Cannot use cluster = "-lab-" \(.*muster\.yaml.*\): expected 1 to 63 of a-z/);
    } finally {
      await node.writeFile('/etc/muster/muster.yaml', own);
    }
    await cluster.awaitJoined(node, 15_000);
  });
});
