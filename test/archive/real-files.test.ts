// The archive on real files, through the host's storage: what the fakes promise holds there too.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'tape';
import { describeDirectory } from '../../src/archive/describe.js';
import { bootstrapDirectory, openDirectory } from '../../src/archive/member-directory.js';
import { type Durability, Recorder } from '../../src/archive/recorder.js';
import { allocateRecorderControl } from '../../src/archive/recorder-control.js';
import { RecorderProxy } from '../../src/archive/recorder-proxy.js';
import { type StorageTask, StorageTasks } from '../../src/archive/storage-task.js';
import { NodeStorage } from '../../src/host/node-storage.js';
import { runStorageTask } from '../../src/host/run-task.js';
import { LogBuffer } from '../../src/memory/log-buffer.js';
import { CONFIGURATION_HASH, GEOMETRY, IDENTITY, makeArena, TERM_LENGTH } from './archive-world.js';

const MESSAGE_LENGTH = 1000;

/** Runs a task over a storage that is kept open. */
function run<T>(tasks: StorageTasks, task: StorageTask<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    let isDone = false;
    const end = (act: () => void): void => {
      isDone = true;
      act();
    };
    tasks.run(
      task,
      (value) => end(() => resolve(value)),
      (error) => end(() => reject(error)),
    );
    const turn = (): void => {
      tasks.poll();
      if (!isDone) {
        setImmediate(turn);
      }
    };
    turn();
  });
}

async function until(turn: () => boolean): Promise<void> {
  while (!turn()) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Records three segments of log; returns where it ended. */
async function record(directory: string, durability: Durability): Promise<number> {
  const arena = makeArena();
  const storage = new NodeStorage(directory);
  const tasks = new StorageTasks(storage);
  const found = await run(tasks, openDirectory(storage, { ...IDENTITY, arena }));
  await run(tasks, found.recordingLog.append(0, 0, 1));
  const control = allocateRecorderControl(arena);
  const recorder = new Recorder({ tasks, arena, control, geometry: GEOMETRY, durability });
  const proxy = new RecorderProxy({ arena, control });
  const log = LogBuffer.allocate(arena, {
    termLength: TERM_LENGTH,
    mtu: 1408,
    initialTermId: 0,
    sessionId: 1,
    streamId: 100,
  });
  log.setChecksum(true, 0);
  const source = arena.allocate(MESSAGE_LENGTH);
  proxy.start(log.meta, 0, 0);
  const turn = (): void => {
    recorder.doWork(Math.round(performance.now() * 1e6));
  };
  await until(() => {
    turn();
    return !proxy.isBusy();
  });
  await until(() => {
    arena.core.logSetPublisherLimit(log.meta, proxy.durablePosition() + TERM_LENGTH);
    arena.core.logClean(log.meta, proxy.durablePosition(), TERM_LENGTH);
    while (arena.core.append(log.meta, source, MESSAGE_LENGTH) > 0) {
      // Until the buffer has no room.
    }
    proxy.setRecordLimit(log.tailPosition);
    turn();
    return proxy.durablePosition() > 2 * GEOMETRY.segmentLength;
  });
  proxy.setRecordLimit(log.tailPosition);
  turn();
  proxy.stop();
  await until(() => {
    turn();
    return !proxy.isRecording() && !proxy.isClosing();
  });
  storage.end();
  return proxy.durablePosition();
}

for (const durability of ['fsync', 'page-cache'] as const) {
  test(`${durability}: a log on real files is recovered and described`, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'pawl-archive-'));
    try {
      await runStorageTask(directory, (storage) =>
        bootstrapDirectory(storage, {
          ...IDENTITY,
          configurationHash: CONFIGURATION_HASH,
          voting: true,
          geometry: GEOMETRY,
          egressTermLength: 256 * 1024,
          mtuLength: 1408,
          entropy: { nextUint32: () => 5 },
          wallMs: 1,
        }),
      );
      const end = await record(directory, durability);
      const arena = makeArena();
      const found = await runStorageTask(directory, (storage) =>
        openDirectory(storage, { ...IDENTITY, arena, verifyFrom: 'start' }),
      );
      t.equal(found.appendPosition, end);
      t.equal(found.health.kind, 'sound');
      const described = await runStorageTask(directory, (storage) =>
        describeDirectory(storage, arena),
      );
      t.equal(described.appendPosition, end);
      t.deepEqual(described.problems, []);
      t.ok(described.segments.length >= 3);
    } finally {
      rmSync(directory, { recursive: true });
    }
    t.end();
  });
}
