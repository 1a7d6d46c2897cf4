import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openBus } from '../../../src/bus/open-bus.ts';
import type { Bus } from '../../../src/bus/port.ts';
import {
  type ClusterId,
  type InstanceKey,
  makeInstanceKey,
  parseSlot,
  parseWorkloadName,
} from '../../../src/domain/ids.ts';
import { unitName } from '../../../src/domain/names.ts';
import type { UnitSpec } from '../../../src/domain/spec.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import type { Runtime } from '../../../src/runtime/port.ts';
import { openSystemdRuntime } from '../../../src/runtime/systemd/open-systemd-runtime.ts';
import { bootSystemdMachine, lackedBySystemdMachine, type SystemdMachine } from '../../support/systemd-machine.ts';
import { type RuntimeHarness, runtimeContract } from './suite.ts';

class SystemdHarness implements RuntimeHarness {
  readonly #machine: SystemdMachine;
  readonly #bus: Bus;

  constructor(machine: SystemdMachine) {
    this.#machine = machine;
    this.#bus = openBus({ address: machine.busAddress }, systemClock, silentLog);
  }

  async open(cluster: 'ours' | 'other'): Promise<Runtime> {
    // Without it no `stop` instance starts; the switch that goes with it has its own tests.
    await writeFile(join(this.#machine.root, 'run/systemd/system/muster-lease.target'), '[Unit]\n');
    await this.#machine.run(['systemctl', 'start', 'muster-lease.target']);
    return openSystemdRuntime({
      clusterId: cluster as ClusterId,
      bus: this.#bus,
      clock: systemClock,
      log: silentLog,
      monotonicUs: () => Number(process.hrtime.bigint() / 1000n),
      root: this.#machine.root,
      journalctl: this.#machine.journalctl,
      enter: this.#machine.enter,
    });
  }

  key(stem: string): InstanceKey {
    const escaped = stem.replaceAll('-', '\\x2d'); // as systemd-escape makes names: a backslash must go through everything
    return makeInstanceKey(parseWorkloadName(`${escaped}.service`), parseSlot('0'));
  }

  sleeping(variant = 1): UnitSpec {
    return service(`Description=variant ${variant}`, 'ExecStart=/bin/sleep 100000');
  }

  stubborn(): UnitSpec {
    const script = `trap "" TERM; while :; do sleep 1; done`;
    return service('Description=stubborn', `ExecStart=/bin/sh -c '${script}'`, 'TimeoutStopSec=1');
  }

  failing(exitCode: number): UnitSpec {
    return service('Description=failing', `ExecStart=/bin/sh -c 'exit ${exitCode}'`);
  }

  unstartable(): UnitSpec {
    return service('Description=unstartable', 'ExecStart=/no/such/program');
  }

  printing(lines: readonly string[]): UnitSpec {
    const script = `${lines.map((line) => `echo ${line}`).join('; ')}; exec sleep 100000`;
    return service('Description=printing', `ExecStart=/bin/sh -c '${script}'`);
  }

  printingVariable(name: string): UnitSpec {
    return service('Description=printing', `ExecStart=/bin/sh -c 'echo $${name}; exec sleep 100000'`);
  }

  async kill(key: InstanceKey): Promise<void> {
    await this.#machine.run(['systemctl', 'kill', '--signal=KILL', unitName(key)]);
  }

  async makeForeign(key: InstanceKey) {
    const unit = unitName(key);
    const folder = join(this.#machine.root, 'etc/systemd/system');
    const text = '[Service]\nExecStart=/bin/sleep 100000\n';
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, unit), text);
    await this.#machine.run(['systemctl', 'start', unit]);
    const show = async () =>
      (await this.#machine.run(['systemctl', 'show', '--property=MainPID,ActiveState', unit])).stdout;
    const before = await show();
    return {
      isUntouched: async () =>
        (await show()) === before &&
        readFileSync(join(folder, unit), 'utf8') === text &&
        !existsSync(join(this.#machine.root, 'run/systemd/system', unit)),
      remove: async () => {
        await this.#machine.run(['systemctl', 'stop', unit]);
        await this.#machine.run(['rm', `/etc/systemd/system/${unit}`]);
      },
    };
  }

  async close(): Promise<void> {
    this.#bus.close();
    await this.#machine.close();
  }
}

function service(unitLine: string, ...lines: readonly string[]): UnitSpec {
  return { kind: 'unit', text: `[Unit]\n${unitLine}\n\n[Service]\n${lines.join('\n')}\n` };
}

runtimeContract('systemd', async () => {
  const lacks = await lackedBySystemdMachine();
  return lacks === undefined ? new SystemdHarness(await bootSystemdMachine()) : { lacks };
});
