import type { LabNode } from '../lab-node.ts';

/** One unit or container of muster's on a machine, as systemd or dockerd themselves show it. */
export interface Runner {
  readonly node: string;
  /** `hello.service`, or the container's name. */
  readonly name: string;
  /** systemd's invocation ID, or the container's: another one means another run. */
  readonly id: string;
  readonly pid: number;
  readonly active: boolean;
  /** Wall time; the machines share the host's clock. 0 when it never was. */
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

const unitProperties = 'Id,InvocationID,MainPID,ActiveState,ActiveEnterTimestamp,InactiveEnterTimestamp';

const script = `
for file in /run/systemd/system/*.*; do
  [ -f "$file" ] && [ ! -L "$file" ] && head -c 10 "$file" | grep -q '^# muster: ' && basename "$file"
done | xargs -r systemctl show --timestamp=us --property=${unitProperties} --
echo ==
docker ps --all --quiet --no-trunc --filter label=muster.managed=true |
  xargs -r docker inspect --format '{{.Name}} {{.Id}} {{.State.Pid}} {{.State.Running}} {{.State.StartedAt}} {{.State.FinishedAt}}' -- ||
  true # one may go in between
`;

/** All units and containers of muster's on these machines, by node and name, in a fixed order. */
export async function readRunners(nodes: readonly LabNode[]): Promise<Runner[]> {
  const found = await Promise.all(nodes.filter((node) => node.isOn && !node.isFrozen).map(readMachine));
  return found.flat().sort((a, b) => (`${a.name} ${a.node}` < `${b.name} ${b.node}` ? -1 : 1));
}

/** What must stay the same when nothing is to be disturbed: which run of what, where, as which process. */
export function identities(runners: readonly Runner[]): string[] {
  return runners.filter(({ active }) => active).map(({ node, name, id, pid }) => `${name} on ${node}: ${id} (${pid})`);
}

async function readMachine(node: LabNode): Promise<Runner[]> {
  const { stdout } = await node.run(['sh', '-c', script]);
  const [units = '', containers = ''] = stdout.split(/^==$/m);
  return [
    ...units.split('\n\n').flatMap((text) => readUnit(node.name, text)),
    ...containers.split('\n').flatMap((line) => readContainer(node.name, line.trim())),
  ];
}

function readUnit(node: string, text: string): Runner[] {
  const lines = text.split('\n').map((line): [string, string] => {
    const at = line.indexOf('=');
    return [line.slice(0, at), line.slice(at + 1)];
  });
  const values = new Map(lines);
  const name = values.get('Id');
  if (name === undefined) return [];
  return [
    {
      node,
      name,
      id: values.get('InvocationID') ?? '',
      pid: Number(values.get('MainPID') ?? 0),
      active: values.get('ActiveState') === 'active',
      startedAtMs: parseTimestamp(values.get('ActiveEnterTimestamp') ?? ''),
      endedAtMs: parseTimestamp(values.get('InactiveEnterTimestamp') ?? ''),
    },
  ];
}

/** `Sat 2026-11-21 18:43:53.123456 UTC`. */
function parseTimestamp(text: string): number {
  const [, day, time] = text.split(' ');
  return day === undefined || time === undefined ? 0 : Date.parse(`${day}T${time}Z`);
}

function readContainer(node: string, line: string): Runner[] {
  const [name, id = '', pid, running, startedAt = '', finishedAt = ''] = line.split(' ');
  if (name === undefined || name === '') return [];
  const startedAtMs = Date.parse(startedAt);
  return [
    {
      node,
      name: name.slice(1),
      // A container that is started again keeps its ID.
      id: `${id.slice(0, 12)} ${startedAt}`,
      pid: Number(pid),
      active: running === 'true',
      startedAtMs,
      endedAtMs: Math.max(0, Date.parse(finishedAt)),
    },
  ];
}
