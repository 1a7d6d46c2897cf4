import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkloadDocument } from '../../../src/domain/document.ts';
import { deriveNeeds } from '../../../src/domain/needs.ts';
import { parseInput } from '../../../src/input/parse-input.ts';

const file = (path: string, text: string) => ({ path, bytes: new TextEncoder().encode(text) });
const parse = async (path: string, text: string) => parseInput([file(path, text)]);

async function one(path: string, text: string): Promise<WorkloadDocument> {
  const { documents } = await parse(path, text);
  const [document] = documents;
  assert.ok(document !== undefined && documents.length === 1);
  return document;
}

const service = '[Service]\nExecStart=/bin/sleep 1\n';

test('a unit file is kept byte for byte', async () => {
  const text = `\uFEFF# ünit\r\n${service}\n\n[X-Muster]\nGlobal=yes\n`;
  const document = await one('/some/where/hello.service', text);
  assert.deepEqual(document.run, { kind: 'unit', text });
  assert.equal(document.name, 'hello.service');
  assert.deepEqual(document.scale, { kind: 'global' });
});

test('every option of [X-Muster] is understood', async () => {
  const text = `${service}[X-Muster]
MachineOf=db.service cache.service
MachineOf=log.service
MachineMetadata="zone=a" "disk=ssd"
MachineMetadata=zone=b
Conflicts=w@*.service
Replicas=3
Disconnect=stop
Memory=64M
CPUs=0.5
Sticky=true
`;
  const document = await one('w@.service', text);
  assert.deepEqual(document.scale, { kind: 'replicas', replicas: 3 });
  assert.deepEqual(document.placement, {
    machineIds: [],
    machineOf: ['db.service', 'cache.service', 'log.service'],
    labels: [
      { key: 'zone', values: ['a', 'b'] },
      { key: 'disk', values: ['ssd'] },
    ],
    conflicts: ['w@*.service'],
    replaces: [],
  });
  assert.deepEqual(document.disconnect, { mode: 'stop' });
  assert.equal(document.moveOrder, 'stop-first');
  assert.equal(document.sticky, true);
  assert.deepEqual(document.reserve, { memoryBytes: 64 * 1024 ** 2, cpus: 0.5 });
  assert.deepEqual(deriveNeeds(document), {
    runtime: 'systemd',
    memoryBytes: 64 * 1024 ** 2,
    cpus: 0.5,
    ports: [],
    volumes: [],
  });
});

test("fleet's section has fleet's rules: unknown keys warn, the first MachineID counts, an empty line says nothing", async () => {
  const text = `${service}[X-Fleet]\nMachineMetadata=a=b\nMachineMetadata=\nMachineMetadata=c=d\nMachineMetadata=nonsense\nFoo=bar\nGlobal=no\nGlobal=T\n`;
  const { documents, warnings } = await parse('x.service', text);
  assert.deepEqual(documents[0]?.placement.labels, [
    { key: 'a', values: ['b'] },
    { key: 'c', values: ['d'] },
  ]);
  assert.deepEqual(documents[0]?.scale, { kind: 'global' });
  assert.equal(warnings.length, 2);
  assert.match(warnings[0] ?? '', /^x\.service:8: "Foo"/);
  const machine = await one('y.service', `${service}[X-Fleet]\nMachineID=aaa\nMachineID=bbb\n`);
  assert.deepEqual(machine.placement.machineIds, ['aaa']);
});

test("specifiers are expanded for a unit and kept for a template's instances", async () => {
  const options = '[X-Fleet]\nMachineOf=app@%i.service\nConflicts=%p@*.service\nMachineMetadata=id=%i%%\n';
  const unit = await one('side@7.service', service + options);
  assert.deepEqual(unit.placement.machineOf, ['app@7.service']);
  assert.deepEqual(unit.placement.conflicts, ['side@*.service']);
  assert.deepEqual(unit.placement.labels, [{ key: 'id', values: ['7%'] }]);
  const template = await one('side@.service', service + options);
  assert.deepEqual(template.placement.machineOf, ['app@%i.service']);
});

const full = `
name: web
replicas: 3
container:
  image: localhost:5000/nginx:1.25
  entrypoint: [/entry]
  command: sh -c 'exec nginx -g "daemon off;"'
  environment: {A: 1.10, B: "x y"}
  labels: [team=web]
  ports: ["8080:80", "127.0.0.1:53:53/udp", "[::1]:81:81"]
  mounts:
    - data:/data
    - /etc/hosts:/x:ro
    - {type: tmpfs, target: /tmp, size: 64m}
  network: bridge
  user: 1000
  workingDir: /srv
  hostname: web
  memory: 128m
  cpus: 0.25
  stopSignal: SIGQUIT
  stopGrace: 1m30s
  healthCheck: {test: [CMD, curl, localhost], interval: 5s, timeout: 1s, retries: 2, startPeriod: 500ms}
  readOnly: true
  capAdd: [NET_ADMIN]
  capDrop: [ALL]
  extraHosts: {db: 10.0.0.1}
  logging: {driver: journald, options: {tag: web}}
placement:
  constraints: [zone=a, zone=b, disk=ssd]
  conflicts: [db]
`;

test('every key of a container is understood', async () => {
  const document = await one('web.yaml', full);
  assert.deepEqual(document.run, {
    kind: 'container',
    image: 'localhost:5000/nginx:1.25',
    entrypoint: ['/entry'],
    command: ['sh', '-c', 'exec nginx -g "daemon off;"'],
    environment: { A: '1.10', B: 'x y' },
    labels: { team: 'web' },
    ports: [
      { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
      { hostIp: '127.0.0.1', hostPort: 53, containerPort: 53, protocol: 'udp' },
      { hostIp: '::1', hostPort: 81, containerPort: 81, protocol: 'tcp' },
    ],
    mounts: [
      { type: 'volume', source: 'data', target: '/data', readOnly: false },
      { type: 'bind', source: '/etc/hosts', target: '/x', readOnly: true },
      { type: 'tmpfs', target: '/tmp', sizeBytes: 64 * 1024 ** 2 },
    ],
    networkMode: 'bridge',
    user: '1000',
    workingDir: '/srv',
    hostname: 'web',
    memoryBytes: 128 * 1024 ** 2,
    cpus: 0.25,
    stopSignal: 'SIGQUIT',
    stopGraceMs: 90_000,
    healthCheck: {
      test: { exec: ['curl', 'localhost'] },
      intervalMs: 5_000,
      timeoutMs: 1_000,
      retries: 2,
      startPeriodMs: 500,
    },
    readOnlyRoot: true,
    capAdd: ['NET_ADMIN'],
    capDrop: ['ALL'],
    extraHosts: ['db:10.0.0.1'],
    logging: { driver: 'journald', options: { tag: 'web' } },
  });
  assert.deepEqual([document.sticky, document.moveOrder], [true, 'stop-first']);
  assert.deepEqual(document.placement.labels, [
    { key: 'zone', values: ['a', 'b'] },
    { key: 'disk', values: ['ssd'] },
  ]);
  assert.deepEqual(deriveNeeds(document).volumes, ['data']);
});

test('defaults: a bare container may run twice for a moment, one with a port may not', async () => {
  const bare = await one('a.yaml', 'name: a\ncontainer: {image: a}');
  assert.deepEqual(
    [bare.moveOrder, bare.sticky, bare.scale, bare.disconnect],
    ['start-first', false, { kind: 'replicas', replicas: 1 }, { mode: 'keep' }],
  );
  assert.deepEqual(bare.run.kind === 'container' && bare.run.logging.driver, 'journald');
  const port = await one('a.yaml', 'name: a\ncontainer: {image: a, ports: ["80:80"]}');
  assert.equal(port.moveOrder, 'stop-first');
  const stop = await one('a.yaml', 'name: a\ndisconnect: {mode: stop}\ncontainer: {image: a}');
  assert.equal(stop.moveOrder, 'stop-first');
});

test('a YAML file may hold several workloads, units among them, with placement here or in the unit', async () => {
  const text = `name: a\ncontainer: {image: a}\n---\nname: b.service\nunit: |\n  [Service]\n  ExecStart=/bin/true\nplacement: {machineId: abc}\n---\nname: c.service\nunit: |\n  [X-Muster]\n  Global=true\n`;
  const { documents } = await parse('all.yaml', text);
  assert.deepEqual(
    documents.map(({ name }) => name),
    ['a', 'b.service', 'c.service'],
  );
  assert.deepEqual(documents[1]?.placement.machineIds, ['abc']);
  assert.deepEqual(documents[1]?.run, { kind: 'unit', text: '[Service]\nExecStart=/bin/true\n' });
  assert.deepEqual(documents[2]?.scale, { kind: 'global' });
});

const refusals: [name: string, path: string, text: string, message: RegExp, code?: string][] = [
  [
    'an unknown key',
    'a.yaml',
    'name: a\ncontainer:\n  image: a\n  imgae: b',
    /"imgae" of "container" at a\.yaml:4: expected one of image.*did you mean "image"\?/,
  ],
  [
    'an unknown key at the top',
    'a.yaml',
    'name: a\nreplica: 2\ncontainer: {image: a}',
    /a\.yaml:2.*did you mean "replicas"\?/,
  ],
  [
    'a key twice',
    'a.yaml',
    'name: a\nname: b\ncontainer: {image: a}',
    /"name" at a\.yaml:2: expected each key of a map once/,
  ],
  [
    'a value of the wrong type',
    'a.yaml',
    'name: a\nreplicas: lots\ncontainer: {image: a}',
    /"lots" for "replicas" at a\.yaml:2: expected a whole number from 0 to 10000/,
  ],
  ['too many replicas', 'a.yaml', 'name: a\nreplicas: 10001\ncontainer: {image: a}', /from 0 to 10000/],
  [
    'a word that is none of the choices',
    'a.yaml',
    'name: a\nmoveOrder: startfirst\ncontainer: {image: a}',
    /"start-first" or "stop-first"; did you mean "start-first"\?/,
  ],
  [
    'a bad duration',
    'a.yaml',
    'name: a\ncontainer:\n  image: a\n  stopGrace: 10x',
    /"10x" for "container\.stopGrace" at a\.yaml:4: expected a duration as "10s"/,
  ],
  [
    'a bad size',
    'a.yaml',
    'name: a\ncontainer:\n  image: a\n  memory: much',
    /"much" for "container\.memory" at a\.yaml:4/,
  ],
  [
    'a bad port in a list',
    'a.yaml',
    'name: a\ncontainer:\n  image: a\n  ports:\n    - 80:80\n    - "99999:1"',
    /^a\.yaml:6: Cannot parse port "99999:1"/,
  ],
  ['a port used twice', 'a.yaml', 'name: a\ncontainer: {image: a, ports: ["80:80", "80:81"]}', /each host port once/],
  ['a mount to the root', 'a.yaml', 'name: a\ncontainer: {image: a, mounts: ["data:/"]}', /mount "\/"/],
  ['a relative bind', 'a.yaml', 'name: a\ncontainer: {image: a, mounts: ["./x:/x"]}', /absolute path on the host/],
  ['a bind that climbs', 'a.yaml', 'name: a\ncontainer: {image: a, mounts: ["/a/../etc:/x"]}', /without "\.\."/],
  ['an empty condition', 'a.yaml', 'name: a\nplacement: {conflicts: [""]}\ncontainer: {image: a}', /Conflicts/],
  ['an empty user', 'a.yaml', 'name: a\ncontainer: {image: a, user: ""}', /user ""/],
  ['no image', 'a.yaml', 'name: a\ncontainer: {command: x}', /expected an "image"/],
  ['an image that is none', 'a.yaml', 'name: a\ncontainer: {image: "Not An Image"}', /image reference/],
  ['both kinds', 'a.yaml', 'name: a\nunit: x\ncontainer: {image: a}', /either "container" or "unit"/],
  ['no name', 'a.yaml', 'container: {image: a}', /expected a "name"/],
  ['a label of our own', 'a.yaml', 'name: a\ncontainer: {image: a, labels: {muster.workload: x}}', /muster's own/],
  ['a variable of our own', 'a.yaml', 'name: a\ncontainer: {image: a, environment: {MUSTER_TOKEN: x}}', /MUSTER_/],
  [
    'an open quote in a command',
    'a.yaml',
    `name: a\ncontainer:\n  image: a\n  command: sh -c "x`,
    /a\.yaml:4.*closing "/,
  ],
  ['broken YAML', 'a.yaml', 'name: [', /^Cannot read a\.yaml:\d: expected YAML/],
  ['an empty file', 'a.yaml', '# nothing', /at least one workload/],
  ['an unknown tag', 'a.yaml', 'name: !foo a\ncontainer: {image: a}', /a\.yaml:1/],
  [
    'a start-first move of an exclusive workload',
    'a.yaml',
    'name: a\nmoveOrder: start-first\ndisconnect: {mode: stop}\ncontainer: {image: a}',
    /"stop-first" with disconnect "stop"/,
  ],
  [
    'an exclusive mount',
    'srv-data.mount',
    '[Mount]\nWhat=/dev/vdb\nWhere=/srv/data\n[X-Muster]\nDisconnect=stop\n',
    /"keep" of a mount/,
  ],
  [
    'placement in both places',
    'a.yaml',
    'name: c.service\nglobal: true\nunit: |\n  [X-Muster]\n  Global=true\n',
    /"global" at a\.yaml:2: expected placement either here/,
  ],
  [
    'an alias bomb',
    'a.yaml',
    `a: &a [x,x,x,x,x,x,x,x,x,x]\n${'bcdefghij'
      .split('')
      .map((key, at) => `${key}: &${key} [${`*${'abcdefghi'[at]},`.repeat(9)}*${'abcdefghi'[at]}]`)
      .join('\n')}`,
    /at most 100000 values/,
    'LIMIT',
  ],
  ['a name of muster', 'muster-agent.service', service, /one of muster's own/],
  ['a name that the host needs', 'dbus.service', service, /host itself/],
  ['a name that the host needs by its prefix', 'systemd-networkd.service', service, /host itself/],
  ['a hidden name', '..service', service, /unit name/],
  ['a type that is not managed', 'x.slice', '[Slice]\n', /expected a type of service/],
  ['a long name', `${'x'.repeat(130)}.service`, service, /1 to 128 characters/],
  [
    'an unknown option',
    'x.service',
    `${service}[X-Muster]\nReplica=1\n`,
    /"Replica" of \[X-Muster\] at x\.service:4: .*did you mean "Replicas"\?/,
  ],
  [
    'a bad value of an option',
    'x.service',
    `${service}[X-Muster]\nDisconnect=maybe\n`,
    /Disconnect="maybe" at x\.service:4: expected "keep" or "stop"/,
  ],
  [
    'replicas of a plain unit',
    'x.service',
    `${service}[X-Muster]\nReplicas=2\n`,
    /at most 1 replica of a plain unit: a template, as "x@\.service"/,
  ],
  ['a global template', 'x@.service', `${service}[X-Muster]\nGlobal=true\n`, /template to have replicas/],
  [
    'MachineID with Conflicts',
    'x.service',
    `${service}[X-Fleet]\nMachineID=a\nConflicts=b\n`,
    /MachineID with Conflicts/,
  ],
  ['Replaces with Global', 'x.service', `${service}[X-Fleet]\nReplaces=a\nGlobal=true\n`, /Replaces with Global/],
  ['MachineOf with Global', 'x.service', `${service}[X-Fleet]\nMachineOf=a\nGlobal=true\n`, /MachineOf with Global/],
  ['a unit text over the limit', 'x.service', `${service}#${'x'.repeat(65_536)}`, /at most 65536/, 'LIMIT'],
  ['a NUL', 'x.service', `${service}Environment=A=\0\n`, /NUL/],
];
for (const [name, path, text, message, code] of refusals) {
  test(`input is refused for ${name}`, async () => {
    await assert.rejects(parse(path, text), { code: code ?? 'INVALID_INPUT', message });
  });
}

test('bytes that are no UTF-8 are refused', async () => {
  await assert.rejects(parseInput([{ path: 'x.service', bytes: new Uint8Array([0xff, 0xfe]) }]), {
    code: 'INVALID_INPUT',
    message: /UTF-8/,
  });
});

test('the same name in two files is refused, naming both', async () => {
  const files = [file('a.yaml', '\nname: a\ncontainer: {image: a}'), file('b.yaml', 'name: a\ncontainer: {image: b}')];
  await assert.rejects(parseInput(files), {
    message: /name "a" at b\.yaml:1: expected each name once; it is also at a\.yaml:2/,
  });
});
