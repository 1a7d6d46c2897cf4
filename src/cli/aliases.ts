import type { CommandPath } from './commands.ts';

/** Other words for commands: noun and verb where the short form stands alone, and what habit types. */
export const aliases: Readonly<Record<string, CommandPath>> = {
  list: 'ls',
  nodes: 'node ls',
  describe: 'inspect',
  delete: 'rm',
  cordon: 'node cordon',
  uncordon: 'node uncordon',
  drain: 'node drain',
  'cluster events': 'events',
  'cluster status': 'status',
  'cluster top': 'top',
  'node list': 'node ls',
  'context list': 'context ls',
  'workload apply': 'apply',
  'workload explain': 'explain',
  'workload history': 'history',
  'workload inspect': 'inspect',
  'workload logs': 'logs',
  'workload ls': 'ls',
  'workload plan': 'plan',
  'workload restart': 'restart',
  'workload rm': 'rm',
  'workload rollback': 'rollback',
  'workload scale': 'scale',
  'workload start': 'start',
  'workload stop': 'stop',
  'instance exec': 'exec',
  'instance explain': 'explain',
  'instance history': 'history',
  'instance inspect': 'inspect',
  'instance logs': 'logs',
  'instance ls': 'ps',
  'instance restart': 'restart',
};

/** Other words for one command, sorted. */
export function aliasesOf(path: string): readonly string[] {
  return Object.keys(aliases)
    .filter((alias) => aliases[alias] === path)
    .sort();
}
