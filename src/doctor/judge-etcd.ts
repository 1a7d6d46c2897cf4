import type { Finding } from '../domain/finding.ts';
import type { EndpointProbe } from '../etcd/probe-endpoint.ts';

/** A read by quorum takes longer than this on slow disks or links: then leases are at risk under load. */
const SLOW_MS = 100;
const VERY_SLOW_MS = 1_000;
/** etcd's own default quota. */
const QUOTA_BYTES = 2 * 1024 ** 3;
const LARGE_PART = 0.75;
/** Each side's time is known to about a second. */
const SKEW_MS = 3_000;
const DAY_MS = 86_400_000;

/** Each endpoint by itself, and what they say of the whole. */
export function judgeEtcd(probes: readonly EndpointProbe[], now: Date): readonly Finding[] {
  return [...probes.flatMap((probe) => judgeEndpoint(probe, now)), ...judgeTogether(probes)];
}

function judgeEndpoint(probe: EndpointProbe, now: Date): Finding[] {
  const say = (level: Finding['level'], found: string, advice?: string): Finding => ({
    check: 'etcd',
    subject: probe.endpoint,
    level,
    found,
    ...(advice === undefined ? {} : { advice }),
  });
  if (probe.error !== undefined) return [say('fail', `does not answer: ${probe.error}`, adviceFor(probe.error))];
  const findings: Finding[] = [];
  if (probe.hasLeader === false || probe.readError !== undefined) {
    const why = probe.hasLeader === false ? 'it has no leader' : (probe.readError ?? '');
    findings.push(
      say('fail', `answers, but no read: ${why}`, 'see that more than half of the members run and reach each other'),
    );
  } else {
    const ms = probe.readMs ?? 0;
    const level = ms > VERY_SLOW_MS ? 'fail' : ms > SLOW_MS ? 'warn' : 'ok';
    const text = `etcd ${probe.version ?? '?'} answers a read in ${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
    const slow = 'look for a slow disk under etcd (its log says "slow fdatasync"), or a slow link to it';
    findings.push(say(level, text, level === 'ok' ? undefined : slow));
  }
  return [...findings, ...judgeClock(probe, say), ...judgeSize(probe, say), ...judgeCertificate(probe, now, say)];
}

type Say = (level: Finding['level'], found: string, advice?: string) => Finding;

function judgeClock({ clockAheadMs = 0 }: EndpointProbe, say: Say): Finding[] {
  if (Math.abs(clockAheadMs) <= SKEW_MS) return [];
  const seconds = Math.round(Math.abs(clockAheadMs) / 1_000);
  const found = `its clock is ${seconds} s ${clockAheadMs > 0 ? 'ahead of' : 'behind'} this machine's`;
  return [
    say(
      'warn',
      found,
      'have both machines keep their time (chrony or systemd-timesyncd): certificates and logs depend on it',
    ),
  ];
}

function judgeSize({ dbBytes = 0, alarms = [] }: EndpointProbe, say: Say): Finding[] {
  if (alarms.includes('NOSPACE')) {
    const advice =
      'compact and defragment it, then "etcdctl alarm disarm"; raise --quota-backend-bytes if it grows again';
    return [say('fail', 'is out of space (alarm NOSPACE): nothing can be changed', advice)];
  }
  if (alarms.includes('CORRUPT'))
    return [
      say(
        'fail',
        'says that a member is corrupt (alarm CORRUPT)',
        'replace that member: see the documentation of etcd',
      ),
    ];
  if (dbBytes <= QUOTA_BYTES * LARGE_PART) return [];
  const found = `its database has ${Math.round(dbBytes / 1024 ** 2)} MiB, and the usual limit is 2048 MiB`;
  return [
    say('warn', found, 'compact (--auto-compaction-retention=1) and defragment it, or raise --quota-backend-bytes'),
  ];
}

function judgeCertificate({ certificateEndsAt }: EndpointProbe, now: Date, say: Say): Finding[] {
  if (certificateEndsAt === undefined) return [];
  const days = Math.floor((Temporal.Instant.from(certificateEndsAt).epochMilliseconds - now.getTime()) / DAY_MS);
  if (days >= 14) return [];
  return [say('warn', `its certificate ends in ${days} days (${certificateEndsAt})`, "renew the member's certificate")];
}

function judgeTogether(probes: readonly EndpointProbe[]): Finding[] {
  const answering = probes.filter(({ error }) => error === undefined);
  const versions = [...new Set(answering.flatMap(({ version }) => version ?? []))].sort();
  const findings: Finding[] = [];
  if (versions.length > 1) {
    const found = `the members have different versions: ${versions.join(', ')}`;
    findings.push({ check: 'etcd', level: 'warn', found, advice: 'end the upgrade: bring all members to one version' });
  }
  if (probes.length === 1) {
    const found = 'one endpoint alone is configured: while it is away nothing can be changed or healed';
    findings.push({ check: 'etcd', level: 'warn', found, advice: 'name all members in etcd.endpoints' });
  }
  return findings;
}

function adviceFor(error: string): string {
  if (/ECONNREFUSED/.test(error)) return 'nothing listens there: "systemctl status etcd" on that machine';
  if (/ENOTFOUND|EAI_AGAIN/.test(error)) return 'its name is not known here: see DNS, or name it by its address';
  if (/certificate|TLS|SSL|alert/i.test(error))
    return 'see etcd.tls.ca, etcd.tls.cert and etcd.tls.key, and the names in its certificate';
  if (/no answer|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/.test(error))
    return 'see the network and firewalls between this machine and it';
  return 'see the log of etcd on that machine';
}
