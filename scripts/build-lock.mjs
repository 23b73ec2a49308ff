// One build at a time in one checkout: two commands started together would otherwise swap dist/
// under each other. The lock is a file with the owner's process id; a dead owner's lock is taken.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';

const POLL_INTERVAL_MS = 100;
const WAIT_MS_MAX = 300_000;

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

function tryLock(path) {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  }
}

/** Removes the lock when its owner is gone. An unreadable one is about to be written or removed. */
function removeIfStale(path) {
  let owner = Number.NaN;
  try {
    owner = Number.parseInt(readFileSync(path, 'utf8'), 10);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  if (Number.isInteger(owner) && !isAlive(owner)) rmSync(path, { force: true });
}

/** Runs the action while holding the lock. Throws when the lock is held for too long. */
export async function withBuildLock(path, action) {
  const deadlineMs = Date.now() + WAIT_MS_MAX;
  while (!tryLock(path)) {
    if (Date.now() > deadlineMs) {
      throw new Error(`${path} is held by another build; remove it if no build is running`);
    }
    removeIfStale(path);
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
  }
  try {
    return await action();
  } finally {
    rmSync(path, { force: true });
  }
}
