// The end of a log that a crash has torn: cut, zeroed or overwritten at random sectors above the
// durable mark. The member starts without help, votes, and has the whole log again.

import test, { type Test } from 'tape';
import { damageTail, TailDamage } from './damage.js';
import { Exercise } from './exercise.js';
import { reportRows } from './matrix.js';
import type { MemberProcess } from './member-process.js';
import { type Durability, pause } from './process-cluster.js';
import { runSeed, SeededRandom } from './random.js';

const BEFORE_KILL_MS = 300;
const MESSAGES = 50;

async function chooseVictim(exercise: Exercise, random: SeededRandom): Promise<MemberProcess> {
  const leader = await exercise.cluster.leader();
  const followers = exercise.cluster.members.filter((member) => member !== leader);
  return random.chance(40) ? leader : random.pick(followers);
}

async function tearAndRestart(
  t: Test,
  exercise: Exercise,
  damage: TailDamage,
  seed: number,
): Promise<boolean> {
  const random = new SeededRandom(seed);
  exercise.resume();
  await exercise.acknowledgeMore(MESSAGES);
  const victim = await chooseVictim(exercise, random);
  await pause(random.between(0, BEFORE_KILL_MS));
  await victim.kill();
  // What the victim loses must be on the two others, as it is when only one disk fails.
  await exercise.acknowledgeMore(MESSAGES);
  const done = damageTail(victim.directory, damage, random);
  const eventCount = victim.events.length;
  victim.start();
  await exercise.acknowledgeMore(MESSAGES);
  const { problems, text } = await exercise.balance();
  const recovered = victim.events.slice(eventCount).find(({ event }) => event === 'recovered');
  t.comment(
    `seed ${seed}, member ${victim.memberId}: ${done}: ${String(recovered?.health)}, ${text}`,
  );
  t.notEqual(recovered?.health, 'corrupt', `${damage}: it is a torn tail, no corruption`);
  t.deepEqual(problems, [], `${damage}: the books balance`);
  return problems.length === 0;
}

async function tearTails(t: Test, durability: Durability, seed: number): Promise<void> {
  const failed = new Set<TailDamage>(Object.values(TailDamage));
  const exercise = await Exercise.start({ durability });
  try {
    for (const [index, damage] of new SeededRandom(seed).shuffled([...failed]).entries()) {
      if (await tearAndRestart(t, exercise, damage, seed + 1 + index)) {
        failed.delete(damage);
      }
    }
  } finally {
    await exercise.dispose();
    const rows = Object.values(TailDamage).map((damage) => ({
      id: 'D1',
      name: `${damage}, ${durability}`,
      passed: !failed.has(damage),
    }));
    reportRows(t, rows);
  }
}

const seed = runSeed();

test('torn tails at level fsync heal without help', async (t) => {
  t.comment(`seed ${seed}: run again with PAWL_SEED=${seed}`);
  await tearTails(t, 'fsync', seed);
});

test('torn tails at level page-cache heal without help', async (t) => {
  t.comment(`seed ${seed}: run again with PAWL_SEED=${seed}`);
  await tearTails(t, 'page-cache', seed + 1_000);
});
