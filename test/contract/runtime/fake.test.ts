import {
  type ClusterId,
  type InstanceKey,
  makeInstanceKey,
  parseSlot,
  parseWorkloadName,
} from '../../../src/domain/ids.ts';
import type { ContainerSpec } from '../../../src/domain/spec.ts';
import { systemClock } from '../../../src/loop/system-clock.ts';
import type { Runtime, StartOrder } from '../../../src/runtime/port.ts';
import { makeContainerSpec } from '../../support/container-spec.ts';
import { type FakeBehaviour, FakeMachine } from '../../support/fake-machine.ts';
import { openFakeRuntime } from '../../support/fake-runtime.ts';
import { type RuntimeHarness, runtimeContract } from './suite.ts';

/** The harness's specs say in their command what the fake is to do. */
function behave(order: StartOrder): FakeBehaviour {
  const [what, ...words] = (order.run as ContainerSpec).command ?? [];
  switch (what) {
    case 'stubborn':
      return { stopMs: 300 };
    case 'fail':
      return { endsAfterMs: 1, exitCode: Number(words[0]) };
    case 'refuse':
      return { refusal: 'no such program' };
    case 'print':
      return { lines: words };
    case 'print-variable':
      return { lines: words.map((name) => order.environment[name] ?? '') };
    default:
      return {};
  }
}

class FakeHarness implements RuntimeHarness {
  readonly #machine = new FakeMachine({ clock: systemClock, behave });

  async open(cluster: 'ours' | 'other'): Promise<Runtime> {
    return openFakeRuntime(this.#machine, cluster as ClusterId);
  }

  key(stem: string): InstanceKey {
    return makeInstanceKey(parseWorkloadName(stem), parseSlot('0'));
  }

  sleeping(variant = 1) {
    return makeContainerSpec('fake', ['sleep', String(variant)]);
  }

  stubborn() {
    return makeContainerSpec('fake', ['stubborn']);
  }

  failing(exitCode: number) {
    return makeContainerSpec('fake', ['fail', String(exitCode)]);
  }

  unstartable() {
    return makeContainerSpec('fake', ['refuse']);
  }

  printing(lines: readonly string[]) {
    return makeContainerSpec('fake', ['print', ...lines]);
  }

  printingVariable(name: string) {
    return makeContainerSpec('fake', ['print-variable', name]);
  }

  async kill(key: InstanceKey): Promise<void> {
    this.#machine.kill(key);
  }

  async makeForeign(key: InstanceKey) {
    const run = this.sleeping();
    const order = { key, run, specHash: '', disconnect: 'keep', assignmentRevision: 0, environment: {} } as const;
    this.#machine.addForeign(order);
    const pid = this.#machine.items.get(key)?.pid;
    return {
      isUntouched: async () => this.#machine.items.get(key)?.pid === pid,
      remove: async () => void this.#machine.items.delete(key),
    };
  }

  async close(): Promise<void> {}
}

runtimeContract('fake', async () => new FakeHarness());
