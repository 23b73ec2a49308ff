// commit-position.ts: the position that a quorum has reached, against counting by hand.

import { CommitTracker } from '../../../src/consensus/commit-tracker.js';
import { quorumPosition, quorumSize } from '../../../src/consensus/quorum.js';
import { Arena } from '../../../src/memory/arena.js';
import { POSITION_NULL } from '../../../src/position.js';
import { Choices, type FuzzTarget, hold, randomBytes } from '../fuzz-target.js';

const STRIDE = 64;
const MEMBER_COUNT_MAX = 7;
const EVENT_END = 320;

/** The greatest position that at least `count` members have reached, found by counting. */
function reachedBy(positions: readonly number[], count: number): number {
  let best = POSITION_NULL;
  for (const candidate of positions) {
    const holders = positions.filter((position) => position >= candidate).length;
    if (holders >= count && candidate > best) {
      best = candidate;
    }
  }
  return best;
}

/** A position: often one of a few, so that members meet; sometimes near the limits. */
function positionOf(choices: Choices): number {
  const kind = choices.byte();
  if (kind < 24) {
    return POSITION_NULL;
  }
  if (kind < 40) {
    return Number.MAX_SAFE_INTEGER - 31 - choices.below(4) * 32;
  }
  return kind < 200 ? choices.below(32) * 32 : choices.uint32() * 32;
}

export function commitPositionTarget(): FuzzTarget {
  const arena = Arena.create(4 * 1024 * 1024);
  const counters = arena.allocate(STRIDE * MEMBER_COUNT_MAX);
  return {
    name: 'commit-position',
    generate: (random) => randomBytes(random, 16 + random.below(200)),
    run(input) {
      const choices = new Choices(input);
      const memberCount = 1 + (choices.byte() % MEMBER_COUNT_MAX);
      const quorum = quorumSize(memberCount);
      hold(quorum * 2 > memberCount, 'two quorums meet');
      const ids = Array.from({ length: memberCount }, (_, id) => id);
      const own = choices.byte() % memberCount;
      const tracker = new CommitTracker(5, ids, own, EVENT_END, choices.below(10) * 32, 0);
      const best = ids.map(() => POSITION_NULL);
      let committed = tracker.commitPosition();
      let moves = 0;
      for (let step = 0; step < 64 && choices.hasMore; step++) {
        const id = choices.byte() % (memberCount + 1);
        const position = positionOf(choices);
        const termId = choices.byte() < 230 ? 5 : choices.below(10);
        if (choices.byte() < 16 && id !== own) {
          tracker.forget(id);
          if (id < memberCount) best[id] = POSITION_NULL;
        } else if (id === own) {
          tracker.onOwnDurablePosition(position);
          best[id] = Math.max(best[id] ?? POSITION_NULL, position);
        } else {
          const counted = tracker.onAppendPosition(id, termId, position, step);
          hold(counted === (termId === 5 && id < memberCount), 'positions of this term count');
          if (counted) best[id] = Math.max(best[id] ?? POSITION_NULL, position);
        }
        const reached = reachedBy(best, quorum);
        hold(
          quorumPosition(Float64Array.from(best), new Float64Array(memberCount)) === reached,
          `a quorum of ${best.join(' ')} has reached ${reached}`,
        );
        for (const [index, value] of best.entries()) {
          arena.core.counterSet(counters + index * STRIDE, value);
        }
        hold(
          arena.core.quorumPosition(counters, memberCount, STRIDE, quorum) === reached,
          `core.wasm agrees on ${best.join(' ')}`,
        );
        const expected = reached >= EVENT_END ? Math.max(committed, reached) : committed;
        const moved = tracker.advance();
        hold(tracker.commitPosition() === expected, `${expected} is committed`);
        hold(moved === expected > committed, 'a move is told');
        moves += moved ? 1 : 0;
        committed = expected;
      }
      return `${memberCount} members, ${moves} moves, ${committed >= EVENT_END}`;
    },
  };
}
