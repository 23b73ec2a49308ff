// reply-cache.test.ts: what is retained of requests, what is refused, and that none is executed
// twice.

import fc from 'fast-check';
import test from 'tape';
import type { SnapshotWrite } from '../../src/cluster/service-host.js';
import { messageTemplateId } from '../../src/protocol/message-header.js';
import {
  REPLY_LIMITS,
  REPLY_OVERHEAD_LENGTH,
  type Reply,
  ReplyCache,
  ReplyCode,
  type ReplyLimits,
} from '../../src/service/reply-cache.js';
import { ReplyImage, ReplySnapshot } from '../../src/service/reply-snapshot.js';

const SEED = 20261122;
const SOON = 1_000_000;
/** Where nobody is asked who he is. */
const NOBODY = { principal: new Uint8Array(0), owner: new Uint8Array(0) };

function ask(cache: ReplyCache, clientId: number, requestId: number, lowest = 1, timeMs = 0) {
  const ids = { clientId, requestId, lowestUnansweredRequestId: lowest };
  return cache.admit(ids, NOBODY, SOON, timeMs);
}

function replyOf(requestId: number, length = 4): Reply {
  const bytes = new Uint8Array(length).fill(requestId);
  return { requestId, logPosition: requestId * 64, timestamp: 7, code: ReplyCode.Ok, bytes };
}

/** Asks, and answers when it is to be executed. */
function execute(cache: ReplyCache, clientId: number, requestId: number, lowest = 1, timeMs = 0) {
  const verdict = ask(cache, clientId, requestId, lowest, timeMs);
  if (verdict === ReplyCode.Ok) {
    cache.put(clientId, replyOf(requestId));
  }
  return verdict;
}

function cacheOf(limits: Partial<ReplyLimits> = {}): ReplyCache {
  return new ReplyCache({ ...REPLY_LIMITS, ...limits });
}

test('a request is executed once, and then its reply is given', (t) => {
  const cache = cacheOf();
  t.equal(execute(cache, 10, 1), ReplyCode.Ok);
  t.deepEqual(ask(cache, 10, 1), replyOf(1));
  t.equal(execute(cache, 11, 1), ReplyCode.Ok, 'another client has ids of its own');
  t.equal(cache.byteCount, 2 * (4 + REPLY_OVERHEAD_LENGTH));
  t.end();
});

test('replies that the client has are dropped, and their requests refused', (t) => {
  const cache = cacheOf();
  for (let requestId = 1; requestId <= 5; requestId++) {
    execute(cache, 10, requestId);
  }
  t.equal(execute(cache, 10, 6, 4), ReplyCode.Ok);
  t.equal(cache.replyCount, 3, 'of 4, 5 and 6');
  t.equal(ask(cache, 10, 3, 4), ReplyCode.Dropped);
  t.deepEqual(ask(cache, 10, 4, 4), replyOf(4));
  t.equal(ask(cache, 10, 2, 1), ReplyCode.Dropped, 'also when a late message says less');
  t.end();
});

test('too many replies to a client: those to the lowest ids are dropped, gaps with them', (t) => {
  const cache = cacheOf({ repliesPerClientMax: 3 });
  for (const requestId of [9, 2, 7, 1_000_000, 5]) {
    t.equal(execute(cache, 10, requestId), ReplyCode.Ok);
  }
  t.equal(cache.replyCount, 3);
  t.equal(ask(cache, 10, 2), ReplyCode.Dropped);
  t.equal(ask(cache, 10, 5), ReplyCode.Dropped);
  t.equal(ask(cache, 10, 6), ReplyCode.Ok, 'above what was dropped it is new');
  t.equal(ask(cache, 10, 4), ReplyCode.Dropped, 'below it nobody knows');
  t.deepEqual(ask(cache, 10, 1_000_000), replyOf(1_000_000));
  t.end();
});

test('too many bytes: the client that has asked for nothing for longest loses replies', (t) => {
  const cache = cacheOf({ replyBytesMax: 3 * (4 + REPLY_OVERHEAD_LENGTH) });
  execute(cache, 10, 1);
  execute(cache, 11, 1);
  execute(cache, 12, 1);
  execute(cache, 10, 2);
  t.ok(cache.byteCount <= 3 * (4 + REPLY_OVERHEAD_LENGTH));
  t.equal(ask(cache, 11, 1), ReplyCode.Dropped);
  t.deepEqual(ask(cache, 10, 1), replyOf(1));
  t.end();
});

test('too many clients: the idle one is forgotten, and refused for ever', (t) => {
  const cache = cacheOf({ clientCountMax: 2 });
  execute(cache, 10, 1);
  execute(cache, 11, 1);
  execute(cache, 10, 2);
  t.equal(execute(cache, 12, 1), ReplyCode.Ok);
  t.equal(cache.clientCount, 2);
  t.equal(ask(cache, 11, 1), ReplyCode.Forgotten, 'the retry of what was executed');
  t.equal(ask(cache, 11, 2), ReplyCode.Forgotten);
  t.deepEqual(ask(cache, 10, 2), replyOf(2));
  t.equal(ask(cache, 9, 1), ReplyCode.Forgotten, 'one that may have been known before, too');
  t.end();
});

test('a client without a request for too long is forgotten, by the time of the log', (t) => {
  const cache = cacheOf({ clientAgeMaxMs: 1_000 });
  execute(cache, 10, 1, 1, 0);
  execute(cache, 11, 1, 1, 900);
  t.deepEqual(ask(cache, 10, 1, 1, 1_000), replyOf(1));
  t.equal(ask(cache, 11, 1, 1, 1_901), ReplyCode.Forgotten);
  t.deepEqual(ask(cache, 10, 1, 1, 2_000), replyOf(1));
  t.equal(cache.clientCount, 1);
  t.equal(cache.forgottenThrough, 11);
  t.end();
});

test('an id that no session can have had yet is refused', (t) => {
  const cache = cacheOf();
  t.equal(ask(cache, SOON, 1), ReplyCode.Forgotten);
  t.equal(ask(cache, -1, 1), ReplyCode.Forgotten);
  t.equal(ask(cache, 2 ** 60, 1), ReplyCode.Forgotten);
  t.equal(cache.clientCount, 0);
  t.end();
});

test('ids that leap cost no more than the replies there are', (t) => {
  const cache = cacheOf({ repliesPerClientMax: 2 });
  execute(cache, 10, 1);
  t.equal(execute(cache, 10, 2 ** 52, 2 ** 52), ReplyCode.Ok);
  t.equal(execute(cache, 10, 2 ** 52 + 10, 2 ** 52), ReplyCode.Ok);
  t.equal(execute(cache, 10, Number.MAX_SAFE_INTEGER, 0), ReplyCode.Ok);
  t.equal(cache.replyCount, 2);
  t.equal(execute(cache, 10, 5), ReplyCode.Dropped);
  t.end();
});

const LIMITS: ReplyLimits = {
  clientCountMax: 3,
  repliesPerClientMax: 4,
  replyBytesMax: 9 * (4 + REPLY_OVERHEAD_LENGTH),
  clientAgeMaxMs: 50,
};

const step = fc.record({
  clientId: fc.nat(5),
  requestId: fc.integer({ min: 1, max: 12 }),
  lowest: fc.integer({ min: 1, max: 12 }),
  waitMs: fc.constantFrom(0, 0, 0, 1, 20, 60),
});

test('whatever is asked, nothing is executed twice, replies are the first, limits hold', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), fc.nat(150), (steps, restoreAt) => {
      let cache = new ReplyCache(LIMITS);
      const executed = new Set<string>();
      let timeMs = 0;
      for (const [index, { clientId, lowest, requestId, waitMs }] of steps.entries()) {
        timeMs += waitMs;
        if (index === restoreAt) {
          cache = copyOf(cache);
        }
        const key = `${clientId}:${requestId}`;
        const verdict = execute(cache, clientId, requestId, lowest, timeMs);
        if (verdict === ReplyCode.Ok) {
          if (executed.has(key)) {
            return false;
          }
          executed.add(key);
        } else if (
          typeof verdict !== 'number' &&
          !(executed.has(key) && verdict.requestId === requestId)
        ) {
          return false;
        }
        if (!keepsLimits(cache)) {
          return false;
        }
      }
      return true;
    }),
    { seed: SEED, numRuns: 2_000 },
  );
  t.pass(`for random requests, with seed ${SEED}`);
  t.end();
});

test('a cache restored from its values decides as the one that it is of', (t) => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.array(step, { maxLength: 60 }),
      (before, after) => {
        const cache = new ReplyCache(LIMITS);
        let timeMs = 0;
        for (const { clientId, lowest, requestId, waitMs } of before) {
          timeMs += waitMs;
          execute(cache, clientId, requestId, lowest, timeMs);
        }
        const copy = copyOf(cache);
        for (const { clientId, lowest, requestId, waitMs } of after) {
          timeMs += waitMs;
          const first = execute(cache, clientId, requestId, lowest, timeMs);
          const second = execute(copy, clientId, requestId, lowest, timeMs);
          if (JSON.stringify(first) !== JSON.stringify(second)) {
            return false;
          }
        }
        return copy.byteCount === cache.byteCount && copy.clientCount === cache.clientCount;
      },
    ),
    { seed: SEED, numRuns: 1_000 },
  );
  t.pass(`for random requests, with seed ${SEED}`);
  t.end();
});

function copyOf(cache: ReplyCache): ReplyCache {
  const copy = new ReplyCache(LIMITS);
  const image = new ReplyImage(copy);
  const snapshot = new ReplySnapshot(cache.freeze());
  // Through the bytes of a snapshot, and with the arrays that snapshots have.
  const load: SnapshotWrite = (head, headLength, body = new Uint8Array(0)) => {
    const bytes = new Uint8Array([...head.subarray(0, headLength), ...body]);
    const view = new DataView(bytes.buffer);
    image.onMessage(messageTemplateId(view, 0, bytes.length), view, 0, bytes.length);
  };
  for (let isMore = true; isMore; ) {
    isMore = snapshot.writeNext(load);
  }
  return copy;
}

function keepsLimits(cache: ReplyCache): boolean {
  return (
    cache.clientCount <= LIMITS.clientCountMax &&
    cache.replyCount <= LIMITS.clientCountMax * LIMITS.repliesPerClientMax &&
    cache.byteCount <= LIMITS.replyBytesMax &&
    cache.byteCount === cache.replyCount * (4 + REPLY_OVERHEAD_LENGTH)
  );
}

const principalOf = (name: string): Uint8Array => new TextEncoder().encode(name);

test('a client id is of one principal: requests of others are refused and change nothing', (t) => {
  const cache = cacheOf();
  const ids = { clientId: 64, requestId: 1, lowestUnansweredRequestId: 1 };
  const anna = { principal: principalOf('anna'), owner: principalOf('anna') };
  const bert = { principal: principalOf('bert'), owner: principalOf('anna') };
  t.equal(cache.admit(ids, bert, SOON, 0), ReplyCode.Foreign, 'before the first request of anna');
  t.equal(cache.clientCount, 0);
  t.equal(cache.admit(ids, anna, SOON, 0), ReplyCode.Ok);
  cache.put(64, replyOf(1));
  // The session that the id names is gone: what is known of the client decides.
  const later = { principal: principalOf('bert'), owner: principalOf('bert') };
  const leap = { ...ids, requestId: 9, lowestUnansweredRequestId: 9 };
  t.equal(cache.admit(leap, later, SOON, 0), ReplyCode.Foreign);
  t.deepEqual(cache.admit(ids, anna, SOON, 0), replyOf(1), 'nothing of anna was dropped');
  t.end();
});

test('whose a client id is, is in snapshots', (t) => {
  const cache = cacheOf();
  const ids = { clientId: 64, requestId: 1, lowestUnansweredRequestId: 1 };
  const anna = { principal: principalOf('anna'), owner: principalOf('anna') };
  const bert = { principal: principalOf('bert'), owner: principalOf('bert') };
  cache.admit(ids, anna, SOON, 0);
  cache.put(64, replyOf(1));
  const restored = copyOf(cache);
  t.equal(restored.admit(ids, bert, SOON, 0), ReplyCode.Foreign);
  t.deepEqual(restored.admit(ids, anna, SOON, 0), replyOf(1));
  t.end();
});
