/** `GET /healthz` */
export interface HealthAnswer {
  /** False: a pass of the agent hangs; systemd ends it soon and starts it again. */
  readonly alive: boolean;
}

/** `GET /readyz` */
export interface ReadyAnswer {
  /** Whether every check is passed; the status is 503 otherwise. */
  readonly ready: boolean;
  readonly checks: readonly ReadyCheck[];
}

/** One thing without which the agent can't do all its work. */
export interface ReadyCheck {
  readonly name: 'joined' | 'runtimes' | 'store';
  readonly passed: boolean;
  /** One line for people: how it is, or what is in the way. */
  readonly text: string;
}
