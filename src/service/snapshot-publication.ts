// snapshot-publication.ts: how a service writes its state into a snapshot, and gets it back.
//
// A service offers records: bytes that it encodes as it likes. Small state is offered at once and
// copied. A collection that Pawl ships (SnapshotMap, SnapshotArray) is frozen instead and walked in
// bounded steps after the callback, while the log goes on: the world does not stop.

/** Takes records, in order. */
export interface SnapshotOutput {
  /**
   * Adds a record. Its bytes are copied.
   *
   * @param offset first byte, relative to the view. @param length bytes, at most 16 MiB: with a
   *   longer record the member passes this snapshot over, with a warning.
   */
  offer(buffer: ArrayBufferView, offset: number, length: number): void;
}

/** State that stands still while the service goes on, written entry by entry. */
export interface SnapshotView {
  /** Writes the next entry; false when there is none left. */
  next(output: SnapshotOutput): boolean;
  /** The snapshot is complete, or was given up: nothing has to stand still any more. */
  close(): void;
}

/** What `onTakeSnapshot` writes to. */
export interface SnapshotPublication extends SnapshotOutput {
  /** Adds the records of a frozen view, which are made later, in the place where they stand. */
  offerView(view: SnapshotView): void;
}

/** Receives one record; the bytes are `buffer` from `offset`, valid during the call. */
export type SnapshotRecordHandler = (buffer: DataView, offset: number, length: number) => void;

/** A snapshot that a service starts from. */
export interface SnapshotImage {
  /** The state is that of the log up to here. */
  readonly logPosition: number;
  /** Log time at that position, milliseconds. */
  readonly timestamp: number;
  /** `snapshotVersion` of the service that wrote it; not above that of the service that reads. */
  readonly version: number;
  /**
   * Names who gets the records, in the order in which they were offered: all of them after
   * `onStart` and before the first event. A service must call it when it is given a snapshot.
   */
  read(handler: SnapshotRecordHandler): void;
}
