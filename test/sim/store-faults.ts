import { clusterSettingsCodec } from '../../src/cluster/codecs.ts';
import type { WorkloadName } from '../../src/domain/ids.ts';
import { type Fault, seconds, type WeightedFault } from './fault.ts';

const storeAway: Fault = (storm) => {
  if (storm.world.store.isDown) return undefined;
  const ms = storm.random.int(100, 40_000);
  storm.world.store.stop();
  storm.healIn(ms, 'the store is back', () => storm.world.store.start());
  return `the store is away for ${seconds(ms)}`;
};

const storeFull: Fault = (storm) => {
  const ms = storm.random.int(1_000, 25_000);
  storm.world.store.setFull(true);
  storm.healIn(ms, 'the store has space again', () => storm.world.store.setFull(false));
  return `the store is out of space for ${seconds(ms)}`;
};

const revokeLease: Fault = (storm) => {
  const { store } = storm.world;
  const machine = storm.random.pick(storm.cluster.machines);
  const presence = machine && store.get(storm.cluster.layout.presence(machine.node));
  if (machine === undefined || presence === undefined || store.isDown) return undefined;
  store.revokeLease(presence.lease);
  return `the store loses the lease of ${machine.name}`;
};

const loseOrders: Fault = (storm) => {
  const { store } = storm.world;
  const { assignments, instances } = storm.cluster.layout;
  const keys = [...store.list(assignments), ...store.list(instances)].map(({ key }) => key);
  const lost = keys.filter(() => storm.random.chance(0.2));
  if (lost.length === 0 || store.isDown) return undefined;
  for (const key of lost) {
    store.commit({ compares: [], writes: [{ delete: key }] });
    storm.cluster.disowned.add(workloadOf(key));
  }
  return `${lost.length} orders and records are deleted by hand`;
};

/** Of the key of an order or a record: `…/assignments/<node>/<workload>/<slot>`. */
function workloadOf(key: string): WorkloadName {
  return key.split('/').at(-2) as WorkloadName;
}

const compact: Fault = (storm) => {
  storm.world.store.compact();
  return `the store compacts to ${storm.world.store.revision}`;
};

const storeSlow: Fault = (storm) => {
  const ms = storm.random.int(1_000, 30_000);
  const delayMs = storm.random.pick([300, 1_000, 1_900, 30_000]) ?? 300;
  const setDelay = (each: number) => {
    for (const machine of storm.cluster.machines) machine.setNetwork({ delayMs: each });
  };
  setDelay(delayMs);
  storm.healIn(ms, 'the store is fast again', () => setDelay(storm.delayMs));
  return `the store takes ${delayMs} ms for each answer, for ${seconds(ms)}`;
};

const storeElection: Fault = (storm) => {
  const { store } = storm.world;
  if (store.isDown) return undefined;
  const ms = storm.random.int(500, 3_000);
  store.stop();
  storm.healIn(ms, "the store's next leader serves", () => store.start());
  return `the store's leader dies: the next one serves in ${seconds(ms)}, every lease has its full time again`;
};

/** A leader of the store that was frozen goes on, and revokes leases that were renewed while another one led. */
const storeThaws: Fault = (storm) => {
  const { store } = storm.world;
  if (store.isDown) return undefined;
  store.changeLeader();
  const machines = storm.cluster.machines.filter(() => storm.random.chance(0.5));
  const lost = machines.flatMap(({ node }) => store.get(storm.cluster.layout.presence(node))?.lease ?? []);
  for (const lease of lost) store.revokeLease(lease);
  return `a former leader of the store goes on, and revokes ${lost.length} live leases`;
};

const deposeLeader: Fault = (storm) => {
  const { store } = storm.world;
  const [first] = store
    .list(storm.cluster.layout.election)
    .sort((one, other) => one.createRevision - other.createRevision);
  if (first === undefined || store.isDown) return undefined;
  store.commit({ compares: [], writes: [{ delete: first.key }] });
  return 'the leader is deposed by hand';
};

const takeSnapshot: Fault = (storm) => {
  storm.snapshots.push(storm.world.store.snapshot());
  return 'somebody takes a backup of the store';
};

/** From a backup, or from nothing; some time later somebody confirms it. */
const restoreStore: Fault = (storm) => {
  const { store, witness } = storm.world;
  const snapshot = storm.random.pick(storm.snapshots);
  if (snapshot === undefined || store.isDown || store.isFull || witness.history.isInDoubt) return undefined;
  const { cluster } = storm.cluster.layout;
  const before = store.get(cluster);
  const stored = snapshot.kvs.find(({ key }) => key === cluster);
  if (before === undefined || stored === undefined || snapshot.revision === store.revision) return undefined;
  const settings = clusterSettingsCodec.decode(before.value, cluster);
  witness.history.doubt();
  storm.operator.forgetAll();
  store.restore(snapshot);
  const ms = storm.random.int(2_000, 30_000);
  storm.healIn(ms, 'the restored store is confirmed', () => {
    store.setFull(false); // else nothing can be confirmed
    const confirmed = { ...settings, epoch: settings.epoch + 1, confirmedStore: { ...store.identity() } };
    store.commit({ compares: [], writes: [{ put: cluster, value: clusterSettingsCodec.encode(confirmed) }] });
    witness.history.trust();
  });
  return `the store is restored from a backup of revision ${snapshot.revision}, confirmed in ${seconds(ms)}`;
};

/** What is wrong with the store, or with what it holds; each with its weight. */
export const storeFaults: readonly WeightedFault[] = [
  [4, storeAway],
  [3, storeSlow],
  [3, storeElection],
  [2, storeFull],
  [6, revokeLease],
  [3, storeThaws],
  [4, deposeLeader],
  [2, loseOrders],
  [5, compact],
  [3, takeSnapshot],
  [2, restoreStore],
];
