import type { Row } from './row.ts';
import { row as agentFrozen } from './rows/agent-frozen.ts';
import { row as agentKill } from './rows/agent-kill.ts';
import { row as cutOff } from './rows/cut-off.ts';
import { row as etcdAway } from './rows/etcd-away.ts';
import { row as etcdLeaderFrozen, newer as etcdLeaderFrozenNewer } from './rows/etcd-leader-frozen.ts';
import { row as halfLost } from './rows/half-lost.ts';
import { row as leaderFrozen } from './rows/leader-frozen.ts';
import { row as powerOffInApply } from './rows/power-off-in-apply.ts';
import { row as slowStop } from './rows/slow-stop.ts';

/** The rows of the table that a lab makes, in its order. */
export const rows: readonly Row[] = [
  etcdAway,
  agentKill,
  agentFrozen,
  cutOff,
  halfLost,
  etcdLeaderFrozen,
  etcdLeaderFrozenNewer,
  slowStop,
  leaderFrozen,
  powerOffInApply,
];
