// install-target.ts: takes a snapshot from the leader, in place of log that nobody has any more.
//
// The member asks for one piece after another, each within what its window holds, writes what
// comes, and verifies the whole. Then the record is written and the member ends: it starts again
// from the snapshot, as after a crash, so that there is one way into that state and not two.

import type { RecoveredDirectory } from '../archive/member-directory.js';
import { writeRecordingBytes } from '../archive/snapshot-install.js';
import { SNAPSHOT_MANIFEST_QUEUE } from '../archive/snapshot-manifest.js';
import {
  SNAPSHOT_CHUNK_LENGTH,
  SNAPSHOT_FORMAT_VERSION,
  type SnapshotEntry,
} from '../archive/snapshot-recording.js';
import { removeRecordings } from '../archive/snapshot-recovery.js';
import { checkSnapshot } from '../archive/snapshot-services.js';
import type { StorageTask, StorageTasks } from '../archive/storage-task.js';
import type { MemberId } from '../consensus/election-effects.js';
import { ErrorCode, PawlError } from '../errors.js';
import { hit, Mark } from '../marks.js';
import type { Arena } from '../memory/arena.js';
import type { Position } from '../position.js';
import type { SnapshotPartRequest } from './install-source.js';

/** A part that has not come is asked for again. */
export const INSTALL_RETRY_INTERVAL_NS = 300_000_000;
/** Without any progress for so long, the snapshot is given up: another may be offered. */
const INSTALL_STALL_TIMEOUT_NS = 5_000_000_000;

export interface InstallTargetParts {
  readonly arena: Arena;
  readonly tasks: StorageTasks;
  readonly directory: RecoveredDirectory;
  /** Bytes that are asked for at a time. */
  readonly requestLength: number;
  /** Greatest version that each service reads, by service id. */
  readonly snapshotVersions: () => readonly number[];
  readonly leaderMemberId: () => MemberId;
  /**
   * End of the log as consensus knows it, and so of all that may have been acknowledged. The
   * recorder's own position is another: 0 before the first recording of a life, and of what was cut
   * away since behind the last.
   */
  readonly durablePosition: () => Position;
  /** See OwnLog.sealBelow. */
  readonly sealLogBelow: (position: Position) => boolean;
  readonly allocateRecordingId: () => number;
  send(to: MemberId, request: SnapshotPartRequest): void;
  onWarning(message: string): void;
  /** The snapshot is installed, or the disk failed: the member ends. */
  onFatal(error: PawlError): void;
}

/** A snapshot on its way. */
interface Install {
  readonly entry: SnapshotEntry;
  readonly chunk: number;
  /** End of the log when the snapshot was offered. */
  readonly logEnd: Position;
  /** Bytes that are written; what is received beyond lies in the chunk. */
  written: number;
  received: number;
  isWriting: boolean;
  isGone: boolean;
  askedNs: number;
  /** End of what was asked for last. */
  askedTo: number;
  progressNs: number;
}

/** Receives one snapshot at a time. */
export class InstallTarget {
  readonly #parts: InstallTargetParts;
  #install: Install | undefined;
  #isDone = false;
  // Of a snapshot that came whole, and is not for the services of this member.
  #refusedPosition: Position = -1;
  receivedBytes = 0;
  /** Snapshots that were given up before they were complete. */
  abandonedCount = 0;

  constructor(parts: InstallTargetParts) {
    this.#parts = parts;
  }

  /** The leader offers a snapshot. `entry` has no recording id of this member's. */
  onOffer(from: MemberId, entry: SnapshotEntry, nowNs: number): void {
    const { allocateRecordingId, arena, directory, durablePosition, leaderMemberId } = this.#parts;
    const isWanted =
      from === leaderMemberId() &&
      Number.isSafeInteger(entry.logPosition + entry.length + entry.timestampMs) &&
      entry.length > 0 &&
      // Nobody purges less than a segment. And a log that has its first one is taken for whole when
      // the record of snapshots is lost.
      entry.logPosition >= directory.geometry.segmentLength &&
      // A snapshot of less than the member has would take away what it has acknowledged.
      entry.logPosition > durablePosition();
    if (this.#isDone || !isWanted || !this.#makesRoom(entry, nowNs) || !this.#isReadable(entry)) {
      return;
    }
    this.#install = {
      entry: { ...entry, recordingId: allocateRecordingId() },
      chunk: arena.allocate(SNAPSHOT_CHUNK_LENGTH),
      logEnd: durablePosition(),
      written: 0,
      received: 0,
      isWriting: false,
      isGone: false,
      askedNs: nowNs,
      askedTo: 0,
      progressNs: nowNs,
    };
    this.#ask(this.#install, nowNs);
  }

  /**
   * Whether the offer may be taken. What stands still, because its leader is gone or has another
   * snapshot by now, makes room for what the leader of today offers.
   */
  #makesRoom(entry: SnapshotEntry, nowNs: number): boolean {
    const install = this.#install;
    if (install === undefined) {
      return true;
    }
    const isStanding = nowNs - install.progressNs >= INSTALL_RETRY_INTERVAL_NS;
    const isOther = install.entry.logPosition !== entry.logPosition;
    if (isStanding && isOther && !install.isWriting) {
      this.#abandon(install);
    }
    return this.#install === undefined;
  }

  /** A piece has come. */
  onBlock(
    from: MemberId,
    logPosition: Position,
    offsetBytes: number,
    bytes: Uint8Array,
    nowNs: number,
  ): void {
    const install = this.#install;
    const isExpected =
      install !== undefined &&
      !install.isWriting &&
      from === this.#parts.leaderMemberId() &&
      logPosition === install.entry.logPosition &&
      offsetBytes === install.received &&
      offsetBytes + bytes.length <= Math.min(chunkEnd(install), install.entry.length);
    // Others are late, doubled, or behind a loss: what is missing is asked for again.
    if (!isExpected || bytes.length === 0) {
      return;
    }
    this.#parts.arena.u8.set(bytes, install.chunk + install.received - install.written);
    install.received += bytes.length;
    install.progressNs = nowNs;
    this.receivedBytes += bytes.length;
    if (install.received === Math.min(chunkEnd(install), install.entry.length)) {
      this.#write(install, nowNs);
    } else if (install.received >= install.askedTo) {
      this.#ask(install, nowNs);
    }
  }

  doWork(nowNs: number): number {
    const install = this.#install;
    if (install === undefined || install.isWriting) {
      return 0;
    }
    const isLogComing = this.#parts.durablePosition() > install.logEnd;
    if (isLogComing) {
      // The leader of today has the log that was missing: with it the member need not start again.
      hit(Mark.InstallOvertakenByLog);
    }
    if (isLogComing || nowNs - install.progressNs >= INSTALL_STALL_TIMEOUT_NS) {
      this.#abandon(install);
      return 1;
    }
    if (nowNs - install.askedNs >= INSTALL_RETRY_INTERVAL_NS) {
      this.#ask(install, nowNs);
      return 1;
    }
    return 0;
  }

  deadlineNs(): number {
    const install = this.#install;
    return install === undefined || install.isWriting
      ? Number.POSITIVE_INFINITY
      : install.askedNs + INSTALL_RETRY_INTERVAL_NS;
  }

  close(): void {
    if (this.#install !== undefined) {
      this.#release(this.#install);
      this.#install = undefined;
    }
  }

  #isReadable(entry: SnapshotEntry): boolean {
    const versionMax = this.#parts.snapshotVersions()[0] ?? -1;
    if (entry.logPosition === this.#refusedPosition) {
      return false;
    }
    if (entry.formatVersion <= SNAPSHOT_FORMAT_VERSION && entry.appVersion <= versionMax) {
      return true;
    }
    this.#parts.onWarning(
      `the leader offers a snapshot of version ${entry.appVersion} (format ` +
        `${entry.formatVersion}), and this member reads up to ${versionMax} (format ` +
        `${SNAPSHOT_FORMAT_VERSION}): run the version of the others`,
    );
    return false;
  }

  #ask(install: Install, nowNs: number): void {
    const { leaderMemberId, requestLength, send } = this.#parts;
    install.askedNs = nowNs;
    send(leaderMemberId(), {
      logPosition: install.entry.logPosition,
      offsetBytes: install.received,
      lengthBytes: requestLength,
    });
  }

  #write(install: Install, nowNs: number): void {
    const { arena, directory, onFatal, onWarning, tasks } = this.#parts;
    const { chunk, entry, received, written } = install;
    const bytes = arena.u8.subarray(chunk, chunk + received - written);
    install.isWriting = true;
    tasks.run(
      writeRecordingBytes(tasks.storage, directory.geometry, entry, written, bytes),
      () => {
        install.isWriting = false;
        install.written = received;
        if (install.isGone) {
          arena.release(chunk, SNAPSHOT_CHUNK_LENGTH);
        } else if (received === entry.length) {
          this.#complete(install);
        } else {
          this.#ask(install, nowNs);
        }
      },
      (error) => {
        install.isWriting = false;
        if (error.category === 'fatal') {
          onFatal(error);
        } else {
          onWarning(`a snapshot from the leader could not be written: ${error.message}`);
        }
        this.#abandon(install);
      },
    );
  }

  /** All bytes are here and synced: they are verified, and the record names them. */
  #complete(install: Install): void {
    const { onFatal, onWarning, tasks } = this.#parts;
    const { entry } = install;
    install.isWriting = true;
    tasks.run(
      this.#makeValid(entry),
      (reason) => {
        install.isWriting = false;
        if (reason === undefined) {
          this.#isDone = true;
          this.close();
          onFatal(installed(entry.logPosition));
        } else {
          onWarning(`the snapshot that came from the leader cannot be used: ${reason}`);
          this.#abandon(install);
        }
      },
      (error) => onFatal(error),
      SNAPSHOT_MANIFEST_QUEUE,
    );
  }

  *#makeValid(entry: SnapshotEntry): StorageTask<string | undefined> {
    const { arena, directory, sealLogBelow, snapshotVersions, tasks } = this.#parts;
    const { geometry, snapshots: manifest } = directory;
    const versions = snapshotVersions();
    const check = yield* checkSnapshot(tasks.storage, arena, geometry, entry, versions);
    if ('reason' in check) {
      // What was damaged on its way may come whole; what is not for these services never will.
      this.#refusedPosition = check.isWhole ? entry.logPosition : this.#refusedPosition;
      return check.reason;
    }
    // The log may go on being recorded, on another thread even, while the record is written. From
    // here until this life ends nothing of it is acknowledged that the snapshot would take away.
    if (!sealLogBelow(entry.logPosition)) {
      return 'the log has come beyond it meanwhile';
    }
    yield* manifest.write({ logStartPosition: entry.logPosition, snapshots: [entry] });
    return undefined;
  }

  #abandon(install: Install): void {
    const { onFatal, tasks } = this.#parts;
    const { recordingId } = install.entry;
    this.#install = undefined;
    this.abandonedCount++;
    this.#release(install);
    tasks.run(
      removeRecordings(tasks.storage, (id) => id === recordingId),
      () => undefined,
      (error) => onFatal(error),
    );
  }

  #release(install: Install): void {
    install.isGone = true;
    if (!install.isWriting) {
      this.#parts.arena.release(install.chunk, SNAPSHOT_CHUNK_LENGTH);
    }
  }
}

/** End of the chunk that is being received. */
function chunkEnd(install: Install): number {
  return install.written + SNAPSHOT_CHUNK_LENGTH;
}

function installed(position: Position): PawlError {
  return new PawlError(
    ErrorCode.SnapshotInstalled,
    `a snapshot of position ${position} was taken from the leader: the member starts again from it`,
    'environment',
  );
}
