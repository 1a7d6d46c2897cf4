import { AgentError } from '../domain/errors.ts';
import type { DeadMansSwitch } from './port.ts';

/** This machine's dead man's switch. */
export function openDeadMansSwitch(): DeadMansSwitch {
  return {
    isOpen: false,
    async open() {
      throw new AgentError('UNAVAILABLE', "Cannot open the dead man's switch: this machine has none");
    },
    rearm: () => false,
    disarm: () => undefined,
    close: () => undefined,
  };
}
