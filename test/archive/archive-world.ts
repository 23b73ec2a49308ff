// archive-world.ts: what the archive's tests share: small logs, disks and crash points.

import type { Birth } from '../../src/archive/birth.js';
import type { LogGeometry } from '../../src/archive/log-geometry.js';
import { segmentFileName } from '../../src/archive/log-geometry.js';
import type { RecoveredDirectory } from '../../src/archive/member-directory.js';
import { bootstrapDirectory, openDirectory } from '../../src/archive/member-directory.js';
import { completeTask, type StorageTask, StorageTasks } from '../../src/archive/storage-task.js';
import { Arena } from '../../src/memory/arena.js';
import { type CrashMode, MemoryDisk, MemoryStorage, PowerCut } from '../support/memory-storage.js';

export const TERM_LENGTH = 64 * 1024;
/** Two terms a segment. */
export const GEOMETRY: LogGeometry = { termLength: TERM_LENGTH, segmentLength: 2 * TERM_LENGTH };
export const IDENTITY = { clusterId: 7, memberId: 1 };
export const EGRESS_TERM_LENGTH = 256 * 1024;
export const CONFIGURATION_HASH = { high: 0xdeadbeef, low: 0x01020304 };

const HEADER_LENGTH = 32;

/** Deterministic bits for choices in tests. */
export function makeChance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 8;
  };
}

/** Runs a task on a disk, as a process of its own. */
export function runOn<T>(disk: MemoryDisk, make: (storage: MemoryStorage) => StorageTask<T>): T {
  const storage = new MemoryStorage(disk);
  return completeTask(new StorageTasks(storage), make(storage));
}

/** Operations that a task needs on a copy of a disk. */
export function countOperations(
  disk: MemoryDisk,
  make: (storage: MemoryStorage) => StorageTask<unknown>,
): number {
  const storage = new MemoryStorage(disk.clone());
  completeTask(new StorageTasks(storage), make(storage));
  return storage.operationCount;
}

/**
 * Runs a task on copies of a disk, cuts the power at every point between its operations, and hands
 * over each disk that may be found then.
 */
export function atEveryCrashPoint(
  disk: MemoryDisk,
  make: (storage: MemoryStorage) => StorageTask<unknown>,
  check: (after: MemoryDisk, label: string, isComplete: boolean) => void,
  tearCount = 4,
): number {
  const total = countOperations(disk, make);
  let states = 0;
  for (let cut = 0; cut <= total; cut++) {
    const storage = new MemoryStorage(disk.clone());
    storage.cutAt = cut;
    try {
      completeTask(new StorageTasks(storage), make(storage));
    } catch (error) {
      if (!(error instanceof PowerCut)) {
        throw error;
      }
    }
    const modes: CrashMode[] = ['keep', 'drop', ...Array<CrashMode>(tearCount).fill('tear')];
    modes.forEach((mode, index) => {
      const next = makeChance(cut * 31 + index);
      const after = storage.disk.crashed(mode, () => next() % 2 === 0);
      check(after, `cut ${cut} of ${total}, ${mode} ${index}`, cut === total);
      states++;
    });
  }
  return states;
}

/** A born directory. */
export function bornDisk(voting = true): { disk: MemoryDisk; birth: Birth } {
  const disk = new MemoryDisk();
  const birth = runOn(disk, (storage) => bootstrap(storage, voting));
  return { disk, birth };
}

export function bootstrap(storage: MemoryStorage, voting = true): StorageTask<Birth> {
  const next = makeChance(99);
  return bootstrapDirectory(storage, {
    ...IDENTITY,
    configurationHash: CONFIGURATION_HASH,
    voting,
    geometry: GEOMETRY,
    egressTermLength: EGRESS_TERM_LENGTH,
    mtuLength: 1408,
    entropy: { nextUint32: () => next() },
    wallMs: 1_700_000_000_000,
  });
}

/** Opens a directory as a process of its own. */
export function recover(
  disk: MemoryDisk,
  arena: Arena,
  verifyFrom: 'mark' | 'start' = 'mark',
): RecoveredDirectory {
  return runOn(disk, (storage) => openDirectory(storage, { ...IDENTITY, arena, verifyFrom }));
}

/** Builds the bytes of a log, frame by frame. */
export class LogImage {
  readonly #arena: Arena;
  readonly #scratch: number;
  bytes = new Uint8Array(16 * TERM_LENGTH);
  position = 0;
  /** Ends of the frames. */
  readonly ends: number[] = [];
  leadershipTermId = 0;

  constructor(arena: Arena) {
    this.#arena = arena;
    this.#scratch = arena.allocate(TERM_LENGTH);
  }

  close(): void {
    this.#arena.release(this.#scratch, TERM_LENGTH);
  }

  /** Appends a data frame with a payload; pads the term first when it does not fit. */
  data(payloadLength: number, fill = this.ends.length): this {
    const length = HEADER_LENGTH + payloadLength;
    const remaining = TERM_LENGTH - (this.position % TERM_LENGTH);
    if (length > remaining) {
      this.pad();
    }
    return this.#frame(1, length, (fill * 7 + 1) & 0xff);
  }

  /** Appends a data frame with these bytes as its payload. */
  message(payload: Uint8Array): this {
    return this.#frame(1, HEADER_LENGTH + payload.length, 0, payload);
  }

  /** Appends padding to the end of the term, or of a length. */
  pad(length = TERM_LENGTH - (this.position % TERM_LENGTH)): this {
    return this.#frame(0, length, 0);
  }

  /** Appends data frames until at least a position. */
  until(position: number, payloadLength: number): this {
    while (this.position < position) {
      this.data(payloadLength);
    }
    return this;
  }

  /** Writes the log to a disk's segment files, with their full length. */
  writeTo(disk: MemoryDisk, end = this.position): this {
    const { segmentLength } = GEOMETRY;
    for (let base = 0; base < Math.max(end, 1); base += segmentLength) {
      const segment = new Uint8Array(segmentLength);
      segment.set(this.bytes.subarray(base, Math.min(end, base + segmentLength)));
      disk.put(segmentFileName(base), segment);
    }
    return this;
  }

  #frame(type: number, length: number, fill: number, payload?: Uint8Array): this {
    const { u8, view, core } = this.#arena;
    const at = this.#scratch;
    const headerOnly = type === 0;
    u8.fill(0, at, at + HEADER_LENGTH);
    view.setInt32(at, length, true);
    view.setUint8(at + 5, 0xc0);
    view.setUint16(at + 6, type, true);
    view.setInt32(at + 8, this.position % TERM_LENGTH, true);
    view.setInt32(at + 12, 4711, true);
    view.setInt32(at + 16, 100, true);
    view.setInt32(at + 20, Math.floor(this.position / TERM_LENGTH), true);
    view.setInt32(at + 28, this.leadershipTermId | 0, true);
    if (!headerOnly) {
      u8.fill(fill, at + HEADER_LENGTH, at + length);
      u8.set(payload ?? [], at + HEADER_LENGTH);
    }
    view.setUint32(at + 24, core.frameChecksum(at, length), true);
    const stored = headerOnly ? HEADER_LENGTH : length;
    this.bytes.set(u8.subarray(at, at + stored), this.position);
    this.position += Math.ceil(length / 32) * 32;
    this.ends.push(this.position);
    return this;
  }
}

/** An arena for tests. */
export function makeArena(): Arena {
  return Arena.create(16 * 1024 * 1024);
}
