import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../../src/config/read-config.ts';
import type {
  AgentFacts,
  CertificateFacts,
  DiskFacts,
  DockerFacts,
  Facts,
  UnitFacts,
} from '../../../src/doctor/facts.ts';
import { judge } from '../../../src/doctor/judge.ts';
import { ownUnits } from '../../../src/doctor/read-systemd.ts';
import type { Finding } from '../../../src/domain/finding.ts';
import type { EndpointProbe } from '../../../src/etcd/probe-endpoint.ts';
import type { CertificateDescription } from '../../../src/pki/describe-certificate.ts';
import type { NodeRow, NodeStateAnswer } from '../../../src/wire/answers.ts';

const now = new Date('2026-01-10T00:00:00Z');
const config = { cluster: 'prod', endpoints: ['http://a:2379', 'http://b:2379'] } as unknown as Config;
const endpoint = (over: Partial<EndpointProbe> = {}): EndpointProbe => ({
  endpoint: 'http://a:2379',
  readMs: 1.4,
  version: '3.5.16',
  hasLeader: true,
  dbBytes: 1_000,
  alarms: [],
  clockAheadMs: 120,
  ...over,
});
const endpoints = (over: Partial<EndpointProbe> = {}) => [endpoint({ endpoint: 'http://b:2379' }), endpoint(over)];
const unit = (name: string): UnitFacts => ({
  name,
  load: 'loaded',
  active: name === 'muster.service' ? 'active' : 'inactive',
  file: name === 'muster.service' ? 'enabled' : 'static',
  isOlderThanItsFile: false,
});
const units = (over: Partial<UnitFacts>, of = 'muster.service') =>
  ownUnits.map((name) => (name === of ? { ...unit(name), ...over } : unit(name)));
const systemd = (over: { version?: string; units?: readonly UnitFacts[] } = {}) => ({
  value: { version: '252.30', state: 'running', units: ownUnits.map(unit), ...over },
});
const agent = (node: Partial<NodeStateAnswer> = {}, versions: readonly string[] = ['1.2.3']) => ({
  value: {
    node: { joined: true, version: '1.2.3', status: 'follows node1', ...node } as NodeStateAnswer,
    nodes: versions.map((agentVersion) => ({ agentVersion, state: 'up' }) as NodeRow),
  } satisfies AgentFacts,
});
const docker = (over: Partial<DockerFacts> = {}) => ({
  value: {
    version: '24.0',
    apiVersion: '1.43',
    rootFolder: '/var/lib/docker',
    cgroupDriver: 'systemd',
    isLiveRestored: true,
    ...over,
  },
});
const disk = (totalBytes: number, freeBytes: number, freeInodes = 1_000): readonly DiskFacts[] => [
  { path: '/run', what: 'sockets', room: { value: { totalBytes, freeBytes, totalInodes: 1_000, freeInodes } } },
];
const certificate = (
  over: Partial<CertificateDescription> = {},
  file: Partial<CertificateFacts> = {},
): CertificateFacts[] => [
  {
    path: '/etc/node.pem',
    key: 'api.tls.cert',
    keyFits: true,
    certificates: {
      value: [
        {
          state: 'valid',
          notAfter: '2026-03-01T00:00:00Z',
          notBefore: '2026-01-01T00:00:00Z',
          name: 'node1',
          ...over,
        } as CertificateDescription,
      ],
    },
    ...file,
  },
];
const machine = { machineId: 'a'.repeat(32), hostname: 'node1', isTransient: false };

const sound: Facts = {
  version: '1.2.3',
  now,
  config: { path: '/etc/muster/muster.yaml', config: { value: config }, isNewerThanAgent: false },
  agent: agent(),
  etcd: endpoints(),
  clock: { value: { isSynchronized: true, maxErrorMs: 20 } },
  certificates: certificate(),
  docker: docker(),
  systemd: systemd(),
  cgroups: { isUnified: true, controllers: ['cpu', 'io', 'memory', 'pids'] },
  disks: disk(100 * 2 ** 30, 50 * 2 ** 30),
  machineId: { value: machine },
  addresses: ['10.0.0.1'],
};

test('a sound machine is found well, each thing that was looked at by its name', () => {
  const findings = judge(sound);
  assert.deepEqual(
    findings.filter(({ level }) => level !== 'ok'),
    [],
  );
  assert.deepEqual(
    [...new Set(findings.map(({ check }) => check))],
    [
      'configuration',
      'machine-id',
      'agent',
      'version',
      'systemd',
      'units',
      'etcd',
      'clock',
      'certificates',
      'docker',
      'cgroups',
      'disk',
      'address',
    ],
  );
});

const cases: [
  name: string,
  facts: Partial<Facts>,
  level: Finding['level'],
  check: string,
  found: RegExp,
  advice?: RegExp,
][] = [
  [
    'no usable configuration',
    { config: { ...sound.config, config: { error: 'Cannot find the cluster ID' } } },
    'fail',
    'configuration',
    /cluster ID/,
    /agent --check/,
  ],
  [
    'a file that is newer than the agent',
    { config: { ...sound.config, isNewerThanAgent: true } },
    'warn',
    'configuration',
    /changed since the agent started/,
    /restart muster/,
  ],
  [
    'no agent',
    { agent: { error: 'Cannot reach the agent' } },
    'fail',
    'agent',
    /Cannot reach/,
    /systemctl status muster/,
  ],
  [
    'an agent that has not joined',
    { agent: agent({ joined: false, status: 'waits for etcd' }) },
    'fail',
    'agent',
    /not joined: waits for etcd/,
  ],
  [
    'an older agent than the executable',
    { agent: agent({ version: '1.2.2' }) },
    'warn',
    'version',
    /agent that runs has version 1\.2\.2, this executable 1\.2\.3/,
  ],
  [
    'nodes of several versions',
    { agent: agent({}, ['1.2.3', '1.2.2']) },
    'warn',
    'version',
    /different versions: 1\.2\.2, 1\.2\.3/,
  ],
  ['no bus', { systemd: { error: 'Cannot connect to the bus' } }, 'fail', 'systemd', /bus/],
  ['an old systemd', { systemd: systemd({ version: '241' }) }, 'fail', 'systemd', /241 is too old/, /249 or later/],
  [
    'a unit that is not installed',
    { systemd: systemd({ units: units({ load: 'not-found' }, 'muster-switch.service') }) },
    'fail',
    'units',
    /is not installed/,
    /units\//,
  ],
  [
    'a unit that systemd refuses',
    { systemd: systemd({ units: units({ load: 'bad-setting' }) }) },
    'fail',
    'units',
    /can't be loaded: bad-setting/,
  ],
  [
    'a unit whose file was changed',
    { systemd: systemd({ units: units({ isOlderThanItsFile: true }) }) },
    'warn',
    'units',
    /changed since/,
    /daemon-reload/,
  ],
  [
    'an agent that does not start at boot',
    { systemd: systemd({ units: units({ file: 'disabled' }) }) },
    'warn',
    'units',
    /is disabled: it does not start/,
    /systemctl enable/,
  ],
  [
    'an agent that is stopped',
    { systemd: systemd({ units: units({ active: 'inactive' }) }) },
    'fail',
    'units',
    /is inactive/,
    /systemctl start/,
  ],
  [
    'a switch that has failed',
    { systemd: systemd({ units: units({ active: 'failed' }, 'muster-switch.service') }) },
    'fail',
    'units',
    /has failed/,
  ],
  [
    'an endpoint that refuses',
    { etcd: endpoints({ error: 'connect ECONNREFUSED 10.0.0.1:2379' }) },
    'fail',
    'etcd',
    /does not answer: connect ECONNREFUSED/,
    /nothing listens/,
  ],
  [
    'etcd that this user may not ask',
    { etcd: [], etcdForbidden: "EACCES: permission denied, open '/etc/etcd-key.pem'" },
    'warn',
    'etcd',
    /not looked at: EACCES/,
    /as root/,
  ],
  [
    'an endpoint that is silent',
    { etcd: endpoints({ error: 'no answer within 3000 ms' }) },
    'fail',
    'etcd',
    /no answer/,
    /firewalls/,
  ],
  [
    'a certificate that is not accepted',
    { etcd: endpoints({ error: 'self-signed certificate in chain' }) },
    'fail',
    'etcd',
    /self-signed/,
    /etcd\.tls\.ca/,
  ],
  [
    'a member without a leader',
    { etcd: endpoints({ hasLeader: false }) },
    'fail',
    'etcd',
    /no leader/,
    /more than half/,
  ],
  ['a slow etcd', { etcd: endpoints({ readMs: 240 }) }, 'warn', 'etcd', /in 240 ms/, /slow disk/],
  ['a very slow etcd', { etcd: endpoints({ readMs: 1_500 }) }, 'fail', 'etcd', /in 1500 ms/],
  [
    'a store out of space',
    { etcd: endpoints({ alarms: ['NOSPACE'] }) },
    'fail',
    'etcd',
    /out of space/,
    /alarm disarm/,
  ],
  [
    'a store that is nearly full',
    { etcd: endpoints({ dbBytes: 1.9 * 2 ** 30 }) },
    'warn',
    'etcd',
    /1946 MiB/,
    /defragment/,
  ],
  [
    'a member whose clock is ahead',
    { etcd: endpoints({ clockAheadMs: 9_000 }) },
    'warn',
    'etcd',
    /9 s ahead of/,
    /chrony/,
  ],
  ['a member whose clock is behind', { etcd: endpoints({ clockAheadMs: -9_000 }) }, 'warn', 'etcd', /9 s behind/],
  [
    "a member's certificate that ends",
    { etcd: endpoints({ certificateEndsAt: '2026-01-15T00:00:00Z' }) },
    'warn',
    'etcd',
    /ends in 5 days/,
  ],
  [
    'members of several versions',
    { etcd: endpoints({ version: '3.4.23' }) },
    'warn',
    'etcd',
    /different versions: 3\.4\.23, 3\.5\.16/,
  ],
  ['one endpoint alone', { etcd: [endpoint()] }, 'warn', 'etcd', /one endpoint alone/, /all members/],
  [
    'a clock that nothing keeps',
    { clock: { value: { isSynchronized: false, maxErrorMs: 16_000 } } },
    'warn',
    'clock',
    /not synchronized/,
    /chrony/,
  ],
  [
    'a clock that is kept badly',
    { clock: { value: { isSynchronized: true, maxErrorMs: 2_500 } } },
    'warn',
    'clock',
    /2500 ms/,
  ],
  ['a clock that is not known', { clock: { error: 'the kernel does not say' } }, 'warn', 'clock', /does not say/],
  [
    'a certificate that has ended',
    { certificates: certificate({ state: 'expired' }) },
    'fail',
    'certificates',
    /node1: ended/,
    /pki renew/,
  ],
  [
    'a certificate of the future',
    { certificates: certificate({ state: 'not yet valid' }) },
    'fail',
    'certificates',
    /begins on/,
    /clock/,
  ],
  [
    'a certificate that ends soon',
    { certificates: certificate({ notAfter: '2026-01-20T00:00:00Z' }) },
    'warn',
    'certificates',
    /10 more days/,
    /pki renew/,
  ],
  [
    'a key that does not fit',
    { certificates: certificate({}, { keyFits: false }) },
    'fail',
    'certificates',
    /another one's/,
    /api\.tls\.key/,
  ],
  [
    'a certificate that is not there',
    { certificates: certificate({}, { certificates: { error: 'Cannot read it' } }) },
    'fail',
    'certificates',
    /Cannot read it/,
    /api\.tls\.cert/,
  ],
  ['no Docker', { docker: { error: 'connect ENOENT /run/docker.sock' } }, 'warn', 'docker', /units only/, /install/],
  [
    'a Docker that does not answer',
    { docker: { error: 'no answer within 3000 ms' } },
    'fail',
    'docker',
    /does not answer/,
  ],
  [
    'containers that end with dockerd',
    { docker: docker({ isLiveRestored: false }) },
    'warn',
    'docker',
    /live-restore is off/,
    /daemon\.json/,
  ],
  [
    'two managers of control groups',
    { docker: docker({ cgroupDriver: 'cgroupfs' }) },
    'warn',
    'docker',
    /two managers/,
    /native\.cgroupdriver=systemd/,
  ],
  ['control groups of version 1', { cgroups: { isUnified: false, controllers: [] } }, 'warn', 'cgroups', /version 1/],
  [
    'control groups that limit no memory',
    { cgroups: { isUnified: true, controllers: ['cpu', 'pids'] } },
    'warn',
    'cgroups',
    /without memory/,
  ],
  [
    'a disk that is nearly full',
    { disks: disk(10 * 2 ** 30, 2 ** 29) },
    'warn',
    'disk',
    /5% free \(512 MiB of 10\.0 GiB\)/,
    /df -h/,
  ],
  ['a disk that is full', { disks: disk(10 * 2 ** 30, 2 ** 20) }, 'fail', 'disk', /0% free/],
  ['a disk without inodes', { disks: disk(10 * 2 ** 30, 9 * 2 ** 30, 3) }, 'fail', 'disk', /hardly an inode/],
  [
    'a disk that cannot be looked at',
    { disks: [{ path: '/x', what: 'y', room: { error: "can't be looked at" } }] },
    'warn',
    'disk',
    /can't be looked at/,
  ],
  [
    'no machine ID',
    { machineId: { error: 'Cannot use machine ID ""' } },
    'fail',
    'machine-id',
    /Cannot use/,
    /machine-id-setup/,
  ],
  [
    'a machine ID in memory',
    { machineId: { value: { ...machine, isTransient: true } } },
    'fail',
    'machine-id',
    /after a reboot/,
    /--commit/,
  ],
  [
    'a clone',
    { machineId: { value: { ...machine, productUuid: 'u1', recorded: { hostname: 'node2', productUuid: 'u2' } } } },
    'fail',
    'machine-id',
    /also that of "node2", another machine/,
    /empty \/etc\/machine-id/,
  ],
  [
    'a machine that was renamed, or a clone',
    { machineId: { value: { ...machine, recorded: { hostname: 'node2' } } } },
    'warn',
    'machine-id',
    /known as "node2", and this machine is "node1"/,
  ],
  ['no address', { addresses: [] }, 'fail', 'address', /no address but loopback/],
  [
    'an address of another machine',
    { config: { ...sound.config, config: { value: { ...config, advertise: '10.9.9.9' } } } },
    'warn',
    'address',
    /advertises 10\.9\.9\.9, and has 10\.0\.0\.1/,
    /NAT/,
  ],
];
for (const [name, facts, level, check, found, advice] of cases) {
  test(`the doctor finds ${name}`, () => {
    const bad = judge({ ...sound, ...facts }).filter((finding) => finding.level !== 'ok');
    assert.deepEqual(
      bad.map((finding) => [finding.level, finding.check]),
      [[level, check]],
    );
    assert.match(bad[0]?.found ?? '', found);
    assert.match(bad[0]?.advice ?? '', advice ?? /^/);
  });
}

test('a disk with much room left is well although little of it is free in parts', () => {
  assert.deepEqual(
    judge({ ...sound, disks: disk(2_000 * 2 ** 30, 100 * 2 ** 30) }).filter(({ level }) => level !== 'ok'),
    [],
  );
});
