import assert from 'node:assert/strict';
import { join } from 'node:path';
import {
  type ClusterId,
  type InstanceKey,
  makeInstanceKey,
  parseSlot,
  parseWorkloadName,
} from '../../../src/domain/ids.ts';
import { containerName } from '../../../src/domain/names.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import { openDockerRuntime } from '../../../src/runtime/docker/docker-runtime.ts';
import type { Runtime } from '../../../src/runtime/port.ts';
import { makeContainerSpec } from '../../support/container-spec.ts';
import { DockerDaemon } from '../../support/docker-daemon.ts';
import { killProcess } from '../../support/kill-process.ts';
import { type RuntimeHarness, runtimeContract } from './suite.ts';

const image = 'muster-test:1';

class DockerHarness implements RuntimeHarness {
  readonly #daemon: DockerDaemon;

  constructor(daemon: DockerDaemon) {
    this.#daemon = daemon;
  }

  async open(cluster: 'ours' | 'other'): Promise<Runtime> {
    return openDockerRuntime({
      socketPath: this.#daemon.socketPath,
      clusterId: cluster as ClusterId,
      registryConfigPaths: [join(this.#daemon.directory, 'no-config.json')],
      clock: systemClock,
      log: silentLog,
      random: Math.random,
      killProcess,
      stopGroupPath: this.#daemon.stopGroupPath,
      root: this.#daemon.root,
      enter: this.#daemon.enter,
    });
  }

  key(stem: string): InstanceKey {
    return makeInstanceKey(parseWorkloadName(stem), parseSlot('0'));
  }

  sleeping(variant = 1) {
    return this.#shell('trap "exit 0" TERM; sleep 100000 & wait', { VARIANT: String(variant) });
  }

  stubborn() {
    return makeContainerSpec(image, ['sh', '-c', 'trap "" TERM; while :; do sleep 1; done'], { stopGraceMs: 1_000 });
  }

  failing(exitCode: number) {
    return this.#shell(`exit ${exitCode}`);
  }

  unstartable() {
    return makeContainerSpec(image, ['/no/such/program']);
  }

  printing(lines: readonly string[]) {
    return this.#shell(`${lines.map((line) => `echo ${line}`).join('; ')}; trap "exit 0" TERM; sleep 100000 & wait`);
  }

  printingVariable(name: string) {
    return this.#shell(`echo "$${name}"; trap "exit 0" TERM; sleep 100000 & wait`);
  }

  async kill(key: InstanceKey): Promise<void> {
    await this.#daemon.must('POST', `/containers/${containerName(key)}/kill?signal=SIGKILL`);
  }

  async makeForeign(key: InstanceKey) {
    const name = containerName(key);
    const body = { Image: image, Cmd: ['sleep', '100000'], HostConfig: { LogConfig: { Type: 'json-file' } } };
    const { Id: id } = (await this.#daemon.must('POST', `/containers/create?name=${name}`, body)) as { Id: string };
    await this.#daemon.must('POST', `/containers/${id}/start`);
    const pid = await this.#pid(id);
    return {
      isUntouched: async () => (await this.#pid(id)) === pid,
      remove: async () => void (await this.#daemon.must('DELETE', `/containers/${id}?force=true`)),
    };
  }

  async close(): Promise<void> {
    await this.#daemon.close();
  }

  #shell(script: string, environment: Record<string, string> = {}) {
    return makeContainerSpec(image, ['sh', '-c', script], { environment });
  }

  async #pid(id: string): Promise<number> {
    const container = (await this.#daemon.must('GET', `/containers/${id}/json`)) as { State: { Pid: number } };
    assert.ok(container.State.Pid > 0);
    return container.State.Pid;
  }
}

runtimeContract('docker', async () => {
  const lacks = DockerDaemon.lacks();
  if (lacks !== undefined) return { lacks };
  const daemon = await DockerDaemon.start();
  await daemon.makeImage(image);
  return new DockerHarness(daemon);
});
