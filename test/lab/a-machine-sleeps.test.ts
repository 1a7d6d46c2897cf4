import assert from 'node:assert/strict';
import { eventually } from '../support/eventually.ts';
import { sleeper, sleepingContainer } from './scenario/workload-texts.ts';
import { scenarios } from './shared.ts';

/** Stands in for sleep.target, which nobody may start by hand and no kernel of a container can reach. */
const sleepTarget = `[Unit]
Wants=muster-sleep.service
After=muster-sleep.service
`;

scenarios('a machine sleeps', (scenario) => {
  scenario('what must not run on a machine that sleeps ends before, and starts once it is awake', async (cluster) => {
    const [node] = cluster.nodes;
    assert.ok(node);
    const here = [`MachineID=${node.machineId}`];
    await cluster.startAll({
      'strict.service': sleeper([], ['[X-Muster]', ...here, 'Disconnect=stop']),
      box: sleepingContainer('box', ['disconnect: {mode: stop}', `placement: {machineId: ${node.machineId}}`]),
      'lasting.service': sleeper([], ['[X-Muster]', ...here]),
    });
    const before = await cluster.identities([node]);
    const names = async () => {
      const active = (await cluster.runners([node])).filter((each) => each.active);
      return active.map(({ name }) => name);
    };
    await node.writeFile('/run/systemd/system/fake-sleep.target', sleepTarget);
    await node.run(['systemctl', 'daemon-reload']);
    await node.run(['systemctl', 'start', 'fake-sleep.target']);
    assert.deepEqual(await names(), ['lasting.service'], 'ended when the machine would have slept');
    const untilMs = performance.now() + cluster.ttlMs;
    await eventually('a TTL over', 30_000, () => performance.now() >= untilMs, 250);
    assert.deepEqual(await names(), ['lasting.service'], 'none was started');
    await node.run(['systemctl', 'stop', 'fake-sleep.target']);
    await eventually('awake', 20_000, async () => (await names()).length === 3);
    const isLasting = (line: string): boolean => line.startsWith('lasting');
    assert.deepEqual((await cluster.identities([node])).filter(isLasting), before.filter(isLasting));
  });
});
