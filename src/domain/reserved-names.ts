import { AgentError } from './errors.ts';
import { isUnitName, type WorkloadName } from './ids.ts';

/** Units without which the node could not be managed any more. */
const vital = new Set([
  '-.mount',
  'boot.mount',
  'containerd.service',
  'cron.service',
  'dbus-broker.service',
  'dbus.service',
  'dbus.socket',
  'dev.mount',
  'docker.service',
  'docker.socket',
  'emergency.service',
  'etc.mount',
  'etcd.service',
  'etcd-member.service',
  'NetworkManager.service',
  'networking.service',
  'proc.mount',
  'rescue.service',
  'run.mount',
  'ssh.service',
  'ssh.socket',
  'sshd.service',
  'sshd.socket',
  'sshd@.service',
  'sys.mount',
  'tmp.mount',
  'usr.mount',
  'var.mount',
]);

const vitalPrefixes = ['systemd-', 'cloud-', 'getty@', 'serial-getty@', 'user@', 'user-runtime-dir@'];

/** Refuses a unit name that is muster's own or that a host can't do without. Other names of the host are its node's to refuse. */
export function refuseReservedName(name: WorkloadName): void {
  if (!isUnitName(name)) return;
  if (/^muster([.@-]|$)/i.test(name)) {
    throw new AgentError(
      'INVALID_INPUT',
      `Cannot apply unit "${name}": expected a name that is not one of muster's own`,
    );
  }
  if (vital.has(name) || vitalPrefixes.some((prefix) => name.startsWith(prefix))) {
    const message = `Cannot apply unit "${name}": expected a name that the host itself doesn't need to work`;
    throw new AgentError('INVALID_INPUT', message);
  }
}
