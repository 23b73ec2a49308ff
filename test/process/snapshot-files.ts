// snapshot-files.ts: the snapshots that members hold, read from their files and compared.

import { readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { readSnapshotIndex, type SnapshotIndex } from '../../src/archive/snapshot-manifest.js';
import type { SnapshotEntry } from '../../src/archive/snapshot-recording.js';
import { runStorageTask } from '../../src/host/run-task.js';
import { damageFile } from './damage.js';
import type { SeededRandom } from './random.js';

export const MANIFEST = 'snapshots.dat';

/** What a member's record of its snapshots says; also while the member runs. */
export async function snapshotIndexOf(directory: string): Promise<SnapshotIndex> {
  const reading = await runStorageTask(directory, (storage) => readSnapshotIndex(storage));
  return reading.kind === 'found' ? reading.index : { logStartPosition: 0, snapshots: [] };
}

interface FoundSnapshot extends Pick<SnapshotEntry, 'hash' | 'length'> {
  /** Who has it. */
  readonly directories: Set<string>;
}

/** Snapshots that members took, by position; of one position all must be the same bytes. */
export class SnapshotComparison {
  readonly #found = new Map<number, FoundSnapshot>();

  /** Positions whose snapshot at least two members have taken, all of them the same. */
  get equalCount(): number {
    return [...this.#found.values()].filter(({ directories }) => directories.size > 1).length;
  }

  /**
   * Adds what members hold now.
   *
   * @throws Error when two differ.
   */
  async add(directories: readonly string[]): Promise<void> {
    for (const directory of directories) {
      const { snapshots } = await snapshotIndexOf(directory);
      for (const { hash, length, logPosition } of snapshots) {
        const found = this.#found.get(logPosition) ?? { hash, length, directories: new Set() };
        if (found.hash !== hash || found.length !== length) {
          throw new Error(`the snapshots of position ${logPosition} differ`);
        }
        found.directories.add(directory);
        this.#found.set(logPosition, found);
      }
    }
  }
}

/** Files of a snapshot's recording. */
function filesOf(directory: string, recordingId: number): readonly string[] {
  return readdirSync(directory)
    .filter((name) => name.startsWith(`${recordingId}-`))
    .map((name) => join(directory, name));
}

/** What is done to the files of a snapshot. */
export const SnapshotDamage = {
  Truncated: 'truncated',
  Flipped: 'with a flipped bit',
  Removed: 'removed',
} as const;
export type SnapshotDamage = (typeof SnapshotDamage)[keyof typeof SnapshotDamage];

/** Damages a snapshot of a member that is down. */
export function damageSnapshot(
  directory: string,
  { recordingId }: SnapshotEntry,
  damage: SnapshotDamage,
  random: SeededRandom,
): void {
  const path = random.pick(filesOf(directory, recordingId));
  const { size } = statSync(path);
  switch (damage) {
    case SnapshotDamage.Truncated:
      truncateSync(path, random.between(0, size));
      break;
    case SnapshotDamage.Flipped:
      damageFile(path, [random.between(0, size)], random);
      break;
    case SnapshotDamage.Removed:
      rmSync(path);
      break;
  }
}
