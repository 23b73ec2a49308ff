// recorder-worker.ts: the thread that records the log at level `fsync`.
//
// It sleeps until the log has grown, writes from the shared term buffers, syncs, publishes the
// durable position and wakes the main thread. While it syncs, more accumulates: group commit.

import type { LogGeometry } from '../archive/log-geometry.js';
import { type Durability, Recorder } from '../archive/recorder.js';
import { RECORDER_SLEEPING_OFFSET } from '../archive/recorder-control.js';
import { StorageTasks } from '../archive/storage-task.js';
import { Arena } from '../memory/arena.js';
import type { Agent } from '../ports/agent.js';
import { NodeStorage } from './node-storage.js';
import { runAgentWorker } from './worker-loop.js';

/** What the main thread sends along. */
export interface RecorderWorkerPayload {
  readonly memory: WebAssembly.Memory;
  /** Address of the recorder's control block. */
  readonly control: number;
  readonly directory: string;
  readonly geometry: LogGeometry;
  readonly durability: Durability;
}

runAgentWorker<RecorderWorkerPayload>((payload, context): Agent => {
  const arena = Arena.attach(payload.memory);
  const storage = new NodeStorage(payload.directory, {
    background: false,
    onCompleted: context.wake,
  });
  const tasks = new StorageTasks(storage);
  const recorder = new Recorder({
    tasks,
    arena,
    control: payload.control,
    geometry: payload.geometry,
    durability: payload.durability,
    onProgress: context.wakeMain,
  });
  // The worker's own cell knows whether it sleeps; the owner always signals it.
  Atomics.store(arena.i32, (payload.control + RECORDER_SLEEPING_OFFSET) >> 2, 1);
  return {
    roleName: 'recorder',
    doWork(nowNs) {
      const work = tasks.poll() + recorder.doWork(nowNs);
      if (recorder.failure !== undefined) {
        throw recorder.failure;
      }
      return work;
    },
    deadlineNs: () => recorder.deadlineNs(),
    close() {
      recorder.close();
      storage.end();
    },
  };
});
