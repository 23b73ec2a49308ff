// shared-log.ts: the log as the service's own thread reads it.
//
// Bytes of the live log are copied out of the term buffers, which the engine goes on cleaning: they
// count only if they turn out to have been whole. So a service that is slow holds nothing up. What
// the term buffers do not hold is asked for; the engine reads it and leaves it in the arena until
// the next request.

import type { RecordedLog } from '../cluster/log-poller.js';
import type { ServiceChannel } from '../cluster/service-channel.js';
import { hit, Mark } from '../marks.js';
import type { Arena } from '../memory/arena.js';
import { BLOCK_ADVANCE_OFFSET, BLOCK_AREA_LENGTH } from '../memory/core.js';
import { POSITION_NULL, type Position } from '../position.js';

/** What a poller reads from. */
export class SharedLog implements RecordedLog {
  readonly #arena: Arena;
  readonly #channel: ServiceChannel;
  readonly #termLength: number;
  readonly #blockLength: number;
  readonly #block: number;
  readonly #area: number;
  // Whole frames: [start, start + length) in position bytes, from #base on.
  #start: Position = POSITION_NULL;
  #length = 0;
  #base = 0;
  #address = 0;
  #request = 0;
  #requestedPosition: Position = POSITION_NULL;
  /** Set when something was asked for: the engine is to be woken. */
  hasAsked = false;

  /** @param arena of this thread, which allocates in it. */
  constructor(arena: Arena, channel: ServiceChannel, termLength: number, blockLength: number) {
    this.#arena = arena;
    this.#channel = channel;
    this.#termLength = termLength;
    this.#blockLength = blockLength;
    this.#block = arena.allocate(blockLength);
    this.#area = arena.allocate(BLOCK_AREA_LENGTH);
  }

  get address(): number {
    return this.#address;
  }

  read(position: Position, limit: Position): number {
    const offset = position - this.#start;
    if (this.#start >= 0 && offset >= 0 && offset < this.#length) {
      return this.#give(offset, limit);
    }
    if (this.#copyLive(position, limit) || this.#takeAnswer(position)) {
      return this.#give(0, limit);
    }
    this.#ask(position, limit);
    return 0;
  }

  close(): void {
    this.#arena.release(this.#block, this.#blockLength);
    this.#arena.release(this.#area, BLOCK_AREA_LENGTH);
  }

  #give(offset: number, limit: Position): number {
    this.#address = this.#base + offset;
    return Math.max(0, Math.min(this.#length - offset, limit - this.#start - offset));
  }

  /** Takes a run of frames that ends with the term, or a padding frame. */
  #copyLive(position: Position, limit: Position): boolean {
    const channel = this.#channel;
    const { core, i32 } = this.#arena;
    const { generation, liveMeta } = channel;
    if (liveMeta === 0) {
      return false;
    }
    const copied = core.copyBlock(
      liveMeta,
      this.#termLength,
      position,
      limit,
      this.#blockLength,
      this.#block,
    );
    if (copied <= 0 || channel.generation !== generation) {
      hit(Mark.SharedLogOverrun);
      return false;
    }
    // A follower may have joined the log behind what it has recorded: then there are no frames yet.
    const wireLength = core.nextBlockBytes(this.#block, copied, copied, this.#area);
    if (wireLength === 0) {
      return false;
    }
    this.#start = position;
    this.#length = i32[(this.#area + BLOCK_ADVANCE_OFFSET) >> 2] as number;
    this.#base = this.#block;
    return true;
  }

  /** Whether what was asked for is there, and is what is wanted now. */
  #takeAnswer(position: Position): boolean {
    const channel = this.#channel;
    const isThere = this.#request > 0 && channel.answered === this.#request;
    if (!isThere || this.#requestedPosition !== position) {
      return false;
    }
    this.#start = position;
    this.#length = channel.answerLength;
    this.#base = channel.answerAddress;
    return true;
  }

  /** One request at a time. */
  #ask(position: Position, limit: Position): void {
    const channel = this.#channel;
    const isAwaited = this.#request > 0 && channel.answered !== this.#request;
    if (!isAwaited) {
      hit(Mark.SharedLogAsks);
      this.#request++;
      this.#requestedPosition = position;
      channel.publishRequest(this.#request, position, limit);
      this.hasAsked = true;
    }
  }
}
