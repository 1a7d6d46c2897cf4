import { AgentError } from './errors.ts';
import type { ContainerSpec, Mount, PortMapping } from './spec.ts';

/** How a text must be: what it is, its grammar, and that in words. */
type Form = readonly [what: string, grammar: RegExp, expected: string];

const imageForm: Form = [
  'image',
  /^(?:(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?::\d{1,5})?\/)?[a-z0-9]+(?:(?:\.|_{1,2}|-+|\/)[a-z0-9]+)*(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/,
  'an image reference as "registry:5000/name:tag"',
];
const hostnameForm: Form = ['hostname', /^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/, 'a host name'];
const signalForm: Form = ['stopSignal', /^((SIG)?[A-Z][A-Z0-9+-]*|\d{1,2})$/, 'a signal as "SIGTERM" or "15"'];
const capabilityForm: Form = ['capability', /^(ALL|(CAP_)?[A-Z][A-Z_]*)$/, 'a capability as "NET_ADMIN", or "ALL"'];
const extraHostForm: Form = [
  'extra host',
  /^[A-Za-z0-9._-]+:([0-9a-fA-F.:]+|\[[0-9a-fA-F:]+\]|host-gateway)$/,
  '"name:address"',
];
const networkForm: Form = ['network', /^[A-Za-z0-9][A-Za-z0-9_.:-]*$/, '"bridge", "host", "none" or a network\'s name'];
const userForm: Form = ['user', /^[^\s:]{1,256}(:[^\s:]{1,255})?$/, '"user" or "user:group"'];
const driverForm: Form = ['logging driver', /^[a-z][a-z0-9_./:-]{0,127}$/i, "a driver's name"];
const pathForm: Form = ['workingDir', /^\//, 'an absolute path'];
const hostIpForm: Form = ['port', /^([0-9.]{7,15}|[0-9a-fA-F:]{2,39})$/, 'an IP address'];
const volumeForm: Form = [
  'mount',
  /^[A-Za-z0-9][A-Za-z0-9_.-]{1,254}$/,
  'a volume\'s name of 2 or more letters, digits and "_.-"',
];

/** What types can't say of a container: the grammar of its parts, and what they may not be together. */
export function checkContainer(run: ContainerSpec): void {
  refuseControl(run);
  expectForm(run.image, imageForm);
  if (run.image.length > 512) throw refuse('image', run.image, 'at most 512 characters');
  for (const key of Object.keys(run.environment)) checkEnvironmentKey(key);
  for (const key of Object.keys(run.labels)) checkLabelKey(key);
  for (const [form, values] of formsOf(run)) for (const value of values) expectForm(value, form);
  if (run.memoryBytes !== undefined && run.memoryBytes < 6 * 1024 ** 2) {
    throw refuse('memory', String(run.memoryBytes), "at least 6m, Docker's own minimum");
  }
  checkPorts(run.ports);
  checkMounts(run.mounts);
  const test = run.healthCheck?.test;
  if (test !== undefined && ('exec' in test ? test.exec.length === 0 : test.shell.trim() === '')) {
    throw refuse('healthCheck', '', 'a command');
  }
}

/** Each text of the spec that has a grammar, by its grammar. */
function formsOf(run: ContainerSpec): readonly (readonly [form: Form, values: readonly (string | undefined)[]])[] {
  return [
    [hostnameForm, [run.hostname]],
    [signalForm, [run.stopSignal]],
    [capabilityForm, [...run.capAdd, ...run.capDrop]],
    [extraHostForm, run.extraHosts],
    [networkForm, [run.networkMode]],
    [userForm, [run.user]],
    [driverForm, [run.logging.driver]],
    [pathForm, [run.workingDir]],
  ];
}

/** The grammar of an environment variable's name; `MUSTER_…` are set by the agent alone. */
export function checkEnvironmentKey(key: string): void {
  if (/^MUSTER_/i.test(key)) throw refuse('environment', key, 'a name that doesn\'t begin with "MUSTER_"');
  if (key.length > 256 || !/^[A-Za-z_.-][A-Za-z0-9_.-]*$/.test(key) || key === '__proto__') {
    throw refuse('environment', key, 'a variable\'s name of letters, digits and "_"');
  }
}

function checkLabelKey(key: string): void {
  if (/^muster([./-]|$)/i.test(key))
    throw refuse('label', key, "a key that is not one of muster's own, by which it knows its containers");
  if (key === '' || key.length > 256 || /\s|=/.test(key) || key === '__proto__') {
    throw refuse('label', key, 'a key without spaces and "="');
  }
}

function checkPorts(ports: readonly PortMapping[]): void {
  const seen = new Set<string>();
  for (const { hostIp, hostPort, containerPort, protocol } of ports) {
    for (const port of [hostPort, containerPort]) {
      if (!Number.isInteger(port) || port < 1 || port > 65_535) throw refuse('port', String(port), '1 to 65535');
    }
    expectForm(hostIp, hostIpForm);
    const key = `${hostIp ?? ''}:${hostPort}/${protocol}`;
    if (seen.has(key)) throw refuse('port', String(hostPort), 'each host port once');
    seen.add(key);
  }
}

function checkMounts(mounts: readonly Mount[]): void {
  const targets = new Set<string>();
  for (const mount of mounts) {
    const { target } = mount;
    if (!isPlainPath(target) || target === '/')
      throw refuse('mount', target, 'an absolute path other than "/", without ".."');
    if (targets.has(target)) throw refuse('mount', target, 'each target once');
    targets.add(target);
    if (mount.type === 'bind' && !isPlainPath(mount.source)) {
      throw refuse('mount', mount.source, 'an absolute path on the host, without ".."');
    }
    if (mount.type === 'volume') expectForm(mount.source, volumeForm);
  }
}

function isPlainPath(path: string): boolean {
  return path.startsWith('/') && !path.split('/').includes('..');
}

/** NUL ends a C string: what comes after it would be lost in silence. */
function refuseControl(value: unknown): void {
  if (typeof value === 'string') {
    if (value.includes('\0')) throw refuse('text', value.replaceAll('\0', '\\0'), 'no NUL');
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, part] of Object.entries(value)) {
      refuseControl(key);
      refuseControl(part);
    }
  }
}

/** Absent is well. */
function expectForm(value: string | undefined, [what, grammar, expected]: Form): void {
  if (value !== undefined && !grammar.test(value)) throw refuse(what, value, expected);
}

function refuse(what: string, value: string, expected: string): AgentError {
  const shown = value.length <= 100 ? value : `${value.slice(0, 100)}…`;
  return new AgentError('INVALID_INPUT', `Cannot use ${what} "${shown}": expected ${expected}`);
}
