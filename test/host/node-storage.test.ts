// The storage port on real files, and on a file system some of whose calls fail.

import * as nodeFs from 'node:fs';
import { join } from 'node:path';
import test, { type Test } from 'tape';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { openDataDirectory } from '../../src/host/data-directory.js';
import { NodeStorage, type NodeStorageOptions } from '../../src/host/node-storage.js';
import type { StorageFileSystem } from '../../src/host/storage-calls.js';
import { resultOfError } from '../../src/host/storage-errors.js';
import {
  type Completion,
  type FileHandle,
  OpenMode,
  StorageResult,
  type Ticket,
} from '../../src/ports/storage.js';
import { atEnd } from '../support/at-end.js';
import { temporaryDirectory, until } from '../support/until.js';

const BYTES = Buffer.from('0123456789');
const isRoot = process.getuid?.() === 0;

/** Collects completions so that single operations can be asserted in one line. */
class Harness {
  readonly storage: NodeStorage;
  readonly completions: Completion[] = [];

  constructor(directory: string, options: NodeStorageOptions = {}) {
    this.storage = new NodeStorage(directory, options);
  }

  poll(): void {
    this.storage.poll((completion) => this.completions.push({ ...completion }), 100);
  }

  of(ticket: Ticket): Completion | undefined {
    this.poll();
    return this.completions.find((completion) => completion.ticket === ticket);
  }

  now(ticket: Ticket): Completion {
    const completion = this.of(ticket);
    if (completion === undefined) {
      throw new Error(`operation ${ticket} is not complete`);
    }
    return completion;
  }

  async later(ticket: Ticket): Promise<Completion> {
    await until(() => this.of(ticket) !== undefined, `operation ${ticket} is complete`);
    return this.now(ticket);
  }

  open(path: string, mode: OpenMode): FileHandle {
    const { result, value } = this.now(this.storage.open(path, mode));
    if (result !== StorageResult.Ok) {
      throw new Error(`cannot open ${path}: ${result}`);
    }
    return value;
  }
}

function harnessOf(t: Test, options: NodeStorageOptions = {}): Harness {
  const harness = new Harness(temporaryDirectory(t), options);
  atEnd(t, () => harness.storage.end());
  return harness;
}

function failure(errno: string): Error {
  return Object.assign(new Error(`${errno}: made by a test`), { code: errno });
}

function failing(errno: string): () => never {
  return () => {
    throw failure(errno);
  };
}

function fileSystemWith(replaced: Partial<StorageFileSystem>): StorageFileSystem {
  return { ...nodeFs, ...replaced };
}

test('what is written is read, up to the end of the file', (t) => {
  const h = harnessOf(t);
  const file = h.open('log-0.dat', OpenMode.Create);
  const written = h.now(h.storage.write(file, 5, BYTES, 2, 6));
  t.deepEqual([written.result, written.value], [StorageResult.Ok, 6]);
  t.equal(h.now(h.storage.sync(file)).result, StorageResult.Ok);
  t.equal(h.now(h.storage.length(file)).value, 11);
  const into = new Uint8Array(20).fill(0xff);
  t.equal(h.now(h.storage.read(file, 4, into, 3, 17)).value, 7);
  t.deepEqual([...into.subarray(2, 12)], [0xff, 0, 50, 51, 52, 53, 54, 55, 0xff, 0xff]);
  t.equal(h.now(h.storage.setLength(file, 1000)).result, StorageResult.Ok);
  t.equal(h.now(h.storage.length(file)).value, 1000);
  t.equal(h.now(h.storage.read(file, 2000, into, 0, 5)).value, 0, 'nothing beyond the end');
  t.equal(h.now(h.storage.close(file)).result, StorageResult.Ok);
  t.throws(() => h.storage.length(file), /between its open and its close/);
  t.end();
});

test('a term is written straight out of shared memory', (t) => {
  const h = harnessOf(t);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const bytes = new Uint8Array(memory.buffer);
  bytes.set(BYTES, 4096);
  const file = h.open('segment', OpenMode.WriteOrCreate);
  h.storage.write(file, 0, bytes, 4096, 10);
  t.equal(h.now(h.storage.read(file, 0, bytes, 8192, 10)).value, 10);
  t.deepEqual([...bytes.subarray(8192, 8202)], [...BYTES]);
  t.end();
});

test('a short write is continued until the whole range is written', (t) => {
  const writeSync = ((...args: Parameters<typeof nodeFs.writeSync>) => {
    const [descriptor, buffer, offset, length, position] = args as unknown as [
      number,
      Uint8Array,
      number,
      number,
      number,
    ];
    return nodeFs.writeSync(descriptor, buffer, offset, Math.min(3, length), position);
  }) as typeof nodeFs.writeSync;
  const h = harnessOf(t, { fileSystem: fileSystemWith({ writeSync }) });
  const file = h.open('file', OpenMode.Create);
  t.equal(h.now(h.storage.write(file, 0, BYTES, 0, 10)).value, 10);
  t.equal(nodeFs.readFileSync(join(h.storage.directory, 'file'), 'utf8'), '0123456789');
  t.end();
});

test('open modes create and refuse as they say', (t) => {
  const h = harnessOf(t);
  const result = (mode: OpenMode) => h.now(h.storage.open('a', mode)).result;
  t.equal(result(OpenMode.Read), StorageResult.NotFound);
  t.equal(result(OpenMode.Write), StorageResult.NotFound);
  t.equal(result(OpenMode.Create), StorageResult.Ok);
  t.equal(result(OpenMode.Create), StorageResult.AlreadyExists);
  t.equal(result(OpenMode.WriteOrCreate), StorageResult.Ok);
  t.equal(result(OpenMode.Write), StorageResult.Ok);
  const reader = h.open('a', OpenMode.Read);
  t.equal(h.now(h.storage.write(reader, 0, BYTES, 0, 1)).result, StorageResult.InputOutput);
  t.match(h.storage.lastFailure?.message ?? '', /EBADF/);
  t.equal(h.storage.openFileCount, 4);
  t.end();
});

test('only this user may enter and read what is created', (t) => {
  const h = harnessOf(t);
  h.open('file', OpenMode.Create);
  h.now(h.storage.makeDirectory('folder'));
  const modeOf = (name: string) =>
    nodeFs.statSync(join(h.storage.directory, name)).mode.toString(8).slice(-3);
  t.equal(modeOf('file'), '600');
  t.equal(modeOf('folder'), '700');
  t.end();
});

for (const background of [true, false]) {
  const where = background ? 'while the duty cycle goes on' : 'at once';
  test(`names are made, listed in order, renamed, removed and synced ${where}`, async (t) => {
    const h = harnessOf(t, { background });
    const done = (ticket: Ticket) => (background ? h.later(ticket) : h.now(ticket));
    t.equal(h.now(h.storage.makeDirectory('folder')).result, StorageResult.Ok);
    t.equal(h.now(h.storage.makeDirectory('folder')).result, StorageResult.AlreadyExists);
    for (const name of ['b', 'a-2', 'a-10', 'Z', '_x']) {
      h.open(`folder/${name}`, OpenMode.Create);
    }
    nodeFs.writeFileSync(join(h.storage.directory, 'folder', 'not ours+'), '');
    const listed = h.now(h.storage.list('folder'));
    t.deepEqual(listed.names, ['Z', '_x', 'a-10', 'a-2', 'b']);
    t.equal(h.now(h.storage.rename('folder/b', 'folder/Z')).result, StorageResult.Ok);
    t.equal(h.now(h.storage.rename('folder/b', 'folder/Z')).result, StorageResult.NotFound);
    t.equal((await done(h.storage.remove('folder/_x'))).result, StorageResult.Ok);
    t.equal((await done(h.storage.remove('folder/_x'))).result, StorageResult.NotFound);
    t.equal((await done(h.storage.syncDirectory('folder'))).result, StorageResult.Ok);
    t.equal((await done(h.storage.syncDirectory(''))).result, StorageResult.Ok);
    t.equal((await done(h.storage.syncDirectory('nowhere'))).result, StorageResult.NotFound);
    t.notOk(h.storage.isPoisoned, 'a directory that is not there was not synced, nor lost');
    t.deepEqual(h.now(h.storage.list('folder')).names, ['Z', 'a-10', 'a-2']);
    t.deepEqual(h.now(h.storage.list('')).names, ['folder']);
    t.equal(h.now(h.storage.list('folder/Z')).result, StorageResult.Denied, 'ENOTDIR');
    t.ok(h.now(h.storage.freeSpace()).value > 0);
    t.end();
  });
}

test('paths leave the directory neither by dots nor from the root nor by a link', (t) => {
  const h = harnessOf(t);
  for (const path of ['../a', '/etc/passwd', 'a/../b', './a', 'a//b', 'a b', 'a\0b', 'a/', '']) {
    t.throws(() => h.storage.open(path, OpenMode.Read), /paths are relative/, JSON.stringify(path));
  }
  nodeFs.symlinkSync('/etc/passwd', join(h.storage.directory, 'link'));
  t.equal(h.now(h.storage.open('link', OpenMode.Read)).result, StorageResult.Denied);
  h.storage.makeDirectory('folder');
  t.equal(h.now(h.storage.open('folder', OpenMode.Read)).result, StorageResult.Denied);
  t.equal(h.storage.openFileCount, 0);
  t.end();
});

test('ranges beyond the buffer break an invariant', (t) => {
  const h = harnessOf(t);
  const file = h.open('a', OpenMode.Create);
  t.throws(() => h.storage.write(file, 0, BYTES, 5, 6), /within its buffer/);
  t.throws(() => h.storage.read(file, -1, BYTES, 0, 1), /file position/);
  t.throws(() => h.storage.write(file, 0, BYTES, 0, -1), /made of integers from 0/);
  t.end();
});

test('completions come in order, to a limit, and what a handler submits waits', (t) => {
  const h = harnessOf(t);
  const tickets = [1, 2, 3, 4, 5].map(() => h.storage.freeSpace());
  const seen: Ticket[] = [];
  const handler = (completion: Completion) => {
    seen.push(completion.ticket);
    h.storage.freeSpace();
  };
  t.equal(h.storage.poll(handler, 2), 2);
  t.equal(h.storage.poll(handler, 100), 5, 'three of before and two of the first poll');
  t.deepEqual(seen, [...tickets, 6, 7]);
  t.end();
});

test('errors of the system become results that say who must act', (t) => {
  const cases: [string, StorageResult][] = [
    ['ENOENT', StorageResult.NotFound],
    ['EEXIST', StorageResult.AlreadyExists],
    ['ENOSPC', StorageResult.NoSpace],
    ['EDQUOT', StorageResult.NoSpace],
    ['EACCES', StorageResult.Denied],
    ['EROFS', StorageResult.Denied],
    ['ENOTDIR', StorageResult.Denied],
    ['EMFILE', StorageResult.Denied],
    ['EIO', StorageResult.InputOutput],
    ['EUCLEAN', StorageResult.InputOutput],
  ];
  for (const [errno, result] of cases) {
    t.equal(resultOfError(failure(errno)), result, errno);
    const h = harnessOf(t, { fileSystem: fileSystemWith({ openSync: failing(errno) }) });
    t.equal(h.now(h.storage.open('a', OpenMode.Create)).result, result);
    t.equal((h.storage.lastFailure as NodeJS.ErrnoException).code, errno);
  }
  t.throws(() => resultOfError(new TypeError('x')), TypeError, 'a mistake is no result');
  t.throws(() => resultOfError(failure('ERR_OUT_OF_RANGE')), /ERR_OUT_OF_RANGE/);
  t.end();
});

test('a full disk is reported and poisons nothing', (t) => {
  let isFull = true;
  const writeSync = ((...args: Parameters<typeof nodeFs.writeSync>) => {
    if (isFull) throw failure('ENOSPC');
    return nodeFs.writeSync(...args);
  }) as typeof nodeFs.writeSync;
  const h = harnessOf(t, { fileSystem: fileSystemWith({ writeSync }) });
  const file = h.open('a', OpenMode.Create);
  t.equal(h.now(h.storage.write(file, 0, BYTES, 0, 10)).result, StorageResult.NoSpace);
  isFull = false;
  t.equal(h.now(h.storage.write(file, 0, BYTES, 0, 10)).result, StorageResult.Ok);
  t.end();
});

const SYNC_FAILURES: [string, Partial<StorageFileSystem>, (s: NodeStorage, f: number) => Ticket][] =
  [
    ['sync', { fdatasyncSync: failing('EIO') }, (s, f) => s.sync(f)],
    ['sync without space', { fdatasyncSync: failing('ENOSPC') }, (s, f) => s.sync(f)],
    ['syncDirectory', { fsyncSync: failing('EIO') }, (s) => s.syncDirectory('')],
  ];

for (const [name, replaced, failingSync] of SYNC_FAILURES) {
  test(`a ${name} that failed poisons every later change and is never retried`, (t) => {
    let callCount = 0;
    const counted = Object.fromEntries(
      Object.entries(replaced).map(([key, call]) => [
        key,
        () => {
          callCount += 1;
          return (call as () => never)();
        },
      ]),
    );
    const h = harnessOf(t, { fileSystem: fileSystemWith(counted), background: false });
    const file = h.open('a', OpenMode.Create);
    h.now(h.storage.write(file, 0, BYTES, 0, 10));
    t.equal(h.now(failingSync(h.storage, file)).result, StorageResult.InputOutput);
    t.ok(h.storage.isPoisoned);
    t.match(h.storage.lastFailure?.message ?? '', /made by a test/);
    const after = [
      failingSync(h.storage, file),
      h.storage.sync(file),
      h.storage.syncBackground(file),
      h.storage.syncDirectory(''),
      h.storage.write(file, 0, BYTES, 0, 1),
      h.storage.setLength(file, 1),
      h.storage.rename('a', 'b'),
      h.storage.remove('a'),
      h.storage.makeDirectory('c'),
      h.storage.open('d', OpenMode.WriteOrCreate),
    ];
    t.ok(after.every((ticket) => h.now(ticket).result === StorageResult.InputOutput));
    t.equal(callCount, 1, 'the system was asked once');
    t.deepEqual(nodeFs.readdirSync(h.storage.directory), ['a']);
    t.equal(h.now(h.storage.read(file, 0, new Uint8Array(10), 0, 10)).value, 10, 'reads go on');
    t.end();
  });
}

type SyncDone = (error: NodeJS.ErrnoException | null) => void;

/** A file system whose background syncs end when the test says so. */
function heldSyncs(): { held: SyncDone[]; fileSystem: StorageFileSystem } {
  const held: SyncDone[] = [];
  const fdatasync = ((_descriptor: number, done: SyncDone) => {
    held.push(done);
  }) as unknown as typeof nodeFs.fdatasync;
  return { held, fileSystem: fileSystemWith({ fdatasync }) };
}

test('a background sync completes later, wakes the loop and keeps the order of its file', (t) => {
  const { held, fileSystem } = heldSyncs();
  let wakes = 0;
  const onCompleted = () => {
    wakes += 1;
  };
  const h = harnessOf(t, { fileSystem, onCompleted });
  const file = h.open('a', OpenMode.Create);
  const other = h.open('b', OpenMode.Create);
  h.poll();
  h.completions.length = 0;
  const first = h.storage.syncBackground(file);
  const write = h.storage.write(file, 0, BYTES, 0, 10);
  const second = h.storage.syncBackground(file);
  const read = h.storage.read(file, 0, new Uint8Array(10), 0, 10);
  const close = h.storage.close(file);
  const elsewhere = h.storage.write(other, 0, BYTES, 0, 10);
  h.poll();
  t.deepEqual(
    h.completions.map(({ ticket }) => ticket),
    [elsewhere],
    'other files do not wait',
  );
  const path = join(h.storage.directory, 'a');
  t.equal(nodeFs.statSync(path).size, 10, 'the write took effect');
  t.equal(held.length, 1, 'one sync at a time');
  const before = wakes;
  held[0]?.(null);
  t.ok(wakes > before);
  h.poll();
  t.deepEqual(
    h.completions.map(({ ticket }) => ticket),
    [elsewhere, first, write],
  );
  held[1]?.(null);
  h.poll();
  t.deepEqual(
    h.completions.map(({ ticket }) => ticket),
    [elsewhere, first, write, second, read, close],
  );
  t.ok(h.completions.every(({ result }) => result === StorageResult.Ok));
  t.equal(h.completions.find(({ ticket }) => ticket === read)?.value, 10);
  t.end();
});

test('a background sync that failed takes the writes behind it with it', (t) => {
  const { held, fileSystem } = heldSyncs();
  const h = harnessOf(t, { fileSystem });
  const file = h.open('a', OpenMode.Create);
  const sync = h.storage.syncBackground(file);
  const write = h.storage.write(file, 0, BYTES, 0, 10);
  const length = h.storage.length(file);
  const again = h.storage.syncBackground(file);
  held[0]?.(failure('EIO'));
  t.equal(h.now(sync).result, StorageResult.InputOutput);
  t.equal(h.now(write).result, StorageResult.InputOutput);
  t.equal(h.now(again).result, StorageResult.InputOutput);
  t.equal(h.now(length).value, 10, 'what was read stays true');
  t.equal(held.length, 1, 'no second sync was tried');
  t.ok(h.storage.isPoisoned);
  t.end();
});

test('a background sync of a directory that failed poisons every later change', (t) => {
  const held: SyncDone[] = [];
  const fsync = ((_descriptor: number, done: SyncDone) => {
    held.push(done);
  }) as unknown as typeof nodeFs.fsync;
  const h = harnessOf(t, { fileSystem: fileSystemWith({ fsync }) });
  const file = h.open('a', OpenMode.Create);
  const sync = h.storage.syncDirectory('');
  t.equal(h.now(h.storage.write(file, 0, BYTES, 0, 10)).result, StorageResult.Ok, 'files go on');
  t.equal(h.of(sync), undefined);
  held[0]?.(failure('EIO'));
  t.equal(h.now(sync).result, StorageResult.InputOutput);
  t.match(h.storage.lastFailure?.message ?? '', /made by a test/);
  t.equal(h.now(h.storage.syncDirectory('')).result, StorageResult.InputOutput);
  t.equal(h.now(h.storage.remove('a')).result, StorageResult.InputOutput);
  t.equal(held.length, 1, 'no second sync was tried');
  t.end();
});

test('a removal goes on while the duty cycle does, and the lock waits for it', async (t) => {
  const held: (() => void)[] = [];
  const unlink = ((path: string, done: SyncDone) => {
    held.push(() => nodeFs.unlink(path, done));
  }) as unknown as typeof nodeFs.unlink;
  const h = harnessOf(t, { fileSystem: fileSystemWith({ unlink }) });
  h.open('a', OpenMode.Create);
  const removal = h.storage.remove('a');
  t.equal(h.of(removal), undefined);
  let isRemoved = false;
  const removed = h.storage.removed().then(() => {
    isRemoved = true;
  });
  await h.later(h.storage.syncDirectory(''));
  t.notOk(isRemoved, 'it is still on its way out');
  held[0]?.();
  t.equal((await h.later(removal)).result, StorageResult.Ok);
  await removed;
  t.deepEqual(nodeFs.readdirSync(h.storage.directory), []);
  await h.storage.removed();
  t.end();
});

test('a real background sync completes, and at once where there is no background', async (t) => {
  const h = harnessOf(t);
  const file = h.open('a', OpenMode.Create);
  h.storage.write(file, 0, BYTES, 0, 10);
  t.equal((await h.later(h.storage.syncBackground(file))).result, StorageResult.Ok);
  const worker = harnessOf(t, { background: false });
  const second = worker.open('a', OpenMode.Create);
  t.equal(worker.now(worker.storage.syncBackground(second)).result, StorageResult.Ok);
  t.end();
});

test('a data directory that cannot be used is named with the remedy', (t) => {
  const directory = temporaryDirectory(t);
  const errorOf = (path: string, create: boolean): PawlError => {
    try {
      openDataDirectory(path, create);
    } catch (error) {
      if (error instanceof PawlError) return error;
      throw error;
    }
    throw new Error(`${path} was accepted`);
  };
  const missing = errorOf(join(directory, 'missing'), false);
  t.equal(missing.code, ErrorCode.DirectoryNotBorn);
  t.match(missing.message, /missing cannot be used \(ENOENT\): create it with `pawl bootstrap`/);
  nodeFs.writeFileSync(join(directory, 'file'), '');
  t.match(errorOf(join(directory, 'file'), false).message, /ENOTDIR.*name a directory/);
  t.match(errorOf(join(directory, 'file'), true).message, /EEXIST.*name a directory/);
  t.match(errorOf(join(directory, 'file', 'below'), true).message, /ENOTDIR/);
  const real = openDataDirectory(join(directory, 'new', 'one'), true);
  t.equal(nodeFs.statSync(real).mode.toString(8).slice(-3), '700');
  nodeFs.symlinkSync(real, join(directory, 'link'));
  t.equal(openDataDirectory(join(directory, 'link'), false), real, 'links are resolved');
  if (isRoot) {
    t.comment('permissions are not tried: the superuser may write everywhere');
  } else {
    nodeFs.chmodSync(real, 0o500);
    t.match(errorOf(real, false).message, /EACCES.*right to read, write and enter/);
    nodeFs.chmodSync(real, 0o700);
  }
  t.end();
});

test('a directory below one that refuses new names is an error, and the call returns', (t) => {
  if (!nodeFs.existsSync('/proc/self')) {
    t.skip('this system has no /proc');
    t.end();
    return;
  }
  t.throws(() => openDataDirectory('/proc/nowhere/data', true), /cannot be used \(ENOENT\)/);
  t.end();
});
