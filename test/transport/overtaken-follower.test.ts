// A follower that the log overtakes more than once while it catches up from the recording.

import test from 'tape';
import { DATA_TERM_ID_OFFSET, DATA_TERM_OFFSET_OFFSET } from '../../assembly/layout/frame.js';
import type { Datagram } from '../support/memory-network.js';
import { areAllAtTail, follower, isDataTo, LogFixture, TERM_LENGTH } from './log-fixture.js';
import { SECOND_NS } from './transport-fixture.js';

/** Position behind the last frame of a datagram. */
function endOf({ bytes }: Datagram): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const begin = view.getInt32(DATA_TERM_ID_OFFSET, true) * TERM_LENGTH;
  return begin + view.getInt32(DATA_TERM_OFFSET_OFFSET, true) + bytes.length;
}

test('a follower that the log overtakes again while it catches up gets no byte twice', (t) => {
  // A burst ends while recorded bytes are left, the next one comes from the buffer, and the log
  // grows so far that the buffer no longer holds what follows: what was left lies before that.
  const sendBurstLength = 7 * 832;
  const fixture = new LogFixture({ followers: 2, config: { sendBurstLength } });
  const late = follower(fixture, 1);
  follower(fixture, 0).join(fixture.publication, 0);
  fixture.appendBytes(300_000, 777);
  fixture.recording.delayTurns = 0;
  let sentEnd = 0;
  let repeatedCount = 0;
  fixture.network.filter = (datagram) => {
    if (isDataTo(late, datagram)) {
      const end = endOf(datagram);
      repeatedCount += end <= sentEnd ? 1 : 0;
      sentEnd = Math.max(sentEnd, end);
    }
    return 1;
  };
  late.join(fixture.publication, 0);
  const isOvertaken = () => {
    const oldest = fixture.publication.oldestPosition();
    if (sentEnd < oldest && sentEnd + sendBurstLength >= oldest) {
      fixture.append(100, 777);
      fixture.turn();
    }
    return sentEnd >= oldest;
  };
  t.ok(fixture.until(isOvertaken, SECOND_NS), 'a burst reaches the buffer');
  const oldest = fixture.publication.oldestPosition();
  t.ok(sentEnd < oldest, `sent to ${sentEnd}, and the buffer holds the log from ${oldest} on`);
  t.ok(
    fixture.until(() => areAllAtTail(fixture), 30 * SECOND_NS),
    'it catches up',
  );
  t.equal(repeatedCount, 0, 'nothing was sent twice');
  t.equal(fixture.transport.counters.sourceFailures, 0, 'nothing was read where no frame is');
  t.equal(fixture.firstDifference(late, 0), -1, 'byte for byte');
  fixture.close();
  t.equal(fixture.arena.allocatedLength, fixture.baselineLength, 'nothing is left');
  t.end();
});
