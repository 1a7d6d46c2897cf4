import { AgentError } from '../../src/domain/errors.ts';
import type { StateFiles } from '../../src/host/port.ts';

/** A disk's state files in memory. Hand the same ones to the next process of the machine: they outlive a reboot. */
export class FakeStateFiles implements StateFiles {
  readonly texts = new Map<string, string>();
  /** What was set aside, with the reason, oldest first. */
  readonly aside: { readonly name: string; readonly text: string | undefined; readonly problem: string }[] = [];
  /** The disk is full or read-only: writes fail. */
  refusesWrites = false;
  /** The disk can't be read. */
  refusesReads = false;
  writes = 0;

  async read(name: string): Promise<string | undefined> {
    if (this.refusesReads) throw new AgentError('UNAVAILABLE', `Cannot read "${name}": expected a disk that works`);
    return this.texts.get(name);
  }

  async write(name: string, text: string): Promise<void> {
    this.writes += 1;
    if (this.refusesWrites) throw new AgentError('UNAVAILABLE', `Cannot write "${name}": expected a disk with room`);
    this.texts.set(name, text);
  }

  async setAside(name: string, problem: string): Promise<void> {
    this.aside.push({ name, text: this.texts.get(name), problem });
    this.texts.delete(name);
  }
}
