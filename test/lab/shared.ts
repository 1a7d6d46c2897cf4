import { after, suite, test } from 'node:test';
import { Lab } from './lab.ts';
import { Cluster } from './scenario/cluster.ts';
import { describeTrouble } from './scenario/diagnose.ts';
import { resetCluster } from './scenario/reset.ts';

/** Long enough for any scenario; each wait inside has its own deadline. */
const scenarioLimitMs = 240_000;
/** They mostly wait: for what must run for some seconds to be well, for a restart's delay. */
const SIDE_BY_SIDE = 8;

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

let opened: Promise<Cluster> | undefined;
let openedWith: ScenarioOptions = {};
let closed: Promise<void> | undefined;

/** What a file of scenarios may ask for. */
export interface ScenarioOptions {
  /** Else the lab's short one. */
  readonly ttlMs?: number;
}

/** The cluster that all scenarios share: three nodes, opened by the first who asks, and anew for one who asks for another TTL. */
async function sharedCluster(options: ScenarioOptions): Promise<Cluster> {
  if (opened !== undefined && openedWith.ttlMs !== options.ttlMs) {
    const other = await opened.catch(() => undefined);
    opened = undefined;
    await other?.lab.close();
  }
  openedWith = options;
  opened ??= Lab.open({ nodes: 3, name: 'scenarios', progress: say, ...options }).then((lab) => new Cluster(lab));
  return opened;
}

async function close(): Promise<void> {
  closed ??= (async () => {
    const cluster = await opened?.catch(() => undefined);
    await cluster?.lab.close();
  })();
  return closed;
}

after(close);

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
for (const [name, number] of Object.entries(signalNumbers)) {
  process.once(name, () => {
    void close().finally(() => process.exit(128 + number));
  });
}

/** The cluster as scenarios find it. One that can't be repaired is given new machines, so that no scenario spoils the next. */
async function reset(options: ScenarioOptions): Promise<Cluster> {
  const cluster = await sharedCluster(options);
  try {
    await resetCluster(cluster);
  } catch (error) {
    say(`# the cluster could not be reset, it gets new machines: ${String(error)}\n${await describeTrouble(cluster)}`);
    await cluster.lab.reset();
    await resetCluster(cluster);
  }
  return cluster;
}

/** Registers one scenario: a sentence, and what shows that it holds. */
export type DefineScenario = (sentence: string, run: (cluster: Cluster) => Promise<void>) => void;

/** Registers scenarios that go on in one cluster at the same time: each has work of its own, looks at that alone, and breaks nothing. */
export type DefineSideBySide = (define: (scenario: DefineScenario) => void) => void;

function defineOne(sentence: string, begin: () => Promise<Cluster>, run: (cluster: Cluster) => Promise<void>): void {
  test(sentence, { timeout: scenarioLimitMs }, async () => {
    const cluster = await begin();
    try {
      await run(cluster);
    } catch (error) {
      say(await describeTrouble(cluster));
      await hold();
      throw error;
    }
  });
}

/** A file of scenarios, each of which, or those side by side, begin with three nodes that are joined, led and without work. */
export function scenarios(
  title: string,
  define: (scenario: DefineScenario, sideBySide: DefineSideBySide) => void,
  options: ScenarioOptions = {},
): void {
  suite(title, () => {
    let beganMs: number | undefined;
    const begin = async (): Promise<Cluster> => {
      await sharedCluster(options);
      beganMs ??= performance.now();
      return reset(options);
    };
    const sideBySide: DefineSideBySide = (defineAll) => {
      let begun: Promise<Cluster> | undefined;
      const beginOnce = async (): Promise<Cluster> => {
        begun ??= begin();
        return begun;
      };
      suite('side by side', { concurrency: SIDE_BY_SIDE }, () => {
        defineAll((sentence, run) => defineOne(sentence, beginOnce, run));
      });
    };
    define((sentence, run) => defineOne(sentence, begin, run), sideBySide);
    after(() => {
      if (beganMs !== undefined) say(`# ${title}: ${((performance.now() - beganMs) / 1000).toFixed(1)} s`);
    });
  });
}

/** For people: with MUSTER_LAB_HOLD=1 a failure leaves everything as it is until Ctrl-C. */
async function hold(): Promise<void> {
  if (process.env['MUSTER_LAB_HOLD'] !== '1') return;
  say('# MUSTER_LAB_HOLD=1: the lab stays up until Ctrl-C');
  await new Promise(() => {
    setInterval(() => undefined, 60_000);
  });
}
