// service-messages.test.ts: what is on its way into the log, apart from any cluster.

import test from 'tape';
import type { ServiceMessage, SnapshotWrite } from '../../src/cluster/service-host.js';
import { TemplateId } from '../../src/protocol/codecs/template-ids.js';
import { messageTemplateId } from '../../src/protocol/message-header.js';
import { ServiceMessageResult } from '../../src/service/clustered-service.js';
import { MessageImage, MessageSnapshot } from '../../src/service/message-snapshot.js';
import { ServiceMessages } from '../../src/service/service-messages.js';

const OWN_ID = 1;

function offer(messages: ServiceMessages, origin: number, length: number): number {
  return messages.offer(origin, new Uint8Array(length + 3).fill(origin & 0xff), 3, length);
}

function proposed(messages: ServiceMessages, limit = 100): ServiceMessage[] {
  const taken: ServiceMessage[] = [];
  messages.propose(limit, (message) => taken.push(message) > 0);
  return taken;
}

/** Writes a snapshot of messages, and loads it into others. */
function restored(messages: ServiceMessages): ServiceMessages {
  const snapshot = new MessageSnapshot(messages.freeze());
  const loaded = new ServiceMessages(OWN_ID);
  const image = new MessageImage(loaded);
  const write: SnapshotWrite = (head, headLength, body, offset, length = 0) => {
    const bytes = new Uint8Array(headLength + length);
    bytes.set(head.subarray(0, headLength));
    bytes.set(body?.subarray(offset, (offset ?? 0) + length) ?? new Uint8Array(0), headLength);
    const view = new DataView(bytes.buffer);
    image.onMessage(messageTemplateId(view, 0, bytes.length), view, 0, bytes.length);
  };
  while (snapshot.writeNext(write)) {
    // Piece by piece.
  }
  return loaded;
}

test('a message is named by the event that caused it and its place in there', (t) => {
  const messages = new ServiceMessages(OWN_ID);
  for (const origin of [96, 96, 192, 192, 192, 288]) {
    t.equal(offer(messages, origin, 5), 5);
  }
  const names = proposed(messages).map(({ ordinal, originPosition, sequence, serviceId }) => [
    serviceId,
    originPosition,
    ordinal,
    sequence,
  ]);
  t.deepEqual(names, [
    [1, 96, 0, 1],
    [1, 96, 1, 2],
    [1, 192, 0, 3],
    [1, 192, 1, 4],
    [1, 192, 2, 5],
    [1, 288, 0, 6],
  ]);
  t.end();
});

test('each message of each service is admitted once, in order, and only the next one', (t) => {
  const messages = new ServiceMessages(OWN_ID);
  const admit = (serviceId: number, sequence: number) => messages.admit({ serviceId, sequence });
  t.ok(admit(0, 1), 'the first one of another service');
  t.notOk(admit(0, 1), 'not again');
  t.notOk(admit(0, 3), 'not the one after the next');
  t.ok(admit(2, 1), 'services count by themselves');
  t.ok(admit(0, 2) && admit(0, 3), 'the next ones');
  t.notOk(admit(0, 2), 'none of before');
  t.equal(messages.passedOverCount, 3);
  t.end();
});

test('what the log has is pending no more, and what it has not stays', (t) => {
  const messages = new ServiceMessages(OWN_ID);
  for (let index = 1; index <= 5; index++) {
    offer(messages, index * 96, 10);
  }
  t.equal(proposed(messages, 3).length, 3);
  t.equal(messages.unproposedCount, 2);
  messages.admit({ serviceId: OWN_ID, sequence: 1 });
  t.equal(messages.pendingCount, 4);
  t.equal(messages.pendingBytes, 40);
  t.deepEqual(
    proposed(messages).map(({ sequence }) => sequence),
    [4, 5],
    'the leader goes on',
  );
  messages.admit({ serviceId: OWN_ID, sequence: 2 });
  messages.forgetProposals();
  t.equal(messages.unproposedCount, 3);
  const again = proposed(messages).map(({ sequence }) => sequence);
  t.deepEqual(again, [3, 4, 5], 'a new leader begins with the first that the log has not');
  t.end();
});

test('proposing stops where the log has no room, and goes on there', (t) => {
  const messages = new ServiceMessages(OWN_ID);
  offer(messages, 96, 4);
  offer(messages, 192, 4);
  let room = 1;
  const append = () => room-- > 0;
  t.equal(messages.propose(10, append), 1);
  t.equal(messages.unproposedCount, 1);
  room = 1;
  t.equal(messages.propose(10, append), 1);
  t.equal(messages.unproposedCount, 0);
  t.end();
});

test('both limits count what is pending, proposed or not, and make room when it is logged', (t) => {
  const messages = new ServiceMessages(OWN_ID, { countMax: 3, bytesMax: 100 });
  t.equal(offer(messages, 96, 100), 100, 'up to the last byte');
  t.equal(offer(messages, 96, 1), ServiceMessageResult.PendingLimit);
  proposed(messages);
  t.equal(offer(messages, 192, 0), 0, 'an empty message has room');
  t.equal(offer(messages, 192, 0), 0);
  t.equal(offer(messages, 192, 0), ServiceMessageResult.PendingLimit, 'by number');
  messages.admit({ serviceId: OWN_ID, sequence: 1 });
  t.equal(offer(messages, 288, 100), 100);
  t.deepEqual(
    messages.freeze().pending.map(({ sequence }) => sequence),
    [2, 3, 4],
    'what was refused has no number',
  );
  t.end();
});

test('a snapshot holds how far all services are, and what is on its way, byte by byte', (t) => {
  const messages = new ServiceMessages(OWN_ID);
  for (let index = 1; index <= 4; index++) {
    offer(messages, index * 96, index * 1_000);
  }
  for (const logged of [
    { serviceId: 2, sequence: 1 },
    { serviceId: OWN_ID, sequence: 1 },
    { serviceId: 0, sequence: 1 },
    { serviceId: OWN_ID, sequence: 2 },
  ]) {
    messages.admit(logged);
  }
  proposed(messages);
  const loaded = restored(messages);
  t.deepEqual(loaded.freeze(), messages.freeze(), 'the state is the same');
  t.equal(loaded.pendingBytes, 7_000);
  t.equal(loaded.unproposedCount, 2, 'what a leader had in mind is not in it');
  t.notOk(loaded.admit({ serviceId: 2, sequence: 1 }), 'what was there before stays out');
  offer(loaded, 960, 1);
  t.deepEqual(
    proposed(loaded).map(({ sequence }) => sequence),
    [3, 4, 5],
  );
  t.equal(TemplateId.PendingServiceMessage, 1052);
  t.end();
});
