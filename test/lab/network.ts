import { command } from './command.ts';
import type { LabNames } from './paths.ts';

/** Which packets of a node are dropped. */
export type CutDirection = 'both' | 'from-node' | 'to-node';

/** A node's place in the network. */
export interface Port {
  readonly index: number;
  readonly namespace: string;
  readonly link: string;
  readonly address: string;
}

/** The lab's bridge, on which each node has a fixed address, and the filter that can cut a node off. */
export class LabNetwork {
  readonly #names: LabNames;
  constructor(names: LabNames) {
    this.#names = names;
  }

  /** The host's own address on the bridge. */
  get hostAddress(): string {
    return `${this.#names.subnet}.1`;
  }

  /** The address of the node with this index, whether it exists or not. */
  addressOf(index: number): string {
    return `${this.#names.subnet}.${10 + index}`;
  }

  portOf(index: number, name: string): Port {
    const { prefix } = this.#names;
    return { index, namespace: `${prefix}${name}`, link: `${prefix}${index}`, address: this.addressOf(index) };
  }

  async open(): Promise<void> {
    const { bridge } = this.#names;
    await ip([
      `link add ${bridge} type bridge`,
      `addr add ${this.hostAddress}/24 dev ${bridge}`,
      `link set ${bridge} up`,
    ]);
    await command(['nft', '-f', '-'], { input: this.#ruleset() });
  }

  /** A fresh network namespace, as a machine that has just been switched on has it; the address and MAC are always the same. */
  async attach({ namespace, link, index, address }: Port): Promise<void> {
    const mac = `02:6d:75:${hexByte(this.#names.number)}:00:${hexByte(index)}`;
    await ip([
      `netns add ${namespace}`,
      `link add ${link} type veth peer name eth0 address ${mac} netns ${namespace}`,
      `link set ${link} master ${this.#names.bridge} up`,
    ]);
    await ip(
      [
        `link set lo up`,
        `addr add ${address}/24 dev eth0`,
        `link set eth0 up`,
        `route add default via ${this.hostAddress}`,
      ],
      namespace,
    );
  }

  async detach({ namespace, link }: Port): Promise<void> {
    await command(['ip', 'link', 'del', link], { reject: false });
    await command(['ip', 'netns', 'del', namespace], { reject: false });
  }

  /**
   * Drops the node's IP packets without an answer, established connections included. ARP is let through: peers see
   * silence, as on a routed network, not "no route to host". Lasts over a reboot of the node.
   */
  async cut({ link }: Port, direction: CutDirection): Promise<void> {
    await this.reconnect({ link });
    const { table } = this.#names;
    const sets = [...(direction === 'to-node' ? [] : ['sources']), ...(direction === 'from-node' ? [] : ['targets'])];
    const lines = sets.map((set) => `add element bridge ${table} ${set} { "${link}" }`);
    await command(['nft', '-f', '-'], { input: `${lines.join('\n')}\n` });
  }

  async reconnect({ link }: Pick<Port, 'link'>): Promise<void> {
    const lines = ['sources', 'targets'].flatMap((set) =>
      ['add', 'delete'].map((verb) => `${verb} element bridge ${this.#names.table} ${set} { "${link}" }`),
    );
    await command(['nft', '-f', '-'], { input: `${lines.join('\n')}\n` });
  }

  /** Also a black hole for whatever is outside of the lab: nothing that a node sends leaves this machine. */
  #ruleset(): string {
    const { table, prefix, subnet } = this.#names;
    return `table bridge ${table} {
  set sources { type ifname; }
  set targets { type ifname; }
  chain forwarded {
    type filter hook forward priority 0; policy accept;
    ether type { ip, ip6 } iifname @sources drop
    ether type { ip, ip6 } oifname @targets drop
  }
  chain inbound {
    type filter hook input priority 0; policy accept;
    ether type { ip, ip6 } iifname @sources drop
    iifname "${prefix}*" ether type ip ip daddr != ${subnet}.0/24 drop
  }
  chain outbound {
    type filter hook output priority 0; policy accept;
    ether type { ip, ip6 } oifname @targets drop
  }
}
`;
  }
}

async function ip(lines: readonly string[], namespace?: string): Promise<void> {
  const argv = ['ip', ...(namespace === undefined ? [] : ['-n', namespace]), '-batch', '-'];
  await command(argv, { input: `${lines.join('\n')}\n` });
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, '0');
}
