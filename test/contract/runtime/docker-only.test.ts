import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ClusterId, InstanceKey } from '../../../src/domain/ids.ts';
import type { ContainerSpec } from '../../../src/domain/spec.ts';
import type { ObservedInstance } from '../../../src/domain/status.ts';
import type { Clock } from '../../../src/loop/clock.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { type DockerRuntimeOptions, openDockerRuntime } from '../../../src/runtime/docker/docker-runtime.ts';
import type { Runtime, StartOrder, StartProgress } from '../../../src/runtime/port.ts';
import { makeContainerSpec } from '../../support/container-spec.ts';
import { DockerDaemon, registryUser } from '../../support/docker-daemon.ts';
import { eventually } from '../../support/eventually.ts';
import { killProcess } from '../../support/kill-process.ts';

/** What only Docker does, on a real one. */

const image = 'muster-test:1';
const sleeps = ['sh', '-c', 'trap "exit 0" TERM; sleep 100000 & wait'];
const lacks = DockerDaemon.lacks();
const { signal } = new AbortController();
const ignore = () => {};
let daemon: DockerDaemon;
let runtime: Runtime;

function open(over: Partial<DockerRuntimeOptions> = {}): Runtime {
  return openDockerRuntime({
    socketPath: daemon.socketPath,
    clusterId: 'ours' as ClusterId,
    registryConfigPaths: [],
    clock: systemClock,
    log: silentLog,
    random: Math.random,
    killProcess,
    stopGroupPath: daemon.stopGroupPath,
    ...over,
  });
}

function order(name: string, run: ContainerSpec, over: Partial<StartOrder> = {}): StartOrder {
  const key = `${name}/0` as InstanceKey;
  return { key, run, specHash: 'hash', disconnect: 'keep', assignmentRevision: 1, environment: {}, ...over };
}

async function observed(key: string, by: Runtime = runtime): Promise<ObservedInstance> {
  const found = (await by.observe(signal)).find((instance) => instance.key === key);
  assert.ok(found, `${key} is not observed`);
  return found;
}

async function away(key: string): Promise<void> {
  await runtime.stop(key as InstanceKey, signal);
  await runtime.remove(key as InstanceKey, signal);
}

const rejectsWith = (code: string, message: RegExp) => (error: Error & { code?: string }) => {
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};

describe('runtime docker, what only it does', {
  skip: lacks && `this machine lacks ${lacks}`,
  timeout: 180_000,
}, () => {
  before(async () => {
    daemon = await DockerDaemon.start();
    await daemon.makeImage(image);
    runtime = open();
  });

  after(async () => {
    runtime?.close();
    await daemon?.close();
  });

  test('a container of mode stop lives in the group that the switch kills; another mode takes another container', async () => {
    const run = makeContainerSpec(image, sleeps);
    const start = (over: Partial<StartOrder>) => runtime.start(order('mode', run, over), ignore, signal);
    const read = async () => {
      const { container } = await observed('mode/0');
      return (await daemon.must('GET', `/containers/${container?.id}/json`)) as {
        readonly HostConfig: { readonly CgroupParent: string };
      };
    };
    await start({});
    assert.equal((await read()).HostConfig.CgroupParent, '');
    await assert.rejects(start({ disconnect: 'stop' }), rejectsWith('CONFLICT', /must be removed first/));
    await runtime.stop('mode/0' as InstanceKey, signal);
    await start({ disconnect: 'stop' });
    const { HostConfig } = await read();
    assert.equal(HostConfig.CgroupParent, daemon.stopGroupPath);
    assert.equal((await observed('mode/0')).disconnect, 'stop');
    await away('mode/0');
  });

  test('every option of the spec reaches the container', async () => {
    const source = join(daemon.directory, 'shared');
    mkdirSync(source);
    writeFileSync(join(source, 'page'), 'from the host');
    const spec = makeContainerSpec(image, ['-c', 'cat /in/page; id -u; pwd; hostname; echo "$A $B"; sleep 100000'], {
      entrypoint: ['sh'],
      environment: { A: 'a=1', B: 'two words' },
      labels: { team: 'blue', 'muster.cluster': 'forged' },
      ports: [
        { hostPort: 18080, containerPort: 80, protocol: 'tcp' },
        { hostIp: '127.0.0.1', hostPort: 18053, containerPort: 53, protocol: 'udp' },
      ],
      mounts: [
        { type: 'bind', source, target: '/in', readOnly: true },
        { type: 'volume', source: 'muster-data', target: '/data', readOnly: false },
        { type: 'tmpfs', target: '/scratch', sizeBytes: 1048576 },
      ],
      networkMode: 'bridge',
      user: '1234:1234',
      workingDir: '/data',
      hostname: 'inside',
      memoryBytes: 64 * 1048576,
      cpus: 0.5,
      stopSignal: 'SIGUSR1',
      stopGraceMs: 1_500,
      healthCheck: { test: { exec: ['true'] }, intervalMs: 1_000, timeoutMs: 500, retries: 2, startPeriodMs: 100 },
      readOnlyRoot: true,
      capAdd: ['NET_ADMIN'],
      capDrop: ['CHOWN'],
      extraHosts: ['db:10.0.0.9'],
      logging: { driver: 'json-file', options: { 'max-size': '1m' } },
    });
    await runtime.start(order('options', spec, { environment: { MUSTER_X: '1' } }), ignore, signal);
    const all = (await daemon.must('GET', '/containers/muster-options.0/json')) as {
      Config: Record<string, unknown> & { Env: string[]; Labels: Record<string, string> };
      HostConfig: Record<string, unknown>;
    };
    const { Config: config, HostConfig: host } = all;
    assert.deepEqual(
      config.Env.filter((line) => !line.startsWith('PATH=')),
      ['A=a=1', 'B=two words', 'MUSTER_X=1'],
    );
    assert.deepEqual(config.Labels, {
      team: 'blue',
      'muster.managed': 'true',
      'muster.cluster': 'ours',
      'muster.workload': 'options',
      'muster.slot': '0',
      'muster.spec-hash': 'hash',
      'muster.assignment-revision': '1',
      'muster.disconnect': 'keep',
    });
    assert.deepEqual([config['StopSignal'], config['StopTimeout']], ['SIGUSR1', 2]);
    assert.deepEqual(config['Healthcheck'], {
      Test: ['CMD', 'true'],
      Interval: 1e9,
      Timeout: 5e8,
      Retries: 2,
      StartPeriod: 1e8,
    });
    assert.deepEqual(host['PortBindings'], {
      '80/tcp': [{ HostIp: '', HostPort: '18080' }],
      '53/udp': [{ HostIp: '127.0.0.1', HostPort: '18053' }],
    });
    assert.deepEqual((host['RestartPolicy'] as { Name: string }).Name, 'no');
    assert.deepEqual([host['Memory'], host['NanoCpus'], host['ReadonlyRootfs']], [67108864, 5e8, true]);
    assert.match(JSON.stringify([host['CapAdd'], host['CapDrop']]), /^\[\["(CAP_)?NET_ADMIN"\],\["(CAP_)?CHOWN"\]\]$/);
    assert.deepEqual(
      [host['ExtraHosts'], host['LogConfig']],
      [['db:10.0.0.9'], { Type: 'json-file', Config: { 'max-size': '1m' } }],
    );
    const expected = ['from the host1234', '/data', 'inside', 'a=1 two words'];
    await eventually('its lines', 10_000, async () => {
      const lines: string[] = [];
      for await (const batch of runtime.logs('options/0' as InstanceKey, { follow: false }, signal))
        for (const { text } of batch) lines.push(text);
      assert.deepEqual(lines, expected);
      return true;
    });
    const instance = await observed('options/0');
    assert.match(instance.addresses?.[0] ?? '', /^172\.|^192\.|^10\./);
    await away('options/0');
    assert.equal((await daemon.request('GET', '/volumes/muster-data')).status, 200, 'a named volume stays');
  });

  test('what is remembered between events is right, and grows older', async () => {
    const counted = open();
    const end = new AbortController();
    let changes = 0;
    const running = counted.run(() => {
      changes += 1;
    }, end.signal);
    await eventually('the watch', 5_000, () => changes > 0);
    for (const name of ['idle-a', 'idle-b']) {
      await counted.start(order(name, makeContainerSpec(image, sleeps)), ignore, signal);
    }
    await eventually('both running', 5_000, async () =>
      (await counted.observe(signal)).every((i) => i.phase === 'running'),
    );
    const before = await counted.observe(signal);
    await counted.start(order('idle-a', makeContainerSpec(image, sleeps)), ignore, signal);
    const later = await counted.observe(signal);
    assert.deepEqual(
      later.map(({ pid }) => pid),
      before.map(({ pid }) => pid),
    );
    assert.ok((later[0]?.runningForMs ?? 0) > (before[0]?.runningForMs ?? 0), 'time goes on for what is remembered');
    end.abort();
    await running;
    counted.close();
    await Promise.all(['idle-a/0', 'idle-b/0'].map(away));
  });

  test('health is what the check says, with its words, and a pause is unhealthy', async () => {
    const healthCheck = {
      test: { shell: 'cat /tmp/ok' },
      intervalMs: 200,
      timeoutMs: 2_000,
      retries: 1,
      startPeriodMs: 0,
    };
    const spec = makeContainerSpec(image, ['sh', '-c', `echo fine > /tmp/ok; ${sleeps[2]}`], { healthCheck });
    await runtime.start(order('health', spec), ignore, signal);
    await eventually('healthy', 10_000, async () => (await observed('health/0')).health === 'healthy');
    await daemon.must('POST', '/containers/muster-health.0/pause');
    const paused = await observed('health/0');
    assert.deepEqual([paused.phase, paused.health, paused.container?.state], ['running', 'unhealthy', 'paused']);
    await daemon.must('POST', '/containers/muster-health.0/unpause');
    const exec = { Cmd: ['busybox', 'rm', '/tmp/ok'] };
    const { Id: id } = (await daemon.must('POST', '/containers/muster-health.0/exec', exec)) as { Id: string };
    await daemon.must('POST', `/exec/${id}/start`, { Detach: true });
    const ill = await eventually('unhealthy', 10_000, async () => {
      const instance = await observed('health/0');
      return instance.error?.includes('No such file') && instance;
    });
    assert.equal(ill.health, 'unhealthy');
    assert.match(ill.error ?? '', /^its health check fails: /);
    await away('health/0');
  });

  test('what is killed for its memory says so', async () => {
    const hog = ['sh', '-c', 'a=$(seq 1 100000000); echo $a'];
    const spec = makeContainerSpec(image, hog, { memoryBytes: 8 * 1048576 });
    await runtime.start(order('hog', spec), ignore, signal);
    const ended = await eventually('its end', 20_000, async () => {
      const instance = await observed('hog/0');
      return instance.phase === 'failed' && instance;
    });
    assert.match(ended.error ?? '', /out of memory: killed at its limit of 8 MiB/);
    await away('hog/0');
  });

  test('a network that does not exist is no reason to pull', async () => {
    const spec = makeContainerSpec(image, sleeps, { networkMode: 'none-such' });
    const phases: string[] = [];
    const begun = runtime.start(order('network', spec), ({ phase }) => phases.push(phase), signal);
    await assert.rejects(begun, rejectsWith('INTERNAL', /none-such not found/));
    assert.ok(!phases.includes('pulling'));
    await away('network/0');
  });

  test('a paused container can be stopped', async () => {
    await runtime.start(order('paused', makeContainerSpec(image, sleeps, { stopGraceMs: 1_000 })), ignore, signal);
    await daemon.must('POST', '/containers/muster-paused.0/pause');
    await runtime.stop('paused/0' as InstanceKey, signal);
    assert.notEqual((await observed('paused/0')).phase, 'running');
    await away('paused/0');
  });

  test('a taken port is a failed start that says so', async () => {
    const ports = [{ hostPort: 18081, containerPort: 80, protocol: 'tcp' as const }];
    const spec = makeContainerSpec(image, sleeps, { ports });
    await runtime.start(order('port-a', spec), ignore, signal);
    const second = runtime.start(order('port-b', spec), ignore, signal);
    await assert.rejects(second, rejectsWith('INTERNAL', /muster-port-b\.0.*port is already allocated/s));
    const failed = await observed('port-b/0');
    assert.deepEqual([failed.phase, failed.everStarted], ['failed', true]);
    assert.match(failed.error ?? '', /port is already allocated/);
    await away('port-a/0');
    await runtime.start(order('port-b', spec), ignore, signal);
    assert.equal((await observed('port-b/0')).phase, 'running');
    await away('port-b/0');
  });

  test('logs survive lines of any length, many lines, and a restart while they are followed', async () => {
    const script =
      'seq 1 5000; dd if=/dev/zero bs=1000 count=50 2>/dev/null | busybox tr "\\0" x; echo; echo end >&2; sleep 1';
    const run = order('logs', makeContainerSpec(image, ['sh', '-c', script]));
    await runtime.start(run, ignore, signal);
    const end = new AbortController();
    // The two streams are two pipes to dockerd: only within one of them is there an order.
    const texts = { stdout: [] as string[], stderr: [] as string[] };
    const following = (async () => {
      for await (const batch of runtime.logs(run.key, { follow: true }, end.signal))
        for (const { stream, text } of batch) texts[stream].push(text);
    })();
    await eventually('its end', 10_000, async () => (await observed('logs/0')).phase === 'stopped');
    await runtime.start(run, ignore, signal);
    const isAllThere = () => {
      if (texts.stdout.length === 2 * 5_001 && texts.stderr.length === 2) return true;
      throw new Error(`${texts.stdout.length} lines and ${texts.stderr.length} of stderr`);
    };
    await eventually('the second run', 20_000, isAllThere);
    end.abort();
    await assert.rejects(following);
    assert.deepEqual(texts.stdout.slice(0, 3), ['1', '2', '3']);
    assert.equal(texts.stdout.filter((text) => text === 'x'.repeat(50_000)).length, 2);
    assert.deepEqual(texts.stderr, ['end', 'end']);
    await away('logs/0');
  });

  test('an image is pulled once for all who wait, with the host’s credentials and progress', async () => {
    const registry = await daemon.startRegistry(5001, { auth: true });
    const name = `${registry}/team/app:1`;
    await daemon.pushImage(name, 30_000_000);
    const spec = makeContainerSpec(name, sleeps);
    const without = runtime.start(order('pull', spec), ignore, signal);
    await assert.rejects(
      without,
      rejectsWith('INTERNAL', /pull image "127.0.0.1:5001\/team\/app:1": .*no basic auth credentials/s),
    );
    const auth = Buffer.from(`${registryUser.username}:${registryUser.password}`).toString('base64');
    const config = join(daemon.directory, 'config.json');
    writeFileSync(config, JSON.stringify({ auths: { [registry]: { auth } } }));
    const knowing = open({ registryConfigPaths: [join(daemon.directory, 'none.json'), config] });
    const resolved = await knowing.resolveImage(name, signal);
    assert.match(resolved ?? '', /^127\.0\.0\.1:5001\/team\/app@sha256:[0-9a-f]{64}$/);
    const progress: StartProgress[] = [];
    const others: StartProgress[] = [];
    await Promise.all([
      knowing.start(order('pull', spec, { resolvedImage: resolved ?? '' }), (p) => progress.push(p), signal),
      knowing.start(order('pull-b', spec, { resolvedImage: resolved ?? '' }), (p) => others.push(p), signal),
    ]);
    assert.equal((await observed('pull/0')).phase, 'running');
    for (const told of [progress, others]) {
      assert.deepEqual([told[0]?.phase, told.at(-1)?.phase], ['starting', 'starting']);
      assert.ok(
        told.some(({ detail }) => /^layer 1 of 1, \d+\.\d of 3\d\.\d MB$/.test(detail ?? '')),
        JSON.stringify(told),
      );
    }
    await Promise.all(['pull/0', 'pull-b/0'].map(away));
    const unknown = `${registry}/team/none:1`;
    await assert.rejects(knowing.resolveImage(unknown, signal), rejectsWith('NOT_FOUND', /none:1/));
    const missing = knowing.start(order('missing', makeContainerSpec(unknown)), ignore, signal);
    await assert.rejects(missing, rejectsWith('NOT_FOUND', /pull image .*none:1/));
    knowing.close();
  });

  test('an image that no registry can be asked for is resolved by what is here, or not at all', async () => {
    assert.equal(await runtime.resolveImage(image, signal), undefined);
    assert.equal(await runtime.resolveImage('127.0.0.1:9/none:1', signal), undefined);
    const digest = `sha256:${'a'.repeat(64)}`;
    assert.equal(await runtime.resolveImage(`web:1@${digest}`, signal), `web@${digest}`);
    await assert.rejects(runtime.resolveImage('../containers/json', signal), rejectsWith('INVALID_INPUT', /expected/));
  });

  test('a pull that nobody waits for any more is given up', async () => {
    const registry = await daemon.startRegistry(5002, { auth: false });
    const name = `${registry}/big:1`;
    await daemon.pushImage(name, 60_000_000);
    const abort = new AbortController();
    const reason = new Error('wanted no more');
    const begun = runtime.start(
      order('big', makeContainerSpec(name)),
      ({ detail }) => detail && abort.abort(reason),
      abort.signal,
    );
    await assert.rejects(begun, (error) => error === reason);
    await assert.rejects(observed('big/0'));
  });

  test('what runs in a container that a restarted daemon takes for dead is ended before that is told', async () => {
    const run = makeContainerSpec(image, sleeps);
    const lost = order('lost', run, { disconnect: 'stop' });
    await runtime.start(lost, ignore, signal);
    const { container: { id = '' } = {} } = await observed('lost/0');
    const processes = () => {
      const groups = ['', 'unified', 'systemd', 'memory', 'pids', 'cpu'].map((hierarchy) =>
        join('/sys/fs/cgroup', hierarchy, daemon.stopGroupPath, id, 'cgroup.procs'),
      );
      return groups.filter(existsSync).flatMap((file) => readFileSync(file, 'utf8').split('\n').filter(Boolean));
    };
    assert.ok(processes().length > 0);
    await daemon.stopDaemon('SIGKILL');
    const file = join(daemon.root, daemon.directory, 'data', 'containers', id, 'config.v2.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as { State: object };
    config.State = { ...config.State, Running: false, Pid: 0 }; // as if it had ended in the middle of the start
    writeFileSync(file, JSON.stringify(config));
    await daemon.startDaemon();
    assert.match(String(JSON.stringify(await daemon.must('GET', `/containers/${id}/json`))), /"Running":false/);
    assert.ok(processes().length > 0, 'it runs unseen');

    assert.notEqual((await observed('lost/0')).phase, 'running');
    assert.deepEqual(processes(), []);
    await runtime.start(lost, ignore, signal);
    assert.equal((await observed('lost/0')).phase, 'running');
    await away('lost/0');
  });

  test('a killed daemon is UNAVAILABLE at once, its containers live, and its return is told', async () => {
    await runtime.start(order('survivor', makeContainerSpec(image, sleeps)), ignore, signal);
    const before = await observed('survivor/0');
    const end = new AbortController();
    let changes = 0;
    const running = runtime.run(() => {
      changes += 1;
    }, end.signal);
    await eventually('the watch', 5_000, () => changes > 0);
    await daemon.stopDaemon('SIGKILL');
    await assert.rejects(runtime.observe(signal), rejectsWith('UNAVAILABLE', /docker\.sock/));
    await assert.rejects(
      runtime.start(order('survivor', makeContainerSpec(image, sleeps)), ignore, signal),
      rejectsWith('UNAVAILABLE', /./),
    );
    const told = changes;
    await daemon.startDaemon();
    await eventually('a change told', 5_000, () => changes > told);
    assert.equal((await observed('survivor/0')).pid, before.pid);
    await daemon.stopDaemon('SIGTERM'); // takes its socket along: it was seen, so it is away, not absent
    await assert.rejects(runtime.observe(signal), rejectsWith('UNAVAILABLE', /docker\.sock/));
    await daemon.startDaemon();
    await eventually('the same process', 5_000, async () => (await observed('survivor/0')).pid === before.pid);
    end.abort();
    await running;
    await away('survivor/0');
  });

  test('a frozen daemon holds nobody up for longer than the limit', async () => {
    const hasty = open({ callLimitMs: 300 });
    await eventually('an answer in time', 5_000, () => hasty.observe(signal));
    daemon.freezeDaemon();
    try {
      await assert.rejects(hasty.observe(signal), rejectsWith('UNAVAILABLE', /within 300 ms/));
      const abort = new AbortController();
      const reason = new Error('wanted no more');
      const stopping = hasty.stop('any/0' as InstanceKey, abort.signal);
      abort.abort(reason);
      await assert.rejects(stopping, (error) => error === reason);
    } finally {
      daemon.thawDaemon();
    }
    assert.ok(await eventually('an answer', 5_000, () => hasty.observe(signal)));
    hasty.close();
  });

  test('a machine without Docker has no version and no instances, and its watch waits quietly', async () => {
    const lines: string[] = [];
    const log = { ...silentLog, info: (_: unknown, message?: string) => lines.push(message ?? '') };
    let waits = 0;
    const sleep: Clock['sleep'] = (ms, during) => {
      waits += 1;
      return systemClock.sleep(ms, during);
    };
    const absent = open({ socketPath: join(daemon.directory, 'no.sock'), log, clock: { ...systemClock, sleep } });
    assert.equal(await absent.version(signal), undefined);
    assert.deepEqual(await absent.observe(signal), []);
    assert.equal(await absent.resolveImage(image, signal), undefined);
    const end = new AbortController();
    const running = absent.run(ignore, end.signal);
    await assert.rejects(
      absent.start(order('none', makeContainerSpec(image)), ignore, signal),
      rejectsWith('UNAVAILABLE', /./),
    );
    await eventually('several attempts', 10_000, () => waits >= 4);
    end.abort();
    await running;
    assert.deepEqual(lines, ['events not followed']);
    absent.close();
  });
});
