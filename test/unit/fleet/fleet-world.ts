import { setImmediate } from 'node:timers/promises';
import { type Api, makeApi } from '../../../src/api/make-api.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { SimCluster } from '../../sim/cluster.ts';
import { SimWorld } from '../../sim/sim-world.ts';
import { Fleetctl, type FleetctlOptions, type Ran } from '../../support/fleetctl.ts';

/** A day of the clock's time: a client that is still waiting hangs. */
const HANG_MS = 86_400_000;

/** A cluster of three machines on a fake clock, one machine's API, and clients of fleet's. */
export class FleetWorld {
  readonly world: SimWorld;
  readonly cluster: SimCluster;
  readonly api: Api;
  readonly files = new Map<string, string>();

  private constructor(world: SimWorld) {
    this.world = world;
    const config = world.machines[0]?.config;
    if (config === undefined) throw new RangeError('a world has machines');
    this.cluster = new SimCluster(world, config);
    this.api = makeApi({
      cluster: config.cluster,
      version: '1.2.3',
      store: world.storeView(config),
      node: {
        id: world.machines[0]?.node ?? ('' as never),
        hostname: 'node1',
        state: () => ({ joined: true, leader: false, text: 'follows node1' }),
        onChange: () => () => {},
      },
      runtimes: [],
      clock: world.clock,
      log: silentLog,
    });
  }

  static async open(): Promise<FleetWorld> {
    const opened = new FleetWorld(await SimWorld.open());
    for (const machine of opened.world.machines) machine.boot();
    await opened.cluster.converge(10_000);
    return opened;
  }

  /** Runs a command to its end; throws when it would wait for ever. */
  async fleetctl(line: string, options: Partial<FleetctlOptions> = {}): Promise<Ran> {
    const { api, files } = this;
    const client = new Fleetctl({ api, clock: this.world.clock, files, ...options });
    return this.play(client.run(line), () => client.inFlight > 0, line);
  }

  /** A request of any client's. */
  async ask(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    return this.api.fetch(new Request(`http://socket${path}`, { method, ...init }));
  }

  /** Lets the clock's time pass until it has ended; none passes while a request is under way. */
  async play<T>(work: Promise<T>, isAsking: () => boolean, what: string): Promise<T> {
    const { clock } = this.world;
    const untilMs = clock.monotonicMs() + HANG_MS;
    let isOver = false;
    const end = () => {
      isOver = true;
    };
    work.then(end, end);
    for (let waits = 0; !isOver; ) {
      await setImmediate();
      waits = isAsking() ? waits + 1 : 0;
      if (isOver || (isAsking() && waits < 200)) continue;
      if (clock.monotonicMs() > untilMs) throw new Error(`${what}: hangs`);
      await this.world.advance(10);
    }
    return work;
  }
}
