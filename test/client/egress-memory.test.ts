// egress-memory.test.ts: what a client holds of leaders that it no longer hears.

import test from 'tape';
import { concludeClientOptions } from '../../src/client/client-options.js';
import { ClusterClient } from '../../src/client/cluster-client.js';
import { SessionMessageHeaderEncoder } from '../../src/protocol/codecs/session-message-header.js';
import { MESSAGE_HEADER_LENGTH } from '../../src/protocol/message-header.js';
import { EGRESS_STREAM_ID_DEFAULT } from '../../src/protocol/streams.js';
import { liveBufferBytes } from '../support/live-buffer-bytes.js';
import { Fixture } from '../transport/transport-fixture.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const EGRESS_CHANNEL = 'aeron:udp?endpoint=127.0.0.1:9000';
/** Of a message; every leader sends one. */
const BODY_LENGTH = 512 * KIB;
const LEADER_COUNT = 24;

/** A message to a session that is not open yet, which has no id. */
function messageToNobody(): Uint8Array {
  const bytes = new Uint8Array(MESSAGE_HEADER_LENGTH + 24 + BODY_LENGTH);
  new SessionMessageHeaderEncoder()
    .wrapAndApplyHeader(new DataView(bytes.buffer), 0)
    .leadershipTermId(0)
    .clusterSessionId(-1)
    .timestamp(0);
  return bytes;
}

test('a client keeps no buffer of a leader whose stream has ended', (t) => {
  const fixture = new Fixture({ arenaLength: 64 * MIB });
  let receivedCount = 0;
  const client = new ClusterClient({
    transport: fixture.receiver,
    entropy: fixture.entropy,
    options: concludeClientOptions({
      ingressEndpoints: '0=127.0.0.1:9999',
      egressChannel: EGRESS_CHANNEL,
      connectTimeoutMs: 3_600_000,
    }),
    handlers: {
      onMessage: (_view, _offset, length) => {
        receivedCount += length === BODY_LENGTH ? 1 : 0;
      },
    },
  });
  const until = (condition: () => boolean): boolean =>
    fixture.until(() => {
      client.doWork(fixture.nowNs);
      return condition();
    });
  const bytes = messageToNobody();
  const bytesBefore = liveBufferBytes();
  for (let leader = 1; leader <= LEADER_COUNT; leader++) {
    const publication = fixture.sender.addPublication(EGRESS_CHANNEL, EGRESS_STREAM_ID_DEFAULT, {
      termLength: 8 * MIB,
    });
    until(() => publication.isConnected && publication.offer(bytes, 0, bytes.length) > 0);
    until(() => receivedCount === leader);
    publication.close();
    until(() => fixture.receiver.imageCount === 0 && fixture.sender.publicationCount === 0);
  }
  t.equal(receivedCount, LEADER_COUNT, 'every message arrived');
  const grownBytes = liveBufferBytes() - bytesBefore;
  t.ok(grownBytes < 4 * MIB, `${grownBytes} bytes are held after ${LEADER_COUNT} leaders`);
  client.close();
  fixture.close();
  t.end();
});
