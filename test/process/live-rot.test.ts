// Rot in the files of members that run: the scrubber finds it, another member has the bytes, and
// the cluster serves on as if nothing had happened.

import test, { type Test } from 'tape';
import { readDescription } from '../../src/tools/command-describe.js';
import { damageBelowMark } from './damage.js';
import { Exercise } from './exercise.js';
import { reportRows } from './matrix.js';
import type { MemberProcess } from './member-process.js';
import { runSeed, SeededRandom } from './random.js';

const MESSAGES = 400;
const SCRUB_CYCLE_MS = 300;

async function counterOf(member: MemberProcess, name: string): Promise<number> {
  return (await member.status())?.counters[name] ?? 0;
}

/** Flips a bit of a live member's log and waits until it is whole again. */
async function rotAndAwaitRepair(
  t: Test,
  exercise: Exercise,
  member: MemberProcess,
  who: string,
  random: SeededRandom,
): Promise<void> {
  const { cluster } = exercise;
  const before = await counterOf(member, 'repairs');
  const position = damageBelowMark(member.directory, cluster.geometry, random);
  await cluster.waitFor(`${who} to repair its log at ${position}`, (statuses) => {
    const status = statuses.find(({ memberId }) => memberId === member.memberId);
    const { repairs = 0, damagedRanges = 1 } = status?.counters ?? {};
    return repairs > before && damagedRanges === 0;
  });
  const { health } = readDescription(member.directory);
  t.notEqual(health?.kind, 'corrupt', `${who}: whole again at ${position}`);
  t.ok((await counterOf(member, 'scrubbedBytes')) > 0, `${who}: its scrubber reads`);
  t.ok((await counterOf(member, 'repairedBytes')) > 0, `${who}: took bytes from another member`);
  t.equal((await member.status())?.isVoting, true, `${who}: kept its vote`);
}

test('bytes that flip under a running member are found and repaired (D5)', async (t) => {
  const seed = runSeed();
  t.comment(`seed ${seed}: run again with PAWL_SEED=${seed}`);
  const random = new SeededRandom(seed);
  let isPassed = false;
  const exercise = await Exercise.start({
    durability: 'fsync',
    member: { scrubCycleMs: SCRUB_CYCLE_MS, scrubBytesPerSecond: 64 * 1024 * 1024 },
  });
  try {
    exercise.resume();
    await exercise.acknowledgeMore(MESSAGES);
    const leader = await exercise.cluster.leader();
    const followers = exercise.cluster.members.filter((member) => member !== leader);
    await rotAndAwaitRepair(t, exercise, random.pick(followers), 'a follower', random);
    await exercise.acknowledgeMore(MESSAGES);
    await rotAndAwaitRepair(t, exercise, leader, 'the leader', random);
    const warnings = leader.events.filter(({ event }) => event === 'warning');
    t.ok(
      warnings.some(({ message }) => /is damaged from \d+ to \d+/.test(String(message))),
      'the operator hears of it',
    );
    const { problems, text } = await exercise.balance();
    t.comment(text);
    t.deepEqual(problems, [], 'the books balance');
    isPassed = problems.length === 0;
  } finally {
    await exercise.dispose();
    reportRows(t, [{ id: 'D5', name: 'a bit that flips in a live log', passed: isPassed }]);
  }
});
