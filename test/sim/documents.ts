import { ANYWHERE, type WorkloadDocument } from '../../src/domain/document.ts';
import type { InstanceKey, WorkloadName } from '../../src/domain/ids.ts';
import { isUnitName } from '../../src/domain/ids.ts';
import { defaultMoveOrder, defaultSticky } from '../../src/domain/needs.ts';
import type { ContainerSpec, DisconnectMode, RunSpec, Workload } from '../../src/domain/spec.ts';
import type { StartOrder } from '../../src/runtime/port.ts';
import { makeContainerSpec } from '../support/container-spec.ts';

/** What a simulated workload is like; what is left out is unremarkable. */
export interface DocumentOptions {
  /** 0 for a global one. */
  readonly replicas?: number;
  readonly mode?: DisconnectMode;
  readonly version?: number;
  readonly conflicts?: readonly string[];
  readonly hostPort?: number;
  readonly volume?: string;
}

/** A workload as an operator submits it. Its name says whether it's a unit or a container. */
export function makeDocument(name: string, options: DocumentOptions = {}): WorkloadDocument {
  const { replicas = 1, mode = 'keep', version = 1, conflicts = [] } = options;
  const run: RunSpec = isUnitName(name)
    ? { kind: 'unit', text: `[Service]\nExecStart=/bin/${name} ${version}\n` }
    : makeContainer(name, version, options);
  const scale: Workload['scale'] = replicas === 0 ? { kind: 'global' } : { kind: 'replicas', replicas };
  return {
    name: name as WorkloadName,
    run,
    scale,
    placement: { ...ANYWHERE, conflicts },
    disconnect: { mode },
    moveOrder: defaultMoveOrder(run, mode),
    sticky: defaultSticky(run),
  };
}

function makeContainer(name: string, version: number, { hostPort, volume }: DocumentOptions): ContainerSpec {
  const ports = hostPort === undefined ? [] : [{ hostPort, containerPort: 80, protocol: 'tcp' as const }];
  const mounts =
    volume === undefined ? [] : [{ type: 'volume' as const, source: volume, target: '/data', readOnly: false }];
  return makeContainerSpec(`${name}:${version}`, [], { ports, mounts });
}

/** Something of the host's own. */
export function makeForeignOrder(key: string): StartOrder {
  const run = makeContainerSpec('host:1');
  return { key: key as InstanceKey, run, specHash: 'host', disconnect: 'keep', assignmentRevision: 0, environment: {} };
}
