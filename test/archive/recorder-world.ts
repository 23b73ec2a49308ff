// recorder-world.ts: a recorder, its owner's proxy and a log publication's buffer in one thread.

import { segmentFileName } from '../../src/archive/log-geometry.js';
import { openDirectory, type RecoveredDirectory } from '../../src/archive/member-directory.js';
import { type Durability, Recorder } from '../../src/archive/recorder.js';
import { allocateRecorderControl } from '../../src/archive/recorder-control.js';
import { RecorderProxy } from '../../src/archive/recorder-proxy.js';
import { completeTask, StorageTasks } from '../../src/archive/storage-task.js';
import type { Arena } from '../../src/memory/arena.js';
import { LogBuffer } from '../../src/memory/log-buffer.js';
import { type MemoryDisk, MemoryStorage } from '../support/memory-storage.js';
import { bornDisk, GEOMETRY, IDENTITY, makeArena, TERM_LENGTH } from './archive-world.js';

export const MS = 1_000_000;
const SOURCE_LENGTH = 16 * 1024;

/** One member's archive, driven by hand. */
export class RecorderWorld {
  readonly arena: Arena = makeArena();
  readonly disk: MemoryDisk;
  readonly storage: MemoryStorage;
  readonly tasks: StorageTasks;
  readonly directory: RecoveredDirectory;
  readonly recorder: Recorder;
  readonly proxy: RecorderProxy;
  log: LogBuffer;
  progressCount = 0;
  nowNs = 0;
  /** Every byte that was ever appended, by position: the hole of padding is zero. */
  readonly appended = new Uint8Array(32 * TERM_LENGTH);
  readonly #source: number;
  #copied = 0;

  constructor(durability: Durability, disk: MemoryDisk = bornDisk().disk) {
    this.disk = disk;
    this.storage = new MemoryStorage(disk);
    this.tasks = new StorageTasks(this.storage);
    const options = { ...IDENTITY, arena: this.arena };
    this.directory = completeTask(this.tasks, openDirectory(this.storage, options));
    const control = allocateRecorderControl(this.arena);
    this.recorder = new Recorder({
      tasks: this.tasks,
      arena: this.arena,
      control,
      geometry: GEOMETRY,
      durability,
      onProgress: () => {
        this.progressCount++;
      },
    });
    this.proxy = new RecorderProxy({ arena: this.arena, control });
    this.#source = this.arena.allocate(SOURCE_LENGTH);
    this.arena.u8.fill(0x42, this.#source, this.#source + SOURCE_LENGTH);
    this.log = this.#openLog(this.directory.appendPosition, 0);
  }

  /** Opens a leadership term at a position: recording log entry, log buffer, START. */
  lead(leadershipTermId: number, position = this.directory.appendPosition): this {
    const { recordingLog } = this.directory;
    completeTask(this.tasks, recordingLog.append(leadershipTermId, position, 0));
    this.log.release();
    this.log = this.#openLog(position, leadershipTermId);
    this.proxy.start(this.log.meta, position, leadershipTermId);
    return this;
  }

  /** Appends a message to the log buffer, cleaning what is durable. */
  append(length: number, fill = 0x42): number {
    const { core, u8 } = this.arena;
    u8.fill(fill, this.#source, this.#source + length);
    core.logClean(this.log.meta, Math.min(this.proxy.durablePosition(), this.#copied), 2 ** 30);
    core.logSetPublisherLimit(this.log.meta, Number.MAX_SAFE_INTEGER);
    const tail = core.append(this.log.meta, this.#source, length);
    if (tail < 0) {
      throw new Error(`append answered ${tail}`);
    }
    this.#copy();
    return tail;
  }

  /** Tells the recorder how far it may record. */
  offer(limit = this.log.tailPosition): this {
    this.proxy.setRecordLimit(limit);
    return this;
  }

  /** Duty cycles, without moving time unless told. */
  turn(times = 1, advanceNs = 0): this {
    for (let count = 0; count < times; count++) {
      this.nowNs += advanceNs;
      this.recorder.doWork(this.nowNs);
    }
    return this;
  }

  stop(): this {
    this.proxy.stop();
    return this.turn();
  }

  /**
   * Bytes of the log as the segment files have them; only what survives a power cut if `durable`.
   */
  recorded(end: number, isDurable = false): Uint8Array {
    const bytes = new Uint8Array(end);
    for (let base = 0; base < end; base += GEOMETRY.segmentLength) {
      const name = segmentFileName(base);
      const segment = isDurable ? this.disk.durableFile(name) : this.disk.file(name);
      bytes.set(segment.subarray(0, Math.min(end - base, segment.length)), base);
    }
    return bytes;
  }

  #openLog(position: number, leadershipTermId: number): LogBuffer {
    const log = LogBuffer.allocate(this.arena, {
      termLength: TERM_LENGTH,
      mtu: 1408,
      initialTermId: 0,
      sessionId: 9,
      streamId: 100,
      startPosition: position,
    });
    log.setChecksum(true, leadershipTermId);
    this.#copied = position;
    return log;
  }

  #copy(): void {
    const { core, u8, view } = this.arena;
    const end = this.log.tailPosition;
    while (this.#copied < end) {
      const address = core.addressOf(this.log.meta, this.#copied);
      const length = view.getInt32(address, true);
      const isPadding = view.getUint16(address + 6, true) === 0;
      const stored = isPadding ? 32 : length;
      this.appended.set(u8.subarray(address, address + stored), this.#copied);
      this.#copied += Math.ceil(length / 32) * 32;
    }
  }
}
