// query-batches.test.ts: many queries in one message, and many answers.

import test from 'tape';
import { EgressAnswers as ClientAnswers } from '../../src/client/egress-answers.js';
import { PendingQueries } from '../../src/client/pending-queries.js';
import { QueryWriter } from '../../src/client/query-writer.js';
import type { ClusterConfig } from '../../src/cluster/cluster-config.js';
import { EgressAnswers } from '../../src/cluster/egress-answers.js';
import type { Connection } from '../../src/cluster/egress-connection.js';
import { EgressBlocks, EgressQueue } from '../../src/cluster/egress-queue.js';
import type { LeaderReads } from '../../src/cluster/leader-reads.js';
import { QueryIngress } from '../../src/cluster/query-ingress.js';
import { QueryQueue } from '../../src/cluster/query-queue.js';
import { Arena } from '../../src/memory/arena.js';
import { SessionTableState } from '../../src/memory/core.js';
import { QueryCode } from '../../src/protocol/codecs/enumerations.js';
import { TemplateId } from '../../src/protocol/codecs/template-ids.js';
import { messageTemplateId } from '../../src/protocol/message-header.js';
import { countRecords, NO_RECORDS, recordLength } from '../../src/protocol/query-records.js';
import type { ExclusivePublication } from '../../src/transport/exclusive-publication.js';
import { MS } from './cluster-fixture.js';
import { type Found, ReadsFixture } from './reads-fixture.js';

const MIB = 1024 * 1024;
const MTU = 1_408;

/** A publication that keeps what it is given. */
function keeper(arena: Arena, answer = 64) {
  const messages: DataView[] = [];
  const keep = (...parts: Uint8Array[]): number => {
    if (answer > 0) {
      messages.push(new DataView(Uint8Array.from(parts.flatMap((part) => [...part])).buffer));
    }
    return answer;
  };
  const publication = {
    maxMessageLength: 8_192,
    maxPayloadLength: MTU - 32,
    offerAt: (at: number, length: number) => keep(arena.u8.subarray(at, at + length)),
    offer2: (head: number, headLength: number, body: Uint8Array, offset: number, length: number) =>
      keep(arena.u8.subarray(head, head + headLength), body.subarray(offset, offset + length)),
  };
  return { messages, publication: publication as unknown as ExclusivePublication };
}

/** Queries 1, 2 and so on, whose bytes are their numbers. */
function queriesOf(lengths: readonly number[]): PendingQueries {
  const pending = new PendingQueries(1_000, MIB);
  lengths.forEach((length, index) => {
    pending.add(new Uint8Array(length).fill(index + 1), 1_000);
  });
  return pending;
}

/** What a leader understands of messages. */
function understood(messages: readonly DataView[], limits = { countMax: 1e6, bytesMax: 1e9 }) {
  const arena = Arena.create(MIB);
  const table = arena.allocate(arena.core.sessionTableLength(8));
  arena.core.sessionTableInitialize(table, 8);
  arena.core.sessionPut(table, 77, SessionTableState.Open, 0);
  const queue = new QueryQueue(limits);
  const reads = {
    onQuery: (...query: Parameters<QueryQueue['push']>) => queue.push(...query),
    onQueries: (...run: Parameters<QueryQueue['pushRecords']>) => queue.pushRecords(...run),
  };
  const ingress = new QueryIngress(arena, { table }, reads as unknown as LeaderReads);
  ingress.beginTurn(4, 1);
  for (const message of messages) {
    if (messageTemplateId(message, 0, message.byteLength) === TemplateId.QueryBatch) {
      ingress.onBatch(message, 0, message.byteLength);
    } else {
      ingress.onQuery(message, 0, message.byteLength);
    }
  }
  return { ingress, queue };
}

function drained(queue: QueryQueue): [number, number, number[]][] {
  const found: [number, number, number[]][] = [];
  while (queue.count > 0) {
    const { bodyLength, bodyOffset, queryId, sessionId, view } = queue;
    const bytes = new Uint8Array(view.buffer, view.byteOffset + bodyOffset, bodyLength);
    found.push([sessionId, queryId, [...bytes]]);
    queue.shift();
  }
  return found;
}

const SESSION = { leadershipTermId: 4, clusterSessionId: 77 };

test('queries go in as few messages as hold them, and come out as they were', (t) => {
  const arena = Arena.create(MIB);
  const writer = new QueryWriter(arena, SESSION, MTU);
  const { messages, publication } = keeper(arena);
  const lengths = [4, 0, 7, 8, 9, 500, 700, 1_300, 1_376, 3_000, 1, ...new Array(200).fill(12)];
  const queries = queriesOf(lengths);
  let sent = 0;
  while (writer.offer(publication, queries)) {
    sent += queries.onSent(1, 1_000);
  }
  t.equal(sent, lengths.length, 'all are sent');
  t.ok(messages.length < 15, `in ${messages.length} messages`);
  const { ingress, queue } = understood(messages);
  t.equal(ingress.rejectedCount, 0);
  t.deepEqual(
    drained(queue),
    lengths.map((length, index) => [77, index + 1, [...new Uint8Array(length).fill(index + 1)]]),
  );
  t.equal(queue.length, 0, 'nothing is left');
  writer.release();
  t.end();
});

test('queries that have their outcome are passed over, and what is refused is not sent', (t) => {
  const arena = Arena.create(MIB);
  const writer = new QueryWriter(arena, SESSION, MTU);
  const queries = queriesOf([4, 4, 4]);
  queries.remove(2);
  t.notOk(writer.offer(keeper(arena, -2).publication, queries), 'back pressure');
  const { messages, publication } = keeper(arena);
  t.ok(writer.offer(publication, queries));
  t.equal(queries.onSent(1, 1_000), 2);
  t.deepEqual(
    drained(understood(messages).queue).map(([, queryId]) => queryId),
    [1, 3],
  );
  t.notOk(writer.offer(publication, queries), 'nothing to send');
  t.end();
});

test('a batch that is none, of another term or of no open session, is counted and dropped', (t) => {
  const arena = Arena.create(MIB);
  const { messages, publication } = keeper(arena);
  for (const session of [SESSION, { ...SESSION, leadershipTermId: 3 }, SESSION, SESSION, SESSION]) {
    new QueryWriter(arena, session, MTU).offer(publication, queriesOf([4, 12]));
  }
  const [, , closed, tooLong, cut] = messages as [DataView, DataView, DataView, DataView, DataView];
  closed.setInt32(16, 78, true);
  tooLong.setUint32(24 + 8, 0xffff_fff0, true);
  const forged = [new DataView(cut.buffer, 0, cut.byteLength - 1), new DataView(cut.buffer, 0, 24)];
  const { ingress, queue } = understood([...messages.slice(0, 4), ...forged]);
  t.deepEqual(
    drained(queue).map(([, queryId]) => queryId),
    [1, 2],
    'the first is understood',
  );
  t.equal(ingress.rejectedCount, 5);
  t.equal(countRecords(cut, 24, 0), NO_RECORDS, 'no record is no batch');
  cut.setInt32(24 + 4, 0x7fff_ffff, true);
  t.equal(countRecords(cut, 24, cut.byteLength - 24), NO_RECORDS, 'nor is one without a number');
  t.end();
});

test('a queue takes a batch as a whole or not at all', (t) => {
  const queue = new QueryQueue({ countMax: 3, bytesMax: 200 });
  const body = new DataView(new ArrayBuffer(200));
  t.ok(queue.push(7, 1, body, 0, 5));
  t.equal(queue.length, recordLength(5), 'its head is read already');
  t.notOk(queue.pushRecords(7, 3, body, 0, 48), 'too many');
  t.ok(queue.pushRecords(8, 2, body, 0, 32));
  t.notOk(queue.push(7, 4, body, 0, 0), 'full');
  queue.shift();
  t.equal(queue.sessionId, 8);
  t.notOk(queue.push(7, 4, body, 0, 160), 'too long');
  t.ok(queue.push(7, 4, body, 0, 8), 'there is room again');
  queue.shift();
  t.equal(queue.sessionId, 8, 'the second of the batch');
  queue.shift();
  t.deepEqual([queue.sessionId, queue.queryId, queue.count], [7, 4, 1]);
  queue.clear();
  t.deepEqual([queue.length, queue.count], [0, 0]);
  t.end();
});

const CONFIG = {
  egressTermLength: 256 * 1024,
  egressBufferLengthMax: 64 * 1024,
  member: { mtuLength: MTU },
} as unknown as ClusterConfig;

/** Answers on their way out, to any session. */
function outgoing(answer = 64) {
  const arena = Arena.create(MIB);
  const { messages, publication } = keeper(arena, answer);
  const queue = new EgressQueue(CONFIG.egressBufferLengthMax, new EgressBlocks());
  const connection = { publication, greeting: 0, queue } as unknown as Connection;
  const answers = new EgressAnswers(arena, CONFIG, {
    connectionOf: (sessionId) => (sessionId === 99 ? undefined : connection),
    enqueue: (_connection, head, headLength, body) => queue.push(arena.u8, head, headLength, body),
  });
  answers.leadershipTermId = 4;
  return { answers, messages, queue };
}

/** What a client hears of messages to its session. */
function heard(messages: readonly DataView[], sessionId: number): [number, number, number][] {
  const found: [number, number, number][] = [];
  const client = new ClientAnswers({
    onQueryAnswer: ({ logPosition, queryId }, _view, _offset, length) =>
      found.push([queryId, logPosition, length]),
  });
  for (const message of messages) {
    const templateId = messageTemplateId(message, 0, message.byteLength);
    client.onMessage(templateId, message, 0, message.byteLength, sessionId);
  }
  return found;
}

test('answers to one session at one position share a message, up to a datagram', (t) => {
  const { answers, messages } = outgoing();
  const body = new Uint8Array(2_000);
  const offer = (sessionId: number, queryId: number, position: number, length: number) =>
    answers.offer(sessionId, queryId, position, QueryCode.Ok, body, 0, length);
  for (let queryId = 1; queryId <= 40; queryId++) {
    offer(77, queryId, 960, 5);
  }
  t.equal(messages.length, 0, 'they wait for each other');
  answers.send();
  answers.send();
  t.equal(messages.length, 1, 'and leave together');
  offer(77, 41, 960, 5);
  offer(78, 42, 960, 5);
  offer(78, 43, 992, 5);
  offer(99, 44, 992, 5);
  offer(77, 45, 992, 1_400);
  offer(77, 46, 992, 5);
  answers.send();
  t.equal(messages.length, 6, 'another session, another position, a long one');
  for (let queryId = 47; queryId <= 147; queryId++) {
    offer(77, queryId, 992, 5);
  }
  t.equal(messages.length, 7, 'a datagram is full');
  answers.clear();
  answers.send();
  t.equal(messages.length, 7, 'what a term leaves behind does not');
  const own = heard(messages, 77);
  t.deepEqual(own.slice(0, 2), [
    [1, 960, 5],
    [2, 960, 5],
  ]);
  t.deepEqual(
    heard(messages, 78),
    [
      [42, 960, 5],
      [43, 992, 5],
    ],
    'each session hears its own',
  );
  t.deepEqual(own.slice(41, 43), [
    [45, 992, 1_400],
    [46, 992, 5],
  ]);
  answers.release();
  t.end();
});

test('answers that a client does not take wait, and are dropped beyond its share', (t) => {
  const { answers, queue } = outgoing(-2);
  const body = new Uint8Array(100);
  for (let queryId = 1; queryId <= 1_000; queryId++) {
    answers.offer(77, queryId, 960, QueryCode.Ok, body, 0, body.length);
  }
  answers.send();
  t.ok(queue.length <= CONFIG.egressBufferLengthMax / 2, `${queue.length} bytes wait`);
  t.ok(queue.length > CONFIG.egressBufferLengthMax / 2 - MTU, 'which is all that may');
  const waiting: DataView[] = [];
  for (let bytes = queue.peek(); bytes !== undefined; bytes = queue.peek()) {
    waiting.push(new DataView(bytes.slice().buffer));
    queue.shift();
  }
  t.equal(heard(waiting, 77).length + answers.droppedCount, 1_000, 'the others are counted');
  t.end();
});

test('answers whose records do not end where the message does are told to nobody', (t) => {
  const { answers, messages } = outgoing();
  for (let queryId = 1; queryId <= 3; queryId++) {
    answers.offer(77, queryId, 960, QueryCode.Ok, new Uint8Array(9), 0, 9);
  }
  answers.send();
  const [message] = messages as [DataView];
  t.equal(heard([message], 77).length, 3);
  t.equal(heard([new DataView(message.buffer, 0, message.byteLength - 8)], 77).length, 0);
  message.setUint32(32 + 8, 10_000, true);
  t.equal(heard([message], 77).length, 0);
  t.end();
});

test('queries beyond what one duty cycle takes are taken in the next ones', (t) => {
  const wide = { windowLength: 512 * 1024, streamTermLength: 1024 * 1024 };
  const fixture = new ReadsFixture(undefined, { memberCount: 1, member: wide });
  const leader = fixture.start();
  const options = { ingressTermLength: 1024 * 1024, windowLength: 512 * 1024 };
  const reader = fixture.reader({}, options);
  fixture.read(reader);
  const asked = fixture.world.nowNs;
  // When the leader looks they are all there.
  leader.node.process?.pause(5 * MS);
  const ids = fixture.ask(reader, 5_000);
  fixture.await(() => ids.every((id) => reader.answers.has(id)), 'all are answered');
  const tookNs = fixture.world.nowNs - asked;
  t.ok(tookNs < 20 * MS, `within ${tookNs / MS} ms`);
  t.ok(ids.every((id) => (reader.answers.get(id) as Found).value === 0));
  t.equal(reader.queries.retryCount, 0, 'at the first asking');
  fixture.close();
  t.end();
});
