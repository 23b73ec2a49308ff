// A member whose log the others have purged is given a snapshot and the tail, over a network that
// loses a fifth, from a leader that dies in the middle of it; and refuses to start when nothing is
// left that it could start from.

import { rmSync } from 'node:fs';
import test from 'tape';
import { ExitCode } from '../../src/host/exit-codes.js';
import { Exercise } from './exercise.js';
import { expect, playRows, type RowCase } from './matrix.js';
import type { MemberProcess } from './member-process.js';
import { pause } from './process-cluster.js';
import { runSeed, type SeededRandom } from './random.js';
import { damageSnapshot, SnapshotDamage, snapshotIndexOf } from './snapshot-files.js';

const KIB = 1024;
const GEOMETRY = { termLength: 64 * KIB, segmentLength: 128 * KIB };
const SNAPSHOT_INTERVAL_MS = 300;
const LOSS = { loss: 20 };
const END_TIMEOUT_MS = 10_000;

async function follower(exercise: Exercise, random: SeededRandom): Promise<MemberProcess> {
  const leader = await exercise.cluster.leader();
  return random.pick(exercise.cluster.members.filter((member) => member !== leader));
}

/** Writes until every other member's log begins behind the end of a member that is down. */
async function purgeBeyond(exercise: Exercise, victim: MemberProcess, end: number): Promise<void> {
  const others = exercise.cluster.members.filter((member) => member !== victim);
  for (;;) {
    await exercise.acknowledgeMore(200);
    const indexes = await Promise.all(others.map(({ directory }) => snapshotIndexOf(directory)));
    if (indexes.every(({ logStartPosition }) => logStartPosition > end)) {
      return;
    }
  }
}

async function installAcrossLeaders(exercise: Exercise, random: SeededRandom): Promise<string> {
  const { cluster } = exercise;
  const victim = await follower(exercise, random);
  const end = (await victim.status())?.appendPosition ?? 0;
  await victim.kill();
  await purgeBeyond(exercise, victim, end);
  const others = cluster.members.filter((member) => member !== victim);
  const toVictim = { [victim.memberId]: LOSS };
  await Promise.all(others.map((member) => member.order({ network: toVictim })));
  const leader = await cluster.leader();
  const sentBefore = (await leader.status())?.counters.snapshotBlocksSent ?? 0;
  victim.start();
  await cluster.waitFor('a snapshot on its way', (all) =>
    all.some(
      ({ counters, memberId }) =>
        memberId === leader.memberId && (counters.snapshotBlocksSent ?? 0) > sentBefore,
    ),
  );
  await leader.kill();
  await pause(random.between(0, 500));
  leader.start();
  await exercise.acknowledgeMore(50);
  await Promise.all(others.map((member) => member.order({ network: {} })));
  await cluster.settle();
  const { logStartPosition } = await snapshotIndexOf(victim.directory);
  expect(logStartPosition > end, `its log still begins at ${logStartPosition}, as before ${end}`);
  return (
    `member ${victim.memberId} had ${end}, begins at ${logStartPosition} now; ` +
    `member ${leader.memberId} died while it sent the snapshot`
  );
}

async function nothingLeft(exercise: Exercise, random: SeededRandom): Promise<string> {
  const { cluster } = exercise;
  const victim = await follower(exercise, random);
  await victim.kill();
  for (const entry of (await snapshotIndexOf(victim.directory)).snapshots) {
    damageSnapshot(victim.directory, entry, random.pick(Object.values(SnapshotDamage)), random);
  }
  victim.start();
  const end = await Promise.race([victim.expectEnd(), pause(END_TIMEOUT_MS).then(() => undefined)]);
  expect(end?.code === ExitCode.Corrupt, `it ended with ${end?.code}: ${victim.errorOutput}`);
  expect(
    /no snapshot can be used for what was before it/.test(victim.errorOutput),
    `it said: ${victim.errorOutput}`,
  );
  // The remedy that the message names.
  rmSync(victim.directory, { recursive: true });
  victim.start();
  await cluster.settle();
  return `member ${victim.memberId} refused, and joined anew`;
}

const ROWS: readonly RowCase[] = [
  {
    id: 'S2',
    name: 'a snapshot is installed over a lossy network, and the leader dies meanwhile',
    play: installAcrossLeaders,
  },
  { id: 'D10', name: 'no snapshot can be used and the log is purged', play: nothingLeft },
];

test('a member behind a purged log gets a snapshot and the tail', async (t) => {
  const seed = runSeed();
  t.comment(`seed ${seed}: run again with PAWL_SEED=${seed}`);
  const exercise = await Exercise.start({
    durability: 'page-cache',
    geometry: GEOMETRY,
    seamSeed: seed,
    member: { snapshotIntervalMs: SNAPSHOT_INTERVAL_MS, logRetention: 'snapshots' },
  });
  exercise.isLogKept = false;
  await playRows(t, exercise, ROWS, seed);
});
