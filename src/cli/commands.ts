import type { Command } from './command.ts';

/** Every command, by the words that call it; a command is loaded when it is called. */
export const commands = {
  agent: async () => (await import('./commands/agent.ts')).agent,
  apply: async () => (await import('./commands/apply.ts')).apply,
  'cluster confirm-restore': async () => (await import('./commands/cluster-confirm-restore.ts')).clusterConfirmRestore,
  'cluster release-hold': async () => (await import('./commands/cluster-release-hold.ts')).clusterReleaseHold,
  completion: async () => (await import('./commands/completion.ts')).completion,
  'config show': async () => (await import('./commands/config-show.ts')).configShow,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
  'context add': async () => (await import('./commands/context-add.ts')).contextAdd,
  'context ls': async () => (await import('./commands/context-ls.ts')).contextLs,
  'context rm': async () => (await import('./commands/context-rm.ts')).contextRm,
  'context show': async () => (await import('./commands/context-show.ts')).contextShow,
  'context use': async () => (await import('./commands/context-use.ts')).contextUse,
  events: async () => (await import('./commands/events.ts')).events,
  exec: async () => (await import('./commands/exec.ts')).exec,
  explain: async () => (await import('./commands/explain.ts')).explain,
  help: async () => (await import('./commands/help.ts')).help,
  history: async () => (await import('./commands/history.ts')).history,
  inspect: async () => (await import('./commands/inspect.ts')).inspect,
  logs: async () => (await import('./commands/logs.ts')).logs,
  ls: async () => (await import('./commands/ls.ts')).ls,
  'node cordon': async () => (await import('./commands/node-cordon.ts')).nodeCordon,
  'node drain': async () => (await import('./commands/node-drain.ts')).nodeDrain,
  'node inspect': async () => (await import('./commands/node-inspect.ts')).nodeInspect,
  'node label': async () => (await import('./commands/node-label.ts')).nodeLabel,
  'node ls': async () => (await import('./commands/node-ls.ts')).nodeLs,
  'node rm': async () => (await import('./commands/node-rm.ts')).nodeRm,
  'node uncordon': async () => (await import('./commands/node-uncordon.ts')).nodeUncordon,
  'pki init': async () => (await import('./commands/pki-init.ts')).pkiInit,
  'pki issue node': async () => (await import('./commands/pki-issue-node.ts')).pkiIssueNode,
  'pki issue operator': async () => (await import('./commands/pki-issue-operator.ts')).pkiIssueOperator,
  'pki renew': async () => (await import('./commands/pki-renew.ts')).pkiRenew,
  'pki request': async () => (await import('./commands/pki-request.ts')).pkiRequest,
  'pki show': async () => (await import('./commands/pki-show.ts')).pkiShow,
  'pki sign': async () => (await import('./commands/pki-sign.ts')).pkiSign,
  plan: async () => (await import('./commands/plan.ts')).plan,
  ps: async () => (await import('./commands/ps.ts')).ps,
  restart: async () => (await import('./commands/restart.ts')).restart,
  rm: async () => (await import('./commands/rm.ts')).rm,
  rollback: async () => (await import('./commands/rollback.ts')).rollback,
  scale: async () => (await import('./commands/scale.ts')).scale,
  start: async () => (await import('./commands/start.ts')).start,
  status: async () => (await import('./commands/status.ts')).status,
  stop: async () => (await import('./commands/stop.ts')).stop,
  top: async () => (await import('./commands/top.ts')).top,
  version: async () => (await import('./commands/version.ts')).version,
  wait: async () => (await import('./commands/wait.ts')).wait,
} satisfies Readonly<Record<string, () => Promise<Command>>>;

/** The words that call a command. */
export type CommandPath = keyof typeof commands;

/** All words that call a command, sorted. */
export const commandPaths = Object.keys(commands).sort() as readonly CommandPath[];
