// The simulated disk: the storage port's results, order, faults, and what power cuts leave.

import test from 'tape';
import { OpenMode, StorageResult } from '../../src/ports/storage.js';
import { exponentialDelay, fixedDelay } from '../../src/simulator/delay.js';
import {
  INSTANT_STORAGE,
  OperationKind,
  SYNCHRONOUS_STORAGE,
} from '../../src/simulator/storage-operation.js';
import { SECTOR_LENGTH, TearMode, WRITEBACK_LENGTH_MAX } from '../../src/simulator/virtual-file.js';
import { World } from '../../src/simulator/world.js';
import {
  addPassive,
  agentOf,
  Disk,
  filled,
  MICROSECOND,
  MILLISECOND,
  startPassive,
} from './harness.js';

const MIB = 1024 * 1024;

test('open modes find, create and refuse as they say', (t) => {
  const disk = new Disk(1);
  const open = (path: string, mode: OpenMode) => disk.done(disk.storage.open(path, mode)).result;
  t.equal(open('a', OpenMode.Read), StorageResult.NotFound);
  t.equal(open('a', OpenMode.Write), StorageResult.NotFound);
  t.equal(open('a', OpenMode.Create), StorageResult.Ok);
  t.equal(open('a', OpenMode.Create), StorageResult.AlreadyExists);
  t.equal(open('a', OpenMode.WriteOrCreate), StorageResult.Ok);
  t.equal(open('d/a', OpenMode.Create), StorageResult.NotFound);
  t.equal(disk.done(disk.storage.makeDirectory('d')).result, StorageResult.Ok);
  t.equal(disk.done(disk.storage.makeDirectory('d')).result, StorageResult.AlreadyExists);
  t.equal(open('d', OpenMode.Read), StorageResult.Denied);
  t.equal(open('d/a', OpenMode.Create), StorageResult.Ok);
  t.throws(() => disk.storage.open('../a', OpenMode.Read) && disk.world.runFor(0), /plain names/);
  t.end();
});

test('a handle that only reads does not write, and a closed one is an error', (t) => {
  const disk = new Disk(1);
  disk.open('a');
  const file = disk.open('a', OpenMode.Read);
  t.equal(disk.write(file, 0, filled(1, 1)).result, StorageResult.Denied);
  t.equal(disk.done(disk.storage.setLength(file, 9)).result, StorageResult.Denied);
  t.equal(disk.done(disk.storage.close(file)).result, StorageResult.Ok);
  t.throws(() => disk.storage.sync(file), /is open/);
  t.end();
});

test('reads are short at the end of the file and leave the rest of the buffer alone', (t) => {
  const disk = new Disk(1);
  const file = disk.open('a');
  disk.write(file, 10, filled(5, 7));
  const buffer = filled(20, 0xee);
  const ticket = disk.storage.read(file, 8, buffer, 2, 10);
  t.deepEqual([...buffer.subarray(2, 9)], new Array(7).fill(0xa5), 'nothing is there too early');
  t.equal(disk.done(ticket).value, 7);
  t.deepEqual([...buffer], [0xee, 0xee, 0, 0, 7, 7, 7, 7, 7, ...new Array(11).fill(0xee)]);
  t.equal(disk.read(file, 100, 5).length, 0);
  t.end();
});

test('a file of 128 MiB without content costs nothing, and a shortened one reads as zero', (t) => {
  const disk = new Disk(1, { diskCapacityBytes: 64 * 1024 });
  const file = disk.open('a');
  t.equal(disk.done(disk.storage.setLength(file, 128 * MIB)).result, StorageResult.Ok);
  t.equal(disk.done(disk.storage.freeSpace()).value, 64 * 1024);
  t.deepEqual([...disk.read(file, 128 * MIB - 2, 9)], [0, 0]);
  disk.write(file, 5_000, filled(100, 1));
  t.equal(disk.done(disk.storage.freeSpace()).value, 60 * 1024);
  disk.done(disk.storage.setLength(file, 5_010));
  disk.done(disk.storage.setLength(file, 5_020));
  t.deepEqual([...disk.read(file, 5_005, 100)], [...filled(5, 1), ...filled(10, 0)]);
  t.equal(disk.done(disk.storage.length(file)).value, 5_020);
  disk.done(disk.storage.setLength(file, 0));
  disk.done(disk.storage.sync(file));
  t.equal(disk.done(disk.storage.freeSpace()).value, 64 * 1024);
  t.end();
});

test('a full disk refuses what it has no page for, and rewrites what it has', (t) => {
  const disk = new Disk(1, { diskCapacityBytes: 8192 });
  const file = disk.open('a');
  t.equal(disk.write(file, 0, filled(8192, 1)).result, StorageResult.Ok);
  t.equal(disk.write(file, 8192, filled(1, 1)).result, StorageResult.NoSpace);
  t.equal(disk.write(file, 100, filled(4096, 2)).result, StorageResult.Ok);
  t.equal(disk.done(disk.storage.length(file)).value, 8192);
  disk.done(disk.storage.remove('a'));
  t.equal(disk.disk.freeBytes, 8192);
  t.end();
});

test('operations of one file complete in their order, others as their latencies fall', (t) => {
  const disk = new Disk(3);
  const [a, b] = [disk.open('a'), disk.open('b')];
  const delay = exponentialDelay(0, MILLISECOND);
  disk.disk.latency = { write: delay, read: delay, sync: delay, metadata: delay };
  const byFile = new Map<number, number[]>([
    [a, []],
    [b, []],
  ]);
  const byte = filled(1, 1);
  for (let i = 0; i < 50; i++) {
    for (const file of [a, b]) {
      const { storage } = disk;
      const ticket = i % 3 === 0 ? storage.sync(file) : storage.write(file, i, byte, 0, 1);
      byFile.get(file)?.push(ticket);
    }
  }
  disk.world.runFor(1000 * MILLISECOND);
  const order = disk.poll().map(({ ticket }) => ticket);
  t.equal(order.length, 100);
  for (const tickets of byFile.values()) {
    t.deepEqual(
      order.filter((ticket) => tickets.includes(ticket)),
      tickets,
    );
  }
  t.notDeepEqual(
    order,
    [...order].sort((x, y) => x - y),
  );
  t.end();
});

test('without delays a disk of synchronous calls completes at submit, unless it hangs', (t) => {
  const disk = new Disk(1);
  const [a, b] = [disk.open('a'), disk.open('b')];
  disk.disk.latency = { ...SYNCHRONOUS_STORAGE, sync: fixedDelay(MILLISECOND) };
  const first = disk.storage.write(a, 0, filled(3, 7), 0, 3);
  t.deepEqual(
    disk.poll().map(({ ticket, result }) => [ticket, result]),
    [[first, StorageResult.Ok]],
    'no time passes, and no event',
  );
  const sync = disk.storage.sync(a);
  const behind = disk.storage.write(a, 3, filled(3, 8), 0, 3);
  const other = disk.storage.write(b, 0, filled(3, 9), 0, 3);
  t.deepEqual(
    disk.poll().map(({ ticket }) => ticket),
    [other],
    'what follows a slow operation of its file waits for it',
  );
  disk.world.runFor(MILLISECOND);
  t.deepEqual(
    disk.poll().map(({ ticket }) => ticket),
    [sync, behind],
  );
  disk.disk.hang();
  const hung = disk.storage.write(a, 6, filled(3, 1), 0, 3);
  disk.world.runFor(MILLISECOND);
  t.deepEqual(disk.poll(), [], 'a hanging disk completes nothing');
  disk.disk.resume();
  t.deepEqual(
    disk.poll().map(({ ticket }) => ticket),
    [hung],
  );
  t.deepEqual([...disk.read(a, 0, 9)], [...filled(3, 7), ...filled(3, 8), ...filled(3, 1)]);
  t.end();
});

test('what completes at submit and is not polled in its turn brings one more turn', (t) => {
  const world = new World(1);
  const node = world.addNode({ name: 'a' });
  node.disk.latency = SYNCHRONOUS_STORAGE;
  let turns = 0;
  node.start((process) => {
    process.spawn('main', (ports) => [
      agentOf({
        doWork: () => {
          turns++;
          if (turns === 1) {
            ports.storage.makeDirectory('d');
          }
          return 0;
        },
      }),
    ]);
  });
  world.runFor(MILLISECOND);
  t.equal(turns, 2, 'and not more: nobody is woken again by what is left lying');
  t.end();
});

test('an effect is there when the operation completes, not before', (t) => {
  const disk = new Disk(1);
  const file = disk.open('a');
  disk.disk.latency = {
    ...INSTANT_STORAGE,
    write: fixedDelay(100 * MICROSECOND),
    sync: fixedDelay(MILLISECOND),
  };
  disk.done(disk.storage.syncDirectory(''));
  const bytes = filled(3, 1);
  disk.storage.write(file, 0, bytes, 0, 3);
  disk.storage.sync(file);
  disk.world.runFor(100 * MICROSECOND - 1);
  t.equal(disk.disk.snapshotCached('a')?.length, 0);
  disk.world.runFor(1);
  t.deepEqual([...(disk.disk.snapshotCached('a')?.bytes() ?? [])], [1, 1, 1]);
  t.equal(disk.disk.snapshotDurable('a')?.length, 0);
  disk.world.runFor(MILLISECOND - 100 * MICROSECOND - 1);
  t.equal(disk.disk.snapshotDurable('a')?.length, 0);
  disk.world.runFor(1);
  t.deepEqual([...(disk.disk.snapshotDurable('a')?.bytes() ?? [])], [1, 1, 1]);
  t.end();
});

test('bytes of a write that change before its completion are an error', (t) => {
  const disk = new Disk(1);
  const file = disk.open('a');
  disk.disk.latency = { ...INSTANT_STORAGE, write: fixedDelay(100) };
  const bytes = filled(3, 1);
  disk.storage.write(file, 0, bytes, 0, 3);
  bytes[1] = 2;
  t.throws(() => disk.world.runFor(100), /held until its completion/);
  t.end();
});

test('a lock is exclusive and ends with its process', (t) => {
  const disk = new Disk(1);
  t.equal(disk.done(disk.storage.lock('lock')).result, StorageResult.Ok);
  t.equal(disk.done(disk.storage.lock('lock')).result, StorageResult.Locked);
  const other = addPassive(disk.world, 'other', { disk: disk.disk });
  const ticket = other.ports.storage.lock('lock');
  disk.world.runFor(0);
  let result = 0;
  other.ports.storage.poll((completion) => {
    t.equal(completion.ticket, ticket);
    result = completion.result;
  }, 1);
  t.equal(result, StorageResult.Locked);
  disk.restart('kill');
  t.equal(disk.done(disk.storage.lock('lock')).result, StorageResult.Ok);
  t.end();
});

test('a faulty operation fails as told, a write perhaps in part', (t) => {
  const disk = new Disk(1);
  const file = disk.open('a');
  let lengths = 0;
  disk.disk.faultHook = (operation) =>
    operation.kind === OperationKind.Write && operation.path === 'a'
      ? { result: StorageResult.InputOutput }
      : undefined;
  for (let i = 0; i < 20; i++) {
    t.equal(disk.write(file, 0, filled(4096, 1)).result, StorageResult.InputOutput);
    const { value } = disk.done(disk.storage.length(file));
    lengths = Math.max(lengths, value);
    t.equal(value % SECTOR_LENGTH, 0);
  }
  t.ok(lengths > 0 && disk.disk.counts.failedOperations === 20);
  t.end();
});

test('a failed sync may lose what a later sync claims to have made durable', (t) => {
  let lossCount = 0;
  for (let seed = 0; seed < 50; seed++) {
    const disk = new Disk(seed);
    const file = disk.open('a');
    disk.done(disk.storage.syncDirectory(''));
    disk.write(file, 0, filled(2048, 1));
    disk.disk.faultHook = () => ({ result: StorageResult.InputOutput });
    t.equal(disk.done(disk.storage.sync(file)).result, StorageResult.InputOutput);
    disk.disk.faultHook = undefined;
    if (disk.read(file, 0, 2048).some((byte) => byte !== 1)) {
      t.fail('the page cache lost something');
    }
    disk.done(disk.storage.sync(file));
    disk.restart('power');
    const bytes = disk.read(disk.open('a'), 0, 2048);
    lossCount += bytes.every((byte) => byte === 1) ? 0 : 1;
  }
  t.ok(lossCount > 10, `${lossCount} of 50 runs lost bytes`);
  t.end();
});

test('a hanging disk completes nothing, and everything in order when it resumes', (t) => {
  const disk = new Disk(1);
  const file = disk.open('a');
  disk.disk.hang();
  const bytes = filled(1, 1);
  const tickets = [
    disk.storage.write(file, 0, bytes, 0, 1),
    disk.storage.sync(file),
    disk.storage.list(''),
  ];
  disk.world.runFor(MILLISECOND);
  t.deepEqual(disk.poll(), []);
  disk.disk.resume();
  t.deepEqual(
    disk.poll().map(({ ticket }) => ticket),
    tickets,
  );
  t.end();
});

test('an operation that hangs holds back what follows on its file, and nothing else', (t) => {
  const disk = new Disk(1);
  const [a, b] = [disk.open('a'), disk.open('b')];
  disk.disk.faultHook = ({ kind, path }) =>
    kind === OperationKind.Sync && path === 'a' ? { isHung: true } : undefined;
  const bytes = filled(1, 1);
  const hung = [disk.storage.sync(a), disk.storage.write(a, 0, bytes, 0, 1)];
  const free = disk.storage.sync(b);
  disk.world.runFor(MILLISECOND);
  t.deepEqual(
    disk.poll().map(({ ticket }) => ticket),
    [free],
  );
  disk.disk.resume();
  t.deepEqual(
    disk.poll().map(({ ticket }) => ticket),
    hung,
  );
  t.end();
});

test('completions go on while a process is paused, and reach no later process', (t) => {
  const disk = new Disk(1);
  const file = disk.open('a');
  disk.disk.latency = { ...INSTANT_STORAGE, sync: fixedDelay(MILLISECOND) };
  const ticket = disk.storage.sync(file);
  disk.node.process?.pause(2 * MILLISECOND);
  disk.world.runFor(3 * MILLISECOND);
  t.deepEqual(
    disk.poll().map((completion) => completion.ticket),
    [ticket],
  );
  disk.storage.sync(file);
  disk.restart('kill');
  disk.world.runFor(3 * MILLISECOND);
  t.deepEqual(disk.poll(), []);
  t.end();
});

test('a killed process leaves a prefix of its submitted writes in the page cache', (t) => {
  const lengths = new Set<number>();
  for (let seed = 0; seed < 60; seed++) {
    const disk = new Disk(seed);
    const file = disk.open('a');
    const bytes = filled(1024, 1);
    disk.disk.latency = { ...INSTANT_STORAGE, write: fixedDelay(MILLISECOND) };
    for (let i = 0; i < 3; i++) {
      disk.storage.write(file, i * 1024, bytes, 0, 1024);
    }
    disk.restart('kill');
    const view = disk.disk.snapshotCached('a');
    const content = view?.bytes() ?? new Uint8Array(0);
    lengths.add(content.length);
    if (content.some((byte) => byte !== 1)) {
      t.fail('a write was done before an earlier one');
    }
  }
  t.deepEqual(
    [...lengths].sort((x, y) => x - y),
    [0, 512, 1024, 1536, 2048, 2560, 3072],
  );
  t.end();
});

test('writes beyond a limit are written back by the system', (t) => {
  const disk = new Disk(1);
  const file = disk.open('a');
  disk.done(disk.storage.syncDirectory(''));
  const bytes = filled(MIB, 1);
  for (let i = 0; i < WRITEBACK_LENGTH_MAX / MIB; i++) {
    disk.write(file, i * MIB, bytes);
  }
  t.equal(disk.disk.snapshotDurable('a')?.length, 0);
  disk.write(file, WRITEBACK_LENGTH_MAX, bytes);
  t.equal(disk.disk.snapshotDurable('a')?.length, WRITEBACK_LENGTH_MAX + MIB);
  t.end();
});

test('a power cut tears a long write by sectors, never within one', (t) => {
  let tornCount = 0;
  for (let seed = 0; seed < 40; seed++) {
    const disk = new Disk(seed);
    const file = disk.open('a');
    disk.write(file, 0, filled(8192, 1));
    disk.done(disk.storage.sync(file));
    disk.done(disk.storage.syncDirectory(''));
    disk.write(file, 100, filled(7000, 2));
    disk.disk.tearMode = TearMode.Scatter;
    disk.restart('power');
    tornCount += disk.disk.counts.tornWrites;
    const bytes = disk.disk.snapshotDurable('a')?.bytes() ?? new Uint8Array(0);
    const expected = filled(8192, 1).fill(2, 100, 7100);
    for (let sector = 0; sector < 16; sector++) {
      const range = [sector * SECTOR_LENGTH, (sector + 1) * SECTOR_LENGTH] as const;
      const isNew = bytes.subarray(...range).every((b, i) => b === expected[range[0] + i]);
      const isOld = bytes.subarray(...range).every((byte) => byte === 1);
      if (!isNew && !isOld) {
        t.fail(`seed ${seed}: sector ${sector} is a mixture`);
      }
    }
  }
  t.ok(tornCount > 30, `${tornCount} of 40 writes were torn`);
  t.end();
});

test('a chosen tear mode keeps all, drops all, or keeps a prefix of the writes', (t) => {
  const contentAfter = (mode: TearMode, seed: number): number[] => {
    const disk = new Disk(seed);
    const file = disk.open('a');
    disk.done(disk.storage.syncDirectory(''));
    for (let i = 0; i < 4; i++) {
      disk.write(file, i * SECTOR_LENGTH, filled(SECTOR_LENGTH, i + 1));
    }
    disk.disk.tearMode = mode;
    disk.restart('power');
    const bytes = disk.disk.snapshotCached('a')?.bytes() ?? new Uint8Array(0);
    return [...bytes].filter((_, i) => i % SECTOR_LENGTH === 0);
  };
  t.deepEqual(contentAfter(TearMode.KeepAll, 1), [1, 2, 3, 4]);
  t.deepEqual(contentAfter(TearMode.DropAll, 1), []);
  const lengths = new Set<number>();
  for (let seed = 0; seed < 40; seed++) {
    const content = contentAfter(TearMode.Prefix, seed);
    lengths.add(content.length);
    t.deepEqual(content, [1, 2, 3, 4].slice(0, content.length));
  }
  t.equal(lengths.size, 5);
  t.end();
});

test('damage shows in the page cache and on the disk', (t) => {
  const disk = new Disk(1);
  const file = disk.open('a');
  disk.write(file, 0, filled(10, 1));
  disk.done(disk.storage.sync(file));
  disk.disk.flipBits('a', 3, 0x80);
  t.equal(disk.read(file, 3, 1)[0], 0x81);
  t.throws(() => disk.disk.flipBits('a', 10, 1), /within the file/);
  disk.node.kill();
  disk.disk.reformat();
  disk.storage = startPassive(disk.node).ports.storage;
  t.equal(disk.done(disk.storage.open('a', OpenMode.Read)).result, StorageResult.NotFound);
  t.end();
});
