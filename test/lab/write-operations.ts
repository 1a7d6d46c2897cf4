// Makes docs/operations.md: plays its story on three machines, and keeps what each command prints.
// Usage, as root, after `npm run build`: node test/lab/write-operations.ts
import { writeFile } from 'node:fs/promises';
import { eventually } from '../support/eventually.ts';
import { Lab } from './lab.ts';
import { type Question, questions, renderPage } from './operations-page.ts';
import { Cluster } from './scenario/cluster.ts';
import { serveTls } from './scenario/serve-tls.ts';
import { containerYaml, sleepingContainer, webYaml } from './scenario/workload-texts.ts';

const ttlMs = 10_000;
const outputs = new Map<string, string>();
const say = (line: string) => process.stdout.write(`${line}\n`);

const lab = await Lab.open({ nodes: 3, ttlMs, clusterId: 'prod', progress: say });
const cluster = new Cluster(lab);
try {
  await play();
  await writeFile(new URL('../../docs/operations.md', import.meta.url), renderPage(outputs));
} finally {
  await lab.close();
}

async function play(): Promise<void> {
  const [node1, node2, node3] = [lab.node('node1'), lab.node('node2'), lab.node('node3')];
  for (const node of lab.nodes) await cluster.muster(['wait', '--joined', '--timeout', '60s'], { on: node });
  await serveTls(cluster);
  for (const node of lab.nodes) await cluster.muster(['wait', '--joined', '--timeout', '60s'], { on: node });
  // The page tells of node3 being lost: it should not be the leader, whose loss would be another story.
  const leader = await cluster.leader();
  if (leader === node3) await node3.run(['systemctl', 'restart', 'muster']);
  await eventually('another leader than node3', 30_000, async () => (await cluster.leader()) !== node3);
  for (const [node, zone] of [
    ['node1', 'a'],
    ['node2', 'b'],
    ['node3', 'c'],
  ] as const)
    await cluster.muster(['node', 'label', node, `zone=${zone}`]);
  await cluster.apply('web', webYaml('web', 8080, ['replicas: 2']));
  await cluster.apply(
    'redis',
    sleepingContainer('redis', ['placement: {constraints: ["zone=a"]}']).replace(
      'stopSignal: SIGKILL',
      'stopSignal: SIGKILL\n  mounts: ["data:/data"]',
    ),
  );
  await cluster.apply('chatter', chatter());
  await cluster.apply('reports', sleepingContainer('reports', ['placement: {constraints: ["disk=ssd"]}']), [
    '--no-wait',
  ]);
  await node1.writeFile(
    '/root/web.yaml',
    webYaml('web', 8080, ['replicas: 3']).replace('stopGrace: 2s', 'stopGrace: 5s'),
  );
  await ask('steady');
  await cluster.muster(['scale', 'chatter=4'], { reject: false });
  await cluster.muster(['restart', 'redis'], { reject: false });
  await ask('changed');
  await node3.powerOff();
  await eventually('node3 to be known as lost', 60_000, async () => (await cluster.nodeRow(node3)).state === 'lost');
  await eventually('its work to be elsewhere', 60_000, async () => {
    const rows = await cluster.rows('chatter');
    return rows.filter(({ healthy, node }) => healthy && node?.hostname !== 'node3').length >= 4;
  });
  await ask('lost');
  await node3.boot();
  await eventually('node3 to be back', 60_000, async () => (await cluster.nodeRow(node3)).state === 'up');
  await ask('drained');
  await node2.run(['systemctl', 'stop', 'docker.socket', 'docker', 'muster']);
  await ask('ill');
}

/** Types the questions of a stage, on the machine where they belong. */
async function ask(stage: Question['stage']): Promise<void> {
  for (const question of questions.filter((each) => each.stage === stage)) {
    for (const line of question.lines) {
      const argv = line.split(' ');
      const on = lab.node(question.on ?? 'node1');
      const { stdout, stderr } = await on.run(['env', '-C', '/root', ...argv], { reject: false, timeoutMs: 120_000 });
      say(`$ ${line}\n${stdout}${stderr}`);
      outputs.set(`${question.title}\n${line}`, [stdout, stderr].filter((text) => text !== '').join('\n'));
    }
  }
}

function chatter(): string {
  const script = 'n=0; while sleep 5; do n=$((n+1)); echo request $n; done';
  return containerYaml(
    'chatter',
    ['image: busybox:1', `command: [sh, -c, '${script}']`, 'stopSignal: SIGKILL'],
    ['replicas: 3'],
  );
}
