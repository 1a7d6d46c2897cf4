import { installPackages } from '../../scripts/lib/apt.mjs';

/** Debian packages that the lab needs on the machine it runs on. */
export const hostPackages: readonly string[] = [
  'systemd',
  'systemd-container',
  'debootstrap',
  'docker-registry',
  'iproute2',
  'nftables',
  'util-linux',
  'ca-certificates',
];

/** Installs what is missing of them, saying so; does nothing when all are there. */
export async function ensureHostPackages(): Promise<void> {
  await installPackages(hostPackages);
}
