import type { HealthAnswer, ReadyAnswer, ReadyCheck } from '../wire/health-answers.ts';
import type { ApiDeps, LocalHealth } from './api-deps.ts';
import { Reply } from './route.ts';

const unavailable = 503;
const fresh = { 'cache-control': 'no-store' };

/** `GET /healthz`: whether the process is of use at all. etcd or a runtime being away is no reason to end it. */
export function getHealth({ health }: Pick<ApiDeps, 'health'>): Reply {
  const alive = health?.().isAlive ?? true;
  return new Reply({ alive } satisfies HealthAnswer, alive ? 200 : unavailable, fresh);
}

/** `GET /readyz`: whether the node can do all that it may be ordered to, and what is in the way. */
export function getReadiness({ node, health }: Pick<ApiDeps, 'node' | 'health'>): Reply {
  const { joined, text, store } = node.state();
  const isStoreWell = store === undefined || store.state === 'good' || store.state === 'slow';
  const checks: readonly ReadyCheck[] = [
    { name: 'joined', passed: joined, text },
    checkRuntimes(health?.()),
    { name: 'store', passed: isStoreWell, text: store?.text ?? 'etcd is not looked at' },
  ];
  const ready = checks.every(({ passed }) => passed);
  return new Reply({ ready, checks } satisfies ReadyAnswer, ready ? 200 : unavailable, fresh);
}

function checkRuntimes(health: LocalHealth | undefined): ReadyCheck {
  const name = 'runtimes';
  if (health?.hasObserved === false) return { name, passed: false, text: 'not looked at yet' };
  const reasons = [...(health?.unreadable ?? [])].map(([runtime, reason]) => `${runtime}: ${reason}`);
  return { name, passed: reasons.length === 0, text: reasons.length === 0 ? 'all answer' : reasons.join('; ') };
}
