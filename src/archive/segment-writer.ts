// segment-writer.ts: the segment files that a recorder writes.
//
// A file is made with its full length and synced before a frame in it can count as durable. It is
// made ahead of need, because a create costs several syncs, and under another name: a segment gets
// its own when its first frame is about to be written, so no segment is ever empty. The recorder
// gets the handle only when the name is durable.

import { assert } from '../assert.js';
import type { PawlError } from '../errors.js';
import { type FileHandle, OpenMode } from '../ports/storage.js';
import type { Position } from '../position.js';
import {
  type LogGeometry,
  preparedFileName,
  segmentBaseOf,
  segmentFileName,
} from './log-geometry.js';
import {
  checkCompletion,
  checkSync,
  closeFile,
  closeOnError,
  openFile,
  type StorageTask,
  type StorageTasks,
  syncNames,
} from './storage-task.js';

/** A segment file that is open for writing. */
export interface SegmentFile {
  readonly base: Position;
  handle: FileHandle;
  /** Writes have completed that no sync covers yet. */
  isDirty: boolean;
  /** Writes that have not completed. */
  writeCount: number;
  /** It has the name of a segment, durably. */
  isNamed: boolean;
}

/** Opens, makes and closes segment files for one recorder. */
export class SegmentWriter {
  readonly #tasks: StorageTasks;
  readonly #geometry: LogGeometry;
  readonly #isBackground: boolean;
  readonly #onError: (error: PawlError) => void;
  readonly #files: SegmentFile[] = [];
  #makingBase = -1;

  /**
   * @param isBackground makes files without blocking the calling thread where the host can.
   * @param onError a file could not be opened or made.
   */
  constructor(
    tasks: StorageTasks,
    geometry: LogGeometry,
    isBackground: boolean,
    onError: (error: PawlError) => void,
  ) {
    this.#tasks = tasks;
    this.#geometry = geometry;
    this.#isBackground = isBackground;
    this.#onError = onError;
  }

  /** Files that are open. */
  get files(): readonly SegmentFile[] {
    return this.#files;
  }

  /** Whether a file is being opened, made or named. */
  get isMaking(): boolean {
    return this.#makingBase >= 0;
  }

  /** The open segment that holds a position, or undefined. */
  fileOf(position: Position): SegmentFile | undefined {
    const file = this.#find(segmentBaseOf(position, this.#geometry.segmentLength));
    return file?.isNamed === true ? file : undefined;
  }

  /** Opens the file that a recording goes on in: it exists, unless the position is its base. */
  *open(position: Position): StorageTask<void> {
    const base = segmentBaseOf(position, this.#geometry.segmentLength);
    assert(this.#files.length === 0, 'a recording starts with no file open');
    if (position === base) {
      yield* this.#make(base);
    } else {
      const storage = this.#tasks.storage;
      const handle = yield* openFile(storage, segmentFileName(base), OpenMode.Write);
      this.#add(base, handle, true);
    }
  }

  /** Starts to make the file with a base, unless it is there or another is being made. */
  prepare(base: Position): void {
    if (!this.isMaking && this.#find(base) === undefined) {
      this.#run(base, this.#make(base));
    }
  }

  /** A frame is about to be written at a base: starts what is missing. True when it began. */
  need(base: Position): boolean {
    if (this.isMaking) {
      return false;
    }
    const file = this.#find(base);
    this.#run(base, file === undefined ? this.#make(base) : this.#name(file));
    return true;
  }

  /** Closes files wholly below a position whose bytes are all synced. */
  closeBelow(position: Position): void {
    const { segmentLength } = this.#geometry;
    for (let index = this.#files.length - 1; index >= 0; index--) {
      const file = this.#files[index] as SegmentFile;
      const isDone = !file.isDirty && file.writeCount === 0;
      if (isDone && file.base + segmentLength <= position) {
        this.#files.splice(index, 1);
        const task = closeFile(this.#tasks.storage, file.handle);
        this.#tasks.run(task, () => undefined, this.#onError);
      }
    }
  }

  /** Closes all files. */
  *closeAll(): StorageTask<void> {
    for (const file of this.#files.splice(0)) {
      yield* closeFile(this.#tasks.storage, file.handle);
    }
  }

  #run(base: Position, task: StorageTask<void>): void {
    this.#makingBase = base;
    this.#tasks.run(
      task,
      () => {
        this.#makingBase = -1;
      },
      (error) => {
        this.#makingBase = -1;
        this.#onError(error);
      },
    );
  }

  *#make(base: Position): StorageTask<void> {
    const storage = this.#tasks.storage;
    const path = preparedFileName(base);
    const handle = yield* openFile(storage, path, OpenMode.WriteOrCreate);
    yield* closeOnError(storage, handle, this.#fill(handle, path));
    this.#add(base, handle, false);
  }

  *#fill(handle: FileHandle, path: string): StorageTask<void> {
    const storage = this.#tasks.storage;
    // It may be left from an earlier recording.
    checkCompletion(yield storage.setLength(handle, 0), `shorten ${path}`);
    checkCompletion(
      yield storage.setLength(handle, this.#geometry.segmentLength),
      `lengthen ${path}`,
    );
    const ticket = this.#isBackground ? storage.syncBackground(handle) : storage.sync(handle);
    checkSync(yield ticket, `sync ${path}`);
  }

  *#name(file: SegmentFile): StorageTask<void> {
    const storage = this.#tasks.storage;
    const path = preparedFileName(file.base);
    const name = segmentFileName(file.base);
    checkCompletion(yield storage.rename(path, name), `rename ${path} to ${name}`);
    yield* syncNames(storage);
    yield* closeFile(storage, file.handle);
    file.handle = yield* openFile(storage, name, OpenMode.Write);
    file.isNamed = true;
  }

  #find(base: Position): SegmentFile | undefined {
    return this.#files.find((file) => file.base === base);
  }

  #add(base: Position, handle: FileHandle, isNamed: boolean): void {
    this.#files.push({ base, handle, isDirty: false, writeCount: 0, isNamed });
  }
}
