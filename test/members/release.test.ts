// Who ends gives its directory to others when nobody of it writes there any more.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'tape';
import { FileLock, LockedError } from '../../src/host/file-lock.js';
import { findLocalEndpoints } from '../../src/tools/free-ports.js';
import { atEnd } from '../support/at-end.js';
import { temporaryDirectory } from '../support/until.js';

const HELD_MARK = fileURLToPath(new URL('./fixtures/held-mark.cjs', import.meta.url));
const ENDING_MEMBER = fileURLToPath(new URL('./fixtures/ending-member.ts', import.meta.url));

/** What another process is told that wants the directory. */
async function lockOutcome(directory: string): Promise<FileLock | Error> {
  const outcome = await new Promise<FileLock | Error>((resolve) => {
    FileLock.acquire(join(directory, 'lock'), {}, resolve);
  });
  if (outcome instanceof FileLock) {
    outcome.release();
  }
  return outcome;
}

/** The next thing that a process says. */
async function heardOf(child: ChildProcess): Promise<unknown> {
  const said = once(child, 'message').then(([message]) => message as unknown);
  return Promise.race([said, once(child, 'exit').then(([code]) => `exit ${code}`)]);
}

const WAYS = [
  ['shared', 'leaves'],
  ['dedicated', 'leaves, with threads dedicated,'],
  ['error', 'fails'],
] as const;

for (const [way, ends] of WAYS) {
  test(`a member that ${ends} keeps its lock until its recorder writes no more`, async (t) => {
    const directory = temporaryDirectory(t);
    const { members } = await findLocalEndpoints(1);
    const args = ['--import', 'tsx', '--require', HELD_MARK, ENDING_MEMBER];
    const child = spawn(process.execPath, [...args, directory, members, way], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    atEnd(t, () => child.kill('SIGKILL'));
    t.equal(await heardOf(child), 'closed', 'it has ended');
    const held = await lockOutcome(directory);
    t.ok(held instanceof LockedError, `a mark is still to be written: ${String(held)}`);
    const released = heardOf(child);
    child.send('write');
    t.equal(await released, 'released', 'the mark is written');
    const free = await lockOutcome(directory);
    t.ok(free instanceof FileLock, 'another may have the directory');
    t.equal(child.exitCode, null, 'though the process goes on');
    t.end();
  });
}
