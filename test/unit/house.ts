import { dirname, join, normalize } from 'node:path/posix';

/** What one room may import. An entry is a room, or one file of it without its ending. */
export interface Room {
  readonly rooms: readonly string[];
  readonly libraries: readonly string[];
  readonly node: boolean;
}

const everythingBelowAgent = [
  ...['domain', 'plan', 'loop', 'etcd', 'cluster', 'bus', 'runtime', 'runtime/docker', 'runtime/systemd', 'host'],
  ...['node', 'leader', 'wire', 'input', 'api', 'pki', 'config', 'metrics'],
];

/** The house: ARCHITECTURE.md has the same table in words. A folder with no row of its own belongs to the one above it. */
export const house: Readonly<Record<string, Room>> = {
  main: { rooms: ['agent', 'cli', 'doctor'], libraries: [], node: true },
  agent: { rooms: everythingBelowAgent, libraries: ['pino', 'ws'], node: true },
  doctor: {
    rooms: ['domain', 'loop', 'etcd', 'cluster', 'bus', 'host', 'pki', 'wire', 'config'],
    libraries: [],
    node: true,
  },
  domain: { rooms: [], libraries: [], node: false },
  plan: { rooms: ['domain'], libraries: [], node: false },
  loop: { rooms: [], libraries: [], node: false },
  etcd: { rooms: ['domain/errors', 'loop'], libraries: ['etcd3'], node: true },
  cluster: { rooms: ['domain', 'loop', 'etcd/port', 'etcd/session'], libraries: ['valibot'], node: true },
  bus: { rooms: ['domain/errors', 'loop'], libraries: ['dbus-native'], node: true },
  runtime: { rooms: ['domain', 'loop'], libraries: [], node: true },
  'runtime/docker': {
    rooms: ['domain', 'loop', 'runtime', 'host/assert-can-spawn'],
    libraries: ['dockerode', 'execa'],
    node: true,
  },
  'runtime/systemd': {
    rooms: ['domain', 'loop', 'runtime', 'bus', 'host/assert-can-spawn'],
    libraries: ['execa'],
    node: true,
  },
  host: { rooms: ['domain', 'loop', 'bus'], libraries: ['execa'], node: true },
  node: {
    rooms: ['domain', 'plan', 'loop', 'etcd/port', 'cluster', 'runtime/port', 'host/port'],
    libraries: [],
    node: true,
  },
  leader: { rooms: ['domain', 'plan', 'loop', 'cluster'], libraries: [], node: true },
  metrics: { rooms: ['domain', 'loop', 'runtime/port'], libraries: ['prom-client'], node: true },
  wire: { rooms: ['domain'], libraries: ['valibot', 'ws'], node: true },
  input: { rooms: ['domain'], libraries: ['yaml'], node: true },
  api: {
    rooms: ['domain', 'cluster', 'wire', 'input', 'loop', 'runtime/port', 'leader/forecast'],
    libraries: ['hono', '@hono/node-server', 'ws'],
    node: true,
  },
  pki: { rooms: ['domain'], libraries: ['@peculiar/x509', 'reflect-metadata'], node: true },
  cli: { rooms: ['domain', 'wire', 'input', 'pki'], libraries: [], node: true },
  config: { rooms: ['domain'], libraries: ['yaml'], node: true },
};

/** Files of one tree: path from `src/` on, to its text. */
export type Sources = ReadonlyMap<string, string>;

const importForms = [
  /^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm,
  /^\s*import\s*['"]([^'"]+)['"]/gm,
  /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g,
];

/** Every module that a text names in an import, an export or a type, lazily or not. */
export function findImports(text: string): string[] {
  return importForms.flatMap((form) => [...text.matchAll(form)].map((match) => match[1] ?? ''));
}

/** The room of a file: the longest row of the table that its path begins with. */
export function roomOf(path: string, table = house): string | undefined {
  const module = path.replace(/\.ts$/, '');
  return Object.keys(table)
    .filter((room) => module === room || module.startsWith(`${room}/`))
    .sort((a, b) => b.length - a.length)[0];
}

function libraryOf(specifier: string): string {
  const parts = specifier.split('/');
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '');
}

function judgeImport(path: string, room: string, specifier: string): string | undefined {
  const allowed = house[room];
  if (allowed === undefined) return undefined;
  if (specifier.startsWith('node:')) return allowed.node ? undefined : `${path}: ${room} may not import ${specifier}`;
  if (!specifier.startsWith('.')) {
    const isAllowed = allowed.libraries.includes(libraryOf(specifier));
    return isAllowed ? undefined : `${path}: ${room} may not import the library ${specifier}`;
  }
  const target = normalize(join(dirname(path), specifier));
  const targetRoom = roomOf(target);
  if (targetRoom === undefined) return `${path}: ${specifier} is in no room`;
  if (targetRoom === room || allowed.rooms.includes(targetRoom)) return undefined;
  if (allowed.rooms.includes(target.replace(/\.ts$/, ''))) return undefined;
  return `${path}: ${room} may not import ${target}`;
}

/** Imports that the table does not allow, one line each. */
export function findForbiddenImports(sources: Sources): string[] {
  return [...sources].flatMap(([path, text]) => {
    const room = roomOf(path);
    if (room === undefined) return [`${path}: is in no room`];
    return findImports(text).flatMap((specifier) => judgeImport(path, room, specifier) ?? []);
  });
}

/** Chains of files that import each other, types included, each told once as `a -> b -> a`. */
export function findCycles(sources: Sources): string[] {
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) cycles.push([...trail.slice(at), path].join(' -> '));
    if (at >= 0 || done.has(path)) return;
    for (const specifier of findImports(sources.get(path) ?? '')) {
      if (specifier.startsWith('.')) visit(normalize(join(dirname(path), specifier)), [...trail, path]);
    }
    done.add(path);
  };
  for (const path of sources.keys()) visit(path, []);
  return cycles;
}

const suppression = /(oxlint-disable|eslint-disable|biome-ignore|@ts-expect-error)(?<rest>.*)/;

/** Comments that switch a check off and do not say why. */
export function findBareSuppressions(sources: Sources): string[] {
  return [...sources].flatMap(([path, text]) =>
    text.split('\n').flatMap((line, index) => {
      const rest = suppression.exec(line)?.groups?.['rest'];
      const hasReason = rest === undefined || /(--|:)\s*\S/.test(rest) || /^\s+\S+\s+\S/.test(rest);
      return hasReason ? [] : [`${path}:${index + 1}: says no reason`];
    }),
  );
}

/** Files longer than anyone should have to read at once. */
export function findLongFiles(sources: Sources, maxLines = 300): string[] {
  return [...sources].flatMap(([path, text]) => {
    const lines = text.trimEnd().split('\n').length;
    return lines > maxLines ? [`${path}: ${lines} lines`] : [];
  });
}
