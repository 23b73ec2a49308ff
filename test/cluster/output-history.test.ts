// output-history.test.ts: hashes by position, and how the first difference is found.

import fc from 'fast-check';
import test from 'tape';
import { oddMembers } from '../../src/cluster/divergence.js';
import {
  CHECKPOINT_LENGTH,
  HISTORY_COUNT_MAX,
  OutputHistory,
} from '../../src/cluster/output-history.js';
import { PeerOutputs } from '../../src/cluster/peer-outputs.js';
import { Arena } from '../../src/memory/arena.js';

const ARENA_LENGTH = 1024 * 1024;
const NOTHING = { low: 0, high: 0 };

function historyOf(positions: readonly number[], hashAt: (index: number) => number): OutputHistory {
  const history = new OutputHistory(Arena.create(ARENA_LENGTH));
  history.begin(0, NOTHING);
  positions.forEach((position, index) => {
    history.record(position, hashAt(index), 1);
  });
  return history;
}

/** Positions of events, from their distances. */
function positionsOf(distances: readonly number[]): number[] {
  let position = 0;
  return distances.map((distance) => {
    position += 32 * distance;
    return position;
  });
}

test('a hash holds from its event up to the next one', (t) => {
  const history = historyOf([64, 128, 320], (index) => index + 10);
  const at = (position: number) => history.at(position, 400)?.low;
  t.deepEqual([0, 32, 64, 96, 128, 319, 320, 400].map(at), [0, 0, 10, 10, 11, 11, 12, 12]);
  t.equal(history.at(432, 400), undefined, 'the service has not come so far');
  t.end();
});

test('without a known beginning nothing is known', (t) => {
  const history = new OutputHistory(Arena.create(ARENA_LENGTH));
  history.record(64, 1, 1);
  t.equal(history.at(64, 64), undefined);
  t.notOk(history.isKnown);
  history.begin(96, { low: 7, high: 8 });
  t.equal(history.at(64, 96), undefined, 'what lies before the beginning is not known');
  t.deepEqual(history.at(96, 96), { low: 7, high: 8 });
  t.end();
});

test('single events are forgotten before checkpoints are', (t) => {
  const count = HISTORY_COUNT_MAX + 10_000;
  const positions = Array.from({ length: count }, (_, index) => (index + 1) * 64);
  const history = historyOf(positions, (index) => index);
  const end = count * 64;
  t.equal(history.at(64, end), undefined, 'an old event is forgotten');
  t.equal(history.at(CHECKPOINT_LENGTH, end)?.low, CHECKPOINT_LENGTH / 64 - 1);
  t.equal(history.at(4 * CHECKPOINT_LENGTH, end)?.low, (4 * CHECKPOINT_LENGTH) / 64 - 1);
  t.equal(history.at(end - 64, end)?.low, count - 2, 'a new one is not');
  t.end();
});

test('halving finds the first event that differs, also one that only one member answers', (t) => {
  const run = fc.record({
    distances: fc.array(fc.integer({ min: 1, max: 4_000 }), { minLength: 1, maxLength: 200 }),
    first: fc.nat(),
    isSilent: fc.boolean(),
    toldBefore: fc.array(fc.nat(), { maxLength: 5 }),
  });
  fc.assert(
    fc.property(run, ({ distances, first, isSilent, toldBefore }) => {
      const positions = positionsOf(distances);
      const odd = first % positions.length;
      const end = positions.at(-1) as number;
      const own = historyOf(positions, (index) => index + 1);
      const isOther = (index: number) => index >= odd;
      const spoken = isSilent ? positions.filter((_, index) => index !== odd) : positions;
      const other = historyOf(spoken, (index) =>
        isOther(isSilent && index >= odd ? index + 1 : index) ? index + 900_000 : index + 1,
      );
      const peer = new PeerOutputs(1);
      const learn = (position: number): void => {
        const [mine, its] = [own.at(position, end), other.at(position, end)];
        if (mine?.low === its?.low) {
          peer.onEqual(position);
        } else {
          peer.onDifferent(position, its ?? NOTHING);
        }
      };
      const differing = positions[odd] as number;
      for (const told of toldBefore.map((index) => positions[index % odd] ?? 0)) {
        peer.onEqual(told);
      }
      learn(end);
      let probes = 0;
      for (let probe = peer.nextProbe(); probe !== undefined; probe = peer.nextProbe()) {
        learn(probe);
        probes++;
      }
      const found = peer.firstDifference();
      return found.position === differing && found.isExact && probes <= 40;
    }),
    { numRuns: 300 },
  );
  t.pass('300 histories');
  t.end();
});

test('what is forgotten makes the answer less exact, never wrong', (t) => {
  const peer = new PeerOutputs(1);
  peer.onDifferent(10 * CHECKPOINT_LENGTH + 640, NOTHING);
  const differing = 3 * CHECKPOINT_LENGTH + 96;
  for (let probe = peer.nextProbe(); probe !== undefined; probe = peer.nextProbe()) {
    if (probe % CHECKPOINT_LENGTH !== 0) {
      peer.onForgotten(probe);
    } else if (probe < differing) {
      peer.onEqual(probe);
    } else {
      peer.onDifferent(probe, NOTHING);
    }
  }
  t.deepEqual(peer.firstDifference(), {
    position: 4 * CHECKPOINT_LENGTH,
    equalAt: 3 * CHECKPOINT_LENGTH,
    isExact: false,
  });
  peer.onEqual(20 * CHECKPOINT_LENGTH);
  t.notOk(peer.differs, 'one that is equal later has started anew');
  t.end();
});

test('a majority of the whole cluster says who is odd', (t) => {
  const hashes = (...values: number[]) =>
    new Map(values.map((low, memberId) => [memberId, { low, high: 0 }]));
  t.deepEqual(oddMembers(hashes(1, 1, 2), 3), [2]);
  t.deepEqual(oddMembers(hashes(2, 1, 3, 1, 1), 5), [0, 2]);
  t.equal(oddMembers(hashes(1, 2), 3), undefined, 'one against one');
  t.equal(oddMembers(hashes(1, 2), 2), undefined);
  t.equal(oddMembers(hashes(1, 2, 3), 3), undefined);
  t.equal(oddMembers(hashes(1, 1, 2), 5), undefined, 'two of five are no majority');
  t.end();
});
