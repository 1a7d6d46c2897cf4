import type { Cluster } from './cluster.ts';

const journalLines = 25;
const valueChars = 300;

/** Says what a failed scenario leaves behind: each agent's last words, and the store. Never throws. */
export async function describeTrouble(cluster: Cluster): Promise<string> {
  const nodes = await Promise.all(
    cluster.nodes.map(async (node) => {
      const journal = await node.journal('muster.service', { lines: journalLines, output: 'cat' }).catch(String);
      const state = node.isOn ? `on${node.isFrozen ? ', frozen' : ''}, PID ${node.leaderPid} is its init` : 'off';
      return `--- ${node.name} (${state}), the agent's journal:\n${journal}`;
    }),
  );
  const keys = await cluster.store.list('/muster/').catch((error: unknown) => String(error));
  const store =
    typeof keys === 'string' ? keys : keys.map(({ key, value }) => `${key} ${value.slice(0, valueChars)}`).join('\n');
  return `${nodes.join('\n')}\n--- etcd:\n${store}\n---\n`;
}
