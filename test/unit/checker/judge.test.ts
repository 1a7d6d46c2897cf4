import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type Evidence, type Fault, judge, type Reason, type StoreWrite } from '../../lab/checker/judge.ts';
import { parseRun, type Run } from '../../lab/checker/run-log.ts';

/** A run as a hand-made log has it: seconds from and to, in stretches. */
function run(id: string, stretches: readonly (readonly [number, number])[], more: Partial<Run> = {}): Run {
  return {
    id,
    instance: 'one.service',
    node: 'a',
    mode: 'stop',
    boot: 'b',
    pid: 1,
    token: '',
    stretches: stretches.map(([from, to]) => ({ fromMs: from * 1000, toMs: to * 1000 })),
    ended: false,
    ...more,
  };
}

function fault(from: number, to: number, more: Partial<Fault> = {}): Fault {
  return { kind: 'freeze', node: 'a', fromMs: from * 1000, toMs: to * 1000, ...more };
}

function judged(runs: readonly Run[], more: Partial<Evidence> = {}) {
  return judge({ runs, faults: [], reasons: [], writes: [], atMs: 100_000, thawBoundMs: 4_500, ...more });
}

suite('overlaps of stop instances', () => {
  test('one after the other is no overlap', () => {
    const verdict = judged([run('x', [[0, 10]], { ended: true }), run('y', [[10.001, 20]], { node: 'b' })]);
    assert.deepEqual(verdict.violations, []);
    assert.deepEqual(verdict.overlaps, []);
  });

  test('two at once are one, with its length', () => {
    const verdict = judged([run('x', [[0, 10]]), run('y', [[9.2, 20]], { node: 'b' })]);
    assert.equal(verdict.violations.length, 1);
    assert.match(verdict.violations[0] ?? '', /one\.service ran twice for 800 ms at 9\.200 s: x and y/);
    assert.equal(verdict.longestOverlapMs, 800);
  });

  test('two at once on one machine are one too', () => {
    assert.equal(judged([run('x', [[0, 10]]), run('y', [[5, 20]])]).violations.length, 1);
  });

  test('a third that overlaps both is told with each', () => {
    const runs = [run('x', [[0, 10]]), run('y', [[5, 20]], { node: 'b' }), run('z', [[6, 7]], { node: 'c' })];
    assert.equal(judged(runs).violations.length, 3);
  });

  test('keep instances and different instances may run at once', () => {
    const twice = [run('x', [[0, 100]], { mode: 'keep' }), run('y', [[5, 100]], { mode: 'keep', node: 'b' })];
    assert.deepEqual(judged(twice).violations, []);
    assert.deepEqual(judged([run('x', [[0, 100]]), run('y', [[0, 100]], { instance: 'two.service' })]).violations, []);
  });

  test('a gap in which the machine was frozen is none of its time', () => {
    const old = run('x', [
      [0, 10],
      [40, 40.1],
    ]);
    const runs = [old, run('y', [[20, 39]], { node: 'b' })];
    const frozen = { faults: [fault(10, 40, { freezesMachine: true })] };
    assert.deepEqual(judged(runs, frozen).violations, []);
    assert.equal(judged(runs).violations.length, 1, 'without a freeze it was there all the while');
  });

  test('what begins at a thaw is counted apart, and fails beyond the bound', () => {
    const until = (end: number): Run[] => [
      run('x', [
        [0, 10],
        [40.02, end],
      ]),
      run('y', [[20, 100]], { node: 'b' }),
    ];
    const frozen = { faults: [fault(10, 40, { freezesMachine: true })] };
    const within = judged(until(43), frozen);
    assert.deepEqual(within.violations, []);
    assert.equal(within.overlaps.length, 1);
    assert.equal(within.overlaps[0]?.atThaw, true);
    assert.equal(within.longestOverlapMs, 0);
    assert.equal(Math.round(within.longestThawOverlapMs), 2980);
    const beyond = judged(until(45), frozen);
    assert.match(beyond.violations.join(), /from a thaw on, where 4500 ms are the bound/);
  });

  test('a thaw of a machine that neither runs on excuses nothing', () => {
    const runs = [run('x', [[0, 41]]), run('y', [[40, 100]], { node: 'b' })];
    const frozen = { faults: [fault(10, 40, { node: 'c', freezesMachine: true })] };
    assert.equal(judged(runs, frozen).violations.length, 1);
  });
});

suite('ends of keep instances', () => {
  const ended = run('x', [[0, 10]], { mode: 'keep' });
  const count = (more: Partial<Evidence>): number => judged([ended], more).violations.length;
  const reason = (more: Partial<Reason> = {}): Reason => ({
    instance: 'one.service',
    node: 'a',
    atMs: 9_500,
    kind: 'order',
    text: 'ordered',
    ...more,
  });

  test('one that runs on needs no reason', () => {
    assert.deepEqual(judged([run('x', [[0, 99.9]], { mode: 'keep' })]).violations, []);
  });

  test('an end that nothing explains is a violation', () => {
    const verdict = judged([ended]);
    assert.match(verdict.violations[0] ?? '', /one\.service \(x\) ended at 10\.000 s for no recorded reason/);
    assert.equal(verdict.keepEnds.unexplained, 1);
  });

  test('a recorded reason explains it; that of another instance or node, or an older one, does not', () => {
    assert.equal(count({ reasons: [reason()] }), 0);
    assert.equal(count({ reasons: [reason({ instance: 'two.service' })] }), 1);
    assert.equal(count({ reasons: [reason({ node: 'b' })] }), 1);
    assert.equal(count({ reasons: [reason({ atMs: 60_000 })] }), 1, 'what is ordered later has not ended it');
    assert.equal(count({ reasons: [reason({ atMs: 60_000, kind: 'report' })] }), 0, 'it may be reported later');
    const later = run('x', [[5, 10]], { mode: 'keep' });
    assert.equal(judged([later], { reasons: [reason({ atMs: 2_000 })] }).violations.length, 1);
  });

  test('an order explains the end of one run, also of one that only just began', () => {
    const next = run('y', [[10.3, 10.4]], { mode: 'keep' });
    const first = reason({ atMs: 9_900 });
    assert.deepEqual(judged([ended, next], { reasons: [first, reason({ atMs: 10_250 })] }).violations, []);
    assert.equal(judged([ended, next], { reasons: [first] }).violations.length, 1);
  });

  test('a fault that ended its machine then explains it; elsewhere, earlier, or one that ends nothing does not', () => {
    assert.equal(count({ faults: [fault(9.9, 30, { kind: 'power-off', endsRuns: 'all' })] }), 0);
    assert.equal(count({ faults: [fault(9.9, 30, { endsRuns: 'all', node: 'b' })] }), 1);
    assert.equal(count({ faults: [fault(1, 5, { endsRuns: 'all' })] }), 1);
    assert.equal(count({ faults: [fault(9.9, 30)] }), 1);
  });

  test("dockerd's faults explain the end of a container, not of a unit", () => {
    const dockerd = { faults: [fault(9.9, 11, { endsRuns: 'containers' })] };
    assert.equal(count(dockerd), 1);
    assert.equal(judged([run('x', [[0, 10]], { mode: 'keep', instance: 'web.0' })], dockerd).violations.length, 0);
  });

  test('one on a machine that is frozen has not ended', () => {
    assert.equal(count({ faults: [fault(10, 100, { freezesMachine: true })] }), 0);
  });
});

suite('fencing tokens', () => {
  const write = (token: string, accepted: boolean, name = 'x'): StoreWrite => {
    return { atMs: 1000, instance: 'one.service', run: name, token, accepted };
  };

  test('each later run has a greater token', () => {
    const runs = (first: string, second: string): Run[] => [
      run('x', [[0, 1]], { token: first }),
      run('y', [[2, 3]], { token: second }),
    ];
    assert.deepEqual(judged(runs('281474976710700', '281474976710701')).violations, []);
    assert.match(judged(runs('7', '7')).violations.join(), /its token 7 isn't above 7/);
    assert.equal(judged(runs('10', '9')).violations.length, 1, 'as numbers, not as texts');
    assert.deepEqual(judged(runs('9', '10')).violations, []);
  });

  test('the store takes no older token than one that it has taken, and never refuses the newest', () => {
    assert.deepEqual(judged([], { writes: [write('1', true), write('2', true), write('1', false)] }).violations, []);
    assert.match(judged([], { writes: [write('2', true), write('1', true)] }).violations.join(), /took 1 of x/);
    assert.match(judged([], { writes: [write('1', true), write('2', false)] }).violations.join(), /refused 2 of x/);
    const verdict = judged([], { writes: [write('2', true), write('1', false)] });
    assert.deepEqual([verdict.acceptedWrites, verdict.refusedWrites], [1, 1]);
  });
});

suite('parseRun()', () => {
  const head = '{"instance":"w.0","node":"n","mode":"stop","boot":"b","pid":7,"token":"5","beganNs":1000000000}';
  const stretch = (from: number, to: number, mark = '.'): string =>
    `${String(from * 1e9).padStart(20, '0')} ${String(to * 1e9).padStart(20, '0')} ${mark}\n`;

  test('reads stretches in milliseconds, and whether it ended by itself', () => {
    const parsed = parseRun('id', `${head}\n${stretch(1, 2)}${stretch(3, 4, 'E')}`);
    assert.deepEqual(parsed?.stretches, [
      { fromMs: 1000, toMs: 2000 },
      { fromMs: 3000, toMs: 4000 },
    ]);
    assert.equal(parsed?.ended, true);
    assert.equal(parsed?.instance, 'w.0');
    assert.equal(parseRun('id', `${head}\n${stretch(1, 2)}`)?.ended, false);
  });

  test('a file whose first lines are not whole is no run yet', () => {
    assert.equal(parseRun('id', ''), undefined);
    assert.equal(parseRun('id', `${head}\n`), undefined);
  });
});
