// run-task.ts: runs a task of the archive to its end, for tools that have nothing else to do.

import { type StorageTask, StorageTasks } from '../archive/storage-task.js';
import { NodeStorage } from './node-storage.js';

/**
 * Runs disk work on a directory and releases the directory again.
 *
 * @param directory absolute path of a data directory that exists.
 * @throws PawlError as the task does.
 */
export async function runStorageTask<T>(
  directory: string,
  makeTask: (storage: NodeStorage) => StorageTask<T>,
): Promise<T> {
  let isScheduled = false;
  // A completion may come from within the submission: it is collected in a turn of its own.
  const wake = (): void => {
    if (!isScheduled) {
      isScheduled = true;
      setImmediate(() => {
        isScheduled = false;
        tasks.poll();
      });
    }
  };
  const storage = new NodeStorage(directory, { onCompleted: wake });
  const tasks = new StorageTasks(storage);
  try {
    return await new Promise<T>((resolve, reject) => {
      tasks.run(makeTask(storage), resolve, reject);
    });
  } finally {
    storage.end();
  }
}
