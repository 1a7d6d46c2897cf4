/** One question an operator has, and the command that answers it. */
export interface Question {
  readonly title: string;
  /** Paragraphs before the command. */
  readonly before?: readonly string[];
  /** Lines as typed; what the first words mean is in docs/cli.md. */
  readonly lines: readonly string[];
  readonly after?: readonly string[];
  /** When in the story it is asked. */
  readonly stage: 'steady' | 'changed' | 'lost' | 'ill' | 'drained';
  /** Where it's typed; else on the first node. */
  readonly on?: string;
}

/** docs/operations.md in the order of its chapters; test/lab/write-operations.ts fills in what the commands really print. */
export const questions: readonly Question[] = [
  {
    title: 'Is everything as it should be?',
    lines: ['muster status'],
    after: [
      '`State` says in one line whether there is anything to do. Below come the nodes that are not simply up, what is held, and each workload that is not as desired, with the first thing in the way. `muster status --watch` keeps it on the screen.',
    ],
    stage: 'steady',
  },
  {
    title: 'What runs where, since when?',
    lines: ['muster ps', 'muster ps web --wide --utc'],
    after: [
      '`FOR` is how long it has been in its phase; `--wide` adds exact times, `--utc` has them in UTC. Narrow it with `--node node2`, `--phase failed`, `--label tier=db`; `-q` leaves the names alone, `--json` has everything. `muster top` shows live what uses how much.',
    ],
    stage: 'steady',
  },
  { title: 'Who leads? Which machines are there?', lines: ['muster node ls'], stage: 'steady' },
  {
    title: "Why isn't it placed?",
    lines: ['muster explain reports'],
    after: ['Node by node. Nothing is tried in vain meanwhile: as soon as a node fits, it is placed there.'],
    stage: 'steady',
  },
  {
    title: 'What would this change do?',
    before: ['Nothing is done; the exit code is 4 where something would be.'],
    lines: ['muster plan web.yaml'],
    stage: 'steady',
  },
  {
    title: 'What changed?',
    lines: ['muster events chatter --since 10m', 'muster history redis'],
    after: [
      '`muster events` alone is about everything, as far back as etcd keeps its history; `muster events -f` goes on with what happens. The last ten moves of each instance are known for ever.',
    ],
    stage: 'changed',
  },
  {
    title: 'A node is gone: what became of its work?',
    before: ['node3 has lost its power some seconds ago.'],
    lines: ['muster status', 'muster ps'],
    stage: 'lost',
  },
  { title: 'Why did it move?', lines: ['muster history chatter --moves'], stage: 'lost' },
  {
    title: 'What is wrong with this node?',
    before: ['From anywhere, what the cluster knows of it:'],
    lines: ['muster node inspect node3'],
    stage: 'lost',
  },
  {
    title: 'What is wrong with this machine?',
    before: [
      'On the machine itself, also when its agent does not run. Here somebody has stopped Docker and the agent.',
    ],
    lines: ['muster doctor --quiet'],
    after: [
      'Without `--quiet` it also says what it has looked at and found well. It exits 1 when something has failed.',
    ],
    stage: 'ill',
    on: 'node2',
  },
  {
    title: 'What is this agent told, and by what?',
    lines: ['muster config show --changed'],
    stage: 'steady',
  },
  {
    title: 'What did it write?',
    before: ['From any node, of all instances of a workload, merged by time.'],
    lines: ['muster logs chatter -n 2'],
    after: ['`-f` goes on with new lines, until Ctrl-C. `muster exec -it chatter.0 -- sh` looks inside.'],
    stage: 'changed',
  },
  {
    title: 'How do I empty a machine, to work on it?',
    lines: ['muster node drain node2', 'muster node ls', 'muster node uncordon node2'],
    after: ['It ends when nothing was seen on the node any more, and says what is in the way until then.'],
    stage: 'drained',
  },
];

/** The page, with what the commands printed. */
export function renderPage(outputs: ReadonlyMap<string, string>): string {
  const sections = questions.map(({ title, before = [], lines, after = [] }) => {
    const shown = lines.map((line) => `$ ${line}\n${(outputs.get(`${title}\n${line}`) ?? '').trimEnd()}\n`);
    return [
      `## ${title}\n`,
      ...before.map((text) => `${text}\n`),
      `\`\`\`console\n${shown.join('\n')}\`\`\`\n`,
      ...after.map((text) => `${text}\n`),
    ].join('\n');
  });
  return [
    '# Operating a cluster\n',
    '<!-- Made by `node test/lab/write-operations.ts`, which does all this on three machines: change test/lab/operations-page.ts and run it again. -->\n',
    'Each question has one command that answers it. What is shown is what a cluster of three nodes really printed: `web` has two replicas and a port, `redis` has its data in a local volume, `reports` asks for a disk that no node has. Every command works on any node, and with a [context](cli.md#muster-context-use) from any other machine.\n',
    ...sections,
  ].join('\n');
}
