// install-source.ts: gives members a snapshot for the log that this one has purged.
//
// A member that asks for log before the beginning of this one's is offered the newest snapshot that
// can be read, as far as is known, and asks for it piece by piece. One chunk a member is held; what
// is sent waits for the member's window. What has rotted since it was written is found on the way:
// then an earlier snapshot is offered, and a new one is asked for.

import type { RecoveredDirectory } from '../archive/member-directory.js';
import { readSnapshotChunk } from '../archive/snapshot-reader.js';
import { SNAPSHOT_CHUNK_LENGTH, type SnapshotEntry } from '../archive/snapshot-recording.js';
import type { StorageTasks } from '../archive/storage-task.js';
import type { MemberId } from '../consensus/election-effects.js';
import { hit, Mark } from '../marks.js';
import type { Arena } from '../memory/arena.js';
import type { Position } from '../position.js';

/** A member that has not asked for so long is not served any more. */
export const INSTALL_IDLE_TIMEOUT_NS = 10_000_000_000;

/** A part of a snapshot that a member asks for. */
export interface SnapshotPartRequest {
  readonly logPosition: Position;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

export interface InstallSourceParts {
  readonly arena: Arena;
  readonly tasks: StorageTasks;
  readonly directory: RecoveredDirectory;
  /** Payload of one piece at most, bytes. */
  readonly pieceLengthMax: number;
  sendOffer(to: MemberId, entry: SnapshotEntry): void;
  /** False when the member cannot take it now: it is sent again. */
  sendBlock(
    to: MemberId,
    logPosition: Position,
    offsetBytes: number,
    address: number,
    length: number,
  ): boolean;
  /** A snapshot is wanted in place of one that cannot be read. */
  requestSnapshot(): void;
  onWarning(message: string): void;
}

/** One member that is being served. */
interface Serving {
  readonly entry: SnapshotEntry;
  readonly chunk: number;
  /** Start of the chunk that is held, or read; -1 for none. */
  chunkStart: number;
  isReading: boolean;
  isFailed: boolean;
  isGone: boolean;
  /** Hash of the bytes from the first on to here, as they were read. */
  hash: number;
  hashedTo: number;
  /** What is still to be sent: [next, end). */
  next: number;
  end: number;
  askedNs: number;
}

/** Serves snapshots to other members. */
export class InstallSource {
  readonly #parts: InstallSourceParts;
  readonly #serving = new Map<MemberId, Serving>();
  /** Recordings that could not be read when they were last tried. */
  readonly #unreadable = new Set<number>();
  /** Those of them that an operator has heard of. */
  readonly #told = new Set<number>();
  /** Snapshots that could not be read. */
  unreadableCount = 0;
  /** Snapshots that were offered, and pieces that were sent. */
  offerCount = 0;
  blockCount = 0;

  constructor(parts: InstallSourceParts) {
    this.#parts = parts;
  }

  /** Whether a snapshot is being given away: it is kept meanwhile. */
  isServing(entry: SnapshotEntry): boolean {
    return [...this.#serving.values()].some((one) => one.entry.recordingId === entry.recordingId);
  }

  /**
   * The least position of a snapshot that is being given away; Infinity for none. Who gets it needs
   * the log from there on, and comes for it when it has started again.
   */
  lowestGivenPosition(): Position {
    const positions = [...this.#serving.values()].map((one) => one.entry.logPosition);
    return Math.min(...positions, Number.POSITIVE_INFINITY);
  }

  /** A member needs log that is purged here. */
  offer(to: MemberId): void {
    const entry = this.#bestEntry();
    if (entry !== undefined) {
      this.offerCount++;
      this.#parts.sendOffer(to, entry);
    }
  }

  /** The newest snapshot that is not known to be unreadable, and with the log behind it. */
  #bestEntry(): SnapshotEntry | undefined {
    const { logStartPosition, snapshots } = this.#parts.directory.snapshots.index;
    const given = snapshots.filter((entry) => entry.logPosition >= logStartPosition);
    const readable = given.filter((entry) => !this.#unreadable.has(entry.recordingId));
    if (readable.length === 0) {
      // What could not be read may be readable by now. If it is not, the others have their turn.
      this.#unreadable.clear();
      return given.at(-1);
    }
    if (readable.at(-1) !== given.at(-1)) {
      hit(Mark.InstallOffersEarlier);
    }
    return readable.at(-1);
  }

  /** A member asks for a part. False when it cannot be one. */
  onRequest(from: MemberId, request: SnapshotPartRequest, nowNs: number): boolean {
    const { lengthBytes, logPosition, offsetBytes } = request;
    const entry = this.#parts.directory.snapshots.index.snapshots.find(
      (one) => one.logPosition === logPosition,
    );
    if (entry === undefined || this.#unreadable.has(entry.recordingId)) {
      // It is gone, was never here, or cannot be read: there is another one instead.
      this.offer(from);
      return true;
    }
    const isPossible =
      Number.isSafeInteger(offsetBytes) &&
      offsetBytes >= 0 &&
      offsetBytes < entry.length &&
      lengthBytes > 0;
    if (!isPossible) {
      return false;
    }
    const serving = this.#servingOf(from, entry);
    const chunkStart = offsetBytes - (offsetBytes % SNAPSHOT_CHUNK_LENGTH);
    serving.askedNs = nowNs;
    serving.next = offsetBytes;
    serving.end = Math.min(
      offsetBytes + lengthBytes,
      chunkStart + SNAPSHOT_CHUNK_LENGTH,
      entry.length,
    );
    return true;
  }

  doWork(nowNs: number): number {
    let work = 0;
    for (const [to, serving] of this.#serving) {
      if (nowNs - serving.askedNs > INSTALL_IDLE_TIMEOUT_NS || serving.isFailed) {
        this.#end(to, serving);
        work++;
      } else if (serving.next < serving.end && !serving.isReading) {
        work += this.#serve(to, serving);
      }
    }
    return work;
  }

  /** When a member that is silent is given up. */
  deadlineNs(): number {
    let askedNs = Number.POSITIVE_INFINITY;
    for (const serving of this.#serving.values()) {
      askedNs = Math.min(askedNs, serving.askedNs);
    }
    return askedNs + INSTALL_IDLE_TIMEOUT_NS;
  }

  close(): void {
    for (const [to, serving] of [...this.#serving]) {
      this.#end(to, serving);
    }
  }

  #serve(to: MemberId, serving: Serving): number {
    const { pieceLengthMax, sendBlock } = this.#parts;
    const chunkStart = serving.next - (serving.next % SNAPSHOT_CHUNK_LENGTH);
    if (serving.chunkStart !== chunkStart) {
      this.#read(serving, chunkStart);
      return 1;
    }
    let count = 0;
    while (serving.next < serving.end) {
      const length = Math.min(pieceLengthMax, serving.end - serving.next);
      const address = serving.chunk + serving.next - chunkStart;
      if (!sendBlock(to, serving.entry.logPosition, serving.next, address, length)) {
        break;
      }
      serving.next += length;
      count++;
    }
    this.blockCount += count;
    return count > 0 ? 1 : 0;
  }

  #read(serving: Serving, chunkStart: number): void {
    const { arena, directory, tasks } = this.#parts;
    const { geometry } = directory;
    const { chunk, entry } = serving;
    serving.isReading = true;
    serving.chunkStart = -1;
    const end = (failure: string | undefined): void => {
      serving.isReading = false;
      serving.chunkStart = chunkStart;
      if (serving.isGone) {
        arena.release(chunk, SNAPSHOT_CHUNK_LENGTH);
        return;
      }
      const reason = failure ?? this.#checkHash(serving);
      // What rotted since it was written is not given to anybody.
      serving.isFailed = reason !== undefined;
      if (reason !== undefined) {
        this.#onUnreadable(entry, reason);
      }
    };
    tasks.run(
      readSnapshotChunk(tasks.storage, { arena, geometry, entry, chunk }, chunkStart),
      end,
      (error) => end(error.message),
    );
  }

  /**
   * Goes on with the hash of the whole, as long as one chunk follows the other: of the padding
   * between frames it alone tells whether that is what was written.
   */
  #checkHash(serving: Serving): string | undefined {
    const { chunk, chunkStart, entry } = serving;
    if (chunkStart === 0) {
      serving.hash = 0;
      serving.hashedTo = 0;
    }
    if (chunkStart !== serving.hashedTo) {
      return undefined;
    }
    const length = Math.min(SNAPSHOT_CHUNK_LENGTH, entry.length - chunkStart);
    serving.hash = this.#parts.arena.core.crc32c(chunk, length, serving.hash);
    serving.hashedTo += length;
    const isAsWritten = serving.hashedTo < entry.length || serving.hash >>> 0 === entry.hash;
    return isAsWritten ? undefined : 'its bytes are not those that were written';
  }

  /** The operator is told of each once, and a new snapshot is asked for. */
  #onUnreadable({ logPosition, recordingId }: SnapshotEntry, reason: string): void {
    const { directory, onWarning, requestSnapshot } = this.#parts;
    const named = new Set(directory.snapshots.index.snapshots.map((entry) => entry.recordingId));
    for (const id of this.#told) {
      if (!named.has(id)) {
        this.#told.delete(id);
        this.#unreadable.delete(id);
      }
    }
    this.#unreadable.add(recordingId);
    if (!this.#told.has(recordingId)) {
      this.#told.add(recordingId);
      this.unreadableCount++;
      onWarning(
        `the snapshot at position ${logPosition} (recording ${recordingId}) cannot be given to ` +
          `another member: ${reason}. An earlier one is given where there is one, and a new one ` +
          'is taken; if this happens again, replace the disk',
      );
      requestSnapshot();
    }
  }

  #servingOf(to: MemberId, entry: SnapshotEntry): Serving {
    const known = this.#serving.get(to);
    if (known !== undefined && known.entry.recordingId === entry.recordingId) {
      return known;
    }
    if (known !== undefined) {
      this.#end(to, known);
    }
    const serving: Serving = {
      entry,
      chunk: this.#parts.arena.allocate(SNAPSHOT_CHUNK_LENGTH),
      chunkStart: -1,
      isReading: false,
      isFailed: false,
      isGone: false,
      hash: 0,
      hashedTo: 0,
      next: 0,
      end: 0,
      askedNs: 0,
    };
    this.#serving.set(to, serving);
    return serving;
  }

  #end(to: MemberId, serving: Serving): void {
    this.#serving.delete(to);
    serving.isGone = true;
    if (!serving.isReading) {
      this.#parts.arena.release(serving.chunk, SNAPSHOT_CHUNK_LENGTH);
    }
  }
}
