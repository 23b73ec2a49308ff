// Clocks that lie: wall clocks that jump by an hour or ten years, monotonic clocks that run a fifth
// too fast or too slow, wall clocks that change ten times a second; and timers across all that ends
// a leader. Elections follow the monotonic clock alone, log time never goes back, and no jump of a
// single wall clock moves it.

import test from 'tape';
import { Exercise, ledgerCounts } from './exercise.js';
import { expect, playRows, type RowCase } from './matrix.js';
import { LEADER_TIMEOUT_MS, leaderOf, pause } from './process-cluster.js';
import { runSeed, type SeededRandom } from './random.js';
import { TimerWorkload } from './workload.js';

const HOUR_MS = 3_600_000;
const TEN_YEARS_MS = 10 * 365 * 24 * HOUR_MS;
const JUMPS_MS = [HOUR_MS, -HOUR_MS, TEN_YEARS_MS, -TEN_YEARS_MS] as const;
const BETWEEN_JUMPS_MS = 300;
const STROBE_MS = 2_500;
const SKEWED_MS = 4_000;
/** How far log time may be from true time: what slewing and the messages' way take. */
const LOG_TIME_ERROR_MAX_MS = 5_000;

async function termOf(exercise: Exercise): Promise<number> {
  return leaderOf(await exercise.cluster.statuses())?.leadershipTermId ?? -1;
}

/** Kills the leader and waits for the next one. */
async function killLeader(exercise: Exercise): Promise<number> {
  const { cluster } = exercise;
  const leader = await cluster.leader();
  const before = await termOf(exercise);
  await leader.kill();
  await cluster.waitFor('the next leader', (all) => {
    return (leaderOf(all)?.leadershipTermId ?? -1) > before;
  });
  leader.start();
  return leader.memberId;
}

/** The last message was stamped with the time at which it was sent, as others know it. */
async function expectLogTime(exercise: Exercise): Promise<string> {
  await exercise.acknowledgeMore(10);
  const fromMs = Date.now();
  await exercise.balance();
  const { timestampMs } = exercise.audit;
  const errorMs = Math.max(0, fromMs - timestampMs, timestampMs - Date.now());
  expect(
    errorMs < LOG_TIME_ERROR_MAX_MS,
    `log time is ${errorMs} ms from the time of those whose clocks agree`,
  );
  exercise.resume();
  return `log time within ${errorMs} ms`;
}

async function jump(exercise: Exercise, random: SeededRandom): Promise<string> {
  const { cluster } = exercise;
  const before = await termOf(exercise);
  for (const wallMs of random.shuffled(JUMPS_MS)) {
    // One clock at a time is wrong, the leader's as well.
    const victim = random.pick(cluster.members);
    await victim.order({ wallMs });
    await pause(random.between(0, BETWEEN_JUMPS_MS));
    await exercise.acknowledgeMore(10);
    await victim.order({ wallMs: 0 });
  }
  expect((await termOf(exercise)) === before, 'a wall clock that jumps ends no leadership');
  // The next leader begins its term with a clock that is ten years off.
  const leader = await cluster.leader();
  const wallMs = random.pick([TEN_YEARS_MS, -TEN_YEARS_MS]);
  const liar = random.pick(cluster.members.filter((member) => member !== leader));
  await liar.order({ wallMs });
  const dead = await killLeader(exercise);
  const told = await expectLogTime(exercise);
  await liar.order({ wallMs: 0 });
  return `member ${liar.memberId} off by ${wallMs} ms while ${dead} was killed: ${told}`;
}

async function strobe(exercise: Exercise, random: SeededRandom): Promise<string> {
  const { cluster } = exercise;
  const before = await termOf(exercise);
  const strobed = random.shuffled(cluster.members).slice(0, 2);
  await Promise.all(strobed.map((member) => member.order({ strobeMs: HOUR_MS })));
  await pause(STROBE_MS);
  expect((await termOf(exercise)) === before, 'a strobing wall clock ends no leadership');
  await killLeader(exercise);
  await exercise.acknowledgeMore(10);
  await Promise.all(cluster.members.map((member) => member.order({ strobeMs: 0 })));
  return `the clocks of ${strobed.map((member) => member.memberId).join(' and ')}`;
}

const seed = runSeed();
const RATES = ['0.8', '1.2', '1'] as const;

test('wall clocks that jump move neither leaders nor log time', async (t) => {
  t.comment(`seed ${seed}: run again with PAWL_SEED=${seed}`);
  const exercise = await Exercise.start({ durability: 'page-cache', seamSeed: seed });
  const rows: readonly RowCase[] = [
    { id: 'C1', name: 'wall clocks jump by an hour and by ten years', play: jump },
    { id: 'C3', name: 'two wall clocks change by an hour at 10 Hz', play: strobe },
  ];
  await playRows(t, exercise, rows, seed);
});

test('monotonic clocks that differ by two fifths cost no election', async (t) => {
  t.comment(`seed ${seed}: run again with PAWL_SEED=${seed}`);
  const exercise = await Exercise.start({
    durability: 'page-cache',
    seamSeed: seed,
    environment: (memberId) => ({ PAWL_TEST_RATE: RATES[memberId] ?? '1' }),
  });
  const skew: RowCase['play'] = async (_exercise, random) => {
    const before = await termOf(exercise);
    await pause(SKEWED_MS);
    const after = await termOf(exercise);
    expect(after - before <= 1, `${after - before} elections without a reason`);
    const dead = await killLeader(exercise);
    await exercise.acknowledgeMore(random.between(10, 100));
    return `rates ${RATES.join(', ')}, ${after - before} elections, then ${dead} killed`;
  };
  await playRows(
    t,
    exercise,
    [{ id: 'C2', name: 'clock rates of 0.8, 1.2 and 1', play: skew }],
    seed,
  );
});

/** Longest delay of a timer, and what the log needs to bring it. */
const TIMERS_END_MS = 10_000;

async function endLeaders(exercise: Exercise, random: SeededRandom): Promise<string> {
  const { cluster } = exercise;
  const killed: number[] = [];
  for (let count = 0; count < 3; count++) {
    await pause(random.between(100, 800));
    killed.push(await killLeader(exercise));
    await exercise.acknowledgeMore(20);
  }
  const leader = await cluster.leader();
  leader.freeze();
  await cluster.waitFor('a leader beside the frozen one', (all) =>
    all.some((one) => one.isIngressOpen && one.memberId !== leader.memberId),
  );
  await pause(random.between(0, LEADER_TIMEOUT_MS));
  leader.thaw();
  await exercise.acknowledgeMore(20);
  await exercise.balance();
  const statuses = await cluster.waitFor(
    'all timers to have fired',
    (all) => all.length === 3 && all.every((one) => ledgerCounts(one).pending === 0),
    TIMERS_END_MS,
  );
  const { cancelled, fired } = ledgerCounts(statuses[0]);
  expect(fired > 0 && cancelled > 0, `${fired} timers fired and ${cancelled} were cancelled`);
  return `${killed.join(', ')} killed, ${leader.memberId} frozen: ${fired} fired, ${cancelled} not`;
}

test('timers fire once or are cancelled, whatever happens to leaders', async (t) => {
  t.comment(`seed ${seed}: run again with PAWL_SEED=${seed}`);
  const exercise = await Exercise.start({ durability: 'fsync' }, new TimerWorkload());
  const row = { id: 'C4', name: 'timers across kills and a frozen leader', play: endLeaders };
  await playRows(t, exercise, [row], seed);
});
