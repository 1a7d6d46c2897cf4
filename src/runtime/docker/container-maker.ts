import { AgentError } from '../../domain/errors.ts';
import type { ClusterId } from '../../domain/ids.ts';
import { containerName } from '../../domain/names.ts';
import type { ContainerSpec } from '../../domain/spec.ts';
import type { StartOrder, StartProgress } from '../port.ts';
import { findStopGroup } from './cgroup-parent.ts';
import type { Containers } from './containers.ts';
import type { Engine } from './engine.ts';
import { isAlive, isAsOrdered } from './is-as-ordered.ts';
import { readLabels } from './labels.ts';
import type { LostProcesses } from './lost-processes.ts';
import { makeContainerBody } from './make-container-body.ts';
import type { ObservedContainers } from './observed-containers.ts';
import { hasImage } from './resolve-image.ts';
import type { SharedPulls } from './shared-pulls.ts';

type OnProgress = (progress: StartProgress) => void;

export interface ContainerMakerOptions {
  readonly engine: Engine;
  readonly containers: Containers;
  readonly observed: Pick<ObservedContainers, 'forget'>;
  readonly lost: Pick<LostProcesses, 'mustEnd'>;
  readonly pulls: Pick<SharedPulls, 'pull'>;
  readonly clusterId: ClusterId;
  /** See {@link findStopGroup}. */
  readonly stopGroupPath: string | undefined;
  /** Ends what is waited for, whoever gives up the start. */
  readonly closed: AbortSignal;
}

const MAKE_ATTEMPTS = 4;

/**
 * Makes the container of an instance, or finds it. Docker goes on with what it was asked for whoever hangs up, so its calls are waited
 * for rather than cut off: what follows then acts on what really is.
 */
export class ContainerMaker {
  readonly #options: ContainerMakerOptions;

  constructor(options: ContainerMakerOptions) {
    this.#options = options;
  }

  /**
   * The ID of the instance's container, made if need be. Whether the image is here is learnt by creating: it mostly is. `CONFLICT`
   * where something else has the name.
   */
  async make(order: StartOrder, spec: ContainerSpec, onProgress: OnProgress, signal: AbortSignal): Promise<string> {
    const { engine, containers, observed, clusterId, stopGroupPath, closed } = this.#options;
    const name = containerName(order.key);
    const group = order.disconnect === 'stop' ? await findStopGroup(engine, stopGroupPath, signal) : undefined;
    const body = makeContainerBody(clusterId, order, spec, group);
    let refused = 'expected its name to be free';
    for (let attempt = 0; attempt < MAKE_ATTEMPTS; attempt += 1) {
      signal.throwIfAborted();
      const result = await containers.create(name, body, closed);
      if (result.kind === 'created') {
        observed.forget(result.id); // no event tells of it, and whoever gave up this start must see it
        return result.id;
      }
      if (result.kind === 'name-taken') {
        const id = await this.#adoptOrClear(name, order);
        if (id !== undefined) return id;
      } else {
        refused = result.message;
        const image = order.resolvedImage ?? spec.image;
        if (await hasImage(engine, image, signal)) break; // something else isn't found
        await this.#pull(image, onProgress, signal);
      }
    }
    throw new AgentError('INTERNAL', `Cannot create container "${name}": ${refused}`);
  }

  async #pull(image: string, onProgress: OnProgress, signal: AbortSignal): Promise<void> {
    onProgress({ phase: 'pulling' });
    await this.#options.pulls.pull(image, (detail) => onProgress({ phase: 'pulling', detail }), signal);
    onProgress({ phase: 'starting' });
  }

  /** The ID of the container that has the name if it is the ordered one; undefined when the name has become free. */
  async #adoptOrClear(name: string, order: StartOrder): Promise<string | undefined> {
    const { containers, observed, lost, clusterId, closed } = this.#options;
    const there = await containers.inspect(name, closed);
    if (!there) return undefined;
    const owner = readLabels(clusterId, there.Config?.Labels);
    if (owner?.key !== order.key) {
      throw new AgentError(
        'CONFLICT',
        `Cannot create container "${name}": expected the name to be free, container ${there.Id.slice(0, 12)} has it and is not this cluster's`,
      );
    }
    observed.forget(there.Id); // it wasn't seen, or the start would not have been asked for
    if (owner.specHash !== order.specHash) {
      throw new AgentError(
        'CONFLICT',
        `Cannot start container "${name}": expected the one of an earlier spec to be removed first`,
      );
    }
    if (isAlive(there) && owner.disconnect !== order.disconnect) {
      // Its control group can't be changed: relabelled, the dead man's switch wouldn't find it.
      const message = `Cannot start container "${name}": the one that runs with disconnect "${owner.disconnect}" must be removed first`;
      throw new AgentError('CONFLICT', message);
    }
    if (!isAlive(there)) await lost.mustEnd(there, name, closed);
    if (isAlive(there) || isAsOrdered(there, owner, order)) return there.Id;
    // Dead, and made for an earlier order: its labels and environment can't be changed, so it's made anew.
    await containers.remove(there.Id, name, closed);
    observed.forget(there.Id);
    return undefined;
  }
}
