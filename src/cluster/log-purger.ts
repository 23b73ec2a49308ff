// log-purger.ts: gives up the log that snapshots hold, when the configuration says so.
//
// Only what no follower is being sent, and what no member needs behind the snapshot that it is
// being given: else it would be given the next one, and never be done. And nothing that is damaged:
// a repair would write into it. How much of it is kept beyond that, by size or by age, is by the
// log's own positions and times.

import type { DamageList } from '../archive/damage-list.js';
import { purgeLog, purgePosition } from '../archive/log-purge.js';
import type { RecoveredDirectory } from '../archive/member-directory.js';
import { SNAPSHOT_MANIFEST_QUEUE } from '../archive/snapshot-manifest.js';
import type { SnapshotEntry } from '../archive/snapshot-recording.js';
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
  /** A service may be behind a snapshot that its shadow took, and reads the log in between. */
  servicePosition(): Position;
  /** The least position of a snapshot that is being given away; Infinity for none. */
  lowestGivenPosition(): Position;
  onFatal(error: PawlError): void;
}

/** Times of the log that are remembered; with more, age is told less exactly. */
const TIME_COUNT_MAX = 1_024;

/** When the log was at a position. */
interface LogTime {
  readonly position: Position;
  readonly timestampMs: number;
}

/** Purges after each snapshot. */
export class LogPurger {
  readonly #parts: LogPurgerParts;
  /** Of snapshots since the start, ascending: those that are dropped still tell the time. */
  readonly #times: LogTime[] = [];
  /** Segments that were removed. */
  purgedSegmentCount = 0;

  constructor(parts: LogPurgerParts) {
    this.#parts = parts;
  }

  /** A snapshot counts from now on. */
  onSnapshot({ logPosition, timestampMs }: SnapshotEntry): void {
    const newest = { position: logPosition, timestampMs };
    this.#times.push(newest);
    this.#times.splice(0, this.#times.length - TIME_COUNT_MAX);
    const { config, damage, directory, leaderLog, onFatal, tasks } = this.#parts;
    const { logRetention, snapshotCountKept } = config.member;
    if (logRetention !== 'snapshots') {
      return;
    }
    const { geometry, snapshots: manifest } = directory;
    const floor = Math.min(
      leaderLog.lowestNeededPosition(),
      this.#parts.servicePosition(),
      this.#parts.lowestGivenPosition(),
      this.#retainedFrom(newest),
    );
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

  /** Log from here on is kept, whatever snapshots hold. */
  #retainedFrom(newest: LogTime): Position {
    const { logRetentionLength, logRetentionMs } = this.#parts.config.member;
    if (logRetentionLength === 0 && logRetentionMs === 0) {
      return newest.position;
    }
    const bySize = logRetentionLength === 0 ? 0 : newest.position - logRetentionLength;
    const byAge = logRetentionMs === 0 ? 0 : this.#positionAt(newest.timestampMs - logRetentionMs);
    return Math.max(0, bySize, byAge);
  }

  /** The last position that is known to have been reached at a time. */
  #positionAt(timestampMs: number): Position {
    let reached: Position = 0;
    for (const entry of this.#parts.directory.recordingLog.entries()) {
      if (entry.timestampMs <= timestampMs) {
        reached = Math.max(reached, entry.termBaseLogPosition);
      }
    }
    for (const time of this.#times) {
      if (time.timestampMs <= timestampMs) {
        reached = Math.max(reached, time.position);
      }
    }
    return reached;
  }
}
