// The lock of a data directory, between processes.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type Test } from 'tape';
import type { FileLockOptions } from '../../src/host/file-lock.js';
import { NodeStorage } from '../../src/host/node-storage.js';
import { StorageResult } from '../../src/ports/storage.js';
import { atEnd } from '../support/at-end.js';
import { temporaryDirectory, until } from '../support/until.js';

const HOLDER = fileURLToPath(new URL('./fixtures/lock-holder.ts', import.meta.url));

/** Starts a process that holds the lock; resolves when it says that it does. */
async function startHolder(t: Test, directory: string, ways: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--import', 'tsx', HOLDER, directory, ways], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  atEnd(t, () => child.kill('SIGKILL'));
  let output = '';
  child.stdout?.on('data', (chunk) => {
    output += chunk;
  });
  await until(() => output.includes('\n'), 'the child answered');
  t.equal(output, `result ${StorageResult.Ok}\n`, 'the child holds the lock');
  return child;
}

async function tryLock(storage: NodeStorage): Promise<number> {
  const ticket = storage.lock('lock');
  let result: number | undefined;
  await until(() => {
    storage.poll((completion) => {
      result = completion.ticket === ticket ? completion.result : result;
    }, 10);
    return result !== undefined;
  }, 'the lock was answered');
  return result ?? Number.NaN;
}

function storageOf(t: Test, directory: string, lock: FileLockOptions): NodeStorage {
  const storage = new NodeStorage(directory, { lock });
  atEnd(t, () => storage.end());
  return storage;
}

const WAYS: [string, FileLockOptions][] = [
  ['flock', { useFlock: true, useSocket: false }],
  ['socket', { useFlock: false, useSocket: true }],
  ['flock,socket', {}],
];

for (const [ways, lock] of WAYS) {
  test(`a lock by ${ways} excludes others until its process is killed`, async (t) => {
    if (process.platform !== 'linux') {
      t.skip('this way of locking is used on Linux only');
      t.end();
      return;
    }
    if (ways === 'flock' && spawnSync('flock', ['--version']).error !== undefined) {
      t.skip('there is no program flock');
      t.end();
      return;
    }
    const directory = temporaryDirectory(t);
    const holder = await startHolder(t, directory, ways);
    const storage = storageOf(t, directory, lock);
    t.equal(await tryLock(storage), StorageResult.Locked);
    t.match(storage.lastFailure?.message ?? '', new RegExp(`locked by process ${holder.pid}$`));
    holder.kill('SIGKILL');
    await until(() => holder.signalCode !== null, 'the holder is dead');
    t.equal(await tryLock(storage), StorageResult.Ok);
    t.equal(readFileSync(join(directory, 'lock'), 'utf8'), `${process.pid}\n`);
    const second = storageOf(t, directory, lock);
    t.equal(await tryLock(second), StorageResult.Locked, 'also within one process');
    storage.end();
    t.equal(await tryLock(second), StorageResult.Ok, 'and until it is released');
    t.end();
  });
}

test('the lock of one directory is not that of another', async (t) => {
  const one = storageOf(t, temporaryDirectory(t), {});
  const two = storageOf(t, temporaryDirectory(t), {});
  t.equal(await tryLock(one), StorageResult.Ok);
  t.equal(await tryLock(two), StorageResult.Ok);
  t.end();
});

test('a lock in a directory that is not there is not found', async (t) => {
  const storage = storageOf(t, join(temporaryDirectory(t), 'nowhere'), {});
  t.equal(await tryLock(storage), StorageResult.NotFound);
  t.end();
});
