import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Machine, MachineConfig } from '../../../src/cli/machine.ts';
import type { Finding } from '../../../src/domain/finding.ts';
import { makeFakeTerminal } from './fake-terminal.ts';

const findings: readonly Finding[] = [
  { check: 'clock', level: 'ok', found: 'synchronized' },
  { check: 'etcd', subject: 'http://a:2379', level: 'warn', found: 'is slow', advice: 'look for a slow disk' },
];
const failed: Finding = { check: 'docker', level: 'fail', found: 'does not answer', advice: 'systemctl status docker' };
const config: MachineConfig = {
  path: '/etc/muster/muster.yaml',
  rows: [
    { key: 'cluster', value: 'prod', origin: 'file', source: '/etc/muster/muster.yaml' },
    { key: 'lease.ttl', value: '10s', origin: 'default', source: '' },
    { key: 'advertise', origin: 'default', source: '' },
  ],
  isNewerThanAgent: false,
};

function start(over: { findings?: readonly Finding[]; config?: Partial<MachineConfig> } = {}) {
  const asked: unknown[] = [];
  const machine: Machine = {
    config: (given) => {
      asked.push(given);
      return Promise.resolve({ ...config, ...over.config });
    },
    diagnose: (given) => {
      asked.push(given);
      return Promise.resolve(over.findings ?? findings);
    },
  };
  return { ...makeFakeTerminal({ machine }), asked };
}

test('muster doctor lists what it found with what to do, and ends with 0 where nothing has failed', async () => {
  const { run, stdout, asked } = start();
  assert.equal(await run('doctor', '--config', '/a.yaml'), 0);
  assert.equal(
    stdout(),
    'ok    clock  synchronized\nwarn  etcd   http://a:2379 is slow\n             → look for a slow disk\n\n0 failed, 1 warnings, 1 well\n',
  );
  assert.deepEqual(asked, [{ configPath: '/a.yaml', flags: {} }]);
});

test('muster doctor ends with 1 where something has failed, and with --quiet says only what is not well', async () => {
  const { run, stdout } = start({ findings: [...findings, failed] });
  assert.equal(await run('doctor', '-q'), 1);
  assert.doesNotMatch(stdout(), /clock|well/);
  assert.match(stdout(), /^fail {2}docker +does not answer\n +→ systemctl status docker\n/m);
});

test('muster doctor --json prints all findings and whether all is well', async () => {
  const { run, stdout } = start({ findings: [...findings, failed] });
  assert.equal(await run('doctor', '--json'), 1);
  assert.deepEqual(JSON.parse(stdout()), { apiVersion: 'v1', ok: false, findings: [...findings, failed] });
});

test('muster config show lists each key with where its value comes from', async () => {
  const { run, stdout, asked } = start();
  assert.equal(await run('config', 'show', '--lease-ttl', '20s'), 0);
  assert.match(
    stdout(),
    /^cluster +prod +\/etc\/muster\/muster\.yaml\nlease\.ttl +10s +default\nadvertise +- +default\n/m,
  );
  assert.deepEqual(asked, [{ configPath: undefined, flags: { 'lease-ttl': '20s' } }]);
  const changed = start();
  assert.equal(await changed.run('config', 'show', '--changed', '-q'), 0);
  assert.equal(changed.stdout(), 'cluster\n');
});

test('muster config show says what an agent would not start with, and what it does not have yet', async () => {
  const { run, stderr } = start({
    config: { problem: 'Cannot use half of a certificate', isNewerThanAgent: true, pid: 7 },
  });
  assert.equal(await run('config', 'show'), 1);
  assert.match(stderr(), /was changed since the agent \(PID 7\) started\nmuster: Cannot use half/);
});
