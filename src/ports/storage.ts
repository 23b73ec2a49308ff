// storage.ts: the disk port.
//
// Polled: an operation is submitted with a ticket and its completion is collected in a duty cycle,
// as with io_uring. Operations on one file complete in the order in which they were submitted;
// operations on different files have no order unless one waits for the other's completion.
// Paths are relative to the member's data directory and made of fixed names and integers only.

/** Number of a submitted operation. Invariant: positive, increasing per Storage. */
export type Ticket = number;

/** Handle of an open file. Invariant: positive while open. */
export type FileHandle = number;

export const StorageResult = {
  Ok: 0,
  NotFound: -1,
  AlreadyExists: -2,
  /** Device full or quota reached (ENOSPC, EDQUOT). */
  NoSpace: -3,
  /**
   * The device failed (EIO). For `sync` and `syncDirectory`: never retry, the member is poisoned.
   */
  InputOutput: -4,
  /** No permission, read-only, too many files: an operator must act. */
  Denied: -5,
  /** Another process holds the lock. */
  Locked: -6,
} as const;
export type StorageResult = (typeof StorageResult)[keyof typeof StorageResult];

/** Completion of one operation, reused between polls: copy what is kept. */
export interface Completion {
  ticket: Ticket;
  /** A StorageResult. */
  result: number;
  /**
   * `open`: the file handle. `read`: bytes read (fewer at the end of the file). `length`: the
   * length.
   */
  value: number;
  /** `list`: names in byte order. */
  names: readonly string[];
}

export type CompletionHandler = (completion: Completion) => void;

export const OpenMode = {
  /** Reads an existing file. */
  Read: 0,
  /** Reads and writes an existing file. */
  Write: 1,
  /** Creates a file that must not exist. */
  Create: 2,
  /** Opens for writing, creating when it is missing. */
  WriteOrCreate: 3,
} as const;
export type OpenMode = (typeof OpenMode)[keyof typeof OpenMode];

/** Submits operations and collects completions. */
export interface Storage {
  open(path: string, mode: OpenMode): Ticket;
  /** Closes a handle; its earlier operations complete first. */
  close(file: FileHandle): Ticket;
  /** Writes the whole range or fails. The bytes are held until the completion. */
  write(
    file: FileHandle,
    position: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): Ticket;
  read(
    file: FileHandle,
    position: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): Ticket;
  /** Makes earlier writes of this file survive a power cut (fdatasync, and the length). */
  sync(file: FileHandle): Ticket;
  /** As `sync`, but the host may do it off the calling thread, so that the duty cycle goes on. */
  syncBackground(file: FileHandle): Ticket;
  /** Sets the length; a longer file reads as zero there. */
  setLength(file: FileHandle, length: number): Ticket;
  length(file: FileHandle): Ticket;
  /** Takes an exclusive lock that ends with the process. Locked when another process has it. */
  lock(path: string): Ticket;
  rename(from: string, to: string): Ticket;
  remove(path: string): Ticket;
  /** Creates a directory; AlreadyExists when it is there. */
  makeDirectory(path: string): Ticket;
  /** Names in a directory; '' is the data directory itself. */
  list(directory: string): Ticket;
  /** Makes created, renamed and removed names in this directory survive a power cut. */
  syncDirectory(directory: string): Ticket;
  /** Bytes free for this directory's file system; the value of the completion. */
  freeSpace(): Ticket;
  /** Delivers completions in order of completion; returns how many. */
  poll(handler: CompletionHandler, limit: number): number;
}
