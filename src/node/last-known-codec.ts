import { assignmentCodec, specCodec } from '../cluster/codecs.ts';
import { AgentError } from '../domain/errors.ts';
import { type InstanceKey, parseInstanceKey } from '../domain/ids.ts';
import type { StoredSpec } from '../domain/spec.ts';
import type { Order } from './order-book.ts';

/** An order as it was last known, with the spec that it names. */
export interface KnownOrder {
  readonly order: Order;
  readonly spec: StoredSpec;
}

/** What the disk holds for a start without the store. */
export interface LastKnownOrders {
  /** Whose orders they are: another machine that came by this disk must not follow them. */
  readonly machineId: string;
  readonly productUuid: string | undefined;
  readonly cluster: string;
  /** The cluster's epoch at the time: part of each fencing token. */
  readonly epoch: number;
  readonly orders: ReadonlyMap<InstanceKey, KnownOrder>;
}

const FORMAT = 1;

/** Orders and specs are texts as the store has them, so that they are checked as those are. */
interface Json {
  readonly v: number;
  readonly machineId: string;
  readonly productUuid?: string;
  readonly cluster: string;
  readonly epoch: number;
  readonly orders: readonly {
    readonly key: string;
    readonly revision: number;
    readonly assignment: string;
    readonly spec: string;
  }[];
}

/** The text of a state file. Equal orders give equal texts. */
export function encodeLastKnown(known: LastKnownOrders): string {
  const { machineId, productUuid, cluster, epoch } = known;
  const json: Json = {
    v: FORMAT,
    machineId,
    ...(productUuid === undefined ? {} : { productUuid }),
    cluster,
    epoch,
    orders: [...known.orders.values()]
      .sort((a, b) => (a.order.key < b.order.key ? -1 : 1))
      .map(({ order, spec }) => ({
        key: order.key,
        revision: order.revision,
        assignment: assignmentCodec.encode(order.assignment),
        spec: specCodec.encode(spec),
      })),
  };
  return JSON.stringify(json);
}

/** `INVALID_INPUT` for anything that {@link encodeLastKnown} of this version doesn't make. */
export function decodeLastKnown(text: string): LastKnownOrders {
  const json = parse(text);
  const orders = new Map<InstanceKey, KnownOrder>();
  for (const entry of json.orders) {
    const key = parseInstanceKey(entry.key);
    const assignment = assignmentCodec.decode(entry.assignment, entry.key);
    const order: Order = { key, revision: entry.revision, assignment, epoch: json.epoch };
    orders.set(key, { order, spec: specCodec.decode(entry.spec, entry.key) });
  }
  const { machineId, productUuid, cluster, epoch } = json;
  return { machineId, productUuid, cluster, epoch, orders };
}

function parse(text: string): Json {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw notLastKnown('JSON');
  }
  if (!isMap(json)) throw notLastKnown('an object');
  if (json['v'] !== FORMAT) throw notLastKnown(`format ${FORMAT}, got ${String(json['v']).slice(0, 40)}`);
  const isSound =
    typeof json['machineId'] === 'string' &&
    (json['productUuid'] === undefined || typeof json['productUuid'] === 'string') &&
    typeof json['cluster'] === 'string' &&
    isCount(json['epoch']) &&
    Array.isArray(json['orders']) &&
    json['orders'].every(isEntry);
  if (!isSound) throw notLastKnown('machineId, cluster, epoch and orders');
  return json as unknown as Json;
}

function isEntry(entry: unknown): boolean {
  if (!isMap(entry)) return false;
  const areTexts = ['key', 'assignment', 'spec'].every((name) => typeof entry[name] === 'string');
  return areTexts && isCount(entry['revision']);
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function notLastKnown(expected: string): AgentError {
  return new AgentError('INVALID_INPUT', `Cannot read the last known orders: expected ${expected}`);
}
