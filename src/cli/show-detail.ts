import type { ContainerSpec, Move, Placement, RunSpec, Workload } from '../domain/spec.ts';
import type { InstanceDetail, InstanceRow, NodeRow, WorkloadAnswer, WorkloadSummary } from '../wire/answers.ts';
import type { Context } from './context.ts';
import { describeDisconnect, describeReschedule } from './describe-policies.ts';
import { formatAge, formatTime, formatWhen } from './durations.ts';
import { printFields, printTable } from './print-answer.ts';
import { instanceCells, instanceColumns, phaseCell } from './show-instances.ts';
import { formatBytes, formatLabels, formatRuntimes, nodeStateCell } from './show-nodes.ts';
import { printable } from './table.ts';

type Screen = Pick<Context, 'stdout' | 'paint' | 'clock' | 'utc' | 'timeZone'>;

/** A workload as `muster inspect` shows it. */
export function showWorkload(screen: Screen, answer: WorkloadAnswer): void {
  const { workload, summary, spec } = answer;
  const order = workload.removing === true ? 'remove' : workload.desired;
  printFields(screen, [
    ['Workload', answer.name],
    ['Desired', `${order}, ${describeScale(workload.scale)}`],
    ['State', describeSummary(summary)],
    ['Spec', `${workload.spec}${answer.specs.length > 1 ? ` (kept: ${answer.specs.join(', ')})` : ''}`],
    ['Disconnect', describeDisconnect(workload)],
    ['Reschedule', describeReschedule(workload)],
    ['Sticky', workload.sticky ? 'yes: waits for its node' : undefined],
    ['Placement', describePlacement(workload.placement)],
    ['Created', formatWhen(workload.createdAt, screen)],
    ['Changed', formatWhen(workload.changedAt, screen)],
  ]);
  if (spec !== undefined) showSpec(screen, spec.run, spec.resolvedImage);
  showProblems(screen, summary);
  showRows(screen, answer.instances);
}

/** One instance with its copies and its history. */
export function showInstance(screen: Screen, detail: InstanceDetail): void {
  printFields(screen, [
    ['Instance', detail.display],
    ['Phase', detail.phase],
    ['Why', detail.reason],
    ['Waits for', detail.waitsFor],
  ]);
  for (const row of detail.rows) showCopy(screen, row);
  showNodeReasons(screen, detail);
  showMoves(screen, detail.moves);
}

function showCopy(screen: Screen, row: InstanceRow): void {
  const now = screen.clock.wallTime();
  const when = (at: string | undefined) => (at === undefined ? undefined : formatWhen(at, screen));
  screen.stdout.write('\n');
  printFields(screen, [
    [
      'Copy on',
      row.node === undefined
        ? undefined
        : `${row.node.hostname} (${row.node.id.slice(0, 8)})${row.role === undefined ? '' : `, ${row.role}`}`,
    ],
    [
      'Phase',
      `${row.phase} for ${formatAge(row.since, now)}${row.since === undefined ? '' : ` (since ${formatTime(row.since, screen)})`}${row.healthy ? ', healthy' : ''}`,
    ],
    ['Spec', row.spec === undefined ? undefined : `${row.spec}${row.upToDate ? '' : ' (not the present one)'}`],
    ['Unit', row.unit === undefined ? undefined : `${row.unit.load}, ${row.unit.active} (${row.unit.sub})`],
    ['Container', row.container === undefined ? undefined : `${row.container.id.slice(0, 12)}, ${row.container.state}`],
    ['Health', row.health === 'none' ? undefined : row.health],
    ['PID', row.pid?.toString()],
    ['Addresses', row.addresses?.join(', ')],
    ['Ports', row.ports?.join(', ')],
    ['Token', row.fencingToken],
    ['Started', when(row.startedAt)],
    ['Ended', when(row.finishedAt)],
    ['Exit code', row.exitCode?.toString()],
    ['Restarts', row.restarts.toString()],
    ['Last error', row.lastError],
    [
      'Last action',
      row.lastAction === undefined
        ? undefined
        : `${row.lastAction.kind}, ${formatWhen(row.lastAction.at, screen)}: ${row.lastAction.reason}`,
    ],
  ]);
}

/** A node as `muster inspect` shows it. */
export function showNode(screen: Screen, node: NodeRow): void {
  printFields(screen, [
    ['Node', node.hostname],
    ['ID', node.id],
    ['State', `${nodeStateCell(node).text}${node.leader ? ', leads' : ''}`],
    ['Lost since', node.lostSince === undefined ? undefined : formatWhen(node.lostSince, screen)],
    ['Drain', describeDrain(screen, node)],
    ['Address', node.advertise],
    ['Addresses', node.addresses.join(', ')],
    ['Labels', formatLabels(node.labels)],
    ['Capacity', `${node.capacity.cpus} CPUs, ${formatBytes(node.capacity.memoryBytes)}`],
    ['Runtimes', formatRuntimes(node.runtimes)],
    ['Agent', node.agentVersion],
    ['Machine ID', node.machineId],
    ['Boot ID', node.bootId],
    ['Instances', node.instances.toString()],
  ]);
}

function describeDrain(screen: Screen, { drain, drainedSince }: NodeRow): string | undefined {
  if (drain === undefined) return undefined;
  const parts = [
    `since ${formatWhen(drain.since, screen)}`,
    drain.deadline === undefined ? '' : `until ${formatTime(drain.deadline, screen)}`,
    drain.force === true ? 'then by force' : '',
    drain.keepGlobal === true ? 'global instances stay' : '',
    drainedSince === undefined ? '' : `empty since ${formatWhen(drainedSince, screen)}`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}

function describeScale(scale: Workload['scale']): string {
  if (scale.kind === 'global') return 'on every matching node';
  return scale.replicas === 1 ? '1 replica' : `${scale.replicas} replicas`;
}

/** `2 of 3 healthy`, and whether that is all there is to do. */
export function describeSummary(summary: WorkloadSummary): string {
  const count = `${summary.healthy} of ${summary.wanted} healthy`;
  return `${count}, ${summary.converged ? 'as desired' : summary.blocked ? 'stuck' : 'under way'}`;
}

/** Why each node can't take a pending instance. */
export function showNodeReasons(screen: Screen, detail: InstanceDetail): void {
  if (detail.nodes.length === 0) return;
  screen.stdout.write('\n');
  const rows = detail.nodes.map(({ node, reason }) => [
    { text: node.hostname, tone: 'strong' as const },
    { text: reason },
  ]);
  printTable(screen, [{ title: 'NODE' }, { title: 'CANNOT TAKE IT BECAUSE', shrinks: true }], rows, '');
}

/** Where an instance has been, newest last. */
export function showMoves(screen: Screen, moves: readonly Move[]): void {
  if (moves.length === 0) return;
  screen.stdout.write('\n');
  const node = (id: string | undefined) => ({ text: id?.slice(0, 8) ?? '-' });
  const rows = moves.map((move) => [
    { text: formatTime(move.at, screen) },
    node(move.from),
    node(move.to),
    { text: move.reason },
  ]);
  printTable(
    screen,
    [{ title: 'MOVED AT' }, { title: 'FROM' }, { title: 'TO' }, { title: 'BECAUSE', shrinks: true }],
    rows,
    '',
  );
}

function showProblems({ stdout, paint }: Screen, { problems }: WorkloadSummary): void {
  if (problems.length === 0) return;
  stdout.write(`\n${paint('In the way:', 'bad')}\n`);
  for (const { instance, phase, text } of problems) {
    stdout.write(`  ${instance} ${paint(phase, phaseCell(phase).tone ?? 'plain')}: ${printable(text)}\n`);
  }
}

/** Copies as `muster ps` lists them. */
export function showCopies(screen: Screen, rows: readonly InstanceRow[]): void {
  const how = { wide: screen.utc };
  const cells = rows.map((row) => instanceCells(screen, row, how));
  printTable(screen, instanceColumns(how), cells, 'No instances.');
}

function showRows(screen: Screen, instances: readonly InstanceDetail[]): void {
  screen.stdout.write('\n');
  showCopies(
    screen,
    instances.flatMap((detail) => detail.rows),
  );
}

function showSpec(screen: Screen, run: RunSpec, resolvedImage: string | undefined): void {
  if (run.kind === 'unit') {
    screen.stdout.write(
      `\n${run.text
        .split('\n')
        .map((line) => `  ${printable(line)}`.trimEnd())
        .join('\n')
        .trimEnd()}\n`,
    );
    return;
  }
  printFields(screen, [['Image', run.image], ['Digest', resolvedImage], ...containerFields(run)]);
}

function containerFields(run: ContainerSpec): [string, string | undefined][] {
  return [
    ['Entrypoint', run.entrypoint === undefined ? undefined : JSON.stringify(run.entrypoint)],
    ['Command', run.command === undefined ? undefined : JSON.stringify(run.command)],
    [
      'Ports',
      run.ports
        .map(
          (port) =>
            `${port.hostIp === undefined ? '' : `${port.hostIp}:`}${port.hostPort}:${port.containerPort}/${port.protocol}`,
        )
        .join(' '),
    ],
    [
      'Mounts',
      run.mounts
        .map((mount) =>
          mount.type === 'tmpfs'
            ? `tmpfs:${mount.target}`
            : `${mount.source}:${mount.target}${mount.readOnly ? ':ro' : ''}`,
        )
        .join(' '),
    ],
    ['Memory', run.memoryBytes === undefined ? undefined : formatBytes(run.memoryBytes)],
    ['CPUs', run.cpus?.toString()],
  ];
}

function describePlacement(placement: Placement): string | undefined {
  const parts = [
    ...placement.machineIds.map((id) => `on machine ${id}`),
    ...placement.machineOf.map((name) => `with ${name}`),
    ...placement.labels.map(({ key, values }) => `${key} is ${values.join(' or ')}`),
    ...placement.conflicts.map((glob) => `not with ${glob}`),
    ...placement.replaces.map((glob) => `replaces ${glob}`),
  ];
  return parts.length === 0 ? undefined : parts.join(', ');
}
