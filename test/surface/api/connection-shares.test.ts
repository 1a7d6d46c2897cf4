import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { ConnectionShares, shareLimits } from '../../../src/api/connection-shares.ts';
import { RequestRate } from '../../../src/api/request-rate.ts';

let port = 0;
const nextPort = () => {
  port += 1;
  return port;
};

class FakeSocket extends EventEmitter {
  readonly remoteAddress: string;
  readonly remotePort = nextPort();
  destroyed = false;
  constructor(remoteAddress: string) {
    super();
    this.remoteAddress = remoteAddress;
  }
  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

const limits = { unknown: 6, address: 2, certificate: 2 };

function add(shares: ConnectionShares, address: string): FakeSocket {
  const socket = new FakeSocket(address);
  shares.add(socket as unknown as Socket);
  return socket;
}

const gone = (sockets: readonly FakeSocket[]) => sockets.map(({ destroyed }) => (destroyed ? 'x' : '-')).join('');

test('of one address the oldest unknown connection gives way, of one network with IPv6', () => {
  const shares = new ConnectionShares(limits);
  const mine = ['10.0.0.1', '10.0.0.1', '10.0.0.2', '10.0.0.1'].map((each) => add(shares, each));
  assert.equal(gone(mine), 'x---');
  const six = ['fd00:1:2:3::1', 'fd00:1:2:3::2', 'fd00:1:2:3::3', 'fd00:1:2:4::1'].map((each) => add(shares, each));
  assert.equal(gone(six), 'x---');
  const mapped = ['::ffff:10.0.0.8', '::ffff:10.0.0.9', '::ffff:10.0.0.7'].map((each) =>
    add(new ConnectionShares(limits), each),
  );
  assert.equal(gone(mapped), '---');
});

test('of all unknown ones the oldest gives way, known ones stay', () => {
  const shares = new ConnectionShares(limits);
  const known = add(shares, '10.0.1.1');
  assert.ok(shares.identify(known as unknown as Socket, 'operator/anna'));
  const unknown = Array.from({ length: 8 }, (_, at) => add(shares, `10.0.2.${at}`));
  assert.equal(gone(unknown), 'xx------');
  assert.equal(known.destroyed, false);
  assert.equal(shares.size, 7);
});

test('of a certificate an idle connection gives way, and a busy one does not', () => {
  const shares = new ConnectionShares(limits);
  const sockets = Array.from({ length: 4 }, (_, at) => add(shares, `10.0.3.${at}`) as unknown as Socket);
  const [first, second, third, fourth] = sockets;
  assert.ok(first && second && third && fourth);
  const end = shares.begin(first);
  shares.begin(second);
  assert.ok(shares.identify(first, 'operator/anna'));
  assert.ok(shares.identify(second, 'operator/anna'));
  assert.equal(shares.identify(third, 'operator/anna'), false, 'both are busy');
  assert.ok(shares.identify(fourth, 'operator/bob'), 'another one has a share of its own');
  end();
  assert.ok(shares.identify(third, 'operator/anna'));
  assert.equal(first.destroyed, true);
});

test('shareLimits() leaves something to everybody', () => {
  assert.deepEqual(shareLimits(1_024), { unknown: 512, address: 64, certificate: 128 });
  assert.deepEqual(shareLimits(16), { unknown: 8, address: 4, certificate: 4 });
});

test('RequestRate remembers only so many clients, and forgets the quietest', () => {
  let nowMs = 0;
  const rate = new RequestRate({ monotonicMs: () => nowMs }, 1);
  for (let count = 0; count < 2; count += 1) assert.equal(rate.take('busy'), 0);
  assert.equal(rate.take('busy'), 1);
  for (let count = 0; count < 5_000; count += 1) {
    rate.take(`client-${count}`);
    if (count % 500 === 0) assert.notEqual(rate.take('busy'), 0, 'still remembered');
  }
  nowMs += 500;
  assert.equal(rate.take('busy'), 0.5);
  nowMs += 500;
  assert.equal(rate.take('busy'), 0);
  assert.equal(rate.take('many', 0.1), 0);
});
