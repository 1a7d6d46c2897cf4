/** A key of the lab's etcd as it is stored. */
export interface StoredKey {
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  /** 0: none. */
  readonly lease: string;
}

interface GatewayKey {
  readonly key: string;
  readonly value?: string;
  readonly create_revision: string;
  readonly mod_revision: string;
  readonly lease?: string;
}

interface GatewayStatus {
  readonly header: { readonly member_id: string };
  readonly leader?: string;
}

/** An election of etcd takes some seconds at worst; a member that is dead or frozen holds up nobody, since the first answer counts. */
const answerMs = 10_000;
/** One member, before the next is asked: some megabytes are on their way to a slow disk. */
const writeMs = 5_000;
/** Where all members are asked, and those that are away are left out. */
const statusMs = 2_000;

/**
 * The lab's etcd, read and written past muster, through etcd's own JSON gateway. Whichever member answers a read first; a write goes to
 * one, so that none is done once more later.
 */
export class EtcdStore {
  readonly #endpoints: readonly string[];
  /** The one that took the last write. */
  #writable: string | undefined;

  constructor(endpoints: readonly string[]) {
    this.#endpoints = endpoints;
  }

  async get(key: string): Promise<StoredKey | undefined> {
    const { kvs = [] } = await this.#post<{ kvs?: GatewayKey[] }>('kv/range', { key: encode(key) });
    return kvs.map(decodeKey)[0];
  }

  async list(prefix: string): Promise<StoredKey[]> {
    const body = { key: encode(prefix), range_end: encode(endOf(prefix)) };
    const { kvs = [] } = await this.#post<{ kvs?: GatewayKey[] }>('kv/range', body);
    return kvs.map(decodeKey);
  }

  /** A text, or bytes that are none. */
  async put(key: string | Uint8Array, value: string | Uint8Array): Promise<void> {
    await this.#write('kv/put', { key: encode(key), value: encode(value) });
  }

  async delete(key: string | Uint8Array): Promise<void> {
    await this.#write('kv/deleterange', { key: encode(key) });
  }

  async deletePrefix(prefix: string): Promise<void> {
    await this.#write('kv/deleterange', { key: encode(prefix), range_end: encode(endOf(prefix)) });
  }

  /** Whole seconds that a lease has left. */
  async leaseSeconds(lease: string): Promise<number> {
    return Number((await this.#post<{ TTL?: string }>('lease/timetolive', { ID: lease })).TTL ?? 0);
  }

  /** The endpoint of the member that leads etcd itself. */
  async leaderEndpoint(): Promise<string> {
    const found = (await this.#statuses()).find(({ status }) => status.leader === status.header.member_id);
    if (found === undefined)
      throw new Error('Cannot find the leader of etcd: expected one member to say that it leads');
    return found.endpoint;
  }

  /** Gives the lead of etcd to the member at this endpoint. */
  async moveLeader(endpoint: string): Promise<void> {
    const statuses = await this.#statuses();
    const target = statuses.find((each) => each.endpoint === endpoint)?.status.header.member_id;
    const leader = statuses.find(({ status }) => status.leader === status.header.member_id);
    if (target === undefined || leader === undefined) throw new Error(`Cannot move the lead to ${endpoint}`);
    if (leader.endpoint !== endpoint)
      await post(`${leader.endpoint}/v3/maintenance/transfer-leadership`, { targetID: target });
  }

  /** Raises or clears the alarm with which etcd says that it's out of space; it then takes no new key. */
  async setFull(isFull: boolean): Promise<void> {
    const [first] = await this.#statuses();
    if (first === undefined) throw new Error('Cannot set the alarm: expected a member to answer');
    const alarm = { memberID: first.status.header.member_id, alarm: 'NOSPACE' };
    await post(`${first.endpoint}/v3/maintenance/alarm`, { action: isFull ? 'ACTIVATE' : 'DEACTIVATE', ...alarm });
  }

  async #statuses(): Promise<{ endpoint: string; status: GatewayStatus }[]> {
    const asked = await Promise.allSettled(
      this.#endpoints.map(async (endpoint) => {
        return { endpoint, status: await post<GatewayStatus>(`${endpoint}/v3/maintenance/status`, {}, statusMs) };
      }),
    );
    return asked.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  }

  async #write(path: string, body: object): Promise<void> {
    const rank = (endpoint: string): number => (endpoint === this.#writable ? 0 : 1);
    const order = this.#endpoints.toSorted((a, b) => rank(a) - rank(b));
    const failures: unknown[] = [];
    for (const endpoint of order) {
      try {
        await post(`${endpoint}/v3/${path}`, body, writeMs);
        this.#writable = endpoint;
        return;
      } catch (error) {
        failures.push(error);
      }
    }
    throw new AggregateError(failures, `Cannot write to the lab's etcd: expected a member to take it`);
  }

  async #post<T>(path: string, body: object): Promise<T> {
    return Promise.any(this.#endpoints.map(async (endpoint) => post<T>(`${endpoint}/v3/${path}`, body)));
  }
}

async function post<T>(url: string, body: object, limitMs = answerMs): Promise<T> {
  const signal = AbortSignal.timeout(limitMs);
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body), signal });
  const text = await response.text();
  if (!response.ok) throw new Error(`Cannot post to "${url}": ${response.status} ${text}`);
  return JSON.parse(text) as T;
}

function decodeKey({ key, value = '', create_revision, mod_revision, lease = '0' }: GatewayKey): StoredKey {
  return {
    key: decode(key),
    value: decode(value),
    createRevision: Number(create_revision),
    modRevision: Number(mod_revision),
    lease,
  };
}

function encode(content: string | Uint8Array): string {
  return Buffer.from(content as string).toString('base64');
}

function decode(text: string): string {
  return Buffer.from(text, 'base64').toString('utf8');
}

/** The first key after all that begin with the prefix. */
function endOf(prefix: string): string {
  const last = prefix.charCodeAt(prefix.length - 1);
  return prefix.slice(0, -1) + String.fromCharCode(last + 1);
}
