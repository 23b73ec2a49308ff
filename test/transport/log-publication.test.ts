// The leader's log: every follower at its own pace, from the buffers or from the recording.

import test from 'tape';
import { BACK_PRESSURED, DATA_TERM_OFFSET_OFFSET } from '../../assembly/layout/frame.js';
import type { Datagram } from '../support/memory-network.js';
import {
  areAllAtTail,
  endpointOf,
  type Follower,
  follower,
  isDataTo,
  LogFixture,
  TERM_LENGTH,
} from './log-fixture.js';
import {
  FrameType,
  frameTypeOf,
  isHeartbeat,
  MILLISECOND_NS,
  SECOND_NS,
} from './transport-fixture.js';

function termOffsetOf({ bytes }: Datagram): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getInt32(DATA_TERM_OFFSET_OFFSET, true);
}

/** A long log that a follower has received; returns what it has asked for again on the way. */
function naksOf(fixture: LogFixture, late: Follower): readonly Datagram[] {
  const naks: Datagram[] = [];
  fixture.network.filter = (datagram) => {
    if (frameTypeOf(datagram) === FrameType.Nak) {
      naks.push(datagram);
    }
    const isLost = naks.length === 0 && isDataTo(late, datagram) && fixture.entropy.below(5) === 0;
    return isLost ? 0 : 1;
  };
  fixture.startAll();
  fixture.appendBytes(50_000, 777);
  fixture.until(() => naks.length > 0, SECOND_NS);
  fixture.appendBytes(400_000, 777);
  if (!fixture.until(() => areAllAtTail(fixture))) {
    throw new Error('the followers lack a part of the log');
  }
  return naks;
}

test('the log reaches every follower byte for byte', (t) => {
  const fixture = new LogFixture({ followers: 2 });
  fixture.startAll();
  t.ok(fixture.appendBytes(600_000, 700), 'the log takes it');
  t.ok(
    fixture.until(() => areAllAtTail(fixture)),
    'both followers have it',
  );
  for (const each of fixture.followers) {
    t.equal(fixture.firstDifference(each, 0), -1, 'the bytes of the recording');
  }
  t.equal(fixture.recording.openCount, 0, 'nothing was read back');
  fixture.close();
  t.equal(fixture.arena.allocatedLength, fixture.baselineLength, 'nothing is left');
  t.end();
});

test('a term starts at a position and takes its first event before anybody joined', (t) => {
  const start = 5 * TERM_LENGTH + 4096;
  const fixture = new LogFixture({ followers: 2, start });
  t.equal(fixture.append(1, 100), 1, 'the first event is appended');
  t.equal(fixture.publication.position(), start + 160, 'at the start position');
  fixture.startAll();
  t.ok(
    fixture.until(() => areAllAtTail(fixture), SECOND_NS),
    'and reaches the followers',
  );
  fixture.close();
  t.end();
});

test('a slow minority does not close the window of the log', (t) => {
  const fixture = new LogFixture({ followers: 2 });
  fixture.startAll();
  fixture.until(() => areAllAtTail(fixture));
  follower(fixture, 1).isConsuming = false;
  t.ok(fixture.appendBytes(1_000_000, 900), 'the log goes on for many buffers');
  t.ok(fixture.until(() => follower(fixture, 0).position === fixture.publication.position()));
  t.ok(follower(fixture, 1).position < TERM_LENGTH, 'the slow one stays behind');
  follower(fixture, 1).isConsuming = true;
  t.ok(
    fixture.until(() => areAllAtTail(fixture), 60 * SECOND_NS),
    'and catches up',
  );
  t.ok(fixture.recording.readCount > 10, 'from the recording');
  t.equal(fixture.firstDifference(follower(fixture, 1), 0), -1, 'without a gap');
  t.ok(fixture.appendBytes(50_000, 900), 'the log goes on');
  t.ok(
    fixture.until(() => areAllAtTail(fixture)),
    'for all',
  );
  fixture.close();
  t.equal(fixture.arena.allocatedLength, fixture.baselineLength, 'the readers are closed');
  t.end();
});

test('without a quorum of receivers the log stops within a window', (t) => {
  const fixture = new LogFixture({ followers: 2 });
  fixture.startAll();
  fixture.until(() => areAllAtTail(fixture));
  for (const each of fixture.followers) {
    each.isConsuming = false;
  }
  t.notOk(fixture.appendBytes(1_000_000, 900), 'the log does not take it');
  t.ok(fixture.publication.position() <= TERM_LENGTH, 'a window was taken');
  t.equal(fixture.publication.offer(new Uint8Array(900), 0, 900), BACK_PRESSURED, 'the code');
  follower(fixture, 0).isConsuming = true;
  t.ok(fixture.appendBytes(500_000, 900), 'one follower of two is a quorum with the leader');
  fixture.close();
  t.end();
});

test('the limit follows the quorum rule in a cluster of five', (t) => {
  const fixture = new LogFixture({ followers: 4 });
  fixture.startAll();
  fixture.until(() => areAllAtTail(fixture));
  follower(fixture, 0).isConsuming = false;
  follower(fixture, 3).isConsuming = false;
  t.ok(fixture.appendBytes(500_000, 900), 'two of four followers are enough');
  fixture.publication.setVoting(2, false);
  t.notOk(fixture.appendBytes(500_000, 900), 'one voting follower is not');
  fixture.publication.setVoting(2, true);
  t.ok(fixture.appendBytes(500_000, 900), 'two are again');
  fixture.close();
  t.end();
});

test('a single member appends without followers, as far as its disk follows', (t) => {
  const fixture = new LogFixture({ followers: 0 });
  t.ok(fixture.appendBytes(1_000_000, 900), 'nobody is waited for');
  fixture.isRecording = false;
  const before = fixture.publication.position();
  t.notOk(fixture.appendBytes(1_000_000, 900), 'a disk without progress stops the log');
  t.ok(fixture.publication.position() - before <= 1.5 * TERM_LENGTH, 'within half the buffer');
  t.ok(fixture.publication.oldestPosition() <= before, 'and nothing unrecorded is overwritten');
  fixture.close();
  t.end();
});

test('an old position is served from the recording, then from the buffer', (t) => {
  const fixture = new LogFixture({ followers: 2 });
  follower(fixture, 0).join(fixture.publication, 0);
  t.ok(fixture.appendBytes(900_000, 333), 'a long log without the second follower');
  t.ok(fixture.publication.oldestPosition() > 0, 'its start is no longer in the buffer');
  const late = follower(fixture, 1);
  late.join(fixture.publication, 0);
  let appended = 0;
  t.ok(
    fixture.until(() => {
      if (appended < 3_000) {
        appended += fixture.append(1, 333);
      }
      return appended >= 3_000 && late.position === fixture.publication.position();
    }, 60 * SECOND_NS),
    'it catches up while the log grows',
  );
  t.equal(fixture.firstDifference(late, 0), -1, 'byte for byte');
  t.ok(
    fixture.until(() => fixture.recording.openCount >= 1),
    'from the recording',
  );
  const reads = fixture.recording.readCount;
  fixture.appendBytes(100_000, 333);
  fixture.until(() => areAllAtTail(fixture));
  t.equal(fixture.recording.readCount, reads, 'and no longer once it is there');
  fixture.close();
  t.equal(fixture.arena.allocatedLength, fixture.baselineLength, 'nothing is left');
  t.end();
});

test('a new term serves positions before its own start from the recording', (t) => {
  const fixture = new LogFixture({ followers: 1 });
  fixture.startAll();
  fixture.appendBytes(200_000, 500);
  fixture.until(() => areAllAtTail(fixture));
  fixture.publication.close();
  const base = fixture.recording.position;
  const next = fixture.openLog(base, 1234);
  next.setQuorumSize(2);
  next.addDestination(1, endpointOf(1));
  const late = follower(fixture, 0);
  late.bytes.fill(0);
  late.join(next, 0);
  t.ok(
    fixture.until(() => late.position === base, 30 * SECOND_NS),
    'all of the old terms',
  );
  t.equal(fixture.firstDifference(late, 0), -1, 'byte for byte');
  t.equal(late.image?.sessionId, 1234, 'under the new session');
  fixture.close();
  t.end();
});

test('a restarted destination announces the new position and ignores the old image', (t) => {
  const fixture = new LogFixture({ followers: 1 });
  fixture.startAll();
  fixture.appendBytes(100_000, 500);
  fixture.until(() => areAllAtTail(fixture));
  const late = follower(fixture, 0);
  const joins: number[] = [];
  for (const position of [0, 532 * 4 + 44 * 4, 0].map((p) => p - (p % 544))) {
    late.join(fixture.publication, position);
    fixture.until(() => late.image !== undefined, SECOND_NS);
    joins.push(late.image?.joinPosition ?? -1);
    fixture.run(MILLISECOND_NS);
  }
  t.deepEqual(joins, [0, 544 * 4, 0], 'each join is where it was asked for');
  t.ok(
    fixture.until(() => areAllAtTail(fixture), 30 * SECOND_NS),
    'the last one catches up',
  );
  t.equal(fixture.firstDifference(late, 0), -1, 'byte for byte');
  fixture.close();
  t.end();
});

for (const isOld of [false, true]) {
  const place = isOld ? 'the recording' : 'the buffer';
  test(`loss on the way to a follower is repaired from ${place}`, (t) => {
    const fixture = new LogFixture({ followers: 2 });
    follower(fixture, 0).join(fixture.publication, 0);
    const late = follower(fixture, 1);
    fixture.network.filter = (datagram) => {
      return isDataTo(late, datagram) && fixture.entropy.below(5) === 0 ? 0 : 1;
    };
    if (!isOld) {
      late.join(fixture.publication, 0);
    }
    t.ok(fixture.appendBytes(400_000, 777), 'the log takes it');
    if (isOld) {
      late.join(fixture.publication, 0);
    }
    t.ok(
      fixture.until(() => areAllAtTail(fixture), 120 * SECOND_NS),
      'the follower has it all',
    );
    t.equal(fixture.firstDifference(late, 0), -1, 'byte for byte');
    const { sourceRepairs, retransmits } = fixture.transport.counters;
    t.ok(isOld ? sourceRepairs > 0 : retransmits > 0, 'by sending again');
    fixture.close();
    t.equal(fixture.arena.allocatedLength, fixture.baselineLength, 'nothing is left');
    t.end();
  });
}

test('a late NAK, for what is purged since its follower has it, is refused', (t) => {
  const fixture = new LogFixture({ followers: 2 });
  const { counters } = fixture.transport;
  const late = follower(fixture, 1);
  const naks = naksOf(fixture, late);
  t.ok(naks.length > 0, 'something was asked for again, and has come');
  fixture.recording.purgedPosition = fixture.publication.oldestPosition();
  const refused = counters.naksRefused;
  for (const nak of naks) {
    fixture.network.deliver(nak);
  }
  fixture.run(100 * MILLISECOND_NS);
  t.ok(counters.naksRefused > refused, 'and counted');
  t.equal(fixture.publication.destinationFailure(2), undefined, 'the follower is still served');
  t.ok(fixture.appendBytes(100_000, 777), 'the log goes on');
  t.ok(
    fixture.until(() => areAllAtTail(fixture)),
    'to all',
  );
  fixture.close();
  t.end();
});

test('what no follower needs may be purged at any time', (t) => {
  const fixture = new LogFixture({ followers: 2 });
  follower(fixture, 0).join(fixture.publication, 0);
  const late = follower(fixture, 1);
  const held: Datagram[] = [];
  fixture.network.filter = (datagram) => {
    const isOld = frameTypeOf(datagram) === FrameType.Nak && fixture.entropy.below(2) === 0;
    if (isOld) {
      held.push(datagram);
    }
    return isDataTo(late, datagram) && fixture.entropy.below(5) === 0 ? 0 : 1;
  };
  t.ok(fixture.appendBytes(1_500_000, 777), 'a long log');
  late.join(fixture.publication, 0);
  t.ok(
    fixture.until(() => {
      const { recording, publication } = fixture;
      const needed = publication.destinationNeeded(late.memberId);
      recording.purgedPosition = Math.max(recording.purgedPosition, needed);
      for (const nak of held.splice(4)) {
        fixture.network.deliver(nak);
      }
      return areAllAtTail(fixture) || fixture.publication.destinationFailure(2) !== undefined;
    }, 120 * SECOND_NS),
    'it comes to an end',
  );
  t.equal(fixture.publication.destinationFailure(2), undefined, 'nothing was missing');
  t.equal(fixture.firstDifference(late, 0), -1, 'byte for byte');
  t.ok(fixture.recording.purgedPosition > 1_000_000, 'most of it is purged');
  t.ok(fixture.transport.counters.sourceRepairs > 0, 'and some was repaired from the recording');
  fixture.close();
  t.end();
});

test('what comes by itself while it is being read again is read no more', (t) => {
  const fixture = new LogFixture({ followers: 2 });
  follower(fixture, 0).join(fixture.publication, 0);
  fixture.appendBytes(400_000, 777);
  const late = follower(fixture, 1);
  const { recording, publication, network } = fixture;
  const { counters } = fixture.transport;
  const held: Datagram[] = [];
  network.filter = (datagram) => {
    // The last one before a frame that is remembered: nothing before that frame is needed then.
    const isLast = isDataTo(late, datagram) && termOffsetOf(datagram) > 60_000;
    const isHeld = isLast && held.length === 0;
    if (isHeld) {
      held.push(datagram);
    }
    return isHeld ? 0 : 1;
  };
  late.join(publication, 0);
  t.ok(
    fixture.until(() => late.image !== undefined && held.length > 0, SECOND_NS),
    'one is held',
  );
  t.ok(
    fixture.until(() => counters.sourceRepairs > 0, SECOND_NS),
    'it is asked for again',
  );
  recording.delayTurns = 1_000_000;
  for (const datagram of held) {
    network.deliver(datagram);
  }
  const sent = publication.destinationPosition(late.memberId);
  t.ok(
    fixture.until(() => publication.destinationConsumed(late.memberId) >= sent, SECOND_NS),
    'it comes meanwhile',
  );
  recording.purgedPosition = publication.destinationNeeded(late.memberId);
  t.ok(recording.purgedPosition > 60_000, 'and the recording holds it no more');
  recording.delayTurns = 3;
  t.ok(
    fixture.until(() => areAllAtTail(fixture), 30 * SECOND_NS),
    'the follower has it all',
  );
  t.equal(publication.destinationFailure(late.memberId), undefined, 'without a failure');
  fixture.close();
  t.end();
});

test('a follower that asks on for what it said to have is told that it cannot be had', (t) => {
  const fixture = new LogFixture({ followers: 2 });
  const late = follower(fixture, 1);
  const naks = naksOf(fixture, late);
  fixture.recording.purgedPosition = fixture.publication.destinationNeeded(late.memberId);
  let count = 0;
  for (; count < 20 && fixture.publication.destinationFailure(2) === undefined; count++) {
    fixture.network.deliver(naks[0] as Datagram);
    fixture.run(100 * MILLISECOND_NS);
  }
  t.equal(count, 9, 'nine times the same');
  t.match(String(fixture.publication.destinationFailure(2)), /cannot be read at/, 'in words');
  fixture.close();
  t.end();
});

test('a recording that cannot be read stops the destination and says so', (t) => {
  const fixture = new LogFixture({ followers: 2 });
  follower(fixture, 0).join(fixture.publication, 0);
  fixture.appendBytes(500_000, 777);
  fixture.recording.isFailing = true;
  follower(fixture, 1).join(fixture.publication, 0);
  t.ok(
    fixture.until(() => fixture.publication.destinationFailure(2) !== undefined, SECOND_NS),
    'the failure is there to be seen',
  );
  t.match(String(fixture.publication.destinationFailure(2)), /cannot be read at 0/, 'in words');
  t.ok(fixture.appendBytes(100_000, 777), 'the log goes on with the other follower');
  fixture.recording.isFailing = false;
  follower(fixture, 1).join(fixture.publication, 0);
  t.ok(
    fixture.until(() => areAllAtTail(fixture), 30 * SECOND_NS),
    'a new start heals it',
  );
  t.equal(fixture.publication.destinationFailure(2), undefined, 'and clears the failure');
  fixture.close();
  t.end();
});

test('a removed destination gives its memory back while it reads', (t) => {
  const fixture = new LogFixture({ followers: 2 });
  follower(fixture, 0).join(fixture.publication, 0);
  fixture.appendBytes(500_000, 777);
  fixture.recording.delayTurns = 1_000_000;
  follower(fixture, 1).join(fixture.publication, 0);
  fixture.until(() => fixture.recording.openCount > 0, SECOND_NS);
  const before = fixture.arena.allocatedLength;
  fixture.publication.removeDestination(2);
  fixture.run(MILLISECOND_NS);
  t.ok(fixture.arena.allocatedLength < before, 'the reader is closed');
  t.ok(fixture.network.sockets.size === 3, 'and the socket');
  fixture.close();
  t.equal(fixture.arena.allocatedLength, fixture.baselineLength, 'nothing is left');
  t.end();
});

test('a closed log ends its followers, and nothing is left', (t) => {
  const fixture = new LogFixture({ followers: 2 });
  fixture.startAll();
  fixture.appendBytes(10_000, 100);
  fixture.until(() => areAllAtTail(fixture));
  fixture.publication.close();
  t.ok(
    fixture.until(
      () => fixture.followers.every((each) => each.image?.isClosed === true),
      SECOND_NS,
    ),
    'the images end',
  );
  t.ok(
    fixture.until(() => fixture.transport.publicationCount === 0, SECOND_NS),
    'the log too',
  );
  fixture.close();
  t.equal(fixture.arena.allocatedLength, fixture.baselineLength, 'nothing is left');
  t.end();
});

test('a frame whose checksum is wrong is not inserted, so that its retransmission is', (t) => {
  const fixture = new LogFixture({ followers: 1 });
  fixture.startAll();
  fixture.until(() => follower(fixture, 0).image !== undefined);
  fixture.network.filter = (datagram) => {
    if (frameTypeOf(datagram) === FrameType.Data && !isHeartbeat(datagram)) {
      const index = 40 + fixture.entropy.below(20);
      const isHit = fixture.entropy.below(4) === 0;
      datagram.bytes[index] = (datagram.bytes[index] as number) ^ (isHit ? 1 : 0);
    }
    return 1;
  };
  t.ok(fixture.appendBytes(100_000, 777), 'the log takes it');
  t.ok(
    fixture.until(() => areAllAtTail(fixture), 60 * SECOND_NS),
    'the follower has it all',
  );
  t.equal(fixture.firstDifference(follower(fixture, 0), 0), -1, 'byte for byte');
  const { checksumMismatches } = follower(fixture, 0).transport.counters;
  t.ok(checksumMismatches > 10, 'the damage was counted');
  fixture.close();
  t.end();
});
