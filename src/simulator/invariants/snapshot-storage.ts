// snapshot-storage.ts: what is durable on a disk, as a storage that the archive's readers can read.
//
// Reads complete at submit. Nothing can be changed through it.

import { assert } from '../../assert.js';
import {
  type Completion,
  type CompletionHandler,
  type FileHandle,
  OpenMode,
  type Storage,
  StorageResult,
  type Ticket,
} from '../../ports/storage.js';
import type { FileView, VirtualDisk } from '../virtual-disk.js';

/** Read-only view of a disk's durable content. */
export class SnapshotStorage implements Storage {
  readonly #disk: VirtualDisk;
  readonly #files = new Map<FileHandle, FileView>();
  #completed: Completion[] = [];
  #ticket = 0;

  constructor(disk: VirtualDisk) {
    this.#disk = disk;
  }

  open(path: string, mode: OpenMode): Ticket {
    const file = this.#disk.snapshotDurable(path);
    if (mode !== OpenMode.Read || file === undefined) {
      return this.#complete(mode === OpenMode.Read ? StorageResult.NotFound : StorageResult.Denied);
    }
    this.#files.set(this.#ticket + 1, file);
    return this.#complete(StorageResult.Ok, this.#ticket + 1);
  }

  close(file: FileHandle): Ticket {
    this.#files.delete(file);
    return this.#complete(StorageResult.Ok);
  }

  read(
    file: FileHandle,
    position: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): Ticket {
    return this.#complete(
      StorageResult.Ok,
      this.#fileOf(file).read(position, buffer, offset, length),
    );
  }

  length(file: FileHandle): Ticket {
    return this.#complete(StorageResult.Ok, this.#fileOf(file).length);
  }

  list(directory: string): Ticket {
    const names = this.#disk.listDurable(directory);
    return this.#complete(StorageResult.Ok, 0, names);
  }

  freeSpace(): Ticket {
    return this.#complete(StorageResult.Ok, this.#disk.freeBytes);
  }

  write(): Ticket {
    return this.#complete(StorageResult.Denied);
  }

  sync(): Ticket {
    return this.#complete(StorageResult.Denied);
  }

  syncBackground(): Ticket {
    return this.#complete(StorageResult.Denied);
  }

  setLength(): Ticket {
    return this.#complete(StorageResult.Denied);
  }

  lock(): Ticket {
    return this.#complete(StorageResult.Denied);
  }

  rename(): Ticket {
    return this.#complete(StorageResult.Denied);
  }

  remove(): Ticket {
    return this.#complete(StorageResult.Denied);
  }

  makeDirectory(): Ticket {
    return this.#complete(StorageResult.Denied);
  }

  syncDirectory(): Ticket {
    return this.#complete(StorageResult.Denied);
  }

  poll(handler: CompletionHandler, limit: number): number {
    const delivered = this.#completed.splice(0, limit);
    for (const completion of delivered) {
      handler(completion);
    }
    return delivered.length;
  }

  #fileOf(file: FileHandle): FileView {
    const view = this.#files.get(file);
    assert(view !== undefined, `file handle ${file} is open`);
    return view;
  }

  #complete(result: number, value = 0, names: readonly string[] = []): Ticket {
    this.#ticket++;
    this.#completed.push({ ticket: this.#ticket, result, value, names });
    return this.#ticket;
  }
}
