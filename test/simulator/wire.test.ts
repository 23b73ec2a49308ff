// What leaves a member is judged once, whatever number its stream began with.

import test from 'tape';
import {
  DATA_FLAGS_UNFRAGMENTED,
  DATA_HEADER_LENGTH,
  DATA_SESSION_ID_OFFSET,
  DATA_STREAM_ID_OFFSET,
  DATA_TERM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
  FRAME_FLAGS_OFFSET,
  FRAME_LENGTH_OFFSET,
  FRAME_TYPE_DATA,
  FRAME_TYPE_OFFSET,
} from '../../assembly/layout/frame.js';
import { AppendPositionEncoder } from '../../src/protocol/codecs/append-position.js';
import { CONSENSUS_STREAM_ID } from '../../src/protocol/streams.js';
import { Wire, type WireJudges } from '../../src/simulator/invariants/wire.js';

const MESSAGE_LENGTH = AppendPositionEncoder.LENGTH_MIN;
const FRAME_LENGTH = 64;
const MEMBER = 0;
const SESSION = 7;

/** A datagram of one frame, in which a member acknowledges a position. */
function acknowledgement(termId: number, termOffset: number, position: number): Uint8Array {
  const bytes = new Uint8Array(FRAME_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setInt32(FRAME_LENGTH_OFFSET, DATA_HEADER_LENGTH + MESSAGE_LENGTH, true);
  view.setUint8(FRAME_FLAGS_OFFSET, DATA_FLAGS_UNFRAGMENTED);
  view.setUint16(FRAME_TYPE_OFFSET, FRAME_TYPE_DATA, true);
  view.setInt32(DATA_TERM_OFFSET_OFFSET, termOffset, true);
  view.setInt32(DATA_SESSION_ID_OFFSET, SESSION, true);
  view.setInt32(DATA_STREAM_ID_OFFSET, CONSENSUS_STREAM_ID, true);
  view.setInt32(DATA_TERM_ID_OFFSET, termId, true);
  new AppendPositionEncoder()
    .wrapAndApplyHeader(view, DATA_HEADER_LENGTH)
    .leadershipTermId(1)
    .logPosition(position)
    .followerMemberId(MEMBER);
  return bytes;
}

/** A wire that writes down the positions that were judged. */
function listening(): { wire: Wire; judged: number[] } {
  const judged: number[] = [];
  const judges = {
    votes: { onTermAcknowledged: () => true },
    promises: { onAcknowledged: () => undefined },
    committed: {
      onTermChange: () => undefined,
      onAcknowledged: (_memberId: number, position: number) => judged.push(position),
    },
    sentLog: {},
  } as unknown as WireJudges;
  return { wire: new Wire(1, judges), judged };
}

for (const firstTermId of [0, 1, -1, 0x7fff_ffff, -0x8000_0000, 0x1234_5678]) {
  test(`each acknowledgement is judged once in a stream that begins at ${firstTermId}`, (t) => {
    const { judged, wire } = listening();
    const send = (term: number, offset: number, position: number): void => {
      const bytes = acknowledgement((firstTermId + term) | 0, offset, position);
      wire.onDatagram(MEMBER, bytes, 0, bytes.length);
    };
    send(0, 0, 100);
    send(0, 64, 101);
    send(0, 128, 102);
    send(0, 64, 101);
    send(0, 65_472, 103);
    send(1, 0, 104);
    send(0, 65_472, 103);
    send(1, 64, 105);
    t.deepEqual(judged, [100, 101, 102, 103, 104, 105]);
    t.end();
  });
}
