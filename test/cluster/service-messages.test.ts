// service-messages.test.ts: messages from services into the log: once, in order, whoever leads.

import test from 'tape';
import { Mark, markHits } from '../../src/marks.js';
import { ServiceMessageResult } from '../../src/service/clustered-service.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { MS, SECOND } from './cluster-fixture.js';
import {
  MessagingService,
  numbersFrom,
  Order,
  orderOf,
  ServicesFixture,
  upTo,
} from './services-fixture.js';

test('a message of a service comes to all services of all members, at one position', (t) => {
  const fixture = new ServicesFixture({ seed: 1, serviceCount: 3 });
  const client = fixture.begin();
  fixture.send(client, orderOf(1, Order.Send, 3));
  fixture.awaitMessages(3);
  fixture.run(SECOND);
  const [first] = fixture.ofMember(0);
  t.deepEqual(numbersFrom(first, 1), [1, 2, 3], 'in the order in which they were sent');
  const told = first?.told.messages;
  for (const { memberId } of fixture.cluster.members) {
    for (const service of fixture.ofMember(memberId)) {
      t.deepEqual(service.told.messages, told, `service ${service.serviceId} of ${memberId}`);
    }
  }
  const sent = first?.told.commands[0]?.position ?? 0;
  t.ok((told?.[0]?.position ?? 0) > sent, 'behind the event that caused them');
  t.ok(
    fixture.containers.get(0)?.every((one) => one.messages.pendingCount === 0),
    'none is left',
  );
  fixture.close();
  t.end();
});

test('a message may cause the next one: two services play to and fro', (t) => {
  const hops = 200;
  const fixture = new ServicesFixture({
    seed: 2,
    makeService: (id) => {
      const service = new MessagingService(id);
      service.onTold = (message) => {
        if (message.from !== id && service.told.messages.length < hops) {
          service.send(1, 8);
        }
      };
      return service;
    },
  });
  const client = fixture.begin();
  fixture.send(client, orderOf(0, Order.Send, 1));
  fixture.awaitMessages(hops);
  fixture.run(SECOND);
  t.ok(fixture.areEqual(), 'all members are equal');
  const [service] = fixture.ofMember(0);
  const senders = service?.told.messages.map((message) => message.from);
  t.deepEqual(
    senders,
    upTo(hops).map((number) => (number + 1) % 2),
    'in turn, and then no more',
  );
  fixture.close();
  t.end();
});

test('whatever the moment at which the leader dies, its services lose and double nothing', (t) => {
  // From before the command is in the log to after the messages are committed.
  const moments = Array.from({ length: 24 }, (_, index) => index * 60_000);
  const before = markHits()[Mark.ServiceMessagesOfEarlierLeader] ?? 0;
  let goodCount = 0;
  for (const momentNs of moments) {
    const fixture = new ServicesFixture({ seed: 3 });
    const client = fixture.begin();
    const leader = fixture.awaitLeader();
    fixture.send(client, orderOf(0, Order.Send, 5));
    fixture.send(client, orderOf(1, Order.Send, 5));
    fixture.run(momentNs);
    leader.node.kill();
    fixture.await(() => fixture.leader()?.member?.status().isIngressOpen === true, 'another leads');
    fixture.cluster.start(leader);
    // What the client sent to the leader that died may be lost: one more command surely arrives.
    fixture.await(() => client.newLeaders.length > 0, 'the client knows the other leader');
    fixture.send(client, orderOf(0, Order.Send, 1));
    fixture.send(client, orderOf(1, Order.Send, 1));
    fixture.run(3 * SECOND);
    fixture.await(() => fixture.areEqual(), 'all members are equal');
    const [first, second] = fixture.ofMember(leader.memberId);
    const isGood = [0, 1].every((from) => {
      const count = (from === 0 ? first : second)?.told.sentCount ?? -1;
      const numbers = JSON.stringify(upTo(count));
      return [first, second].every(
        (one) => JSON.stringify(numbersFrom(one, from)) === numbers && count > 0,
      );
    });
    goodCount += isGood ? 1 : 0;
    fixture.close();
  }
  t.equal(goodCount, moments.length, 'at every moment');
  const proposedAgain = (markHits()[Mark.ServiceMessagesOfEarlierLeader] ?? 0) - before;
  t.ok(proposedAgain > 0, `a new leader found messages on their way ${proposedAgain} times`);
  t.end();
});

test('messages on their way are in snapshots, and go on after a restart of all', (t) => {
  const before = markHits()[Mark.ServiceMessagesInSnapshot] ?? 0;
  const fixture = new ServicesFixture({ seed: 4, cluster: { sessionTimeoutMs: 3_600_000 } });
  const client = fixture.begin();
  for (let round = 0; round < 5; round++) {
    fixture.send(client, orderOf(0, Order.Send, 20));
    fixture.send(client, orderOf(1, Order.Send, 20));
    // The event of the snapshot is appended behind the commands, before they are applied.
    fixture.run(100_000 + round * 15_000);
    fixture.leader()?.member?.requestSnapshot();
    fixture.wakeAll();
    fixture.run(50 * MS);
  }
  fixture.awaitMessages(200);
  const taken = (markHits()[Mark.ServiceMessagesInSnapshot] ?? 0) - before;
  t.ok(taken > 0, `${taken} sections held messages on their way`);
  const positions = fixture.cluster.members.map((one) => fixture.status(one).snapshotPosition);
  t.ok(
    positions.every((position) => position === positions[0] && position > 0),
    'all took them',
  );
  for (const member of fixture.cluster.members) {
    member.node.kill();
  }
  fixture.cluster.startAll();
  fixture.awaitLeader();
  fixture.awaitMessages(200);
  fixture.run(SECOND);
  t.ok(fixture.areEqual(), 'all members are equal');
  for (const service of fixture.ofMember(1)) {
    t.equal(service.loadedPosition, positions[0], `service ${service.serviceId} started from it`);
    t.deepEqual(numbersFrom(service, 0), upTo(100), 'the messages of service 0, once each');
    t.deepEqual(numbersFrom(service, 1), upTo(100), 'and those of service 1');
  }
  fixture.close();
  t.end();
});

test('a service that sends more than may wait is told so, alike on all members', (t) => {
  const limits = { countMax: 10, bytesMax: 1_000 };
  const fixture = new ServicesFixture({ seed: 5, messageLimits: limits });
  const client = fixture.begin();
  fixture.send(client, orderOf(0, Order.Send, 12, 8));
  fixture.awaitMessages(10);
  fixture.send(client, orderOf(0, Order.Send, 4, 300));
  fixture.awaitMessages(13);
  const results = fixture.ofMember(0)[0]?.told.results;
  const full = ServiceMessageResult.PendingLimit;
  const tooMany = [...upTo(10).map(() => 8), full, full];
  t.deepEqual(results, [...tooMany, 300, 300, 300, full], 'by number, and by bytes');
  fixture.send(client, orderOf(0, Order.Send, 1));
  fixture.awaitMessages(14);
  t.ok(fixture.areEqual(), 'on every member');
  t.deepEqual(numbersFrom(fixture.ofMember(2)[1], 0), upTo(14), 'what was taken came');
  fixture.close();
  t.end();
});

test('a message of a service is as long as the log takes: one byte more is refused', (t) => {
  const fixture = new ServicesFixture({ seed: 6 });
  const client = fixture.begin();
  const max = fixture.ofMember(0)[0]?.cluster.serviceMessageLengthMax ?? 0;
  t.equal(max, (64 * 1024) / 8 - 48, 'an eighth of a term of the log, less the header');
  fixture.send(client, orderOf(0, Order.Send, 1, max + 1));
  fixture.send(client, orderOf(0, Order.Send, 1, max));
  fixture.awaitMessages(1);
  t.deepEqual(fixture.ofMember(1)[0]?.told.results, [ServiceMessageResult.TooLong, max]);
  t.equal(fixture.ofMember(1)[1]?.told.messages[0]?.length, max, 'the longest one comes whole');
  t.ok(fixture.areEqual(), 'on every member');
  fixture.close();
  t.end();
});

test('messages wait while the log has no room for them, and none is lost or out of order', (t) => {
  const before = markHits()[Mark.ServiceMessageBackPressured] ?? 0;
  const fixture = new ServicesFixture({ seed: 7 });
  const client = fixture.begin();
  // More than the three term buffers of the log together hold.
  fixture.send(client, orderOf(0, Order.Send, 60, 8_000));
  fixture.send(client, orderOf(1, Order.Send, 60, 8_000));
  fixture.awaitMessages(120);
  t.ok((markHits()[Mark.ServiceMessageBackPressured] ?? 0) > before, 'the log was full meanwhile');
  t.deepEqual(numbersFrom(fixture.ofMember(2)[0], 0), upTo(60));
  t.deepEqual(numbersFrom(fixture.ofMember(2)[0], 1), upTo(60));
  t.ok(fixture.areEqual(), 'on every member');
  fixture.close();
  t.end();
});

test('a message that is sent outside an event of the log ends the member with the reason', (t) => {
  const errors: unknown[] = [];
  class LocalSender extends MessagingService {
    onRoleChange(): void {
      this.send(1, 8);
    }
  }
  const fixture = new ServicesFixture({ seed: 8, makeService: (id) => new LocalSender(id) });
  for (const { node } of fixture.cluster.members) {
    node.onFatal = (_process, error) => errors.push(error);
  }
  fixture.cluster.startAll();
  fixture.await(() => errors.length > 0, 'a member ends');
  t.match(String(errors[0]), /offer was called outside a log event/);
  fixture.close();
  t.end();
});

test('a leader that is deposed with messages on their way has them come once', (t) => {
  const fixture = new ServicesFixture({ seed: 9 });
  const client = fixture.begin();
  const leader = fixture.awaitLeader() as SimulatedMember;
  const others = fixture.cluster.members.filter((one) => one !== leader);
  fixture.send(client, orderOf(0, Order.Send, 5));
  // The command is committed, the messages are appended here and reach nobody.
  fixture.await(
    () => (fixture.containers.get(leader.memberId)?.[0]?.messages.pendingCount ?? 0) > 0,
    'they wait',
  );
  for (const { node } of others) {
    node.kill();
  }
  fixture.run(2 * SECOND);
  for (const other of others) {
    fixture.cluster.start(other);
  }
  fixture.awaitMessages(5);
  fixture.run(SECOND);
  t.ok(fixture.areEqual(), 'all members are equal');
  t.deepEqual(numbersFrom(fixture.ofMember(0)[1], 0), upTo(5), 'and the messages came once');
  fixture.close();
  t.end();
});
