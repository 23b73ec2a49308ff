// cases.ts: the operations of core.wasm that are worth a number, each beside its TypeScript twin.

import { RING_DESCRIPTOR_LENGTH } from '../../assembly/layout/ring.js';
import { Arena } from '../../src/memory/arena.js';
import { INGRESS_AREA_LENGTH, SCAN_END_OFFSET, scanAreaLength } from '../../src/memory/core.js';
import { LogBuffer } from '../../src/memory/log-buffer.js';
import { crc32cSliced } from '../../test/memory/twin/crc32c-twin.js';
import { ingressTwin, type TwinSession } from '../../test/memory/twin/ingress-twin.js';
import { LogTwin } from '../../test/memory/twin/log-twin.js';
import { addOutputTwin } from '../../test/memory/twin/output-hash-twin.js';
import { quorumTwin } from '../../test/memory/twin/quorum-twin.js';
import { advanceTwin, insertTwin } from '../../test/memory/twin/rebuild-twin.js';
import { RingTwin } from '../../test/memory/twin/ring-twin.js';

const TERM_LENGTH = 1024 * 1024;
const PAYLOAD_LENGTH = 200;
const FRAME_LENGTH = 256;
const FRAMES_PER_CALL = 64;
const BURST = 20;
const GEOMETRY = {
  termLength: TERM_LENGTH,
  mtu: 1408,
  initialTermId: 0,
  sessionId: 1,
  streamId: 2,
} as const;

/** One row: both sides do `unit` operations per count. */
export interface BenchCase {
  readonly name: string;
  readonly unit: number;
  readonly wasm: (count: number) => void;
  readonly twin: (count: number) => void;
}

const arena = Arena.create(64 * 1024 * 1024);
const { core, u8, view } = arena;
const payload = Uint8Array.from({ length: PAYLOAD_LENGTH }, (_, i) => i & 0xff);
const source = arena.allocate(128 * 1024);
u8.set(payload, source);

/** Keeps results alive, so that no compiler removes the work. */
let sink = 0;

export function sinkValue(): number {
  return sink;
}

/** A log whose limit and clean position follow its tail, as a conductor would move them. */
class EndlessLog {
  readonly meta: number;
  #turnAt = 0;

  constructor(isChecked: boolean) {
    const log = LogBuffer.allocate(arena, GEOMETRY);
    log.setChecksum(isChecked, 1);
    this.meta = log.meta;
    this.turn(0);
  }

  /** Once per half a term: cleaning is part of what appending costs. */
  turn(tail: number): void {
    if (tail >= this.#turnAt) {
      core.logClean(this.meta, tail, 1 << 30);
      core.logSetPublisherLimit(this.meta, tail + 2 * TERM_LENGTH);
      this.#turnAt = tail + TERM_LENGTH / 2;
    }
  }
}

class EndlessTwin {
  readonly log = new LogTwin(GEOMETRY);
  #turnAt = 0;

  constructor(isChecked: boolean) {
    this.log.isChecksumEnabled = isChecked;
    this.turn(0);
  }

  turn(tail: number): void {
    if (tail >= this.#turnAt) {
      this.log.cleanTo(tail, 1 << 30);
      this.log.limit = tail + 2 * TERM_LENGTH;
      this.#turnAt = tail + TERM_LENGTH / 2;
    }
  }
}

function appendCase(name: string, isChecked: boolean): BenchCase {
  const log = new EndlessLog(isChecked);
  const twin = new EndlessTwin(isChecked);
  return {
    name,
    unit: 1,
    wasm: (count) => {
      for (let i = 0; i < count; i++) {
        log.turn(core.append(log.meta, source, PAYLOAD_LENGTH));
      }
    },
    twin: (count) => {
      for (let i = 0; i < count; i++) {
        twin.turn(twin.log.append(payload));
      }
    },
  };
}

function claimCase(): BenchCase {
  const log = new EndlessLog(false);
  const twin = new EndlessTwin(false);
  return {
    name: 'claim, u8.set, commit 200 B',
    unit: 1,
    wasm: (count) => {
      for (let i = 0; i < count; i++) {
        const address = core.appendClaim(log.meta, PAYLOAD_LENGTH);
        u8.set(payload, address);
        log.turn(core.appendCommit(log.meta, address));
      }
    },
    twin: (count) => {
      for (let i = 0; i < count; i++) {
        twin.log.commit(twin.log.claim(PAYLOAD_LENGTH), payload);
        twin.turn(twin.log.tail);
      }
    },
  };
}

function scanCase(): BenchCase {
  const log = new EndlessLog(false);
  const twin = new EndlessTwin(false);
  const limit = FRAMES_PER_CALL * FRAME_LENGTH * 8;
  for (let position = 0; position < limit; position += FRAME_LENGTH) {
    core.append(log.meta, source, PAYLOAD_LENGTH);
    twin.log.append(payload);
  }
  const out = arena.allocate(scanAreaLength(FRAMES_PER_CALL));
  let from = 0;
  let twinFrom = 0;
  return {
    name: `scan, ${FRAMES_PER_CALL} frames per call, per frame`,
    unit: FRAMES_PER_CALL,
    wasm: (count) => {
      for (let i = 0; i < count; i++) {
        sink += core.scan(log.meta, from, limit, FRAMES_PER_CALL, out);
        from = view.getFloat64(out + SCAN_END_OFFSET, true) % limit;
      }
    },
    twin: (count) => {
      for (let i = 0; i < count; i++) {
        const { frames, end } = twin.log.scan(twinFrom, limit, FRAMES_PER_CALL);
        sink += frames.length;
        twinFrom = end % limit;
      }
    },
  };
}

function rebuildCase(): BenchCase {
  const framesPerDatagram = 5;
  const datagramLength = framesPerDatagram * FRAME_LENGTH;
  const model = new EndlessTwin(true);
  for (let i = 0; i < framesPerDatagram; i++) {
    model.log.append(payload);
  }
  // 800 datagrams fill most of a term; then the image starts anew.
  const datagramsMax = Math.floor(TERM_LENGTH / datagramLength);
  const stream = new EndlessTwin(true);
  while (stream.log.tail < datagramsMax * datagramLength) {
    stream.log.append(payload);
  }
  const bytes = stream.log.bytes.slice(0, datagramsMax * datagramLength);
  const area = arena.allocate(bytes.length);
  u8.set(bytes, area);
  const image = LogBuffer.allocate(arena, GEOMETRY);
  image.setChecksum(true, 0);
  const twin = new EndlessTwin(true);
  let next = 0;
  let twinNext = 0;
  return {
    name: 'rebuild, datagram of 5 frames with crc, per frame',
    unit: framesPerDatagram,
    wasm: (count) => {
      for (let i = 0; i < count; i++) {
        if (next === datagramsMax) {
          u8.fill(0, image.meta - 3 * TERM_LENGTH, image.meta - 2 * TERM_LENGTH);
          core.logStartAt(image.meta, 0);
          next = 0;
        }
        core.rebuildInsert(image.meta, area + next * datagramLength, datagramLength);
        sink += core.rebuildAdvance(image.meta);
        next++;
      }
    },
    twin: (count) => {
      for (let i = 0; i < count; i++) {
        if (twinNext === datagramsMax) {
          twin.log.bytes.fill(0, 0, TERM_LENGTH);
          twin.log.rebuilt = 0;
          twin.log.highWater = 0;
          twinNext = 0;
        }
        const from = twinNext * datagramLength;
        insertTwin(twin.log, bytes.subarray(from, from + datagramLength));
        sink += advanceTwin(twin.log);
        twinNext++;
      }
    },
  };
}

function quorumCase(memberCount: number): BenchCase {
  const address = arena.allocate(memberCount * 128);
  const positions = Array.from({ length: memberCount }, (_, i) => ((i * 5) % 7) * 32);
  for (const [i, position] of positions.entries()) {
    core.counterSet(address + i * 128, position);
  }
  const rank = (memberCount >> 1) + 1;
  return {
    name: `quorum position of ${memberCount}`,
    unit: 1,
    wasm: (count) => {
      for (let i = 0; i < count; i++) {
        sink += core.quorumPosition(address, memberCount, 128, rank);
      }
    },
    twin: (count) => {
      for (let i = 0; i < count; i++) {
        sink += quorumTwin(positions, rank);
      }
    },
  };
}

function crcCase(name: string, length: number): BenchCase {
  const bytes = Uint8Array.from({ length }, (_, i) => (i * 31) & 0xff);
  const area = arena.allocate(length);
  u8.set(bytes, area);
  const twinView = new DataView(bytes.buffer);
  return {
    name: `crc32c of ${name}`,
    unit: 1,
    wasm: (count) => {
      for (let i = 0; i < count; i++) {
        sink += core.crc32c(area, length, 0);
      }
    },
    twin: (count) => {
      for (let i = 0; i < count; i++) {
        sink += crc32cSliced(twinView, 0, length);
      }
    },
  };
}

function outputHashCase(): BenchCase {
  const state = arena.allocate(8);
  const output = { kind: 1, detail: 0, id: 1, value: PAYLOAD_LENGTH, bytes: payload };
  let hash = 0n;
  return {
    name: 'output hash, 200 B',
    unit: 1,
    wasm: (count) => {
      for (let i = 0; i < count; i++) {
        core.outputHashAdd(state, 1, 0, 1, PAYLOAD_LENGTH, source, PAYLOAD_LENGTH);
      }
      sink += view.getInt32(state, true);
    },
    twin: (count) => {
      for (let i = 0; i < count; i++) {
        hash = addOutputTwin(hash, output);
      }
      sink += Number(hash & 0xffn);
    },
  };
}

function ringCase(): BenchCase {
  const capacity = 64 * 1024;
  const ring = arena.allocate(RING_DESCRIPTOR_LENGTH + capacity);
  core.ringInitialize(ring, capacity);
  const twin = new RingTwin(capacity);
  const out = arena.allocate(scanAreaLength(BURST));
  return {
    name: `ring, write ${BURST} of 200 B, read, release, per record`,
    unit: BURST,
    wasm: (count) => {
      for (let i = 0; i < count; i++) {
        for (let j = 0; j < BURST; j++) {
          core.ringWrite(ring, 1, source, PAYLOAD_LENGTH);
        }
        sink += core.ringRead(ring, BURST, out);
        core.ringRelease(ring);
      }
    },
    twin: (count) => {
      for (let i = 0; i < count; i++) {
        for (let j = 0; j < BURST; j++) {
          twin.write(1, payload);
        }
        sink += twin.read(BURST).length;
        twin.release();
      }
    },
  };
}

/** A client's message as the ingress path expects it. */
function sessionMessage(): Uint8Array {
  const bytes = new Uint8Array(32 + PAYLOAD_LENGTH);
  const message = new DataView(bytes.buffer);
  message.setUint16(0, 24, true);
  message.setUint16(2, 1, true);
  message.setUint16(4, 111, true);
  message.setBigInt64(8, 7n, true);
  message.setBigInt64(16, 42n, true);
  return bytes;
}

function ingressCase(): BenchCase {
  const image = new EndlessLog(false);
  const imageTwin = new EndlessTwin(false);
  const log = new EndlessLog(true);
  const logTwin = new EndlessTwin(true);
  const message = sessionMessage();
  const at = source + 64 * 1024;
  u8.set(message, at);
  let limit = 0;
  for (let i = 0; i < BURST; i++) {
    limit = core.append(image.meta, at, message.length);
    imageTwin.log.append(message);
  }
  const table = arena.allocate(core.sessionTableLength(1024));
  core.sessionTableInitialize(table, 1024);
  core.sessionPut(table, 42, 1, 0);
  const sessions = new Map<number, TwinSession>([[42, { state: 1, lastActivityMs: 0 }]]);
  const out = arena.allocate(INGRESS_AREA_LENGTH);
  return {
    name: `ingress batch, ${BURST} messages of 200 B with crc, per message`,
    unit: BURST,
    wasm: (count) => {
      for (let i = 0; i < count; i++) {
        sink += core.ingressBatch(image.meta, 0, limit, table, log.meta, 7, i, BURST, 1, out);
        log.turn(core.logTail(log.meta));
      }
    },
    twin: (count) => {
      for (let i = 0; i < count; i++) {
        const batch = ingressTwin(
          imageTwin.log,
          0,
          limit,
          sessions,
          logTwin.log,
          7,
          i,
          BURST,
          true,
        );
        sink += batch.appended;
        logTwin.turn(logTwin.log.tail);
      }
    },
  };
}

/** Every row of the table. */
export function benchCases(): BenchCase[] {
  return [
    appendCase('append 200 B', false),
    appendCase('append 200 B with crc', true),
    claimCase(),
    scanCase(),
    rebuildCase(),
    quorumCase(3),
    quorumCase(7),
    crcCase('200 B', 200),
    crcCase('4 KB', 4096),
    crcCase('64 KB', 65_536),
    outputHashCase(),
    ringCase(),
    ingressCase(),
  ];
}
