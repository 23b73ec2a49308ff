// reads.test.ts: queries, which a leader answers without the log, and never from a stale state.

import test from 'tape';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { Mark, markHits } from '../../src/marks.js';
import type { Cluster, ClusteredService } from '../../src/service/clustered-service.js';
import { SERVICE_THREAD } from '../../src/simulator/simulated-cluster.js';
import { MS, SECOND } from './cluster-fixture.js';
import { type Found, type Reader, ReadsFixture, RegisterService, wake } from './reads-fixture.js';

function valueIn(found: Found | PawlError | undefined): number {
  if (found === undefined || found instanceof PawlError) {
    throw found ?? new Error('there is no outcome');
  }
  return found.value;
}

function codeIn(found: Found | PawlError | undefined): string {
  return found instanceof PawlError ? found.code : `answered with ${found?.value}`;
}

function counterOf(fixture: ReadsFixture, name: string): number {
  return fixture.cluster.members.reduce(
    (sum, one) => sum + (one.member?.status().counters[name] ?? 0),
    0,
  );
}

test('a query is answered with what was written before, and leaves nothing in the log', (t) => {
  const fixture = new ReadsFixture();
  const leader = fixture.start();
  const reader = fixture.reader();
  const other = fixture.reader();
  t.equal(valueIn(fixture.read(reader)), 0, 'nothing was written yet');
  const written = fixture.write(reader, 7);
  const before = fixture.status(leader);
  const found = fixture.read(other) as Found;
  t.equal(found.value, 7, 'another client reads it');
  t.ok(found.logPosition >= written.logPosition, 'at a position behind the write');
  const after = fixture.status(leader);
  t.equal(after.appendPosition, before.appendPosition, 'the log has not grown');
  t.equal(counterOf(fixture, 'readRounds'), 2, 'one round for each query that came alone');
  const follower = fixture.followers()[0];
  const service = fixture.services.get(follower?.memberId ?? -1) as RegisterService;
  t.equal(service.queryCount, 0, 'followers are not asked');
  fixture.close();
  t.end();
});

test('ten thousand queries at once cost two rounds at most', (t) => {
  // Ten clients whose streams are each wide enough for a thousand of them.
  const wide = { windowLength: 128 * 1024, streamTermLength: 256 * 1024 };
  const fixture = new ReadsFixture(undefined, { member: wide });
  fixture.start();
  const options = { ingressTermLength: 256 * 1024, windowLength: 128 * 1024 };
  const readers = Array.from({ length: 10 }, () => fixture.reader({}, options));
  fixture.write(readers[0] as Reader, 3);
  const before = counterOf(fixture, 'readRounds');
  for (const reader of readers) {
    fixture.ask(reader, 1_000);
  }
  fixture.await(() => readers.every(({ answers }) => answers.size === 1_000), 'all are answered');
  const found = readers.flatMap(({ answers }) => [...answers.values()]);
  t.ok(
    found.every((one) => valueIn(one) === 3),
    'all are answered rightly',
  );
  const rounds = counterOf(fixture, 'readRounds') - before;
  t.ok(rounds <= 2, `${rounds} rounds for ${found.length} queries`);
  fixture.close();
  t.end();
});

test('a leader alone answers by itself', (t) => {
  const fixture = new ReadsFixture(undefined, { memberCount: 1 });
  fixture.start();
  const reader = fixture.reader();
  fixture.write(reader, 5);
  const sent = fixture.world.nowNs;
  t.equal(valueIn(fixture.read(reader)), 5);
  t.ok(fixture.world.nowNs - sent < MS, 'after one round trip');
  fixture.close();
  t.end();
});

test('a leader that is cut off with its client answers nothing, and the next one does', (t) => {
  const fixture = new ReadsFixture();
  const old = fixture.start();
  const reader = fixture.reader();
  const writer = fixture.reader();
  fixture.write(writer, 1);
  t.equal(valueIn(fixture.read(reader)), 1);
  fixture.cutOff([old.node, reader.node]);
  const [early = -1] = fixture.ask(reader, 1, 400 * MS);
  fixture.await(() => reader.answers.has(early), 'the query has its outcome');
  t.equal(codeIn(reader.answers.get(early)), ErrorCode.Timeout, 'no quorum, no answer');
  t.equal(counterOf(fixture, 'queriesAnswered'), 1, 'the leader has answered the first only');
  fixture.await(
    () => fixture.cluster.members.some((one) => one !== old && one.member?.status().isIngressOpen),
    'the others have a leader',
  );
  fixture.write(writer, 2);
  const [late = -1] = fixture.ask(reader, 1, 20 * SECOND);
  fixture.run(SECOND);
  t.notOk(reader.answers.has(late), 'still cut off, still no answer');
  fixture.heal();
  fixture.await(() => reader.answers.has(late), 'the query is answered');
  t.equal(valueIn(reader.answers.get(late)), 2, 'with what was written meanwhile');
  fixture.close();
  t.end();
});

test('a leader that was paused answers nothing of what it knew before', (t) => {
  const fixture = new ReadsFixture();
  const old = fixture.start();
  const reader = fixture.reader();
  const writer = fixture.reader();
  fixture.write(writer, 1);
  t.equal(valueIn(fixture.read(reader)), 1);
  const wakes = fixture.world.nowNs + 5 * SECOND;
  old.node.process?.pause(5 * SECOND);
  fixture.await(
    () => fixture.cluster.members.some((one) => one !== old && one.member?.status().isIngressOpen),
    'the others have a leader',
  );
  fixture.write(writer, 2);
  // The reader has not heard of the new leader, nor will the old one before it has woken.
  fixture.cutOff([old.node, reader.node]);
  const [id = -1] = fixture.ask(reader, 1, 20 * SECOND);
  fixture.run(wakes - fixture.world.nowNs);
  fixture.run(2 * SECOND);
  t.notOk(reader.answers.has(id), 'the old leader does not answer');
  fixture.heal();
  fixture.await(() => reader.answers.has(id), 'the query is answered');
  t.equal(valueIn(reader.answers.get(id)), 2, 'by the leader of now');
  fixture.close();
  t.end();
});

test('queries go on over a transfer of leadership, and see every write', (t) => {
  const fixture = new ReadsFixture();
  const first = fixture.start();
  const reader = fixture.reader();
  let last = 0;
  for (let round = 0; round < 20; round++) {
    fixture.write(reader, round);
    fixture.ask(reader, 100);
    if (round === 10) {
      first.member?.transferLeadership((first.memberId + 1) % 3, 0);
      fixture.wakeAll();
    }
    const found = fixture.read(reader) as Found;
    t.equal(found.value, round, `value ${round}`);
    t.ok(found.logPosition > last, 'at a later position');
    last = found.logPosition;
  }
  t.notEqual(fixture.awaitLeader(), first, 'another leads');
  fixture.await(() => reader.queries.pendingCount === 0, 'all are answered');
  t.equal([...reader.answers.values()].filter((one) => one instanceof PawlError).length, 0);
  fixture.close();
  t.end();
});

test('more queries than may wait are refused, and answered when there is room', (t) => {
  const fixture = new ReadsFixture(undefined, { member: { queryCountMax: 8 } });
  fixture.start();
  const reader = fixture.reader();
  fixture.write(reader, 4);
  const ids = fixture.ask(reader, 100, 10 * SECOND);
  fixture.await(() => reader.answers.size === ids.length, 'all have their outcome');
  t.ok(
    ids.every((id) => valueIn(reader.answers.get(id)) === 4),
    'all are answered',
  );
  t.ok(counterOf(fixture, 'queriesRefused') > 0, 'some were refused before');
  t.ok(reader.queries.retryCount > 0, 'and asked again');
  fixture.close();
  t.end();
});

test('queries that never find room end with an error that says so', (t) => {
  const fixture = new ReadsFixture(undefined, { member: { queryCountMax: 2 } });
  const leader = fixture.start();
  const reader = fixture.reader();
  fixture.read(reader);
  // Nobody confirms the leader: what waits goes on waiting, for as long as it believes to lead.
  for (const follower of fixture.followers()) {
    fixture.world.network.block(leader.node, follower.node);
  }
  const ids = fixture.ask(reader, 10, 300 * MS);
  fixture.await(() => ids.every((id) => reader.answers.has(id)), 'all have their outcome');
  const codes = ids.map((id) => codeIn(reader.answers.get(id)));
  t.equal(codes.filter((code) => code === ErrorCode.Timeout).length, 2, 'two waited at the leader');
  t.equal(codes.filter((code) => code === ErrorCode.LimitExceeded).length, 8, 'eight were refused');
  fixture.close();
  t.end();
});

/** What a service may try in a query, and must not. */
class MeddlingService extends RegisterService {
  #cluster: Cluster | undefined;

  onStart(cluster: Cluster): void {
    this.#cluster = cluster;
  }

  override onQuery: NonNullable<ClusteredService['onQuery']> = (query, buffer, offset) => {
    const attempts: (() => unknown)[] = [
      () => query.session.offer(buffer, offset, 4),
      () => this.#cluster?.scheduleTimer(1, 0),
      () => this.#cluster?.cancelTimer(1),
      () => this.#cluster?.closeSession(query.session.id),
      () => {
        throw new Error('out of order');
      },
      () => undefined,
    ];
    attempts[this.queryCount++ % attempts.length]?.();
  };
}

test('a query that meddles, throws or says nothing is refused, and ends nothing else', (t) => {
  const fixture = new ReadsFixture(() => new MeddlingService());
  const leader = fixture.start();
  const reader = fixture.reader();
  const found = Array.from({ length: 6 }, () => fixture.read(reader) as PawlError);
  t.ok(found.every((one) => one.code === ErrorCode.RequestRefused));
  for (const one of found.slice(0, 4)) {
    t.match(one.message, /called outside a log event/);
  }
  t.match(found[4]?.message ?? '', /the service threw Error: out of order/);
  t.match(found[5]?.message ?? '', /not answered by the service/);
  t.equal(fixture.leader(), leader, 'the leader leads on');
  t.equal(fixture.write(reader, 9).value, 9, 'and takes requests');
  fixture.close();
  t.end();
});

test('a service without onQuery says so', (t) => {
  const fixture = new ReadsFixture(() => ({ onSessionMessage: () => undefined }));
  fixture.start();
  const found = fixture.read(fixture.reader()) as PawlError;
  t.equal(found.code, ErrorCode.RequestRefused);
  t.match(found.message, /no onQuery/);
  fixture.close();
  t.end();
});

test('a client that is closed ends its queries, and takes no more', (t) => {
  const fixture = new ReadsFixture();
  const leader = fixture.start();
  const reader = fixture.reader();
  fixture.read(reader);
  fixture.cutOff([leader.node]);
  const ids = fixture.ask(reader, 3);
  reader.client?.close();
  t.deepEqual(
    ids.map((id) => codeIn(reader.answers.get(id))),
    ids.map(() => ErrorCode.Closed),
  );
  t.ok((fixture.ask(reader)[0] ?? 0) < 0, 'one more is not taken');
  fixture.close();
  t.end();
});

test('a client has a bounded number of queries without an answer', (t) => {
  const fixture = new ReadsFixture();
  fixture.start();
  const reader = fixture.reader({ queryCountMax: 10, queryBytesMax: 1_000 });
  t.equal(fixture.ask(reader, 11).filter((id) => id > 0).length, 10);
  fixture.await(() => reader.answers.size === 10, 'they are answered');
  const long = new Uint8Array(600);
  t.ok(reader.queries.query(long, 0) > 0);
  t.ok(reader.queries.query(long, 0) < 0, 'nor of bytes');
  fixture.close();
  t.end();
});

test('queries of all sizes up to the longest are answered', (t) => {
  const fixture = new ReadsFixture(() => ({
    onSessionMessage: () => undefined,
    onQuery: (query, buffer, offset, length) => {
      query.reply(buffer, offset, length);
    },
  }));
  fixture.start();
  const reader: Reader = fixture.reader();
  const longest = reader.client?.session?.maxQueryLength ?? 0;
  const lengths = [4, 100, 1_336, 1_340, 1_344, 1_345, 3_000, 7_000];
  for (const [index, length] of lengths.entries()) {
    const body = new Uint8Array(length);
    new DataView(body.buffer).setInt32(0, index, true);
    const id = reader.queries.query(body, reader.node.process?.clock.nowNs() ?? 0);
    const answered = reader.answers;
    fixture.ask(reader);
    fixture.await(() => answered.has(id), `a query of ${length} bytes is answered`);
    t.equal(valueIn(answered.get(id)), index, `${length} bytes`);
  }
  const id = reader.queries.query(new Uint8Array(longest + 1), 0);
  fixture.ask(reader);
  fixture.await(() => reader.answers.has(id), 'one that is too long ends');
  t.equal(codeIn(reader.answers.get(id)), ErrorCode.MessageTooLong);
  fixture.close();
  t.end();
});

test('queries that find no room at a stalled service are asked again, and answered', (t) => {
  const fixture = new ReadsFixture(undefined, { member: { threads: 'dedicated' } });
  const leader = fixture.start();
  const reader = fixture.reader();
  fixture.write(reader, 7);
  const refused = markHits()[Mark.RemoteQueryRefused] ?? 0;
  leader.node.process?.threads.find(({ name }) => name === SERVICE_THREAD)?.stall(200 * MS);
  const body = new Uint8Array(4_000);
  const nowNs = reader.node.process?.clock.nowNs() ?? 0;
  const ids = Array.from({ length: 500 }, () => reader.queries.query(body, nowNs));
  wake(reader.node);
  fixture.await(() => ids.every((id) => reader.answers.has(id)), 'all have an outcome');
  const values = ids.map((id) => valueIn(reader.answers.get(id)));
  t.deepEqual(new Set(values), new Set([7]), 'which is the answer');
  t.ok((markHits()[Mark.RemoteQueryRefused] ?? 0) > refused, 'and some found no room at first');
  fixture.close();
  t.end();
});
