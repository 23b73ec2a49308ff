// durable-records.ts: small records as a power cut is certain to leave them on a disk.

import { readDurableMark } from '../../archive/durable-mark.js';
import { type NodeState, readNodeState } from '../../archive/node-state-file.js';
import { readSnapshotIndex } from '../../archive/snapshot-manifest.js';
import { completeTask, StorageTasks } from '../../archive/storage-task.js';
import type { VirtualDisk } from '../virtual-disk.js';
import { SnapshotStorage } from './snapshot-storage.js';

/** How far the log is claimed to be durable; 0 when there is no claim. */
export function durableMarkPosition(disk: VirtualDisk): number {
  const tasks = new StorageTasks(new SnapshotStorage(disk));
  const reading = completeTask(tasks, readDurableMark(tasks.storage));
  return reading.kind === 'found' ? reading.mark.durablePosition : 0;
}

/** Position of the newest snapshot that a disk is certain to name; 0 without one. */
export function durableSnapshotPosition(disk: VirtualDisk): number {
  const tasks = new StorageTasks(new SnapshotStorage(disk));
  const reading = completeTask(tasks, readSnapshotIndex(tasks.storage));
  return reading.kind === 'found' ? (reading.index.snapshots.at(-1)?.logPosition ?? 0) : 0;
}

/** Where the log on a disk is certain to begin. */
export function durableLogStart(disk: VirtualDisk): number {
  const tasks = new StorageTasks(new SnapshotStorage(disk));
  const reading = completeTask(tasks, readSnapshotIndex(tasks.storage));
  return reading.kind === 'found' ? reading.index.logStartPosition : 0;
}

/** The record that a power cut is certain to leave; undefined when there is none. */
export function durableNodeState(disk: VirtualDisk): NodeState | undefined {
  const tasks = new StorageTasks(new SnapshotStorage(disk));
  const reading = completeTask(tasks, readNodeState(tasks.storage));
  return reading.kind === 'found' ? reading.state : undefined;
}
