// Damage that no crash explains: below the durable mark, in the vote, in the small records, or all
// of a directory gone. It is reported, the member rejoins without a vote and is admitted again, or
// it refuses to start with exit code 5 and the remedy.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import test, { type Test } from 'tape';
import { readDescription } from '../../src/tools/command-describe.js';
import { damageBelowMark, damageFile, SECTOR_LENGTH } from './damage.js';
import { Exercise } from './exercise.js';
import { reportRows } from './matrix.js';
import { runSeed, SeededRandom } from './random.js';
import { Outcome, startAlone, wordsOf } from './start-alone.js';

const MESSAGES = 50;
/** Payload of a slot: past magic, version and sequence. */
const SLOT_PAYLOAD_OFFSET = 16;

interface DamageCase {
  readonly id: string;
  readonly name: string;
  readonly outcome: Outcome;
  /** What a warning or the last words of the process must say. */
  readonly report: RegExp;
  /** Damages the directory of a member that is down; answers what was done. */
  damage(directory: string, exercise: Exercise, random: SeededRandom): string;
}

function slotOffset(slot: number, random: SeededRandom): number {
  return slot * SECTOR_LENGTH + random.between(SLOT_PAYLOAD_OFFSET, SLOT_PAYLOAD_OFFSET + 24);
}

/** Spoils one slot or both of a double-slot file. */
function damageSlots(name: string, slots: readonly number[]): DamageCase['damage'] {
  return (directory, _exercise, random) => {
    const offsets = slots.map((slot) => slotOffset(slot, random));
    damageFile(join(directory, name), offsets, random);
    return `a bit of ${name} flipped at ${offsets.join(' and at ')}`;
  };
}

const CASES: readonly DamageCase[] = [
  {
    id: 'D5',
    name: 'a flipped bit below the durable mark',
    outcome: Outcome.NonVoting,
    report: /the log is corrupt at position \d+, below its durable mark \d+/,
    damage: (directory, exercise, random) => {
      const position = damageBelowMark(directory, exercise.cluster.geometry, random);
      const { health } = readDescription(directory);
      const said = health?.kind === 'corrupt' ? health.position : String(health?.kind);
      return `a bit flipped in the frame at ${position}, described as corrupt at ${said}`;
    },
  },
  {
    id: 'D7',
    name: 'one damaged slot of the vote',
    outcome: Outcome.NonVoting,
    report: /node-state\.dat had a damaged slot, which may have held a newer vote/,
    damage: damageSlots('node-state.dat', [1]),
  },
  {
    id: 'D7',
    name: 'both slots of the vote damaged',
    outcome: Outcome.NonVoting,
    report: /node-state\.dat is lost: the vote is lost; starting non-voting/,
    damage: damageSlots('node-state.dat', [0, 1]),
  },
  {
    id: 'D7',
    name: 'one damaged slot of the durable mark',
    outcome: Outcome.Votes,
    report: /durable-mark\.dat had a damaged slot: the other one is used/,
    damage: damageSlots('durable-mark.dat', [0]),
  },
  {
    id: 'D7',
    name: 'both slots of the durable mark damaged',
    outcome: Outcome.NonVoting,
    report: /the mark is lost; starting non-voting/,
    damage: damageSlots('durable-mark.dat', [0, 1]),
  },
  {
    id: 'D7',
    name: 'a flipped bit of the recording log',
    outcome: Outcome.Refuses,
    report: /recording\.log .*let the member join anew from an empty directory/,
    damage: (directory, _exercise, random) => {
      damageFile(join(directory, 'recording.log'), [random.between(8, 24)], random);
      return 'a bit of the first entry flipped';
    },
  },
  {
    id: 'D8',
    name: 'the whole directory gone',
    outcome: Outcome.NonVoting,
    report: /the data directory is blank: this member starts without a vote/,
    damage: (directory) => {
      rmSync(directory, { recursive: true });
      return 'the directory removed';
    },
  },
];

async function damageAndRestart(
  t: Test,
  exercise: Exercise,
  { name, outcome, report, damage }: DamageCase,
  seed: number,
): Promise<boolean> {
  const random = new SeededRandom(seed);
  exercise.resume();
  await exercise.acknowledgeMore(MESSAGES);
  const leader = await exercise.cluster.leader();
  const victim = random.pick(exercise.cluster.members.filter((member) => member !== leader));
  await victim.kill();
  await exercise.acknowledgeMore(MESSAGES);
  const done = damage(victim.directory, exercise, random);
  const eventCount = victim.events.length;
  const found = await startAlone(exercise.cluster, victim);
  t.equal(found, outcome, `${name}: the member ${outcome}`);
  t.match(wordsOf(victim, eventCount), report, `${name}: it is reported`);
  if (found === Outcome.Refuses) {
    // The remedy that the message names.
    rmSync(victim.directory, { recursive: true });
    victim.start();
  }
  await exercise.acknowledgeMore(MESSAGES);
  const { problems, text } = await exercise.balance();
  t.comment(`seed ${seed}, member ${victim.memberId}: ${done}: ${found}; ${text}`);
  t.deepEqual(problems, [], `${name}: the member votes again and the books balance`);
  return found === outcome && problems.length === 0;
}

test('a damaged member says so and gets its vote back from a leader', async (t) => {
  const seed = runSeed();
  t.comment(`seed ${seed}: run again with PAWL_SEED=${seed}`);
  const failed = new Set(CASES);
  const exercise = await Exercise.start({ durability: 'fsync' });
  try {
    for (const [index, damageCase] of CASES.entries()) {
      if (await damageAndRestart(t, exercise, damageCase, seed + 1 + index)) {
        failed.delete(damageCase);
      }
    }
  } finally {
    await exercise.dispose();
    const rows = CASES.map((one) => ({ id: one.id, name: one.name, passed: !failed.has(one) }));
    reportRows(t, rows);
  }
});
