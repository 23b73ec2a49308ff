// log-purger.ts: gives up the log that snapshots hold, when the configuration says so.
//
// Only what no follower is being sent, and nothing that is damaged: a repair would write into it.

import type { DamageList } from '../archive/damage-list.js';
import { purgeLog, purgePosition } from '../archive/log-purge.js';
import type { RecoveredDirectory } from '../archive/member-directory.js';
import { SNAPSHOT_MANIFEST_QUEUE } from '../archive/snapshot-manifest.js';
import type { StorageTasks } from '../archive/storage-task.js';
import type { PawlError } from '../errors.js';
import type { Position } from '../position.js';
import type { ClusterConfig } from './cluster-config.js';
import type { LeaderLog } from './leader-log.js';

export interface LogPurgerParts {
  readonly config: ClusterConfig;
  readonly directory: RecoveredDirectory;
  readonly tasks: StorageTasks;
  readonly leaderLog: LeaderLog;
  readonly damage: DamageList;
  /** The service may be behind a snapshot that its shadow took, and reads the log in between. */
  servicePosition(): Position;
  onFatal(error: PawlError): void;
}

/** Purges after each snapshot. */
export class LogPurger {
  readonly #parts: LogPurgerParts;
  /** Segments that were removed. */
  purgedSegmentCount = 0;

  constructor(parts: LogPurgerParts) {
    this.#parts = parts;
  }

  /** A snapshot counts from now on. */
  onSnapshot(): void {
    const { config, damage, directory, leaderLog, onFatal, tasks } = this.#parts;
    const { logRetention, snapshotCountKept } = config.member;
    if (logRetention !== 'snapshots') {
      return;
    }
    const { geometry, snapshots: manifest } = directory;
    const floor = Math.min(leaderLog.lowestNeededPosition(), this.#parts.servicePosition());
    const position = purgePosition(manifest, snapshotCountKept, floor, geometry);
    const isDamaged = damage.ranges.some((range) => range.from < position);
    if (position <= manifest.index.logStartPosition || isDamaged) {
      return;
    }
    tasks.run(
      purgeLog(tasks.storage, manifest, position, geometry),
      (count) => {
        this.purgedSegmentCount += count;
      },
      onFatal,
      SNAPSHOT_MANIFEST_QUEUE,
    );
  }
}
