// core.ts: what core.wasm exports, as TypeScript sees it.
//
// This interface is the contract between the two languages; assembly/README.md says the same with
// costs. Conventions: an `address` is a byte offset into the arena (i32, 8-byte aligned for
// counters, 32-byte aligned for frames); a `position` crosses the boundary as f64 and is an i64
// inside; `meta` is the address of a log buffer's metadata page, which names the whole log buffer,
// because its three terms lie right before it: term i starts at meta - 3 * termLength + i *
// termLength. Ranges are trusted here and checked by the callers: an address that is wrong is a
// broken invariant.

/** Where `scan` and its kin leave their answers. Lengths in bytes. */
export const SCAN_HEADER_LENGTH = 16;
/** f64: position (or byte offset, for scanBytes) after the last frame examined. */
export const SCAN_END_OFFSET = 0;
/** i32: why the scan stopped: a ScanStop. */
export const SCAN_STOP_OFFSET = 8;
/** Pairs of i32 (frame address, frame length) follow the header. */
export const SCAN_ENTRY_LENGTH = 8;

/** Bytes of a scan area for a number of frames. */
export function scanAreaLength(frameLimit: number): number {
  return SCAN_HEADER_LENGTH + frameLimit * SCAN_ENTRY_LENGTH;
}

export const ScanStop = {
  /** Reached the limit position. */
  Limit: 0,
  /** Found a frame that is not yet published (zero or negative length). */
  Unavailable: 1,
  /** The number of frames asked for was found. */
  FrameLimit: 2,
  /** scanBytes: a frame is malformed or not whole. */
  Malformed: 3,
} as const;

/** Fields of an entry that `decodeMessages` makes of a frame. */
/** i32: address of the body; 0 when the frame is no whole session message. */
export const MESSAGE_BODY_OFFSET = 0;
/** i32 */
export const MESSAGE_BODY_LENGTH_OFFSET = 4;
/** f64: position after the frame; of every entry. */
export const MESSAGE_POSITION_OFFSET = 8;
/** f64 each. What an i64 beyond 2^53 becomes equals no valid id, time or term. */
export const MESSAGE_CLUSTER_SESSION_OFFSET = 16;
export const MESSAGE_TIMESTAMP_OFFSET = 24;
export const MESSAGE_LEADERSHIP_TERM_OFFSET = 32;
export const MESSAGE_ENTRY_LENGTH = 40;

/** i32 fields that `nextBlock` writes at `out`. */
export const BLOCK_ADDRESS_OFFSET = 0;
/** Bytes by which the position advances: more than the block when it ends with a padding frame. */
export const BLOCK_ADVANCE_OFFSET = 4;
export const BLOCK_AREA_LENGTH = 16;

/** i32 fields that `findGap` writes at `out`. */
export const GAP_TERM_ID_OFFSET = 0;
export const GAP_TERM_OFFSET_OFFSET = 4;
export const GAP_LENGTH_OFFSET = 8;
export const GAP_AREA_LENGTH = 16;

/** Negative results of `rebuildInsert`; non-negative is the number of bytes that were new. */
export const InsertResult = {
  /** The datagram is not a sequence of valid frames of this log. */
  Malformed: -1,
  /** A checksum disagrees, or is missing where one is demanded. */
  ChecksumMismatch: -2,
  /** Wholly before the rebuild position: a duplicate. */
  Underrun: -3,
  /** Beyond the window that was cleaned for this image. */
  Overrun: -4,
} as const;

/** Fields that `ingressBatch` writes at `out`. */
export const INGRESS_END_OFFSET = 0; // f64: position in the image after the last frame handled
export const INGRESS_STOP_OFFSET = 8; // i32: an IngressStop
export const INGRESS_REJECTED_OFFSET = 12; // i32: frames skipped: unknown session or other term
export const INGRESS_FRAME_ADDRESS_OFFSET = 16; // i32: the frame for the slow path at stop Control
export const INGRESS_FRAME_LENGTH_OFFSET = 20; // i32: its frame length
export const INGRESS_AREA_LENGTH = 32;

export const IngressStop = {
  /** Reached the limit or an unpublished frame. */
  Drained: 0,
  /**
   * The frame at the end position is not a whole session message: TypeScript decides, then skips
   * it.
   */
  Control: 1,
  /** The log has no room: poll the same frame again later. */
  BackPressured: 2,
  FrameLimit: 3,
} as const;

/** State of a session in the session table, as the batch path sees it. */
export const SessionTableState = {
  Absent: 0,
  /** Messages pass. */
  Open: 1,
  /** A close event is in the log: messages are rejected. */
  Closing: 2,
} as const;

/** Result of `sessionPut`: the table is full. */
export const SESSION_TABLE_FULL = -1;

export interface CoreExports {
  /** Writes the crc32c tables at their fixed address. Once per arena, before anything else. */
  initialize(): void;

  // --- counters: i64, atomic, 8-byte aligned ---
  counterGet(address: number): number;
  counterSet(address: number, value: number): void;
  /** Raises the counter to value if that is greater; returns the counter's value after. */
  counterProposeMax(address: number, value: number): number;
  /** Returns the value before. */
  counterGetAndAdd(address: number, delta: number): number;

  // --- checksum ---
  /** crc32c (Castagnoli) of a range; seed 0 to start, a previous result to go on. */
  crc32c(address: number, length: number, seed: number): number;
  /**
   * The crc of a frame with sessionId, streamId and the crc field as zero; of a padding frame's
   * header.
   */
  frameChecksum(frameAddress: number, frameLength: number): number;
  /**
   * Takes an output into the u64 at `state`: three words (kind and detail, id, value), then bytes.
   * Numbers are safe integers.
   */
  outputHashAdd(
    state: number,
    kind: number,
    detail: number,
    id: number,
    value: number,
    address: number,
    length: number,
  ): void;
  /** More bytes of the same output; parts are cut at multiples of OUTPUT_PIECE_LENGTH. */
  outputHashBytes(state: number, address: number, length: number): void;
  /** Takes the log position at which an event with output ends. */
  outputHashEnd(state: number, position: number): void;

  // --- log buffer ---
  /** Writes the metadata page of a zeroed log buffer that starts at position 0 of initialTermId. */
  logInitialize(
    meta: number,
    termLength: number,
    mtu: number,
    initialTermId: number,
    sessionId: number,
    streamId: number,
  ): void;
  /**
   * Starts a zeroed log buffer at a position (frame-aligned): tails, clean and rebuild positions.
   */
  logStartAt(meta: number, position: number): void;
  /**
   * With `enabled` 1 every appended frame carries crc and the low 32 bits of a leadership term in
   * its reserved value, and every inserted one must; with 0 the reserved value is 0 and not checked
   * unless it is there.
   */
  logSetChecksum(meta: number, enabled: number, leadershipTermLow: number): void;
  /** Position up to which an exclusive or concurrent publisher may write. Aligned. */
  logSetPublisherLimit(meta: number, position: number): void;
  /** Tail position of a publication. */
  logTail(meta: number): number;
  /**
   * Zeroes at most lengthMax bytes from the clean position towards `position`; returns the clean
   * position after. Bytes below it belong to the positions one buffer (three terms) later.
   */
  logClean(meta: number, position: number, lengthMax: number): number;
  /**
   * As `logClean` without zeroing, for a log with one writer and for an image: nobody looks beyond
   * their tail or their high-water mark. Returns the clean position after.
   */
  logRetire(meta: number, position: number): number;

  // --- exclusive append: one writer; rotates by itself, so it never answers ADMIN_ACTION ---
  /** Address of the payload of a claimed frame, or a negative result code. length <= mtu - 32. */
  appendClaim(meta: number, length: number): number;
  /** Publishes a claim with its final header. Returns the tail position. */
  appendCommit(meta: number, payloadAddress: number): number;
  /** Turns a claim into padding. */
  appendAbort(meta: number, payloadAddress: number): void;
  /**
   * Copies a message, fragmenting what is longer than mtu - 32. Tail position, or a result code.
   */
  append(meta: number, source: number, length: number): number;
  /**
   * As `append` for a message in two parts (a header and a body), contiguous in the frame.
   */
  append2(meta: number, head: number, headLength: number, body: number, bodyLength: number): number;
  /** Appends a padding frame of length bytes (aligned, >= 32). Tail position or a result code. */
  appendPadding(meta: number, length: number): number;

  // --- concurrent append: any thread; ADMIN_ACTION while a term rotates ---
  concurrentClaim(meta: number, length: number): number;
  concurrentCommit(meta: number, payloadAddress: number): void;
  concurrentAbort(meta: number, payloadAddress: number): void;
  concurrentAppend(meta: number, source: number, length: number): number;
  /** Pads over a claim that a dead writer left at `position`; 1 when it did. */
  logUnblock(meta: number, position: number): number;

  // --- scan ---
  /**
   * Indexes published DATA frames (padding skipped) in [from, limit), at most frameLimit. Count.
   */
  scan(meta: number, from: number, limit: number, frameLimit: number, out: number): number;
  /** The same over whole frames that lie contiguously, as in a segment file's bytes. */
  scanBytes(address: number, length: number, frameLimit: number, out: number): number;
  /**
   * Decodes the frames that a scan has indexed in `area` into entries of MESSAGE_ENTRY_LENGTH at
   * `out`. Returns how many are whole session messages.
   */
  decodeMessages(
    area: number,
    count: number,
    termLength: number,
    initialTermId: number,
    out: number,
  ): number;
  /**
   * Keeps of the frames that a scan has indexed those that are no whole session message. Count.
   */
  selectEvents(area: number, count: number): number;
  /**
   * The next run of published whole frames in [from, limit) within one term, at most lengthMax
   * bytes: its length, 0 when there is none. A padding frame ends the run and counts 32 bytes.
   */
  nextBlock(meta: number, from: number, limit: number, lengthMax: number, out: number): number;
  /** The same over whole frames that lie contiguously at an address (archive chunk). */
  nextBlockBytes(address: number, length: number, lengthMax: number, out: number): number;
  /**
   * Copies bytes of a log buffer that another thread may clean meanwhile, towards `limit`, at most
   * lengthMax, within one term. The length; 0 when there is nothing; -1 when the bytes are not
   * whole any more. The caller finds out afterwards whether the buffer was released meanwhile.
   */
  copyBlock(
    meta: number,
    termLength: number,
    from: number,
    limit: number,
    lengthMax: number,
    target: number,
  ): number;
  /**
   * Orders what this thread did before against what it does after, as other threads see it. The
   * word at `address` keeps its value.
   */
  fence(address: number): void;
  /** Address in the log buffer of a position. */
  addressOf(meta: number, position: number): number;
  /**
   * Bytes of the prefix of a run of frames (padding as header alone) whose leadership term bits
   * equal.
   */
  blockTermPrefix(address: number, length: number, leadershipTermLow: number): number;
  /**
   * Verifies bytes that were read from a segment at `position`: geometry, term id and offset, crc,
   * leadership term bits. Returns the length of the valid prefix, in position bytes (padding
   * whole).
   */
  verifyBytes(
    address: number,
    length: number,
    position: number,
    termLength: number,
    initialTermId: number,
    leadershipTermLow: number,
  ): number;
  /** Writes sessionId and streamId into every frame of a run; checksums mask them. */
  rewriteStream(address: number, length: number, sessionId: number, streamId: number): void;

  // --- rebuild of an image from datagrams ---
  /** Inserts the frames of one datagram; raises the high-water mark. See InsertResult. */
  rebuildInsert(meta: number, datagram: number, length: number): number;
  /** Raises the high-water mark (from a heartbeat). */
  rebuildHighWaterMark(meta: number, position: number): void;
  /** Moves the rebuild position over every contiguous frame; returns it. */
  rebuildAdvance(meta: number): number;
  rebuildPosition(meta: number): number;
  highWaterMark(meta: number): number;
  /** First gap in [rebuild position, high-water mark): 1 and its place at `out`, else 0. */
  findGap(meta: number, out: number): number;

  // --- flow control and positions ---
  /** The rank-th largest (1 = largest) of `count` i64 counters, `stride` bytes apart. */
  quorumPosition(address: number, count: number, stride: number, rank: number): number;
  /** Sender limit after a status message: max(limit, position of it + window). */
  senderLimit(
    limit: number,
    consumptionTermId: number,
    consumptionTermOffset: number,
    windowLength: number,
    termLength: number,
    initialTermId: number,
  ): number;
  /** Receiver window: min(initial window, half a term, bytes free after what is not consumed). */
  receiverWindow(initialWindow: number, termLength: number, unconsumedLength: number): number;

  // --- many-to-one ring between threads; capacity is a power of two, trailer of 768 bytes after
  // ---
  ringInitialize(ring: number, capacity: number): void;
  /** 1 when written, 0 when there is no room, -1 when longer than capacity / 8. */
  ringWrite(ring: number, typeId: number, source: number, length: number): number;
  /**
   * Indexes up to `limit` records as pairs (payload address, length) in scan layout; type id at
   * address - 4. Count.
   */
  ringRead(ring: number, limit: number, out: number): number;
  /** Releases what the last ringRead indexed. */
  ringRelease(ring: number): void;
  /** Skips a record that a dead producer left claimed; 1 when it did. */
  ringUnblock(ring: number): number;

  // --- the leader's session table and ingress batch ---
  /** Bytes of a table for `capacity` sessions (power of two; at most half full). */
  sessionTableLength(capacity: number): number;
  sessionTableInitialize(table: number, capacity: number): void;
  /** Inserts or updates. Slot address >= 0 or SESSION_TABLE_FULL. */
  sessionPut(table: number, clusterSessionId: number, state: number, nowMs: number): number;
  /** 1 when it was there. */
  sessionRemove(table: number, clusterSessionId: number): number;
  /** A SessionTableState, 0 when absent. */
  sessionState(table: number, clusterSessionId: number): number;
  /** Milliseconds of the last activity, -1 when absent. */
  sessionLastActivityMs(table: number, clusterSessionId: number): number;
  /** Marks activity (keep-alive); 1 when the session is there and open. */
  sessionTouch(table: number, clusterSessionId: number, nowMs: number): number;
  /**
   * Moves whole, unfragmented SessionMessageHeader frames of an ingress image into the log: checks
   * schema, term and session, stamps leadershipTermId, clusterSessionId, timestamp, appends. With
   * `mayAppend` 0 it stops at the first message that it would append, as if the log had no room.
   * The session of a message that waits for room is active.
   */
  ingressBatch(
    imageMeta: number,
    from: number,
    limit: number,
    table: number,
    logMeta: number,
    leadershipTermId: number,
    timestamp: number,
    frameLimit: number,
    mayAppend: number,
    out: number,
  ): number;
}
