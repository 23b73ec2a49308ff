// durable-mark.ts: how far the log is known good.
//
// The mark tells a torn tail from corruption. It never claims what is not yet synced: the segments
// are synced first, then the mark is written and synced. Its commit position is one of the log that
// this member holds: the recorder keeps min(commit, durable), so a truncation is never held up by a
// commit position of bytes that the member has not got.
//
// Payload: 0 durablePosition i64 | 8 commitPosition i64 | 16 leadershipTermId i64

import { assert } from '../assert.js';
import type { Storage } from '../ports/storage.js';
import { type LeadershipTermId, type Position, TERM_NULL } from '../position.js';
import { readInt64, writeInt64 } from '../protocol/encoding.js';
import { DoubleSlotFile, type DoubleSlotFormat, readDoubleSlot } from './double-slot-file.js';
import type { StorageTask } from './storage-task.js';

const DURABLE_POSITION_OFFSET = 0;
const COMMIT_POSITION_OFFSET = 8;
const LEADERSHIP_TERM_OFFSET = 16;
const PAYLOAD_LENGTH = 24;

const FORMAT: DoubleSlotFormat = {
  path: 'durable-mark.dat',
  magic: 0x4d574150, // "PAWM"
  payloadLength: PAYLOAD_LENGTH,
};

/** How far the log is known good. */
export interface DurableMark {
  /** Every byte below was synced. */
  readonly durablePosition: Position;
  /** Known to be committed, and durable here. */
  readonly commitPosition: Position;
  /** Term that was being recorded; TERM_NULL before the first. */
  readonly leadershipTermId: LeadershipTermId;
}

/** How durable-mark.dat was found. */
export type DurableMarkReading =
  | {
      readonly kind: 'found';
      readonly mark: DurableMark;
      readonly isDamaged: boolean;
      readonly sequence: number;
    }
  | { readonly kind: 'missing' }
  | { readonly kind: 'lost' };

/** Mark of a log that is empty, or of which nothing is known. */
export const INITIAL_MARK: DurableMark = {
  durablePosition: 0,
  commitPosition: 0,
  leadershipTermId: TERM_NULL,
};

/**
 * durable-mark.dat, open. The recorder owns it while it records, recovery and truncation between.
 */
export class DurableMarkFile {
  readonly #slots: DoubleSlotFile;
  /** Copied by a write before it yields: it serves all of them. */
  readonly #payload = newPayload();
  #mark: DurableMark;

  private constructor(slots: DoubleSlotFile, mark: DurableMark) {
    this.#slots = slots;
    this.#mark = mark;
  }

  /** Makes the file anew; the caller syncs the directory. */
  static *create(storage: Storage, mark: DurableMark): StorageTask<DurableMarkFile> {
    return new DurableMarkFile(
      yield* DoubleSlotFile.create(storage, FORMAT, encode(mark, newPayload())),
      mark,
    );
  }

  /** Opens the file after `readDurableMark` found it. */
  static *open(
    storage: Storage,
    mark: DurableMark,
    sequence: number,
  ): StorageTask<DurableMarkFile> {
    return new DurableMarkFile(yield* DoubleSlotFile.open(storage, FORMAT, sequence), mark);
  }

  /** The mark that is durable. */
  get mark(): DurableMark {
    return this.#mark;
  }

  /**
   * Writes and syncs a mark. What it claims must be synced already.
   *
   * @param isBackground syncs off the calling thread where the host can.
   */
  *write(mark: DurableMark, isBackground = false): StorageTask<void> {
    assert(mark.commitPosition <= mark.durablePosition, 'a mark commits what is durable here');
    yield* this.#slots.write(encode(mark, this.#payload), isBackground);
    this.#mark = mark;
  }

  /** Writes a mark to both slots. */
  *rewrite(mark: DurableMark): StorageTask<void> {
    yield* this.write(mark);
    yield* this.write(mark);
  }

  *close(): StorageTask<void> {
    yield* this.#slots.close();
  }
}

/** Reads durable-mark.dat without changing it. */
export function* readDurableMark(storage: Storage): StorageTask<DurableMarkReading> {
  const reading = yield* readDoubleSlot(storage, FORMAT);
  if (reading.kind !== 'found') {
    return reading;
  }
  const mark = decode(reading.payload);
  const { isDamaged, sequence } = reading;
  return mark === undefined ? { kind: 'lost' } : { kind: 'found', mark, isDamaged, sequence };
}

function newPayload(): DataView {
  return new DataView(new ArrayBuffer(PAYLOAD_LENGTH));
}

function encode(mark: DurableMark, view: DataView): DataView {
  writeInt64(view, DURABLE_POSITION_OFFSET, mark.durablePosition);
  writeInt64(view, COMMIT_POSITION_OFFSET, mark.commitPosition);
  writeInt64(view, LEADERSHIP_TERM_OFFSET, mark.leadershipTermId);
  return view;
}

function decode(view: DataView): DurableMark | undefined {
  const durablePosition = readInt64(view, DURABLE_POSITION_OFFSET);
  const commitPosition = readInt64(view, COMMIT_POSITION_OFFSET);
  const leadershipTermId = readInt64(view, LEADERSHIP_TERM_OFFSET);
  const isPossible =
    Number.isSafeInteger(durablePosition) &&
    Number.isSafeInteger(leadershipTermId) &&
    commitPosition >= 0 &&
    commitPosition <= durablePosition &&
    leadershipTermId >= TERM_NULL;
  return isPossible ? { durablePosition, commitPosition, leadershipTermId } : undefined;
}
