import type { WorkloadName } from './ids.ts';
import type { DisconnectPolicy, Placement, ReschedulePolicy, RunSpec, Workload } from './spec.ts';

/** What an operator submits for one workload, parsed from a file, every default filled in: the body of an apply. */
export interface WorkloadDocument {
  readonly name: WorkloadName;
  readonly run: RunSpec;
  readonly scale: Workload['scale'];
  readonly placement: Placement;
  readonly disconnect: DisconnectPolicy;
  readonly offlineStart?: boolean;
  /** For units: it's installed, and started by its socket, its timer or another unit. */
  readonly launch?: false;
  readonly reschedule?: ReschedulePolicy | 'never';
  readonly moveOrder: Workload['moveOrder'];
  readonly sticky: boolean;
  /** What placement sets aside on a node; a container's own limits where absent. */
  readonly reserve?: { readonly memoryBytes?: number; readonly cpus?: number };
}

/** No conditions: any node will do. */
export const ANYWHERE: Placement = { machineIds: [], machineOf: [], labels: [], conflicts: [], replaces: [] };
