// log-repair.ts: gets damaged ranges of the own log back from other members.
//
// One block at a time is asked for, of one member after another, beginning with the leader. A range
// is repaired from its start on, which is where whole frames end: so each block begins at a frame.
// Any member that recorded the same leadership term there has the same bytes, so nobody needs to
// lead for it, and members with damage in different places repair one another.

import type { DamagedRange, DamageList } from '../archive/damage-list.js';
import type { LogGeometry } from '../archive/log-geometry.js';
import type { RecordingLog } from '../archive/recording-log.js';
import {
  REPAIR_BLOCK_LENGTH_MAX,
  REPAIR_SLAB_LENGTH,
  verifyRepair,
  writeRepair,
} from '../archive/repair-write.js';
import type { StorageTasks } from '../archive/storage-task.js';
import { TRUNCATE_QUEUE } from '../archive/truncate.js';
import type { MemberId } from '../consensus/election-effects.js';
import type { PawlError } from '../errors.js';
import type { Arena } from '../memory/arena.js';
import type { Position } from '../position.js';
import { RepairCode } from '../protocol/codecs/enumerations.js';

/** A member that gives no piece of a block for this long is passed over. */
export const REPAIR_TIMEOUT_NS = 200_000_000;
/** A member that has nothing to give is passed over after this. */
export const REPAIR_RETRY_NS = 20_000_000;

/** What a request says. */
export interface RepairRequest {
  readonly requestId: number;
  /** Leadership term that the own recording log has for the position. */
  readonly leadershipTermId: number;
  readonly position: Position;
  readonly lengthBytes: number;
}

/** One piece of an answer. */
export interface RepairPiece {
  readonly requestId: number;
  readonly position: Position;
  readonly code: number;
  /** Bytes of the whole block, and where in it this piece lies. */
  readonly blockLength: number;
  readonly blockOffset: number;
  /** The piece. */
  readonly view: DataView;
  readonly offset: number;
  readonly length: number;
}

export interface LogRepairParts {
  readonly tasks: StorageTasks;
  readonly arena: Arena;
  readonly geometry: LogGeometry;
  readonly recordingLog: RecordingLog;
  readonly damage: DamageList;
  /** The other members. */
  readonly others: readonly MemberId[];
  leaderMemberId(): MemberId;
  send(to: MemberId, request: RepairRequest): void;
  /** A range is whole again and durable. */
  onRepaired(range: DamagedRange, from: MemberId): void;
  /** Nobody who answers has a range. */
  onUnrepairable(range: DamagedRange): void;
  readonly onFatal: (error: PawlError) => void;
}

/** Counts for the monitor; they only grow. */
export interface RepairCounters {
  /** Ranges that are whole again. */
  repairs: number;
  repairedBytes: number;
  repairRequests: number;
  /** Blocks that were not the frames of the own log. */
  repairBlocksInvalid: number;
}

interface Outstanding {
  readonly from: MemberId;
  readonly request: RepairRequest;
  readonly range: DamagedRange;
  received: number;
  blockLength: number;
}

export class LogRepair {
  readonly counters: RepairCounters = {
    repairs: 0,
    repairedBytes: 0,
    repairRequests: 0,
    repairBlocksInvalid: 0,
  };
  readonly #parts: LogRepairParts;
  #slab = 0;
  #outstanding: Outstanding | undefined;
  #isWriting = false;
  #isResting = false;
  #isClosed = false;
  #nextAskNs = Number.NEGATIVE_INFINITY;
  #requestId = 0;
  #rangeIndex = 0;
  /** Members asked for the current block in vain. */
  readonly #refusedBy = new Set<MemberId>();
  #lastReported: Position = -1;

  constructor(parts: LogRepairParts) {
    this.#parts = parts;
  }

  doWork(nowNs: number): number {
    const { damage } = this.#parts;
    if (damage.isEmpty) {
      this.#outstanding = undefined;
      this.#releaseWhenIdle();
      return 0;
    }
    if (this.#isBusy() || nowNs < this.#nextAskNs) {
      return 0;
    }
    if (this.#outstanding !== undefined) {
      this.#passOver(this.#outstanding.from);
    }
    this.#ask(nowNs);
    return 1;
  }

  deadlineNs(): number {
    const isIdle = this.#parts.damage.isEmpty || this.#isBusy();
    return isIdle ? Number.POSITIVE_INFINITY : this.#nextAskNs;
  }

  /** Takes a piece of an answer. False when it is not what was asked for. */
  onPiece(from: MemberId, piece: RepairPiece, nowNs: number): boolean {
    const asked = this.#outstanding;
    if (
      asked === undefined ||
      this.#isBusy() ||
      from !== asked.from ||
      piece.requestId !== asked.request.requestId ||
      piece.position !== asked.request.position
    ) {
      return false;
    }
    if (piece.code !== RepairCode.Ok) {
      this.#passOver(from);
      this.#nextAskNs = nowNs + REPAIR_RETRY_NS;
      return true;
    }
    if (!isNextPiece(asked, piece)) {
      return false;
    }
    const { u8 } = this.#parts.arena;
    const { byteOffset, buffer } = piece.view;
    const source = new Uint8Array(buffer, byteOffset + piece.offset, piece.length);
    u8.set(source, this.#slab + piece.blockOffset);
    asked.blockLength = piece.blockLength;
    asked.received += piece.length;
    this.#nextAskNs = nowNs + REPAIR_TIMEOUT_NS;
    if (asked.received === asked.blockLength) {
      this.#take(asked, nowNs);
    }
    return true;
  }

  /** The log is about to be cut: what is asked for may be gone. */
  rest(): void {
    this.#isResting = true;
    this.#outstanding = undefined;
  }

  resume(): void {
    this.#isResting = false;
    this.#refusedBy.clear();
  }

  /** Idempotent. Memory that the disk still reads is released when the write has ended. */
  close(): void {
    this.#isClosed = true;
    this.#outstanding = undefined;
    this.#releaseWhenIdle();
  }

  #isBusy(): boolean {
    return this.#isWriting || this.#isResting || this.#isClosed;
  }

  #ask(nowNs: number): void {
    const { arena, damage, recordingLog } = this.#parts;
    const range = damage.ranges[this.#rangeIndex % damage.ranges.length] as DamagedRange;
    const entry = recordingLog.termAt(range.from);
    const to = this.#nextMember();
    this.#nextAskNs = nowNs + REPAIR_TIMEOUT_NS;
    if (entry === undefined || to === undefined) {
      this.#giveUpOn(range);
      return;
    }
    if (this.#slab === 0) {
      this.#slab = arena.allocate(REPAIR_SLAB_LENGTH);
    }
    this.#requestId++;
    const request = {
      requestId: this.#requestId,
      leadershipTermId: entry.leadershipTermId,
      position: range.from,
      lengthBytes: Math.min(REPAIR_BLOCK_LENGTH_MAX, range.to - range.from),
    };
    this.#outstanding = { from: to, request, range, received: 0, blockLength: 0 };
    this.counters.repairRequests++;
    this.#parts.send(to, request);
  }

  /** The leader first, then the others in turn; undefined when all were asked in vain. */
  #nextMember(): MemberId | undefined {
    const { others } = this.#parts;
    const leaderId = this.#parts.leaderMemberId();
    const open = others.filter((memberId) => !this.#refusedBy.has(memberId));
    return open.includes(leaderId) ? leaderId : open[0];
  }

  #passOver(memberId: MemberId): void {
    this.#outstanding = undefined;
    this.#refusedBy.add(memberId);
  }

  /** Everybody was asked for this range: the next one has its turn, this one comes again. */
  #giveUpOn(range: DamagedRange): void {
    this.#refusedBy.clear();
    this.#rangeIndex++;
    if (range.from !== this.#lastReported) {
      this.#lastReported = range.from;
      this.#parts.onUnrepairable(range);
    }
  }

  /** A whole block is there: it is verified, written and synced. */
  #take(asked: Outstanding, nowNs: number): void {
    const { arena, geometry, recordingLog, tasks } = this.#parts;
    const { blockLength, request } = asked;
    const { position } = request;
    const slab = this.#slab;
    const entries = recordingLog.entries();
    const advance = verifyRepair(arena, geometry, entries, slab, blockLength, position);
    if (advance === 0) {
      this.counters.repairBlocksInvalid++;
      this.#passOver(asked.from);
      this.#nextAskNs = nowNs + REPAIR_RETRY_NS;
      return;
    }
    this.#outstanding = undefined;
    this.#isWriting = true;
    tasks.run(
      writeRepair(tasks.storage, geometry, arena, slab, blockLength, position),
      () => this.#end(asked, advance),
      (error) => {
        this.#isWriting = false;
        this.#parts.onFatal(error);
      },
      TRUNCATE_QUEUE,
    );
  }

  #end(asked: Outstanding, advance: number): void {
    const { damage } = this.#parts;
    const from = asked.request.position;
    this.#isWriting = false;
    this.#refusedBy.clear();
    this.#nextAskNs = Number.NEGATIVE_INFINITY;
    this.counters.repairedBytes += advance;
    // A frame may reach over what looked like the next whole one: this one follows from the start.
    damage.remove(from, from + advance);
    if (from + advance >= asked.range.to) {
      this.counters.repairs++;
      this.#parts.onRepaired({ from: asked.range.from, to: from + advance }, asked.from);
    }
    this.#releaseWhenIdle();
  }

  #releaseWhenIdle(): void {
    const isWanted = !this.#isClosed && !this.#parts.damage.isEmpty;
    if (this.#slab !== 0 && !this.#isWriting && !isWanted) {
      this.#parts.arena.release(this.#slab, REPAIR_SLAB_LENGTH);
      this.#slab = 0;
    }
  }
}

/** Whether a piece goes on where the last one ended, within bounds. */
function isNextPiece(asked: Outstanding, piece: RepairPiece): boolean {
  const { blockLength, blockOffset, length } = piece;
  return (
    blockLength > 0 &&
    blockLength <= REPAIR_BLOCK_LENGTH_MAX &&
    (asked.received === 0 || blockLength === asked.blockLength) &&
    blockOffset === asked.received &&
    length > 0 &&
    blockOffset + length <= blockLength
  );
}
