import type { NodeRow } from '../wire/answers.ts';
import type { Cell } from './table.ts';

/** A node's state with what an operator set on it. */
export function nodeStateCell(node: NodeRow): Cell {
  const drain = node.drainedSince === undefined ? ', draining' : ', drained';
  const set = node.removing === true ? ', being removed' : node.draining ? drain : node.cordoned ? ', cordoned' : '';
  const tone = node.state === 'lost' ? 'bad' : node.state !== 'up' || set !== '' ? 'warn' : 'good';
  return { text: node.state + set, tone };
}

/** `zone=a disk=ssd`, sorted. */
export function formatLabels(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join(' ');
}

/** `docker 20.10, systemd 252`. */
export function formatRuntimes(runtimes: NodeRow['runtimes']): string {
  return Object.entries(runtimes)
    .map(([kind, version]) => `${kind} ${version}`)
    .sort()
    .join(', ');
}

/** `3.8 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let at = 0;
  for (; value >= 1_024 && at < units.length - 1; at += 1) value /= 1_024;
  return `${value >= 100 || at === 0 ? Math.round(value) : value.toFixed(1)} ${units[at]}`;
}
