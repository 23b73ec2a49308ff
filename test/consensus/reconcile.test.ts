import fc from 'fast-check';
import test from 'tape';
import {
  isPrefixOf,
  ReconcileAction,
  reconcileReply,
  reconcileStep,
} from '../../src/consensus/reconcile.js';
import { TermEntries, type TermEntry } from '../../src/consensus/term-entries.js';
import { Random } from './virtual-events.js';
import { VirtualLog } from './virtual-log.js';

interface History {
  entries: TermEntry[];
  log: VirtualLog;
}

function copy(history: History): History {
  return { entries: [...history.entries], log: new VirtualLog(history.log.frames) };
}

/** Cuts a history at a frame boundary, with the terms that begin before or (maybe) at the cut. */
function cutAt(history: History, frames: number, dropEmptyTerm: boolean): void {
  const end = history.log.frames[frames - 1]?.end ?? 0;
  history.log.truncate(end);
  history.entries = history.entries.filter(
    (entry) =>
      entry.basePosition < end || (entry.basePosition === end && end > 0 && !dropEmptyTerm),
  );
}

/**
 * Grows logs as elections would: each new leader is one of the members, its term begins at the end
 * of its log, and any member then takes some prefix of its log.
 */
function growHistories(random: Random, termCount: number): { leader: History; members: History[] } {
  const members: History[] = Array.from({ length: 5 }, () => ({
    entries: [],
    log: new VirtualLog(),
  }));
  let leader = members[0] as History;
  let frameId = 0;
  let termId = random.below(3);
  for (let round = 0; round < termCount; round++) {
    leader = members[random.below(members.length)] as History;
    leader.entries.push({ termId, basePosition: leader.log.end() });
    for (let count = random.below(5); count > 0; count--) {
      leader.log.append(termId, ++frameId, 32 * (1 + random.below(3)));
    }
    for (const [index, member] of members.entries()) {
      if (member !== leader && random.chance(0.4)) {
        const taken = copy(leader);
        cutAt(taken, random.below(leader.log.frames.length + 1), random.chance(0.5));
        members[index] = taken;
      }
    }
    termId += 1 + random.below(2);
  }
  return { leader, members };
}

/** Runs the rounds between a leader and a follower; returns their number. */
function reconcile(leader: History, follower: History): number {
  const leaderTerms = new TermEntries(leader.entries);
  const terms = new TermEntries(follower.entries);
  for (let round = 1; round <= 200; round++) {
    const reply = reconcileReply(leaderTerms, terms.lastTermId());
    const step = reconcileStep(terms, follower.log.end(), reply);
    switch (step.action) {
      case ReconcileAction.Truncate:
        if (follower.log.hashAt(step.position) === undefined) {
          throw new Error(`cut ${step.position} within a frame`);
        }
        follower.log.truncate(step.position);
        terms.truncate(step.position, step.termId);
        break;
      case ReconcileAction.BeginTerm:
        terms.append(step.termId, step.position);
        break;
      case ReconcileAction.Replicate:
      case ReconcileAction.Live: {
        const limit = step.position === -1 ? leader.log.end() : step.position;
        if (!isPrefixOf(leaderTerms, leader.log.end(), terms.lastTermId(), follower.log.end())) {
          throw new Error('the leader sees no prefix');
        }
        for (const frame of leader.log.slice(follower.log.end(), limit, Number.MAX_SAFE_INTEGER)) {
          if (frame.termId !== step.termId) {
            throw new Error(`a frame of ${frame.termId} while taking ${step.termId}`);
          }
          follower.log.append(frame.termId, frame.id, frame.length);
        }
        if (step.action === ReconcileAction.Live) {
          follower.entries = [...terms.entries()];
          return round;
        }
        break;
      }
      default:
        throw new Error('a fresh answer is never stale');
    }
  }
  throw new Error('the rounds did not end');
}

function commonPrefix(a: VirtualLog, b: VirtualLog): number {
  let index = 0;
  while (
    index < a.frames.length &&
    a.frames[index] !== undefined &&
    a.frames[index]?.hash === b.frames[index]?.hash
  ) {
    index++;
  }
  return a.frames[index - 1]?.end ?? 0;
}

test('the rounds of reconciliation end with exactly the leader log, for random histories', (t) => {
  let truncated = 0;
  let rounds = 0;
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 12 }), (seed, termCount) => {
      const { leader, members } = growHistories(new Random(seed), termCount);
      for (const member of members) {
        const follower = copy(member);
        const kept = commonPrefix(leader.log, follower.log);
        truncated += kept < follower.log.end() ? 1 : 0;
        rounds += reconcile(leader, follower);
        if (follower.log.hashAt(leader.log.end()) !== leader.log.hashAt(leader.log.end())) {
          return false;
        }
        if (JSON.stringify(follower.entries) !== JSON.stringify(leader.entries)) {
          return false;
        }
      }
      return true;
    }),
    { seed: 77, numRuns: 4000 },
  );
  t.ok(truncated > 500, `${truncated} logs had to be cut`);
  t.ok(rounds > 20000, `${rounds} rounds`);
  t.end();
});

test('the rounds never cut below what both logs have in common', (t) => {
  // B13: deleting everything behind the point of comparison drops a committed suffix.
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 12 }), (seed, termCount) => {
      const { leader, members } = growHistories(new Random(seed), termCount);
      for (const member of members) {
        const follower = copy(member);
        const common = commonPrefix(leader.log, follower.log);
        const hash = follower.log.hashAt(common);
        const terms = new TermEntries(follower.entries);
        for (let round = 0; round < 50; round++) {
          const reply = reconcileReply(new TermEntries(leader.entries), terms.lastTermId());
          const step = reconcileStep(terms, follower.log.end(), reply);
          if (step.action !== ReconcileAction.Truncate) {
            break;
          }
          follower.log.truncate(step.position);
          terms.truncate(step.position, step.termId);
          if (follower.log.hashAt(common) !== hash) {
            return false;
          }
        }
      }
      return true;
    }),
    { seed: 78, numRuns: 4000 },
  );
  t.pass('4000 runs');
  t.end();
});

test('an answer that was given for an earlier log end is stale and cuts nothing', (t) => {
  // B13: a delayed answer must not cut what was taken (and acknowledged) since.
  const leader = new TermEntries([
    { termId: 1, basePosition: 0 },
    { termId: 2, basePosition: 96 },
    { termId: 4, basePosition: 192 },
  ]);
  const early = reconcileReply(leader, 1);
  t.deepEqual(early, { logTermId: 1, nextTermId: 2, nextTermBasePosition: 96 });
  const grown = new TermEntries([
    { termId: 1, basePosition: 0 },
    { termId: 2, basePosition: 96 },
  ]);
  t.equal(reconcileStep(grown, 160, early).action, ReconcileAction.Stale);
  const cutBack = new TermEntries([{ termId: 1, basePosition: 0 }]);
  const late = reconcileReply(leader, 3);
  t.equal(reconcileStep(cutBack, 64, late).action, ReconcileAction.Stale);
  t.end();
});

test('a log without the term L is cut at the end of its own last older term', (t) => {
  const leader = new TermEntries([
    { termId: 1, basePosition: 0 },
    { termId: 4, basePosition: 100 },
    { termId: 6, basePosition: 120 },
  ]);
  const own = new TermEntries([
    { termId: 1, basePosition: 0 },
    { termId: 2, basePosition: 150 },
    { termId: 5, basePosition: 200 },
  ]);
  t.deepEqual(reconcileStep(own, 230, reconcileReply(leader, 5)), {
    action: ReconcileAction.Truncate,
    termId: 2,
    position: 200,
  });
  t.end();
});

test('an empty log begins the first term of the leader', (t) => {
  const leader = new TermEntries([{ termId: 3, basePosition: 0 }]);
  const own = new TermEntries([]);
  const step = reconcileStep(own, 0, reconcileReply(leader, own.lastTermId()));
  t.deepEqual(step, { action: ReconcileAction.BeginTerm, termId: 3, position: 0 });
  t.end();
});
