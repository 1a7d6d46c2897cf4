import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError } from '../../../src/domain/errors.ts';
import { silentLog } from '../../../src/loop/log.ts';
import { SwitchKeeper } from '../../../src/node/switch-keeper.ts';
import { FakeSwitch } from '../../support/fake-switch.ts';

const never = new AbortController().signal;

function makeKeeper() {
  const deadMansSwitch = new FakeSwitch();
  const rights: { killAtMs: number | undefined } = { killAtMs: 1_000 };
  const keeper = new SwitchKeeper({ deadMansSwitch, rights, log: silentLog });
  const asked = () => deadMansSwitch.calls.splice(0).map(({ what, killAtMs }) => [what, killAtMs]);
  const renew = (killAtMs: number) => {
    rights.killAtMs = killAtMs;
    keeper.renewed();
  };
  return { deadMansSwitch, rights, keeper, asked, renew };
}

test('until a look has told what is left of an earlier process, its switch is kept armed; without a stop instance it is left alone', () => {
  const { keeper, asked, renew } = makeKeeper();
  renew(2_000);
  keeper.look()('unknown', false);
  renew(3_000);
  assert.deepEqual(asked(), [
    ['rearm', 2_000],
    ['rearm', 3_000],
  ]);
  keeper.look()('none', false);
  renew(4_000);
  keeper.look()('none', false);
  keeper.look()('unknown', false);
  assert.deepEqual(asked(), []);
});

test('a start opens the switch before anything else, and each renewal re-arms it from then on', async () => {
  const { keeper, asked, renew } = makeKeeper();
  await keeper.during(never, async () => {
    assert.deepEqual(asked(), [['open', 1_000]]);
    renew(2_000);
  });
  renew(3_000);
  renew(3_000);
  assert.deepEqual(asked(), [
    ['rearm', 2_000],
    ['rearm', 3_000],
  ]);
});

test('a renewal that is answered while the switch is opened is not lost', async () => {
  const { keeper, deadMansSwitch, rights, asked } = makeKeeper();
  const open = deadMansSwitch.open.bind(deadMansSwitch);
  deadMansSwitch.open = async (killAtMs, signal) => {
    await open(killAtMs, signal);
    rights.killAtMs = 2_000;
  };
  await keeper.during(never, async () => {});
  assert.deepEqual(asked(), [
    ['open', 1_000],
    ['rearm', 2_000],
  ]);
});

test('nothing is started without a lease, or where the switch cannot be opened', async () => {
  const { keeper, deadMansSwitch, rights } = makeKeeper();
  const start = () => assert.fail('it was started');
  rights.killAtMs = undefined;
  await assert.rejects(keeper.during(never, start), { code: 'STALE' });
  rights.killAtMs = 1_000;
  deadMansSwitch.refusal = new AgentError('UNAVAILABLE', 'no units');
  await assert.rejects(keeper.during(never, start), { code: 'UNAVAILABLE' });
});

test('it is disarmed once no stop instance is left, and only by a look that began after the last start', async () => {
  const { keeper, asked, renew } = makeKeeper();
  const before = keeper.look();
  await keeper.during(never, async () => {
    before('none', false);
    keeper.look()('none', false);
  });
  before('none', false);
  assert.deepEqual(asked(), [['open', 1_000]]);
  keeper.look()('unknown', false);
  assert.deepEqual(asked(), []);
  keeper.look()('none', false);
  keeper.look()('none', false);
  assert.deepEqual(asked(), [['disarm', undefined]]);
  renew(2_000);
  assert.deepEqual(asked(), []);
});

test('a process that finds stop instances running re-arms at once', () => {
  const { keeper, asked } = makeKeeper();
  keeper.look()('some', false);
  assert.deepEqual(asked(), [['rearm', 1_000]]);
});

test('a switch that has fired is armed again only by the next start', async () => {
  const { keeper, deadMansSwitch, asked, renew } = makeKeeper();
  await keeper.during(never, async () => {});
  deadMansSwitch.fire();
  asked();
  renew(2_000);
  renew(3_000);
  assert.equal(deadMansSwitch.killAtMs, undefined);
  asked();
  await keeper.during(never, async () => {});
  assert.deepEqual(asked(), [['open', 3_000]]);
  renew(4_000);
  assert.equal(deadMansSwitch.killAtMs, 4_000);
});

test('a look that shows an end finds out whether the switch has fired, and says so once', async () => {
  const { keeper, deadMansSwitch, asked } = makeKeeper();
  await keeper.during(never, async () => {});
  assert.equal(keeper.look()('some', true), false);
  deadMansSwitch.fire();
  assert.equal(keeper.look()('some', false), false);
  assert.equal(keeper.look()('none', true), true);
  assert.equal(keeper.look()('none', true), false);
  asked();
});

test('a start that finds the switch gone leaves it to the next look to say so', async () => {
  const { keeper, deadMansSwitch } = makeKeeper();
  await keeper.during(never, async () => {});
  deadMansSwitch.fire();
  await keeper.during(never, async () => {});
  assert.equal(keeper.look()('some', true), true);
});
