// snapshot-records.ts: what a service offered for a snapshot, until it is written.

import { SNAPSHOT_RECORD_LENGTH_MAX } from '../cluster/service-host.js';
import { hit, Mark } from '../marks.js';
import type { SnapshotOutput, SnapshotPublication, SnapshotView } from './snapshot-publication.js';

const SLAB_LENGTH = 256 * 1024;

/** Records that were copied at once, one behind another. */
interface Slab {
  readonly bytes: Uint8Array;
  readonly ends: number[];
}

type Part = Slab | SnapshotView;

/** Writes one record: the caller says how. */
export type RecordWriter = (bytes: Uint8Array, offset: number, length: number) => void;

/**
 * Collects records and views in order, and gives them back one by one. A record that is too long is
 * noted and not thrown at whoever offers it: the snapshot is of no use, and the cluster goes on.
 */
export class SnapshotRecords implements SnapshotPublication {
  readonly #parts: Part[] = [];
  #slab: Slab | undefined;
  // Place in the first part.
  #index = 0;
  #start = 0;
  #writer: RecordWriter = () => undefined;
  #oversizeLength = 0;
  readonly #output: SnapshotOutput = {
    offer: (buffer, offset, length) => {
      if (this.#isTaken(length)) {
        this.#writer(bytesOf(buffer), offset, length);
      }
    },
  };

  /** Bytes of the first record that was too long; 0 while there is none. */
  get oversizeLength(): number {
    return this.#oversizeLength;
  }

  offer(buffer: ArrayBufferView, offset: number, length: number): void {
    if (!this.#isTaken(length)) {
      return;
    }
    const slab = this.#slabFor(length);
    const start = slab.ends.at(-1) ?? 0;
    slab.bytes.set(bytesOf(buffer).subarray(offset, offset + length), start);
    slab.ends.push(start + length);
  }

  offerView(view: SnapshotView): void {
    this.#slab = undefined;
    this.#parts.push(view);
  }

  /** Writes the next record; false when there is none left. */
  next(writer: RecordWriter): boolean {
    for (let part = this.#parts[0]; part !== undefined; part = this.#parts[0]) {
      if ('next' in part) {
        this.#writer = writer;
        if (part.next(this.#output)) {
          return true;
        }
        part.close();
      } else if (this.#index < part.ends.length) {
        const end = part.ends[this.#index++] as number;
        writer(part.bytes, this.#start, end - this.#start);
        this.#start = end;
        return true;
      }
      this.#parts.shift();
      this.#index = 0;
      this.#start = 0;
    }
    return false;
  }

  /** Lets go of what is not written. */
  close(): void {
    for (const part of this.#parts.splice(0)) {
      if ('next' in part) {
        part.close();
      }
    }
  }

  #isTaken(length: number): boolean {
    if (length > SNAPSHOT_RECORD_LENGTH_MAX && this.#oversizeLength === 0) {
      hit(Mark.SnapshotRecordOversize);
      this.#oversizeLength = length;
    }
    return this.#oversizeLength === 0;
  }

  #slabFor(length: number): Slab {
    const slab = this.#slab;
    if (slab !== undefined && (slab.ends.at(-1) ?? 0) + length <= slab.bytes.length) {
      return slab;
    }
    const made = { bytes: new Uint8Array(Math.max(SLAB_LENGTH, length)), ends: [] };
    this.#slab = made;
    this.#parts.push(made);
    return made;
  }
}

function bytesOf(buffer: ArrayBufferView): Uint8Array {
  return buffer instanceof Uint8Array
    ? buffer
    : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}
