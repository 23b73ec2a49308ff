// Rounds of kill -9 and SIGSTOP at seeded random moments with writes in flight. After each round
// the books are balanced: nothing acknowledged is lost or applied twice, the order of every client
// is kept, no term has two leaders, and all members hold the same log and the same state.

import test, { type Test } from 'tape';
import type { LogGeometry } from '../../src/archive/log-geometry.js';
import { Exercise } from './exercise.js';
import { reportRows } from './matrix.js';
import type { MemberProcess } from './member-process.js';
import { type Durability, LEADER_TIMEOUT_MS, leaderOf, pause } from './process-cluster.js';
import { runSeed, SeededRandom } from './random.js';

const Fault = {
  KillLeader: 'kill leader',
  KillFollower: 'kill follower',
  KillAll: 'kill all',
  FreezeLeader: 'freeze leader',
  StallLeader: 'stall leader',
  FreezeMajority: 'freeze majority',
} as const;
type Fault = (typeof Fault)[keyof typeof Fault];

/** Rows of the fault matrix that a fault stands for. */
const MATRIX_IDS: Readonly<Record<Fault, string>> = {
  [Fault.KillLeader]: 'P1',
  [Fault.KillFollower]: 'P2',
  [Fault.KillAll]: 'P3',
  [Fault.FreezeLeader]: 'P4',
  [Fault.StallLeader]: 'P4',
  [Fault.FreezeMajority]: 'P5',
};

/** How often each fault comes in the rounds of a durability level. */
const DECKS: Readonly<Record<Durability, Readonly<Record<Fault, number>>>> = {
  fsync: {
    [Fault.KillLeader]: 6,
    [Fault.KillFollower]: 4,
    [Fault.KillAll]: 4,
    [Fault.FreezeLeader]: 2,
    [Fault.StallLeader]: 1,
    [Fault.FreezeMajority]: 1,
  },
  'page-cache': {
    [Fault.KillLeader]: 4,
    [Fault.KillFollower]: 3,
    [Fault.KillAll]: 2,
    [Fault.FreezeLeader]: 1,
    [Fault.StallLeader]: 1,
    [Fault.FreezeMajority]: 1,
  },
};

/** The same with services on threads of their own: fewer rounds, as only the hand-over is new. */
const DEDICATED_DECK: Readonly<Record<Fault, number>> = {
  [Fault.KillLeader]: 3,
  [Fault.KillFollower]: 2,
  [Fault.KillAll]: 1,
  [Fault.FreezeLeader]: 1,
  [Fault.StallLeader]: 1,
  [Fault.FreezeMajority]: 1,
};

type Threads = 'shared' | 'dedicated';

const KIB = 1024;
/** One log of usual proportions, and one so small that a restarted member needs the archive. */
const GEOMETRIES: Readonly<Record<Durability, LogGeometry>> = {
  fsync: { termLength: 256 * KIB, segmentLength: 1024 * KIB },
  'page-cache': { termLength: 64 * KIB, segmentLength: 128 * KIB },
};

const BEFORE_FAULT_MS = 400;
const DOWN_MS = 1_200;
const RESTART_GAP_MS = 150;
const UNDER_WAY_MS = 300;
const AGAIN_PERCENT = 30;
const AGAIN_MS = 600;
const MESSAGES_AFTER_FAULT = 20;

async function killAndRestart(
  random: SeededRandom,
  victims: readonly MemberProcess[],
): Promise<string> {
  await Promise.all(victims.map((member) => member.kill()));
  await pause(random.between(0, DOWN_MS));
  for (const member of random.shuffled(victims)) {
    member.start();
    await pause(random.between(0, RESTART_GAP_MS));
  }
  // Now and then one dies again while it recovers, elects or catches up.
  if (random.chance(AGAIN_PERCENT)) {
    const member = random.pick(victims);
    await pause(random.between(0, AGAIN_MS));
    await member.kill();
    member.start();
    return ' and again';
  }
  return '';
}

/** A leader that slept through its own fall may not commit anything when it wakes. */
async function freezeAndThaw(
  exercise: Exercise,
  random: SeededRandom,
  leader: MemberProcess,
): Promise<string> {
  const before = leaderOf(await exercise.cluster.statuses())?.leadershipTermId ?? -1;
  leader.freeze();
  const others = exercise.cluster.members.filter((member) => member !== leader);
  await exercise.cluster.waitFor('a new leader while the old one is frozen', (statuses) => {
    const next = leaderOf(statuses.filter((one) => one.memberId !== leader.memberId));
    return next !== undefined && next.leadershipTermId > before;
  });
  await pause(random.between(0, 2 * LEADER_TIMEOUT_MS));
  leader.thaw();
  return `until one of ${others.map((member) => member.memberId).join(', ')} led`;
}

/** Nothing may be acknowledged while two of three members stand still. */
async function freezeMajority(exercise: Exercise, random: SeededRandom): Promise<string> {
  const frozen = random.shuffled(exercise.cluster.members).slice(0, 2);
  for (const member of frozen) {
    member.freeze();
  }
  // What they had acknowledged before may still be under way to the clients.
  await pause(UNDER_WAY_MS);
  const before = exercise.acknowledgedCount;
  await pause(random.between(LEADER_TIMEOUT_MS / 2, 2 * LEADER_TIMEOUT_MS));
  const count = exercise.acknowledgedCount - before;
  for (const member of random.shuffled(frozen)) {
    member.thaw();
    await pause(random.between(0, RESTART_GAP_MS));
  }
  if (count > 0) {
    throw new Error(`${count} messages were acknowledged without a quorum`);
  }
  return `members ${frozen.map((member) => member.memberId).join(', ')}`;
}

async function inflict(exercise: Exercise, random: SeededRandom, fault: Fault): Promise<string> {
  const { cluster } = exercise;
  const leader = await cluster.leader();
  await pause(random.between(0, BEFORE_FAULT_MS));
  const followers = cluster.members.filter((member) => member !== leader);
  switch (fault) {
    case Fault.KillLeader:
      return `member ${leader.memberId}${await killAndRestart(random, [leader])}`;
    case Fault.KillFollower: {
      const victim = random.pick(followers);
      return `member ${victim.memberId}${await killAndRestart(random, [victim])}`;
    }
    case Fault.KillAll:
      return `members 0, 1, 2${await killAndRestart(random, cluster.members)}`;
    case Fault.FreezeMajority:
      return freezeMajority(exercise, random);
    case Fault.StallLeader:
      leader.freeze();
      await pause(random.between(20, LEADER_TIMEOUT_MS / 3));
      leader.thaw();
      return `member ${leader.memberId}, too short for anybody to miss it`;
    case Fault.FreezeLeader:
      return `member ${leader.memberId} ${await freezeAndThaw(exercise, random, leader)}`;
  }
}

/** Plays one round; answers whether everything held. */
async function playRound(
  t: Test,
  exercise: Exercise,
  fault: Fault,
  name: string,
  seed: number,
): Promise<boolean> {
  const startedMs = Date.now();
  const random = new SeededRandom(seed);
  exercise.resume();
  await exercise.acknowledgeMore(1);
  const victim = await inflict(exercise, random, fault);
  await exercise.acknowledgeMore(MESSAGES_AFTER_FAULT);
  const { problems, text } = await exercise.balance();
  const seconds = ((Date.now() - startedMs) / 1_000).toFixed(1);
  t.comment(`${name}, seed ${seed}: ${fault} (${victim}): ${text}; ${seconds} s`);
  t.deepEqual(problems, [], `${name}: after ${fault} the books balance`);
  return problems.length === 0;
}

async function playRounds(
  t: Test,
  durability: Durability,
  seed: number,
  threads: Threads = 'shared',
): Promise<void> {
  const counts = threads === 'dedicated' ? DEDICATED_DECK : DECKS[durability];
  const deck = Object.entries(counts).flatMap(([fault, count]) =>
    Array.from({ length: count }, () => fault as Fault),
  );
  const faults = new SeededRandom(seed).shuffled(deck);
  const failed = new Set<Fault>(faults);
  const geometry = GEOMETRIES[durability];
  const exercise = await Exercise.start({ durability, geometry, member: { threads } });
  try {
    for (const [index, fault] of faults.entries()) {
      failed.add(fault);
      const name = `${durability} round ${index + 1} of ${faults.length}`;
      if (await playRound(t, exercise, fault, name, seed + 1 + index)) {
        failed.delete(fault);
      } else {
        break;
      }
    }
    const { recordedCount } = exercise.history;
    t.deepEqual(exercise.history.judge(), [], `${recordedCount} operations are linearizable`);
    t.ok(recordedCount > faults.length, 'and they are enough to judge');
    t.ok(exercise.audit.leaders.size > 1, `${exercise.audit.leaders.size} terms, one leader each`);
  } finally {
    await exercise.dispose();
    reportRows(
      t,
      Object.values(Fault).map((fault) => ({
        id: MATRIX_IDS[fault],
        name: `${fault}, ${durability}${threads === 'dedicated' ? ', dedicated threads' : ''}`,
        passed: !failed.has(fault),
      })),
    );
  }
}

const seed = runSeed();

test('a cluster at level fsync survives kills and freezes of its members', async (t) => {
  t.comment(`seed ${seed}: run again with PAWL_SEED=${seed}`);
  await playRounds(t, 'fsync', seed);
});

test('a cluster at level page-cache survives kills and freezes of its members', async (t) => {
  t.comment(`seed ${seed}: run again with PAWL_SEED=${seed}`);
  await playRounds(t, 'page-cache', seed + 1_000);
});

test('members whose services have threads of their own survive the same', async (t) => {
  t.comment(`seed ${seed}: run again with PAWL_SEED=${seed}`);
  await playRounds(t, 'fsync', seed + 2_000, 'dedicated');
});
