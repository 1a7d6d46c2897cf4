import { type Beating, beatingContainer, beatingUnit } from '../lab/checker/beating-work.ts';

/** A workload of the storm, in any edition: each is another spec. */
export interface MixedWorkload {
  readonly name: string;
  readonly text: (edition: number) => string;
  /** How many copies on so many nodes. */
  readonly copies: (nodes: number) => number;
}

const total = 60;

function unit(name: string, copies: number | 'global', beating: Beating = {}): MixedWorkload {
  const isTemplate = name.includes('@');
  const scale = copies === 'global' ? ['Global=true'] : isTemplate ? [`Replicas=${copies}`] : [];
  const lines = [...scale, ...(beating.lines ?? [])];
  return {
    name,
    text: (edition) => beatingUnit({ ...beating, edition, lines }),
    copies: (nodes) => (copies === 'global' ? nodes : copies),
  };
}

function container(name: string, copies: number | 'global', beating: Beating = {}): MixedWorkload {
  const lines = [copies === 'global' ? 'global: true' : `replicas: ${copies}`, ...(beating.lines ?? [])];
  return {
    name,
    text: (edition) => beatingContainer(name, { ...beating, edition, lines }),
    copies: (nodes) => (copies === 'global' ? nodes : copies),
  };
}

const strict = { disconnect: 'stop' } as const;

/** 60 instances of every kind: units and containers, keep and stop, single, replicated, templates, global. */
export function mixedWork(nodes: number): readonly MixedWorkload[] {
  const fixed = [
    unit('strict@.service', 12, strict),
    unit('slow@.service', 3, { ...strict, stopMs: 800 }),
    ...Array.from({ length: 4 }, (_none, at) => unit(`solo-${at}.service`, 1, strict)),
    ...Array.from({ length: 4 }, (_none, at) => unit(`plain-${at}.service`, 1)),
    unit('each.service', 'global'),
    container('pages', 7),
    container('vault', 8, strict),
    container('watcher', 'global'),
  ];
  const rest = total - fixed.reduce((sum, each) => sum + each.copies(nodes), 0);
  return [...fixed, unit('spread@.service', rest)];
}
