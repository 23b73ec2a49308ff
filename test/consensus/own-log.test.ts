// What consensus knows of the member's own log: how much of it may be acknowledged.

import test from 'tape';
import type { RecoveredState } from '../../src/consensus/election-effects.js';
import { OwnLog } from '../../src/consensus/own-log.js';
import { MEMBER_NULL, POSITION_NULL, type Position, TERM_NULL } from '../../src/position.js';

const DURABLE = 6_400;
const TERM = 3;

/** The log of a start that found it damaged from a position on. */
function damagedLog(damagedPosition: Position): OwnLog {
  const recovered: RecoveredState = {
    nodeState: {
      candidateTermId: TERM,
      votedForMemberId: MEMBER_NULL,
      voting: true,
      admittedTermId: TERM_NULL,
      incarnations: [],
    },
    termEntries: [{ termId: TERM, basePosition: 0 }],
    durablePosition: DURABLE,
    commitPosition: 960,
    incarnation: 1n,
    damagedPosition,
  };
  return new OwnLog(recovered, {
    stopLog: () => undefined,
    truncateLog: () => undefined,
    appendTermEntry: () => undefined,
    openLeaderLog: () => undefined,
    joinLog: () => undefined,
  });
}

function cut(log: OwnLog, position: Position): void {
  log.truncate(position, TERM);
  log.onTruncated();
}

test('what lies behind damage is not acknowledged until it is repaired', (t) => {
  const log = damagedLog(3_200);
  t.equal(log.soundPosition(), 3_200);
  log.onRepaired();
  t.equal(log.soundPosition(), DURABLE);
  t.end();
});

test('damage that a cut has taken away limits no acknowledgement of the log that follows', (t) => {
  for (const position of [960, 3_200]) {
    const log = damagedLog(3_200);
    cut(log, position);
    log.appendEntry(TERM + 1, position);
    log.onTermEntryAppended();
    log.join({
      leaderMemberId: 1,
      termId: TERM + 1,
      logTermId: TERM + 1,
      position,
      limitPosition: POSITION_NULL,
      logSessionId: 7,
    });
    log.onProgress(4_800, 4_800);
    t.equal(log.soundPosition(), 4_800, `cut at ${position}`);
  }
  t.end();
});

test('damage before a cut stays', (t) => {
  const log = damagedLog(3_200);
  cut(log, 4_800);
  t.equal(log.soundPosition(), 3_200);
  t.end();
});
