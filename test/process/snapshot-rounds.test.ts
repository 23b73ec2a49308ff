// Snapshots while members die: at any change of a snapshot's files or of the log's, while sessions
// come and go, and from a copy of a directory that is older than what its member has promised.

import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'tape';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { askMember } from '../../src/host/control-client.js';
import { connectClient } from '../../src/host/node-client.js';
import { damageFile, SECTOR_LENGTH } from './damage.js';
import { Exercise } from './exercise.js';
import { expect, playRows, type RowCase } from './matrix.js';
import type { MemberProcess, SeamOrder } from './member-process.js';
import { pause } from './process-cluster.js';
import { runSeed, type SeededRandom } from './random.js';
import {
  damageSnapshot,
  MANIFEST,
  SnapshotComparison,
  SnapshotDamage,
  snapshotIndexOf,
} from './snapshot-files.js';
import { Outcome, startAlone, wordsOf } from './start-alone.js';

const PAWL = fileURLToPath(new URL('../../bin/pawl.js', import.meta.url));
const KIB = 1024;
/** A segment of the log is full in less than a second. */
const GEOMETRY = { termLength: 64 * KIB, segmentLength: 128 * KIB };
const SNAPSHOT_INTERVAL_MS = 250;
const SNAPSHOTS_KEPT = 2;
/** Deaths of a row; PAWL_ROUNDS sets more for a long run. */
const ROUNDS = Number(process.env.PAWL_ROUNDS ?? 4);
/** More changes than one snapshot, or one change of segments, makes. */
const CALL_MAX = { snapshot: 30, log: 400, all: 100 } as const;
const DEATH_TIMEOUT_MS = 20_000;
const ANSWER_TIMEOUT_MS = 10_000;

const comparison = new SnapshotComparison();

function compareSnapshots(exercise: Exercise): Promise<void> {
  return comparison.add(exercise.cluster.members.map((member) => member.directory));
}

async function follower(exercise: Exercise, random: SeededRandom): Promise<MemberProcess> {
  const leader = await exercise.cluster.leader();
  return random.pick(exercise.cluster.members.filter((member) => member !== leader));
}

/** Waits until a member has taken so many snapshots since it started. */
async function snapshotsTaken(exercise: Exercise, member: MemberProcess, count: number) {
  await exercise.cluster.waitFor(`${count} snapshots of member ${member.memberId}`, (all) =>
    all.some(
      ({ counters, memberId }) =>
        memberId === member.memberId && (counters.snapshotsTaken ?? 0) >= count,
    ),
  );
}

type Files = keyof typeof CALL_MAX;

/** A process dies at a change of files: before it, behind it, or in the middle of a write. */
function dieAtCalls(files: Files): RowCase['play'] {
  return async (exercise, random) => {
    const { cluster } = exercise;
    const deaths: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      exercise.resume();
      await exercise.acknowledgeMore(30);
      const leader = await cluster.leader();
      const victim = round % 2 === 0 ? leader : await follower(exercise, random);
      const how = random.pick(['before', 'after', 'torn'] as const);
      const order: SeamOrder = {
        dieAt: { files, call: random.between(1, CALL_MAX[files]), how },
      };
      const ended = victim.expectEnd();
      await victim.order(order);
      const end = await Promise.race([ended, pause(DEATH_TIMEOUT_MS).then(() => undefined)]);
      expect(end?.signal === 'SIGKILL', `member ${victim.memberId} did not die: ${end?.code}`);
      victim.start();
      await exercise.acknowledgeMore(30);
      const { problems } = await exercise.balance();
      expect(problems.length === 0, problems.join('; '));
      await compareSnapshots(exercise);
      deaths.push(`${victim.memberId} ${how} ${order.dieAt?.call}`);
    }
    const statuses = await cluster.statuses();
    expect(
      statuses.every(({ snapshotPosition }) => snapshotPosition > 0),
      'every member has a snapshot',
    );
    return `died at changes of ${files} files: ${deaths.join(', ')}`;
  };
}

const STORM_MS = 2_500;
const STORM_WIDTH = 6;
const REFUSED_PAUSE_MS = 100;

function isRefusal(error: unknown): boolean {
  const codes: readonly string[] = [ErrorCode.SessionRefused, ErrorCode.Timeout];
  return error instanceof PawlError && codes.includes(error.code);
}

/** Sessions open and close all the time: what is not committed yet must be in no snapshot. */
async function stormOfSessions(exercise: Exercise): Promise<string> {
  const endMs = Date.now() + STORM_MS;
  let openedCount = 0;
  let refusedCount = 0;
  const openAndClose = async (): Promise<void> => {
    while (Date.now() < endMs) {
      const options = { ingressEndpoints: exercise.cluster.ingress };
      try {
        const client = await connectClient(options, { onMessage: () => undefined });
        openedCount++;
        client.close();
      } catch (error) {
        // The streams of clients that are gone keep their memory for a while.
        expect(isRefusal(error), String(error));
        refusedCount++;
        await pause(REFUSED_PAUSE_MS);
      }
    }
  };
  const before = comparison.equalCount;
  const storm = Promise.all(Array.from({ length: STORM_WIDTH }, openAndClose));
  while (Date.now() < endMs) {
    await compareSnapshots(exercise);
    await pause(SNAPSHOT_INTERVAL_MS / 2);
  }
  await storm;
  await compareSnapshots(exercise);
  const equal = comparison.equalCount - before;
  expect(equal > 2, `only ${equal} snapshots were on more than one member`);
  expect(openedCount > STORM_WIDTH, `only ${openedCount} sessions were opened`);
  return `${openedCount} sessions opened, ${refusedCount} refused, ${equal} snapshots equal`;
}

/** A member restarts on snapshots that are not what they were. */
async function damageSnapshots(exercise: Exercise, random: SeededRandom): Promise<string> {
  const done: string[] = [];
  for (const damage of [...Object.values(SnapshotDamage), 'manifest slot', 'manifest'] as const) {
    exercise.resume();
    const victim = await follower(exercise, random);
    await snapshotsTaken(exercise, victim, SNAPSHOTS_KEPT);
    await victim.kill();
    const newest = (await snapshotIndexOf(victim.directory)).snapshots.at(-1);
    if (newest === undefined) {
      throw new Error(`member ${victim.memberId} has no snapshot`);
    }
    if (damage === 'manifest slot' || damage === 'manifest') {
      const slots = damage === 'manifest' ? [0, 1] : [random.between(0, 2)];
      const offsets = slots.map((slot) => slot * SECTOR_LENGTH + 20);
      damageFile(`${victim.directory}/${MANIFEST}`, offsets, random);
    } else {
      damageSnapshot(victim.directory, newest, damage, random);
    }
    const eventCount = victim.events.length;
    victim.start();
    await exercise.acknowledgeMore(30);
    const { problems } = await exercise.balance();
    expect(problems.length === 0, `${damage}: ${problems.join('; ')}`);
    const words = wordsOf(victim, eventCount);
    expect(/is not used: |snapshots\.dat (had|is) /.test(words), `${damage}: nobody said so`);
    done.push(damage);
  }
  return `the newest snapshot ${done.join(', ')}`;
}

/**
 * Copies the files of a member that runs: they are not of one moment, and what it removes meanwhile
 * is not among them.
 */
function copyOfRunning(from: string, to: string): void {
  mkdirSync(to);
  for (const name of readdirSync(from)) {
    try {
      copyFileSync(join(from, name), join(to, name));
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code === 'ENOENT', `${name}: ${error}`);
    }
  }
}

/** A copy that is older than votes and acknowledgements comes back through the command. */
async function restoreCopy(exercise: Exercise, random: SeededRandom): Promise<string> {
  const { cluster } = exercise;
  const victim = await follower(exercise, random);
  const copy = `${victim.directory}-copy`;
  copyOfRunning(victim.directory, copy);
  await exercise.acknowledgeMore(random.between(50, 300));
  await askMember(
    (await cluster.leader()).directory,
    'transfer',
    victim.memberId,
    ANSWER_TIMEOUT_MS,
  );
  await exercise.acknowledgeMore(50);
  await victim.kill();
  rmSync(victim.directory, { recursive: true });
  cpSync(copy, victim.directory, { recursive: true });
  const restored = spawnSync(process.execPath, [PAWL, 'restore', victim.directory, '--json'], {
    encoding: 'utf8',
  });
  expect(restored.status === 0, `pawl restore ended with ${restored.status}: ${restored.stderr}`);
  await exercise.acknowledgeMore(50);
  const outcome = await startAlone(cluster, victim);
  expect(outcome === Outcome.NonVoting, `a restored copy ${outcome}`);
  await exercise.acknowledgeMore(50);
  rmSync(copy, { recursive: true });
  return `member ${victim.memberId} ${outcome}, and votes again`;
}

const ROWS: readonly RowCase[] = [
  {
    id: 'S1',
    name: 'processes die at changes of a snapshot',
    play: dieAtCalls('snapshot'),
  },
  { id: 'S3', name: 'snapshots in a storm of sessions', play: stormOfSessions },
  { id: 'D10', name: 'damaged snapshots and records of them', play: damageSnapshots },
  {
    id: 'D12',
    name: 'processes die at changes of the log (all crash points: test/archive)',
    play: dieAtCalls('log'),
  },
  { id: 'O4', name: 'an old copy is restored', play: restoreCopy },
];

test('snapshots are whole or not there, and equal on all members', async (t) => {
  const seed = runSeed();
  t.comment(`seed ${seed}: run again with PAWL_SEED=${seed}`);
  const exercise = await Exercise.start({
    durability: 'fsync',
    geometry: GEOMETRY,
    seamSeed: seed,
    member: { snapshotIntervalMs: SNAPSHOT_INTERVAL_MS, snapshotCountKept: SNAPSHOTS_KEPT },
  });
  await playRows(t, exercise, ROWS, seed);
  t.ok(comparison.equalCount > 0, `${comparison.equalCount} snapshots are equal on members`);
});
