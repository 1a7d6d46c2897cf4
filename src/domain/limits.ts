/** What is refused at the edge, with the number (DESIGN section 3). */
export const LIMITS = {
  /** The run part as JSON. */
  specBytes: 256 * 1024,
  /** The text of one unit file. */
  unitTextBytes: 64 * 1024,
  /** Copies of one workload. */
  replicas: 10_000,
  /** How long a policy may have something wait. */
  policyMs: 366 * 24 * 3_600_000,
  /** One input file with all its documents. */
  fileBytes: 4 * 1024 * 1024,
} as const;
