// repair-source.ts: gives other members the parts of their log that rotted.
//
// A block is read from the own recording, verified on its way in, and sent in pieces that fit into
// one datagram each. It is given only where both recording logs name the same leadership term, for
// then both hold the same bytes; whether it is committed does not matter.

import type { RecordingLog } from '../archive/recording-log.js';
import { REPAIR_BLOCK_LENGTH_MAX } from '../archive/repair-write.js';
import type { LogReader } from '../archive/segment-reader.js';
import type { MemberId } from '../consensus/election-effects.js';
import type { Arena } from '../memory/arena.js';
import { BLOCK_AREA_LENGTH } from '../memory/core.js';
import type { Position } from '../position.js';
import { RepairCode } from '../protocol/codecs/enumerations.js';
import type { ReadGuard } from './checked-reader.js';
import { REPAIR_TIMEOUT_NS, type RepairRequest } from './log-repair.js';

const FRAME_ALIGNMENT = 32;

/** One piece of an answer, as it leaves. */
export interface OutgoingPiece {
  readonly requestId: number;
  readonly position: Position;
  readonly code: RepairCode;
  readonly blockLength: number;
  readonly blockOffset: number;
  /** Arena address and length of the piece. */
  readonly address: number;
  readonly length: number;
}

export interface RepairSourceParts {
  readonly arena: Arena;
  readonly recordingLog: RecordingLog;
  readonly guard: ReadGuard;
  makeReader(): LogReader;
  /** End of the durable log. */
  durablePosition(): Position;
  /** Payload of one piece at most, bytes. */
  readonly pieceLengthMax: number;
  /** False when it could not be sent now. */
  send(to: MemberId, piece: OutgoingPiece): boolean;
}

interface Service {
  readonly to: MemberId;
  readonly request: RepairRequest;
  readonly endNs: number;
  /** Bytes of the block; 0 while it is read. */
  blockLength: number;
  sentLength: number;
}

/** Answers requests for repair, one after another. */
export class RepairSource {
  readonly #parts: RepairSourceParts;
  readonly #scratch: number;
  /** The latest request of each member that waits. */
  readonly #waiting = new Map<MemberId, RepairRequest>();
  #reader: LogReader | undefined;
  #service: Service | undefined;
  /** Blocks that were sent whole. */
  servedBlocks = 0;
  /** Requests that could not be served: not held, or damaged here as well. */
  refusedCount = 0;

  constructor(parts: RepairSourceParts) {
    this.#parts = parts;
    this.#scratch = parts.arena.allocate(BLOCK_AREA_LENGTH);
  }

  /** Takes a request. False when it cannot be one. */
  onRequest(from: MemberId, request: RepairRequest): boolean {
    const { lengthBytes, position, requestId } = request;
    const isPossible =
      Number.isSafeInteger(position) &&
      position >= 0 &&
      position % FRAME_ALIGNMENT === 0 &&
      Number.isSafeInteger(requestId) &&
      lengthBytes > 0 &&
      lengthBytes <= REPAIR_BLOCK_LENGTH_MAX;
    if (isPossible) {
      this.#waiting.set(from, request);
    }
    return isPossible;
  }

  doWork(nowNs: number): number {
    if (this.#service === undefined && this.#waiting.size > 0) {
      this.#begin(nowNs);
    }
    const service = this.#service;
    if (service === undefined) {
      this.#closeReader();
      return 0;
    }
    if (nowNs >= service.endNs) {
      this.#service = undefined;
      return 1;
    }
    const before = service.sentLength;
    if (service.blockLength === 0 && !this.#read(service)) {
      return this.#service === undefined ? 1 : 0;
    }
    this.#sendPieces(service);
    if (service.sentLength === service.blockLength) {
      this.servedBlocks++;
      this.#service = undefined;
    }
    return service.sentLength > before ? 1 : 0;
  }

  /** When a member that does not take its block is given up; soon while others wait. */
  deadlineNs(): number {
    if (this.#service !== undefined) {
      return this.#service.endNs;
    }
    return this.#waiting.size > 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }

  /** The log is about to be cut: what is asked for may be gone. */
  rest(): void {
    this.#service = undefined;
    this.#waiting.clear();
    this.#closeReader();
  }

  close(): void {
    this.rest();
    this.#parts.arena.release(this.#scratch, BLOCK_AREA_LENGTH);
  }

  #begin(nowNs: number): void {
    const [to, request] = this.#waiting.entries().next().value as [MemberId, RepairRequest];
    this.#waiting.delete(to);
    const { durablePosition, guard, recordingLog } = this.#parts;
    const { leadershipTermId, position } = request;
    const isHeld =
      position < durablePosition() &&
      !guard.isPurged(position) &&
      recordingLog.termAt(position)?.leadershipTermId === leadershipTermId;
    if (!isHeld) {
      this.#refuse(to, request, RepairCode.NotHeld);
    } else if (guard.isInDoubt(position)) {
      this.#refuse(to, request, RepairCode.Damaged);
    } else {
      const endNs = nowNs + REPAIR_TIMEOUT_NS;
      this.#service = { to, request, endNs, blockLength: 0, sentLength: 0 };
    }
  }

  /** Reads the block; false while it is not there, or when it cannot be. */
  #read(service: Service): boolean {
    const { arena, durablePosition, guard, makeReader } = this.#parts;
    const { position, lengthBytes } = service.request;
    this.#reader ??= makeReader();
    const available = this.#reader.read(position, durablePosition());
    if (available < 0) {
      this.#closeReader();
      if (!guard.isPurged(position)) {
        guard.suspect(position);
      }
      this.#refuse(service.to, service.request, RepairCode.Damaged);
      this.#service = undefined;
    }
    if (available <= 0) {
      return false;
    }
    const { address } = this.#reader;
    const scratch = this.#scratch;
    const length = arena.core.nextBlockBytes(address, available, lengthBytes, scratch);
    // The first frame may be longer than what was asked for: it is given whole.
    const whole =
      length > 0
        ? length
        : arena.core.nextBlockBytes(address, available, REPAIR_BLOCK_LENGTH_MAX, scratch);
    // Behind the end of the term the two logs may differ.
    const termLow = service.request.leadershipTermId | 0;
    service.blockLength = arena.core.blockTermPrefix(address, whole, termLow);
    return service.blockLength > 0;
  }

  #sendPieces(service: Service): void {
    const { pieceLengthMax, send } = this.#parts;
    const reader = this.#reader;
    const { to, request, blockLength } = service;
    while (reader !== undefined && service.sentLength < blockLength) {
      const length = Math.min(pieceLengthMax, blockLength - service.sentLength);
      const isSent = send(to, {
        requestId: request.requestId,
        position: request.position,
        code: RepairCode.Ok,
        blockLength,
        blockOffset: service.sentLength,
        address: reader.address + service.sentLength,
        length,
      });
      if (!isSent) {
        break;
      }
      service.sentLength += length;
    }
  }

  #refuse(to: MemberId, request: RepairRequest, code: RepairCode): void {
    this.refusedCount++;
    const { position, requestId } = request;
    this.#parts.send(to, {
      requestId,
      position,
      code,
      blockLength: 0,
      blockOffset: 0,
      address: 0,
      length: 0,
    });
  }

  #closeReader(): void {
    this.#reader?.close();
    this.#reader = undefined;
  }
}
