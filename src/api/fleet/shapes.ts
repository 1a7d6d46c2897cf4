import type { FleetOption } from './unit-options.ts';

/** fleet's three states of a unit: known, on a machine, started there. */
export type JobState = 'inactive' | 'loaded' | 'launched';

/** fleet's `Unit`. Empty fields are left out. */
export interface FleetUnit {
  readonly name: string;
  readonly options: readonly FleetOption[];
  readonly desiredState: JobState;
  readonly currentState?: JobState;
  readonly machineID?: string;
}

/** fleet's `UnitState`: systemd's words of a unit on a machine. */
export interface FleetUnitState {
  readonly name: string;
  readonly hash: string;
  readonly machineID?: string;
  readonly systemdLoadState: string;
  readonly systemdActiveState: string;
  readonly systemdSubState: string;
}

/** fleet's `Machine`. */
export interface FleetMachine {
  readonly id: string;
  readonly primaryIP?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}
