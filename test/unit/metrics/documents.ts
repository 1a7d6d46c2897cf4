import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';

const docs = new URL('../../../docs/', import.meta.url);

/** An alert of docs/prometheus-alerts.yaml. */
export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export async function readAlerts(): Promise<readonly Alert[]> {
  const { groups } = parse(await readFile(new URL('prometheus-alerts.yaml', docs), 'utf8')) as {
    groups: { rules: Alert[] }[];
  };
  return groups.flatMap(({ rules }) => rules);
}

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

export async function readDashboard() {
  return JSON.parse(await readFile(new URL('grafana-dashboard.json', docs), 'utf8')) as {
    readonly panels: readonly Panel[];
    readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
  };
}

export async function dashboardExpressions(): Promise<readonly string[]> {
  const { panels } = await readDashboard();
  return panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
}

/** The rows of docs/metrics.md's tables of metrics. */
export async function readDocumented(): Promise<
  readonly {
    readonly name: string;
    readonly type: string;
    readonly unit: string;
    readonly labels: readonly string[];
    readonly help: string;
  }[]
> {
  const text = await readFile(new URL('metrics.md', docs), 'utf8');
  const row = /^\| `([a-z_]+)` \| (counter|gauge|histogram) \| (.+?) \| (.+?) \| (.+) \|$/gm;
  return [...text.matchAll(row)].map(([, name = '', type = '', unit = '', labels = '', help = '']) => ({
    name,
    type,
    unit,
    labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label),
    help,
  }));
}
