import { assignmentCodec, instanceCodec } from '../cluster/codecs.ts';
import type { LeaderCompare, LeaderWrite } from '../cluster/commit-as-leader.ts';
import type { Layout } from '../cluster/layout.ts';
import type { Step, StepGuard, StepWrite } from '../plan/plan-cluster-step.ts';
import type { EncodedStep } from './pack-steps.ts';

/** Puts a step into keys and values. A workload's specs are not part of it: only the store knows which there are. */
export function encodeStep(layout: Layout, step: Step): EncodedStep {
  return {
    step,
    compares: step.guards.map((guard) => encodeGuard(layout, guard)),
    writes: step.writes.map((write) => encodeWrite(layout, write)),
  };
}

function encodeGuard(layout: Layout, guard: StepGuard): LeaderCompare {
  return { key: guardedKey(layout, guard), modRevision: guard.revision };
}

function guardedKey(layout: Layout, guard: StepGuard): string {
  switch (guard.kind) {
    case 'workload':
      return layout.workload(guard.name);
    case 'instance':
      return layout.instance(guard.key);
    case 'assignment':
      return layout.assignment(guard.node, guard.key);
    case 'status':
      return layout.status(guard.node, guard.key);
    case 'presence':
      return layout.presence(guard.node);
    case 'record':
      return layout.nodeRecord(guard.node);
    case 'hold':
      return layout.hold('mass-loss');
  }
}

function encodeWrite(layout: Layout, write: StepWrite): LeaderWrite {
  switch (write.kind) {
    case 'put-assignment':
      return { put: layout.assignment(write.node, write.key), value: assignmentCodec.encode(write.value) };
    case 'delete-assignment':
      return { delete: layout.assignment(write.node, write.key) };
    case 'delete-status':
      return { delete: layout.status(write.node, write.key) };
    case 'put-instance':
      return { put: layout.instance(write.key), value: instanceCodec.encode(write.value) };
    case 'delete-instance':
      return { delete: layout.instance(write.key) };
    case 'delete-workload':
      return { delete: layout.workload(write.name) };
  }
}
