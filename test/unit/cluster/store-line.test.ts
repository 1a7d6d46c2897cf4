import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeKnownStores,
  describeDoubt,
  encodeKnownStores,
  judgeStore,
  type KnownStore,
} from '../../../src/cluster/store-line.ts';
import type { ClusterSettings, StoreLine } from '../../../src/domain/node.ts';

const at = (revision: number, raftTerm = 5, clusterId = '1'): StoreLine => ({ clusterId, raftTerm, revision });
const known = (over: Partial<KnownStore> = {}): KnownStore => ({ line: at(100), epoch: 1, ...over });
const plain = { epoch: 1 };
const confirmed = (epoch: number, line: StoreLine) => ({ epoch, confirmedStore: line });

type Settings = Pick<ClusterSettings, 'epoch' | 'confirmedStore'>;
const cases: [name: string, before: KnownStore | undefined, found: StoreLine, settings: Settings, after: KnownStore][] =
  [
    ['has nothing to compare at first', undefined, at(7, 2), plain, known({ line: at(7, 2) })],
    ['goes on with a store that goes on', known(), at(120, 6), plain, known({ line: at(120, 6) })],
    ['trusts one that stands still', known(), at(100), plain, known()],
    ['doubts a lower revision', known(), at(99), plain, known({ doubt: at(99) })],
    ['doubts a lower term, however high the revision', known(), at(900, 4), plain, known({ doubt: at(900, 4) })],
    ['doubts another cluster', known(), at(900, 9, '2'), plain, known({ doubt: at(900, 9, '2') })],
    [
      'goes on doubting one that was set back and has grown past what was known',
      known({ doubt: at(40, 2) }),
      at(900, 9),
      plain,
      known({ doubt: at(40, 2) }),
    ],
    [
      'trusts the known one again after another cluster had answered',
      known({ doubt: at(900, 9, '2') }),
      at(110),
      plain,
      known({ line: at(110) }),
    ],
    [
      'doubts an older copy of the known one after another cluster had answered',
      known({ doubt: at(900, 9, '2') }),
      at(90),
      plain,
      known({ doubt: at(90) }),
    ],
    [
      'trusts what was confirmed under a higher epoch',
      known({ doubt: at(40, 2) }),
      at(45, 2),
      confirmed(2, at(44, 2)),
      { line: at(45, 2), epoch: 2 },
    ],
    [
      'trusts at once what was confirmed while this node was away',
      known(),
      at(60, 2),
      confirmed(2, at(44, 2)),
      { line: at(60, 2), epoch: 2 },
    ],
    [
      'does not take an old confirmation for a new one',
      known({ epoch: 2, doubt: at(50, 2) }),
      at(50, 2),
      confirmed(2, at(44, 2)),
      known({ epoch: 2, doubt: at(50, 2) }),
    ],
    [
      'does not take the confirmation of a later line for this one',
      known({ doubt: at(40, 2) }),
      at(43, 2),
      confirmed(2, at(44, 2)),
      known({ doubt: at(40, 2) }),
    ],
    [
      'does not take the confirmation of another cluster',
      known({ doubt: at(40, 2) }),
      at(45, 2),
      confirmed(2, at(44, 2, '2')),
      known({ doubt: at(40, 2) }),
    ],
    ['learns a higher epoch', known(), at(100), confirmed(3, at(50)), known({ epoch: 3 })],
    [
      'doubts one that knows nothing of the last confirmation, however far it has come',
      known({ epoch: 4 }),
      at(900, 9),
      plain,
      known({ epoch: 4, doubt: at(900, 9) }),
    ],
  ];
for (const [name, before, found, settings, after] of cases) {
  test(`judgeStore() ${name}`, () => assert.deepEqual(judgeStore(before, found, settings), after));
}

test('a doubt names both lines, what follows and what to do', () => {
  const text = describeDoubt(known({ doubt: at(40, 2) })) ?? '';
  assert.match(text, /revision 100, term 5 of cluster 1.*an older copy.*revision 40, term 2 of cluster 1/);
  assert.match(text, /what runs, runs on.*muster cluster confirm-restore/);
  assert.match(describeDoubt(known({ doubt: at(40, 2, '7') })) ?? '', /another etcd cluster answers.*cluster 7/);
  assert.equal(describeDoubt(known()), undefined);
});

test('what is known survives its text; what is no such text is undefined; only the latest are kept', () => {
  const stores = new Map([['/muster/a/', known({ doubt: at(40, 2) })]]);
  assert.deepEqual(decodeKnownStores(encodeKnownStores(stores)), stores);
  for (const text of ['', '{}', '{"v":2,"stores":{}}', '{"v":1,"stores":{"x":{"line":{},"epoch":1}}}'])
    assert.equal(decodeKnownStores(text), undefined);
  const many = new Map(Array.from({ length: 20 }, (_, n) => [`/muster/c${n}/`, known({ epoch: n })]));
  assert.deepEqual([...(decodeKnownStores(encodeKnownStores(many))?.keys() ?? [])].slice(-1), ['/muster/c19/']);
  assert.equal(decodeKnownStores(encodeKnownStores(many))?.size, 8);
});
