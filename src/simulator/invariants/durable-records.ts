// durable-records.ts: small records as a power cut is certain to leave them on a disk.

import { readDurableMark } from '../../archive/durable-mark.js';
import { type NodeState, readNodeState } from '../../archive/node-state-file.js';
import { completeTask, StorageTasks } from '../../archive/storage-task.js';
import type { VirtualDisk } from '../virtual-disk.js';
import { SnapshotStorage } from './snapshot-storage.js';

/** How far the log is claimed to be durable; 0 when there is no claim. */
export function durableMarkPosition(disk: VirtualDisk): number {
  const tasks = new StorageTasks(new SnapshotStorage(disk));
  const reading = completeTask(tasks, readDurableMark(tasks.storage));
  return reading.kind === 'found' ? reading.mark.durablePosition : 0;
}

/** The record that a power cut is certain to leave; undefined when there is none. */
export function durableNodeState(disk: VirtualDisk): NodeState | undefined {
  const tasks = new StorageTasks(new SnapshotStorage(disk));
  const reading = completeTask(tasks, readNodeState(tasks.storage));
  return reading.kind === 'found' ? reading.state : undefined;
}
