/** What a command of the stock client asks, in order, as it was seen with the real one: `METHOD path status`, repeats told once. */
export interface RecordedCommand {
  readonly line: string;
  /** Command lines that come before it. */
  readonly after?: readonly string[];
  /** Unit files of the client's folder besides the common ones; an empty text: none of this name. */
  readonly files?: Readonly<Record<string, string>>;
  readonly calls: readonly string[];
  readonly exit?: number;
  /** What it prints, among other things. */
  readonly says?: RegExp;
}

const unit = 'GET units/hello.service 200';
const put = 'PUT units/hello.service 204';
const create = ['GET units/hello.service 404', 'PUT units/hello.service 201', unit];
const units = 'GET units 200';
const machines = 'GET machines 200';
const state = 'GET state/hello.service 200';
const everywhere = 'GET units/everywhere.service 200';
const other = '[Service]\nExecStart=/bin/sleep 2\n';

export const commonFiles: Readonly<Record<string, string>> = {
  'hello.service': '[Unit]\nDescription=Hello\n\n[Service]\nExecStart=/bin/sleep 1\n',
  'worker@.service': '[Service]\nExecStart=/bin/sleep %i\n\n[X-Fleet]\nConflicts=worker@*.service\n',
  'everywhere.service': '[Service]\nExecStart=/bin/sleep 9\n\n[X-Fleet]\nGlobal=true\n',
};

export const recordedCommands: readonly RecordedCommand[] = [
  { line: 'list-machines', calls: [machines], says: /^11111111\.\.\. 10\.0\.0\.1 -$/m },
  { line: 'list-units', calls: ['GET state 200'] },
  {
    line: 'list-units',
    after: ['start hello'],
    calls: ['GET state 200', machines],
    says: /^hello.service .* active running [0-9a-f]{7}$/m,
  },
  { line: 'list-unit-files', calls: [units] },
  {
    line: 'list-unit-files',
    after: ['submit hello'],
    calls: [units],
    says: /^hello.service [0-9a-f]{7} inactive inactive -$/m,
  },
  { line: 'list-unit-files', after: ['start hello'], calls: [units, machines], says: / launched launched [1-3]{8}$/m },
  { line: 'submit hello', calls: create, says: /^Unit hello.service inactive$/ },
  { line: 'submit hello', after: ['submit hello'], calls: [unit] },
  { line: 'submit hello', after: ['start hello'], files: { 'hello.service': other }, calls: [unit], says: /^WARNING/ },
  {
    line: 'submit worker@',
    calls: ['GET units/worker@.service 404', 'PUT units/worker@.service 201', 'GET units/worker@.service 200'],
  },
  {
    line: 'submit everywhere',
    calls: ['GET units/everywhere.service 404', 'PUT units/everywhere.service 201', everywhere],
  },
  { line: 'load hello', calls: [...create, put, unit, machines], says: /^Unit hello.service loaded$/m },
  { line: 'load hello', after: ['load hello'], calls: [unit] },
  { line: 'load --no-block hello', calls: [...create, put] },
  {
    line: 'load everywhere',
    calls: [
      'GET units/everywhere.service 404',
      'PUT units/everywhere.service 201',
      everywhere,
      'PUT units/everywhere.service 204',
    ],
  },
  { line: 'start hello', calls: [...create, put, unit, machines, state], says: /^Unit hello.service launched$/m },
  { line: 'start hello', after: ['load hello'], calls: [unit, put, unit, machines, state] },
  { line: 'start hello', after: ['start hello'], calls: [unit] },
  { line: 'start --no-block hello', calls: [...create, put] },
  { line: 'start --block-attempts=3 hello', calls: [...create, put, unit, machines, state] },
  {
    line: 'start everywhere',
    calls: [
      'GET units/everywhere.service 404',
      'PUT units/everywhere.service 201',
      everywhere,
      'PUT units/everywhere.service 204',
    ],
  },
  {
    line: 'start worker@7',
    after: ['submit worker@'],
    files: { 'worker@.service': '' },
    calls: [
      'GET units/worker@7.service 404',
      'GET units/worker@.service 200',
      'PUT units/worker@7.service 201',
      'GET units/worker@7.service 200',
      'PUT units/worker@7.service 204',
      'GET units/worker@7.service 200',
      machines,
      'GET state/worker@7.service 200',
    ],
  },
  {
    line: 'submit --replace hello',
    after: ['submit hello'],
    files: { 'hello.service': other },
    calls: [unit, 'PUT units/hello.service 201', unit],
  },
  {
    line: 'load --replace hello',
    after: ['load hello'],
    files: { 'hello.service': other },
    calls: [unit, 'PUT units/hello.service 201', unit, put, unit, machines],
  },
  {
    line: 'start --replace hello',
    after: ['start hello'],
    files: { 'hello.service': other },
    calls: [unit, 'PUT units/hello.service 201', unit, put, unit, machines, state],
  },
  { line: 'start --replace hello', after: ['start hello'], calls: [unit] },
  {
    line: 'stop hello',
    after: ['start hello'],
    calls: [units, put, unit, machines],
    says: /^Unit hello.service loaded$/m,
  },
  { line: 'stop hello', after: ['load hello'], calls: [units] },
  { line: 'stop hello', after: ['submit hello'], calls: [units], exit: 1, says: /in state inactive/ },
  { line: 'stop --no-block hello', after: ['start hello'], calls: [units, put] },
  { line: 'stop hello', calls: [units], says: /not found/ },
  { line: 'stop everywhere', after: ['start everywhere'], calls: [units, 'PUT units/everywhere.service 204'] },
  { line: 'unload hello', after: ['start hello'], calls: [units, put, unit], says: /^Unit hello.service inactive$/m },
  { line: 'unload hello', after: ['submit hello'], calls: [units] },
  { line: 'unload everywhere', after: ['start everywhere'], calls: [units, 'PUT units/everywhere.service 204'] },
  {
    line: 'destroy hello',
    after: ['start hello'],
    calls: [units, 'DELETE units/hello.service 204'],
    says: /^Destroyed/,
  },
  {
    line: 'destroy --no-block hello',
    after: ['start hello'],
    calls: [units, 'DELETE units/hello.service 204', 'GET units/hello.service 404'],
  },
  { line: 'destroy hello', calls: [units], says: /not found/ },
  { line: 'restart hello', after: ['start hello'], calls: [units, unit, put, unit, machines, put, unit] },
  { line: 'restart hello', after: ['load hello'], calls: [units, unit, put, unit, machines] },
  { line: 'restart hello', after: ['submit hello'], calls: [units, unit], says: /in state inactive/ },
  { line: 'restart everywhere', after: ['start everywhere'], calls: [units, everywhere, machines] },
  { line: 'cat hello', after: ['submit hello'], calls: [unit] },
  { line: 'cat hello', calls: ['GET units/hello.service 404'], exit: 1 },
  {
    line: 'status hello',
    after: ['start hello'],
    calls: [unit, machines],
    says: /^ssh 10\.0\.0\.1: systemctl status -l hello.service$/,
  },
  { line: 'status hello', after: ['submit hello'], calls: [unit], exit: 1, says: /not appear to be loaded/ },
  { line: 'status everywhere', after: ['start everywhere'], calls: [everywhere, machines] },
  { line: 'journal hello', after: ['start hello'], calls: [unit, machines], says: /journalctl --unit hello.service$/ },
  { line: 'journal everywhere', after: ['start everywhere'], calls: [everywhere], exit: 1 },
];
