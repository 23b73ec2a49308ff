// A disk that fails a sync, and one that is full, under a real member: the process ends with its
// exit code or stops promising, the cluster goes on, and nothing acknowledged is lost.

import { spawn, spawnSync } from 'node:child_process';
import test, { type Test } from 'tape';
import { ExitCode } from '../../src/host/exit-codes.js';
import { Exercise } from './exercise.js';
import { reportRows } from './matrix.js';
import type { MemberProcess } from './member-process.js';
import { pause } from './process-cluster.js';
import { runSeed, SeededRandom } from './random.js';
import { SmallDisk, smallDiskHindrance } from './small-disk.js';

const MESSAGES = 50;
const ATTACH_TIMEOUT_MS = 10_000;
const END_TIMEOUT_MS = 10_000;
const FILL_TIMEOUT_MS = 30_000;
/** What is free on the small disk beside the member's files, bytes. */
const FREE_LENGTH = 384 * 1024;
const FAILED_SYNC = { id: 'D3', name: 'a failed sync' };
const FULL_DISK = { id: 'D4', name: 'a full disk' };

/** Waits for a promise, at most for a time; undefined when it took longer. */
function within<T>(promise: Promise<T>, timeoutMs: number): Promise<T | undefined> {
  return Promise.race([promise, pause(timeoutMs).then(() => undefined)]);
}

/**
 * Lets the n-th and all later syncs of each thread of a process fail with EIO.
 *
 * @returns why it cannot be done, or undefined when the tracer is attached.
 */
async function failSyncs(pid: number, syncNumber: number): Promise<string | undefined> {
  const calls = 'fdatasync,fsync';
  const inject = `inject=${calls}:error=EIO:when=${syncNumber}+`;
  const args = ['-f', '-p', String(pid), '-e', `trace=${calls}`, '-e', inject];
  const tracer = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  return within(
    new Promise<string | undefined>((resolve) => {
      let said = '';
      tracer.stderr.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        if (/attached/.test(said)) {
          resolve(undefined);
        }
      });
      tracer.on('error', (error) => resolve(`strace cannot be started: ${error.message}`));
      tracer.on('exit', () => resolve(`strace cannot attach: ${said.trim()}`));
    }),
    ATTACH_TIMEOUT_MS,
  );
}

/** The line for the operator; a stack may stand above it. */
function lastLine(text: string): string {
  return text.split('\n').at(-1) ?? '';
}

async function followerOf(exercise: Exercise, random: SeededRandom): Promise<MemberProcess> {
  const leader = await exercise.cluster.leader();
  return random.pick(exercise.cluster.members.filter((member) => member !== leader));
}

async function failDiskOf(
  t: Test,
  exercise: Exercise,
  victim: MemberProcess,
  what: string,
  random: SeededRandom,
): Promise<string | undefined> {
  exercise.resume();
  await exercise.acknowledgeMore(MESSAGES);
  const ended = victim.expectEnd();
  const syncNumber = random.between(1, 20);
  const hindrance = await failSyncs(victim.pid, syncNumber);
  if (hindrance !== undefined) {
    return hindrance;
  }
  const end = await within(ended, END_TIMEOUT_MS);
  t.equal(end?.code, ExitCode.Storage, `${what}: the process ends with the code for a failed disk`);
  t.match(victim.errorOutput, /disk|sync|storage/i, `${what}: it says why`);
  await exercise.acknowledgeMore(MESSAGES);
  t.pass(`${what}: the cluster goes on without it`);
  t.comment(`${what}: sync ${syncNumber} failed, ${lastLine(victim.errorOutput)}`);
  await victim.kill();
  victim.start();
  const { problems, text } = await exercise.balance();
  t.comment(text);
  t.deepEqual(problems, [], `${what}: the books balance after its restart`);
  return undefined;
}

const seed = runSeed();

test('a member whose disk fails a sync ends and is not missed', async (t) => {
  t.comment(`seed ${seed}: run again with PAWL_SEED=${seed}`);
  if (spawnSync('strace', ['-V']).status !== 0) {
    const skipped = 'strace is not installed: no sync can be made to fail';
    t.skip(`SKIP ${skipped}`);
    reportRows(t, [{ ...FAILED_SYNC, passed: false, skipped }]);
    return;
  }
  const random = new SeededRandom(seed);
  const exercise = await Exercise.start({ durability: 'fsync' });
  let isPassed = false;
  let hindrance: string | undefined;
  try {
    hindrance =
      (await failDiskOf(t, exercise, await followerOf(exercise, random), 'follower', random)) ??
      (await failDiskOf(t, exercise, await exercise.cluster.leader(), 'leader', random));
    if (hindrance !== undefined) {
      t.skip(`SKIP ${hindrance}`);
      return;
    }
    isPassed = true;
  } finally {
    await exercise.dispose();
    const skipped = hindrance === undefined ? {} : { skipped: hindrance };
    reportRows(t, [{ ...FAILED_SYNC, passed: isPassed, ...skipped }]);
  }
});

async function fillDiskOf(t: Test, exercise: Exercise, victim: MemberProcess): Promise<boolean> {
  await victim.kill();
  const disk = await SmallDisk.over(victim.directory, FREE_LENGTH);
  try {
    victim.start(disk.wrapper);
    const end = await within(victim.expectEnd(), FILL_TIMEOUT_MS);
    t.equal(end?.code, ExitCode.Storage, 'the process ends with the code for a full disk');
    t.match(victim.errorOutput, /full.*free space/, 'it says that the disk is full');
    t.comment(lastLine(victim.errorOutput));
    await exercise.acknowledgeMore(MESSAGES);
    t.pass('the cluster goes on without it');
    const eventCount = victim.events.length;
    disk.dropBallast();
    victim.start(disk.wrapper);
    await exercise.cluster.waitFor('the member to have caught up', (statuses) =>
      statuses.some((one) => one.memberId === victim.memberId && one.state === 'CLOSED'),
    );
    await exercise.acknowledgeMore(MESSAGES);
    await victim.kill();
    const recovered = victim.events.slice(eventCount).find(({ event }) => event === 'recovered');
    t.notEqual(recovered?.health, 'corrupt', 'a full disk damages nothing');
    disk.moveBack();
  } finally {
    disk.close();
  }
  victim.start();
  const { problems, text } = await exercise.balance();
  t.comment(text);
  t.deepEqual(problems, [], 'the books balance when there is room again');
  return problems.length === 0;
}

test('a member whose disk is full ends and goes on when there is room again', async (t) => {
  t.comment(`seed ${seed}: run again with PAWL_SEED=${seed}`);
  const hindrance = smallDiskHindrance();
  if (hindrance !== undefined) {
    t.skip(`SKIP ${hindrance}`);
    reportRows(t, [{ ...FULL_DISK, passed: false, skipped: hindrance }]);
    return;
  }
  const exercise = await Exercise.start({ durability: 'fsync' });
  let isPassed = false;
  try {
    exercise.resume();
    await exercise.acknowledgeMore(MESSAGES);
    isPassed = await fillDiskOf(t, exercise, await followerOf(exercise, new SeededRandom(seed)));
  } finally {
    await exercise.dispose();
    reportRows(t, [{ ...FULL_DISK, passed: isPassed }]);
  }
});
