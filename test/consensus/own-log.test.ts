// What consensus knows of the member's own log: how much of it may be acknowledged.

import test from 'tape';
import type { RecoveredState } from '../../src/consensus/election-effects.js';
import { LogPhase, OwnLog } from '../../src/consensus/own-log.js';
import { MEMBER_NULL, POSITION_NULL, type Position, TERM_NULL } from '../../src/position.js';

const DURABLE = 6_400;
const TERM = 3;

/** A log, and what it asked for. */
interface AskedLog {
  readonly log: OwnLog;
  readonly asked: string[];
}

/** The log of a start that found it damaged from a position on. */
function damagedLog(damagedPosition: Position): OwnLog {
  return recoveredLog(damagedPosition).log;
}

function recoveredLog(damagedPosition = Number.POSITIVE_INFINITY): AskedLog {
  const asked: string[] = [];
  const recovered: RecoveredState = {
    nodeState: {
      candidateTermId: TERM,
      votedForMemberId: MEMBER_NULL,
      voting: true,
      admittedTermId: TERM_NULL,
      admittedPosition: POSITION_NULL,
      incarnations: [],
    },
    termEntries: [{ termId: TERM, basePosition: 0 }],
    durablePosition: DURABLE,
    commitPosition: 960,
    incarnation: 1n,
    damagedPosition,
  };
  const log = new OwnLog(recovered, {
    stopLog: () => asked.push('stop'),
    truncateLog: () => asked.push('truncate'),
    appendTermEntry: () => asked.push('entry'),
    openLeaderLog: () => asked.push('open'),
    joinLog: () => asked.push('join'),
  });
  return { log, asked };
}

/** The log of a leader that is about to open, and what is asked for from then on. */
function openingLog(): AskedLog {
  const { log, asked } = recoveredLog();
  log.appendEntry(TERM + 1, DURABLE);
  log.onTermEntryAppended();
  log.openLeaderLog(TERM + 1);
  asked.length = 0;
  return { log, asked };
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

test('a log that has not opened yet is stopped at once, and ends where it ended', (t) => {
  const { log, asked } = openingLog();
  log.stop();
  log.stop();
  t.deepEqual(asked, ['stop'], 'the opening is given up, once');
  t.equal(log.phase(), LogPhase.GivingUpOpening);
  t.notOk(log.isStopped(), 'what was begun for it may still be under way');
  log.onStopped(DURABLE);
  t.deepEqual(log.end(), { termId: TERM + 1, position: DURABLE });
  t.throws(() => log.onLeaderLogOpened(7, DURABLE + 96), /was asked for/, 'it opens no more');
  t.end();
});

test('a log that was opened in the very turn that stops it is stopped like any other', (t) => {
  const { log, asked } = openingLog();
  log.onLeaderLogOpened(7, DURABLE + 96);
  log.stop();
  t.deepEqual(asked, ['stop']);
  log.onStopped(DURABLE + 96);
  t.deepEqual(log.end(), { termId: TERM + 1, position: DURABLE + 96 }, 'its event is in it');
  t.end();
});

test('an opening that was given up has recorded nothing', (t) => {
  const { log } = openingLog();
  log.stop();
  t.notOk(log.onProgress(DURABLE + 96, DURABLE + 96), 'no recorder speaks of it');
  t.equal(log.durablePosition(), DURABLE);
  t.throws(() => log.onStopped(DURABLE + 96), /never opened/);
  t.end();
});

test('a log that is sealed ends where it did, whatever is recorded and wherever it stops', (t) => {
  const log = damagedLog(DURABLE);
  log.onRepaired();
  log.join({
    leaderMemberId: 1,
    termId: TERM,
    logTermId: TERM,
    logSessionId: 9,
    position: DURABLE,
    limitPosition: POSITION_NULL,
  });
  t.ok(log.onProgress(DURABLE + 320, DURABLE + 640), 'it moves');
  t.notOk(log.sealBelow(DURABLE + 320), 'it has come so far');
  t.ok(log.onProgress(DURABLE + 640, DURABLE + 640), 'and so it moves on');
  t.ok(log.sealBelow(DURABLE + 672), 'it ends below that');
  t.notOk(log.onProgress(DURABLE + 960, DURABLE + 960), 'it moves no more');
  log.onCommitted(DURABLE + 960);
  t.deepEqual(
    [log.soundPosition(), log.durablePosition(), log.appendPosition(), log.committedPosition()],
    [DURABLE + 640, DURABLE + 640, DURABLE + 640, DURABLE + 640],
  );
  log.stop();
  log.onStopped(DURABLE + 960);
  t.equal(log.soundPosition(), DURABLE + 640, 'what was recorded meanwhile is not told either');
  t.notOk(log.isStopped(), 'nor is its end');
  t.end();
});

test('a log that is sealed and has not grown can be stopped and cut', (t) => {
  const log = damagedLog(DURABLE);
  t.ok(log.sealBelow(DURABLE + 32), 'it ends below that');
  cut(log, 3_200);
  t.equal(log.end().position, 3_200, 'the cut counts');
  log.appendEntry(TERM + 1, 3_200);
  log.onTermEntryAppended();
  log.join({
    leaderMemberId: 1,
    termId: TERM + 1,
    logTermId: TERM + 1,
    logSessionId: 9,
    position: 3_200,
    limitPosition: POSITION_NULL,
  });
  t.notOk(log.onProgress(DURABLE + 320, DURABLE + 320), 'it does not grow again');
  log.stop();
  log.onStopped(3_200);
  t.equal(log.end().position, 3_200, 'its end is told');
  t.end();
});
