import type { LabNode } from '../../test/lab/lab-node.ts';
import { eventually } from '../../test/support/eventually.ts';
import { fromWallMs } from './moments.ts';

/** A unit that is up as soon as its process is there: what starting it costs is all systemd's. */
export const sleepText = '[Unit]\nDescription=Sleeps\n\n[Service]\nExecStart=/bin/sleep infinity\n';

/** Since when each of these units is active on the node, as its systemd noted it; those that are not are left out. */
export async function activeSince(node: LabNode, units: readonly string[]): Promise<Map<string, number>> {
  const properties = '--property=Id,ActiveState,ActiveEnterTimestampMonotonic';
  const { stdout } = await node.run(['systemctl', 'show', properties, '--', ...units]);
  const found = new Map<string, number>();
  for (const block of stdout.split('\n\n')) {
    const value = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(block)?.[1] ?? '';
    if (value('ActiveState') === 'active')
      found.set(value('Id'), Number(value('ActiveEnterTimestampMonotonic')) / 1000);
  }
  return found;
}

/** Waits until each unit is active on some node that is on; when the last one became so. */
export async function lastActive(
  nodes: readonly LabNode[],
  units: readonly string[],
  options: { readonly deadlineMs: number; readonly pollMs: number },
): Promise<number> {
  return eventually(
    `${units.length} active units`,
    options.deadlineMs,
    async () => {
      const found = await Promise.all(nodes.filter(({ isOn }) => isOn).map(async (node) => activeSince(node, units)));
      const since = new Map(found.flatMap((each) => [...each]));
      const missing = units.filter((unit) => !since.has(unit));
      if (missing.length > 0) throw new Error(`not active: ${missing.slice(0, 5).join(', ')} (${missing.length})`);
      return Math.max(...since.values());
    },
    options.pollMs,
  );
}

/**
 * A command on a node with the moments of its start and end, taken by a shell that runs there already. The shell waits first:
 * it has just been moved into its control group, and the kernel makes other moves, as each start of a unit is one, cheap for a
 * while (its lock stays with its writers until an RCU grace period is over, 10 to 20 ms).
 */
export async function timeOnNode(node: LabNode, argv: readonly string[]) {
  const script = 'sleep 0.3; s=$EPOCHREALTIME; "$@" >/tmp/bench-output 2>&1; r=$?; e=$EPOCHREALTIME; echo "$s $e $r"';
  const { stdout } = await node.run(['bash', '-c', script, 'bash', ...argv], { timeoutMs: 180_000 });
  const [began = '', ended = '', code] = stdout.trim().split(' ');
  if (code !== '0') {
    const output = await node.readFile('/tmp/bench-output');
    throw new Error(`Cannot measure "${argv.join(' ')}" on ${node.name}: it ended with ${code}: ${output}`);
  }
  return { beganMs: fromWallMs(Number(began) * 1000), endedMs: fromWallMs(Number(ended) * 1000) };
}

/** Puts unit files into the runtime folder of a node, as an administrator would. */
export async function writeUnits(node: LabNode, units: readonly string[], text: string): Promise<void> {
  const script = 'text=$(cat); for unit; do printf "%s\\n" "$text" >"/run/systemd/system/$unit"; done';
  await node.run(['sh', '-c', script, 'sh', ...units], { input: text });
}

/** Stops such units and takes their files away. */
export async function dropUnits(node: LabNode, units: readonly string[]): Promise<void> {
  await node.run(['systemctl', 'stop', ...units]);
  await node.run(['sh', '-c', 'cd /run/systemd/system && rm -f -- "$@"', 'sh', ...units]);
}
