import type { NetworkInterfaceInfo } from 'node:os';

/** Bridges and ends of links that container runtimes make: their addresses mean nothing to other nodes. */
const containerInterface = /^(docker\d+|docker_gwbridge|br-[0-9a-f]{12}|veth.*|cni\d+|virbr\d+)$/;

/** Addresses by which other nodes may reach this one, IPv4 first, otherwise in the kernel's order. */
export function listAddresses(
  interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>,
): string[] {
  const usable = Object.entries(interfaces)
    .filter(([name]) => !containerInterface.test(name))
    .flatMap(([, infos]) => infos ?? [])
    .filter(({ internal, address }) => !internal && !isLinkLocal(address));
  const ofFamily = (family: string) => usable.filter((info) => info.family === family).map(({ address }) => address);
  return [...new Set([...ofFamily('IPv4'), ...ofFamily('IPv6')])];
}

function isLinkLocal(address: string): boolean {
  return address.startsWith('169.254.') || /^fe[89ab]/i.test(address);
}
