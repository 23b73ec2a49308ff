// Keys of datagram sources, and the inbox.

import fc from 'fast-check';
import test from 'tape';
import {
  DatagramInbox,
  emptySlot,
  INBOX_DATAGRAM_COUNT_MAX,
} from '../../src/host/datagram-inbox.js';
import { SourceKeys } from '../../src/host/source-keys.js';

const SEED = 20_240_611;

test('an address keeps its key and a key its address', (t) => {
  const keys = new SourceKeys();
  const a = keys.keyOfSource('10.0.0.1', 4000);
  const b = keys.keyOfSource('10.0.0.1', 4001);
  const c = keys.keyOfSource('10.0.0.2', 4000);
  t.equal(new Set([a, b, c]).size, 3);
  t.equal(keys.keyOfSource('10.0.0.1', 4000), a);
  t.equal(keys.keyOfPeer('10.0.0.2', 4000), c, 'a source that becomes a peer keeps its key');
  t.equal(keys.find(b)?.port, 4001);
  t.equal(keys.find(99), undefined);
  t.end();
});

test('forged sources are forgotten, and peers and active sources are not', (t) => {
  const keys = new SourceKeys(100);
  const peer = keys.keyOfPeer('10.0.0.1', 1);
  const active = keys.keyOfSource('10.0.0.2', 2);
  const idle = keys.keyOfSource('10.0.0.3', 3);
  for (let port = 1; port <= 1000; port++) {
    keys.keyOfSource('6.6.6.6', port);
    keys.keyOfSource('10.0.0.2', 2);
  }
  t.equal(keys.keyOfSource('10.0.0.2', 2), active);
  t.equal(keys.keyOfSource('10.0.0.1', 1), peer);
  t.equal(keys.find(peer)?.host, '10.0.0.1');
  t.equal(keys.find(idle), undefined, 'the key of the idle source is unknown');
  t.ok(keys.keyOfSource('10.0.0.3', 3) > idle, 'and is not given again');
  t.end();
});

test('keys behave like a map from addresses while nothing is forgotten', (t) => {
  const address = fc.record({ host: fc.constantFrom('a', 'b', 'c'), port: fc.nat(20) });
  const step = fc.record({ address, isPeer: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const keys = new SourceKeys(1000);
      const model = new Map<string, number>();
      for (const { address: at, isPeer } of steps) {
        const name = `${at.host}:${at.port}`;
        const key = isPeer ? keys.keyOfPeer(at.host, at.port) : keys.keyOfSource(at.host, at.port);
        if ((model.get(name) ?? key) !== key || keys.find(key)?.port !== at.port) {
          return false;
        }
        model.set(name, key);
      }
      return new Set(model.values()).size === model.size;
    }),
    { seed: SEED, numRuns: 200 },
  );
  t.pass(`seed ${SEED}`);
  t.end();
});

test('the inbox is a bounded queue', (t) => {
  const step = fc.oneof(
    fc.nat(40).map((length) => ({ length })),
    fc.constant({ length: -1 }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const inbox = new DatagramInbox(1000);
      const model: { buffer: Uint8Array; port: number }[] = [];
      const slot = emptySlot();
      let dropped = 0;
      let port = 0;
      for (const { length } of steps) {
        if (length < 0) {
          const oldest = model.shift();
          const isThere = inbox.shift(slot);
          if (isThere !== (oldest !== undefined)) return false;
          if (oldest && (slot.buffer !== oldest.buffer || slot.port !== oldest.port)) return false;
          continue;
        }
        const held = model.reduce((sum, { buffer }) => sum + buffer.length, 0);
        const buffer = new Uint8Array(length);
        port += 1;
        if (inbox.push(buffer, 'host', port)) model.push({ buffer, port });
        else dropped += 1;
        if (held + length > 1000 !== (model.at(-1)?.port !== port)) return false;
      }
      return inbox.droppedCount === dropped && inbox.count === model.length;
    }),
    { seed: SEED, numRuns: 200 },
  );
  t.pass(`seed ${SEED}`);
  t.end();
});

test('the inbox holds no more than a number of datagrams however small they are', (t) => {
  const inbox = new DatagramInbox(1 << 30);
  for (let i = 0; i < INBOX_DATAGRAM_COUNT_MAX + 5; i++) {
    inbox.push(new Uint8Array(0), 'host', 1);
  }
  t.equal(inbox.count, INBOX_DATAGRAM_COUNT_MAX);
  t.equal(inbox.droppedCount, 5);
  t.end();
});
