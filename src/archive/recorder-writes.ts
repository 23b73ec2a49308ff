// recorder-writes.ts: writes of the log that are under way, and the contiguous prefix that is done.
//
// Writes to different files complete in any order. Only the end of the prefix without a hole may be
// called written (B6); a failed write is a hole for ever.

import { assert } from '../assert.js';
import { type Completion, StorageResult, type Ticket } from '../ports/storage.js';
import type { Position } from '../position.js';
import type { SegmentFile } from './segment-writer.js';
import type { StorageTasks } from './storage-task.js';

/** Writes of the log under way at most. */
export const WRITES_OUTSTANDING_MAX = 64;

/** One write of the log. Reused: a slot of a ring. */
interface PendingWrite {
  ticket: Ticket;
  file: SegmentFile | undefined;
  /** Position of the log after this write. */
  end: Position;
  isDone: boolean;
  result: number;
}

/** A ring of writes in the order of the log. */
export class RecorderWrites {
  readonly #tasks: StorageTasks;
  readonly #onWritten: (file: SegmentFile, result: number) => void;
  readonly #ring: PendingWrite[] = [];
  #head = 0;
  #tail = 0;
  #outstanding = 0;
  readonly #onCompletion = (completion: Completion): void => this.#complete(completion);

  /** @param onWritten called per completed write, after it was noted. */
  constructor(tasks: StorageTasks, onWritten: (file: SegmentFile, result: number) => void) {
    this.#tasks = tasks;
    this.#onWritten = onWritten;
    for (let index = 0; index < WRITES_OUTSTANDING_MAX; index++) {
      this.#ring.push({ ticket: 0, file: undefined, end: 0, isDone: false, result: 0 });
    }
  }

  get isFull(): boolean {
    return this.#tail - this.#head === WRITES_OUTSTANDING_MAX;
  }

  /** No write is under way. */
  get isEmpty(): boolean {
    return this.#outstanding === 0;
  }

  /** Submits a write of arena bytes that ends at a position of the log. */
  submit(
    file: SegmentFile,
    offset: number,
    bytes: Uint8Array,
    address: number,
    length: number,
    end: Position,
  ): void {
    assert(!this.isFull, 'a ring of writes is not written over');
    const ticket = this.#tasks.storage.write(file.handle, offset, bytes, address, length);
    const write = this.#slot(this.#tail);
    write.ticket = ticket;
    write.file = file;
    write.end = end;
    write.isDone = false;
    this.#tail++;
    this.#outstanding++;
    file.writeCount++;
    this.#tasks.expect(ticket, this.#onCompletion);
  }

  /** End of the prefix of completed writes; `before` is what it was. Stops at a failed write. */
  contiguousEnd(before: Position): Position {
    let end = before;
    while (this.#head < this.#tail) {
      const write = this.#slot(this.#head);
      if (!write.isDone || write.result !== StorageResult.Ok) {
        break;
      }
      end = write.end;
      this.#head++;
    }
    return end;
  }

  /** Where the first failed write starts, given the end of the prefix before. */
  failedFrom(before: Position): Position {
    let start = before;
    for (let index = this.#head; index < this.#tail; index++) {
      const write = this.#slot(index);
      if (write.isDone && write.result !== StorageResult.Ok) {
        break;
      }
      start = write.end;
    }
    return start;
  }

  /** Forgets failed writes. None may be under way. */
  clear(): void {
    assert(this.isEmpty, 'writes under way are not forgotten');
    this.#head = 0;
    this.#tail = 0;
  }

  #complete(completion: Completion): void {
    for (let index = this.#head; index < this.#tail; index++) {
      const write = this.#slot(index);
      if (write.ticket === completion.ticket) {
        const file = write.file;
        assert(file !== undefined && !write.isDone, 'a write completes once');
        write.isDone = true;
        write.result = completion.result;
        this.#outstanding--;
        file.writeCount--;
        this.#onWritten(file, completion.result);
        return;
      }
    }
    assert(false, 'a completed write is in the ring');
  }

  #slot(index: number): PendingWrite {
    return this.#ring[index % WRITES_OUTSTANDING_MAX] as PendingWrite;
  }
}
