// invalid-messages.test.ts: messages that say more of themselves than there is of them.
//
// A client's must not reach the log. A log that holds one, because an earlier version let it
// through, must not end its members: what is not whole has no effect, on all of them alike.

import test from 'tape';
import { isLogMessageValid } from '../../src/cluster/log-events.js';
import { LogPublisher } from '../../src/cluster/log-publisher.js';
import { SessionMessageHeaderEncoder } from '../../src/protocol/codecs/session-message-header.js';
import { messageTemplateId } from '../../src/protocol/message-header.js';
import { LOG_MESSAGES, SESSION_MESSAGES } from '../../src/protocol/schema-client-messages.js';
import { OWN_MESSAGES } from '../../src/protocol/schema-member-messages.js';
import type { MessageSchema } from '../../src/protocol/schema-types.js';
import { type LogEventHandler, LogEventReader } from '../../src/service/log-event-reader.js';
import { ClusterFixture, MS, messageOf, type TestClient } from './cluster-fixture.js';
import { startRawClient } from './raw-client.js';

const HEAD_LENGTH = 32;

/** A session message of any content, as its bytes. */
function sessionMessage(client: TestClient, blockLength: number, bodyLength: number): Uint8Array {
  const bytes = new Uint8Array(HEAD_LENGTH + bodyLength);
  const view = new DataView(bytes.buffer);
  new SessionMessageHeaderEncoder()
    .wrapAndApplyHeader(view, 0)
    .leadershipTermId(client.client?.leadershipTermId ?? -1)
    .clusterSessionId(client.client?.clusterSessionId ?? -1);
  view.setUint16(0, blockLength, true);
  return bytes;
}

/** Its client gets an answer, and no member has ended. */
function isServed(fixture: ClusterFixture, client: TestClient): boolean {
  const before = client.received.length;
  fixture.send(client, messageOf(before + 1));
  fixture.await(() => client.received.length > before, 'the client is answered');
  fixture.run(50 * MS);
  return fixture.cluster.members.every(({ member }) => member !== undefined);
}

test('a message whose block is longer than itself is counted, and harms nobody', (t) => {
  const fixture = new ClusterFixture();
  const leader = fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  const { publication } = startRawClient(fixture, leader.memberId);
  const cases: (readonly [blockLength: number, bodyLength: number])[] = [
    [65_535, 0],
    [25, 0],
    [24 + 101, 100],
    [0, 100],
    // These come in fragments.
    [65_535, 5_000],
    [24 + 5_001, 5_000],
  ];
  for (const [index, [blockLength, bodyLength]] of cases.entries()) {
    const bytes = sessionMessage(client, blockLength, bodyLength);
    t.ok(publication.offer(bytes, 0, bytes.length) > 0, `block ${blockLength} of ${bytes.length}`);
    fixture.await(
      () => fixture.status(leader).counters.ingressRejected === index + 1,
      'it is counted',
    );
    t.ok(isServed(fixture, client), 'all members go on');
  }
  const longest = sessionMessage(client, 24 + 100, 100);
  publication.offer(longest, 0, longest.length);
  fixture.await(
    () => client.received.some((one) => one.length === 0),
    'a block may be all there is',
  );
  t.equal(fixture.status(leader).counters.ingressRejected, cases.length);
  t.equal(fixture.status(leader).counters.logMessagesInvalid, 0, 'the log is as it should be');
  fixture.close();
  t.end();
});

/** Has leaders append what an earlier version would have, in place of long messages. */
function withPoisonedLog(run: () => void): void {
  const { appendMessage } = LogPublisher.prototype;
  LogPublisher.prototype.appendMessage = function (this: LogPublisher, term, session, timestamp) {
    const bytes = new Uint8Array(HEAD_LENGTH);
    new SessionMessageHeaderEncoder()
      .wrapAndApplyHeader(new DataView(bytes.buffer), 0)
      .leadershipTermId(term)
      .clusterSessionId(session);
    new DataView(bytes.buffer).setUint16(0, 65_535, true);
    // The timestamp of a request stands where that of a message does.
    return this.appendRequest(timestamp, bytes);
  };
  try {
    run();
  } finally {
    LogPublisher.prototype.appendMessage = appendMessage;
  }
}

test('a log that holds such a message is applied and read again by all members alike', (t) => {
  const calls = new Map<number, number[]>();
  const fixture = new ClusterFixture({
    service: (memberId) => {
      const lengths: number[] = [];
      calls.set(memberId, lengths);
      return {
        onSessionMessage(session, _timestamp, buffer, offset, length) {
          lengths.push(length);
          session.offer(buffer, offset, length);
        },
      };
    },
  });
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  const invalid = (): number[] =>
    fixture.cluster.members.map((one) => fixture.status(one).counters.logMessagesInvalid ?? -1);
  withPoisonedLog(() => {
    fixture.send(client, messageOf(7, 3_000));
    fixture.await(() => invalid().every((count) => count === 1), 'every member passes over it');
  });
  t.ok(isServed(fixture, client), 'all members go on');
  for (const one of fixture.cluster.members) {
    one.node.kill();
    fixture.cluster.start(one);
    fixture.await(() => one.member?.status() !== undefined, 'it is up');
    fixture.await(() => invalid()[one.memberId] === 1, 'it has read its log again');
  }
  fixture.await(() => {
    const leader = fixture.leader();
    const termId = leader && fixture.status(leader).leadershipTermId;
    return termId !== undefined && termId === client.client?.leadershipTermId;
  }, 'the client knows the leader');
  t.ok(isServed(fixture, client), 'and serve after they have read the log again');
  fixture.await(
    () => [...calls.values()].every((lengths) => lengths.join() === '16,16'),
    'every service has the same messages, and no other',
  );
  fixture.close();
  t.end();
});

/** Every message of the log, by name. */
const LOGGED: readonly MessageSchema[] = [
  ...SESSION_MESSAGES,
  ...LOG_MESSAGES,
  ...OWN_MESSAGES,
].filter(({ name }) =>
  [
    'SessionMessageHeader',
    'TimerEvent',
    'SessionOpenEvent',
    'SessionCloseEvent',
    'ClusterActionRequest',
    'NewLeadershipTermEvent',
    'RequestHeader',
    'ServiceMessageHeader',
    'ServiceTimerEvent',
  ].includes(name),
);

test('no message of the log reaches a service that ends before its block or its data do', (t) => {
  const called: string[] = [];
  const note = (name: string) => () => {
    called.push(name);
  };
  const handler: LogEventHandler = {
    onSessionMessage: note('onSessionMessage'),
    onRequest: note('onRequest'),
    onSessionOpen: note('onSessionOpen'),
    onSessionClose: note('onSessionClose'),
    onTimer: note('onTimer'),
    onServiceMessage: note('onServiceMessage'),
    onClusterAction: note('onClusterAction'),
    onNewLeadershipTerm: note('onNewLeadershipTerm'),
  };
  const reader = new LogEventReader(handler);
  t.equal(LOGGED.length, 9, 'all kinds are there');
  for (const { blockLength, name, schemaId, templateId, varData } of LOGGED) {
    const length = 8 + blockLength + 4 * varData.length;
    const bytes = new Uint8Array(length);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, blockLength, true);
    view.setUint16(2, templateId, true);
    view.setUint16(4, schemaId, true);
    view.setUint16(6, 17, true);
    t.equal(messageTemplateId(view, 0, length), templateId, name);
    reader.onMessage(view, 0, length, 64);
    t.equal(called.splice(0).length, 1, 'a whole one is applied');
    const before = reader.invalidCount;
    for (const evil of [0, blockLength + 4 * varData.length + 1, 65_535]) {
      view.setUint16(0, evil, true);
      t.notOk(isLogMessageValid(templateId, view, 0, length), `not with a block of ${evil}`);
      reader.onMessage(view, 0, length, 64);
    }
    view.setUint16(0, blockLength, true);
    for (let cut = 8; cut < length; cut++) {
      reader.onMessage(new DataView(bytes.buffer, 0, cut), 0, cut, 64);
    }
    t.equal(called.length, 0, 'nothing else is');
    t.equal(reader.invalidCount - before, 3 + length - 8, 'and all of it is counted');
  }
  t.end();
});
