import { AgentError } from '../domain/errors.ts';
import type { ContainerSpec, HealthCheck, Mount, PortMapping } from '../domain/spec.ts';
import { Fields, textOf } from './fields.ts';
import { MOUNT_FORM, parseMountText } from './mount-text.ts';
import { given } from './policy-fields.ts';
import { PORT_FORM, parsePortText } from './port-text.ts';
import { parseAt, quote, refuse } from './refuse.ts';
import { splitShellWords } from './shell-words.ts';
import { parseCpus } from './unit-document.ts';

/** The keys of `container:`. */
export const CONTAINER_KEYS = [
  'image',
  'entrypoint',
  'command',
  'environment',
  'labels',
  'ports',
  'mounts',
  'network',
  'user',
  'workingDir',
  'hostname',
  'memory',
  'cpus',
  'stopSignal',
  'stopGrace',
  'healthCheck',
  'readOnly',
  'capAdd',
  'capDrop',
  'extraHosts',
  'logging',
] as const;

/** Docker's own defaults, so that a file from elsewhere means here what it meant there. */
const STOP_GRACE_MS = 10_000;
const HEALTH = { intervalMs: 30_000, timeoutMs: 30_000, retries: 3, startPeriodMs: 0 };

/** The run part that `container:` describes; every default filled in, so that its hash is that of what runs. */
export function readContainer(fields: Fields, file: string): ContainerSpec {
  const image = fields.text('image');
  if (image === undefined) throw fields.refuse('image', 'an "image"');
  const logging = fields.fields('logging', ['driver', 'options']);
  return {
    kind: 'container',
    image,
    ...given('entrypoint', readCommand(fields, 'entrypoint')),
    ...given('command', readCommand(fields, 'command')),
    environment: fields.textMap('environment'),
    labels: fields.textMap('labels'),
    ports: readPorts(fields, file),
    mounts: readMounts(fields, file),
    ...given('networkMode', fields.text('network')),
    ...given('user', fields.text('user')),
    ...given('workingDir', fields.text('workingDir')),
    ...given('hostname', fields.text('hostname')),
    ...given('memoryBytes', fields.sizeBytes('memory')),
    ...given('cpus', fields.parsed('cpus', parseCpus)),
    ...given('stopSignal', fields.text('stopSignal')),
    stopGraceMs: fields.durationMs('stopGrace') ?? STOP_GRACE_MS,
    ...given('healthCheck', readHealthCheck(fields)),
    readOnlyRoot: fields.flag('readOnly') ?? false,
    capAdd: fields.texts('capAdd'),
    capDrop: fields.texts('capDrop'),
    extraHosts: readExtraHosts(fields),
    logging: { driver: logging?.text('driver') ?? 'journald', options: logging?.textMap('options') ?? {} },
  };
}

/** A list is taken as it is, text is split as a shell would. */
function readCommand(fields: Fields, key: string): string[] | undefined {
  const tree = fields.tree(key);
  if (tree === undefined) return undefined;
  if (tree.kind === 'list') return fields.texts(key);
  return fields.parsed(key, splitShellWords);
}

function readPorts(fields: Fields, file: string): PortMapping[] {
  return fields.list('ports').map((item) => {
    const at = { file, line: item.line };
    const text = textOf(item, () => refuse(`"${fields.path('ports')}"`, at, `a list; each item ${PORT_FORM}`));
    return parseAt(at, () => parsePortText(text));
  });
}

function readMounts(fields: Fields, file: string): Mount[] {
  return fields.list('mounts').map((item) => {
    const at = { file, line: item.line };
    if (item.kind === 'map') {
      const keys = ['type', 'source', 'target', 'readOnly', 'size'];
      return readMountMap(new Fields(item, file, fields.path('mounts'), keys));
    }
    const text = textOf(item, () => refuse(`"${fields.path('mounts')}"`, at, MOUNT_FORM));
    return parseAt(at, () => parseMountText(text));
  });
}

function readMountMap(mount: Fields): Mount {
  const type = mount.word('type', ['bind', 'volume', 'tmpfs']);
  const target = mount.text('target');
  if (type === undefined || target === undefined) throw mount.refuse('', 'a "type" and a "target"');
  if (type === 'tmpfs') {
    if (mount.has('source') || mount.has('readOnly'))
      throw mount.refuse('source', 'only target and size with type "tmpfs"');
    return { type, target, ...given('sizeBytes', mount.sizeBytes('size')) };
  }
  const source = mount.text('source');
  if (source === undefined) throw mount.refuse('', `a "source" with type "${type}"`);
  if (mount.has('size')) throw mount.refuse('size', 'a size only with type "tmpfs"');
  return { type, source, target, readOnly: mount.flag('readOnly') ?? false };
}

function readHealthCheck(container: Fields): HealthCheck | undefined {
  const keys = ['test', 'command', 'interval', 'timeout', 'retries', 'startPeriod'];
  const fields = container.fields('healthCheck', keys);
  if (fields === undefined) return undefined;
  if (fields.has('test') === fields.has('command')) throw fields.refuse('command', 'either "test" or "command"');
  return {
    test: readTest(fields, fields.has('test') ? 'test' : 'command'),
    intervalMs: fields.durationMs('interval') ?? HEALTH.intervalMs,
    timeoutMs: fields.durationMs('timeout') ?? HEALTH.timeoutMs,
    retries: fields.integer('retries', 0, 1_000) ?? HEALTH.retries,
    startPeriodMs: fields.durationMs('startPeriod') ?? HEALTH.startPeriodMs,
  };
}

/** Docker's forms: text for a shell, or `[CMD, …]`, `[CMD-SHELL, line]`; a list without either word is the command itself. */
function readTest(fields: Fields, key: string): HealthCheck['test'] {
  if (fields.tree(key)?.kind !== 'list') return { shell: fields.text(key) ?? '' };
  const [first, ...rest] = fields.texts(key);
  if (first === 'CMD') return { exec: rest };
  if (first === 'CMD-SHELL') {
    if (rest.length !== 1) throw fields.refuse(key, 'one line after "CMD-SHELL"');
    return { shell: rest[0] ?? '' };
  }
  if (first === undefined || first === 'NONE') throw fields.refuse(key, 'a command');
  return { exec: [first, ...rest] };
}

function readExtraHosts(fields: Fields): string[] {
  const tree = fields.tree('extraHosts');
  if (tree?.kind !== 'map') return fields.texts('extraHosts');
  return Object.entries(fields.textMap('extraHosts', ':')).map(([host, address]) => {
    if (host.includes(':')) {
      throw new AgentError('INVALID_INPUT', `Cannot use extra host ${quote(host)}: expected a name without ":"`);
    }
    return `${host}:${address}`;
  });
}
