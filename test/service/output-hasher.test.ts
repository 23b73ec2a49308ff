// output-hasher.test.ts: what enters the running hash, and that nothing of it is left out.

import test from 'tape';
import { OUTPUT_PIECE_LENGTH } from '../../assembly/layout/output-hash.js';
import { type Hash64, OutputHistory } from '../../src/cluster/output-history.js';
import type { EgressSink } from '../../src/cluster/service-host.js';
import { Arena } from '../../src/memory/arena.js';
import { HashedEgress, OutputHasher, OutputKind } from '../../src/service/output-hasher.js';

const NOTHING = { low: 0, high: 0 };
const arena = Arena.create(1024 * 1024);

function hashOf(put: (hasher: OutputHasher) => void, start: Hash64 = NOTHING): Hash64 | undefined {
  const history = new OutputHistory(arena);
  const hasher = new OutputHasher(history);
  hasher.begin(0, start);
  put(hasher);
  hasher.onEventEnd(64);
  history.close();
  return hasher.hash();
}

function bytesOf(length: number, changed = -1): Uint8Array {
  return Uint8Array.from(
    { length },
    (_, index) => (index * 7 + (index === changed ? 1 : 0)) & 0xff,
  );
}

function message(sessionId: number, bytes: Uint8Array): (hasher: OutputHasher) => void {
  return (hasher) => hasher.addBytes(OutputKind.Message, sessionId, bytes, 0, bytes.length);
}

test('whatever differs in an output makes another hash, in both halves', (t) => {
  const long = 2 * OUTPUT_PIECE_LENGTH + 100;
  const outputs: ((hasher: OutputHasher) => void)[] = [
    () => undefined,
    message(1, bytesOf(16)),
    message(2, bytesOf(16)),
    message(1 + 2 ** 40, bytesOf(16)),
    message(1, bytesOf(17)),
    message(1, bytesOf(16, 15)),
    message(1, bytesOf(0)),
    message(1, bytesOf(long)),
    message(1, bytesOf(long, long - 1)),
    message(1, bytesOf(long, OUTPUT_PIECE_LENGTH)),
    (hasher) => hasher.add(OutputKind.TimerScheduled, 5, 1_000),
    (hasher) => hasher.add(OutputKind.TimerScheduled, -5, 1_000),
    (hasher) => hasher.add(OutputKind.TimerScheduled, 5, 1_000 + 2 ** 32),
    (hasher) => hasher.add(OutputKind.TimerRefused, 5, 1_000),
    (hasher) => hasher.add(OutputKind.TimerCancelled, 5, 0),
    (hasher) => hasher.add(OutputKind.TimerUnknown, 5, 0),
    (hasher) => hasher.add(OutputKind.CloseRequest, 5, 0),
    (hasher) => hasher.addBytes(OutputKind.ServiceMessage, 1, bytesOf(16), 0, 16),
  ];
  const hashes = outputs.map((put) => hashOf(put));
  t.equal(new Set(hashes.map((hash) => hash?.low)).size, outputs.length);
  t.equal(new Set(hashes.map((hash) => hash?.high)).size, outputs.length);
  t.end();
});

test('the same bytes have the same hash wherever they lie', (t) => {
  const bytes = bytesOf(3 * OUTPUT_PIECE_LENGTH + 5);
  const slab = arena.allocate(bytes.length + 64);
  arena.u8.set(bytes, slab + 3);
  const inArena = hashOf((hasher) =>
    hasher.addBytes(OutputKind.Message, 1, arena.view, slab + 3, bytes.length),
  );
  const padded = new Uint8Array(bytes.length + 20);
  padded.set(bytes, 10);
  const view = new DataView(padded.buffer, 4);
  const outside = hashOf((hasher) => hasher.addBytes(OutputKind.Message, 1, view, 6, bytes.length));
  t.deepEqual(inArena, outside);
  t.deepEqual(inArena, hashOf(message(1, bytes)));
  arena.release(slab, bytes.length + 64);
  t.end();
});

test('the order and the event of an output count, and what was before', (t) => {
  const [one, two] = [message(1, bytesOf(8)), message(2, bytesOf(8))];
  const both = hashOf((hasher) => {
    one(hasher);
    two(hasher);
  });
  const reversed = hashOf((hasher) => {
    two(hasher);
    one(hasher);
  });
  const apart = hashOf((hasher) => {
    one(hasher);
    hasher.onEventEnd(32);
    two(hasher);
  });
  const later = hashOf(one, { low: 1, high: 2 });
  const all = [both, reversed, apart, later, hashOf(one)].map((hash) => JSON.stringify(hash));
  t.equal(new Set(all).size, all.length);
  t.end();
});

test('a hash that goes on from a snapshot is that of who was there all the time', (t) => {
  const [history, other] = [new OutputHistory(arena), new OutputHistory(arena)];
  const whole = new OutputHasher(history);
  whole.begin(0, NOTHING);
  message(1, bytesOf(9))(whole);
  whole.onEventEnd(64);
  const resumed = new OutputHasher(other);
  resumed.begin(64, whole.hash() as Hash64);
  for (const hasher of [whole, resumed]) {
    message(3, bytesOf(40))(hasher);
    hasher.onEventEnd(128);
  }
  t.deepEqual(resumed.hash(), whole.hash());
  t.deepEqual(other.at(128, 128), history.at(128, 128));
  t.deepEqual(other.at(64, 128), history.at(64, 128));
  history.close();
  other.close();
  t.end();
});

test('everything that leaves for clients is hashed and passed on', (t) => {
  const passed: string[] = [];
  const sink: EgressSink = {
    messageLengthMax: 100,
    offer: (id) => passed.push(`offer ${id}`),
    offerAnswer: (id) => passed.push(`answer ${id}`),
    offerReply: (id, reply) => passed.push(`reply ${id} ${reply.requestId}`),
    requestClose: (id) => passed.push(`close ${id}`),
  };
  const reply = { requestId: 4, logPosition: 64, timestamp: 5, code: 0, bytes: bytesOf(10) };
  const send = (change: Partial<typeof reply>) =>
    hashOf((hasher) => new HashedEgress(sink, hasher).offerReply(1, { ...reply, ...change }));
  const hashes = [
    send({}),
    send({ requestId: 5 }),
    send({ code: 3 }),
    send({ bytes: bytesOf(10, 9) }),
    hashOf((hasher) => new HashedEgress(sink, hasher).offer(1, 9, bytesOf(10), 0, 10)),
    hashOf((hasher) => new HashedEgress(sink, hasher).requestClose(1)),
  ].map((hash) => JSON.stringify(hash));
  t.equal(new Set(hashes).size, hashes.length);
  const answered = hashOf((hasher) =>
    new HashedEgress(sink, hasher).offerAnswer(1, 2, 64, 0, bytesOf(10), 0, 10),
  );
  t.deepEqual(
    answered,
    hashOf(() => undefined),
    'the answer to a query is no output of the log',
  );
  t.equal(passed.pop(), 'answer 1');
  t.deepEqual(passed.slice(-3), ['reply 1 4', 'offer 1', 'close 1']);
  t.end();
});
