import type { Route } from './route.ts';
import { changeRoutes } from './routes/changes.ts';
import { clusterRoutes } from './routes/cluster.ts';
import { documentRoutes } from './routes/documents.ts';
import { eventRoutes } from './routes/events.ts';
import { execRoutes } from './routes/exec.ts';
import { fleetRoutes } from './routes/fleet.ts';
import { instanceRoutes } from './routes/instances.ts';
import { logRoutes } from './routes/logs.ts';
import { metricsRoutes } from './routes/metrics.ts';
import { nodeSettingsRoutes } from './routes/node-settings.ts';
import { nodeRoutes } from './routes/nodes.ts';
import { pkiRoutes } from './routes/pki.ts';
import { revisionRoutes } from './routes/revisions.ts';
import { statsRoutes } from './routes/stats.ts';
import { workloadRoutes } from './routes/workloads.ts';

/** Every route of the API. */
export const routes: readonly Route[] = [
  ...clusterRoutes,
  ...changeRoutes,
  ...eventRoutes,
  ...nodeRoutes,
  ...nodeSettingsRoutes,
  ...pkiRoutes,
  ...workloadRoutes,
  ...revisionRoutes,
  ...instanceRoutes,
  ...logRoutes,
  ...execRoutes,
  ...statsRoutes,
  ...metricsRoutes,
  ...documentRoutes,
  ...fleetRoutes,
];
