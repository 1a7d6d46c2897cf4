import type { Finding } from '../domain/finding.ts';
import type { Facts } from './facts.ts';
import { judgeAgent, judgeConfig, judgeSystemd } from './judge-agent.ts';
import { judgeCertificates } from './judge-certificates.ts';
import { judgeEtcd } from './judge-etcd.ts';
import { judgeCgroups, judgeClock, judgeDisk, judgeDocker, judgeMachineId } from './judge-machine.ts';

/** What the facts mean, in the order in which one looks. Pure. */
export function judge(facts: Facts): readonly Finding[] {
  return [
    ...judgeConfig(facts.config),
    ...judgeMachineId(facts.machineId),
    ...judgeAgent(facts.agent, facts.version),
    ...judgeSystemd(facts.systemd),
    ...judgeForbidden(facts.etcdForbidden),
    ...judgeEtcd(facts.etcd ?? [], facts.now),
    ...judgeClock(facts.clock),
    ...judgeCertificates(facts.certificates, facts.now),
    ...judgeDocker(facts.docker, facts.cgroups),
    ...judgeCgroups(facts.cgroups),
    ...facts.disks.map(judgeDisk),
    ...judgeAddress(facts),
  ];
}

/** That this user may not look is no fault of etcd's. */
function judgeForbidden(reason: string | undefined): readonly Finding[] {
  if (reason === undefined) return [];
  return [{ check: 'etcd', level: 'warn', found: `not looked at: ${reason}`, advice: 'try as root' }];
}

/** Others must reach this machine by what it says of itself. */
function judgeAddress({ addresses, config }: Facts): readonly Finding[] {
  const check = 'address';
  const advertised = config.config.value?.advertise;
  const listed = addresses.join(', ');
  if (addresses.length === 0)
    return [
      {
        check,
        level: 'fail',
        found: 'this machine has no address but loopback',
        advice: 'see its network: "ip address"',
      },
    ];
  const isOwn = advertised === undefined || addresses.includes(advertised) || !/^[\d.]+$|:/.test(advertised);
  if (isOwn) return [{ check, level: 'ok', found: advertised ?? listed }];
  const found = `advertises ${advertised}, and has ${listed}`;
  return [{ check, level: 'warn', found, advice: 'fine behind NAT; else correct "advertise" in the configuration' }];
}
