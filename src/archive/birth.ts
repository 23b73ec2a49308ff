// birth.ts: who a data directory is.
//
// Written once, as the last step of bootstrap, by rename: a directory without it is blank. The
// random incarnation tells a directory that was wiped or restored from the one its peers remember.
//
//   0 magic u32 | 4 version u32 | 8 clusterId i64 | 16 memberId i32 | 20 voting i32
//  24 incarnation u64 | 32 configurationHash u64 | 40 egressTermLength u32 | 44 crc32c u32

import { ErrorCode, PawlError } from '../errors.js';
import { OpenMode, type Storage } from '../ports/storage.js';
import { readInt64, writeInt64 } from '../protocol/encoding.js';
import { recordChecksum } from './record-checksum.js';
import {
  checkCompletion,
  closeFile,
  openFile,
  readWholeFile,
  type StorageTask,
  syncFile,
  syncNames,
  writeFile,
} from './storage-task.js';

export const BIRTH_PATH = 'birth.dat';
const BIRTH_TEMPORARY_PATH = 'birth.tmp';

/** Version of the layout of a data directory. */
export const DIRECTORY_VERSION = 2;

const BIRTH_MAGIC = 0x42574150; // "PAWB"
const VERSION_OFFSET = 4;
const CLUSTER_ID_OFFSET = 8;
const MEMBER_ID_OFFSET = 16;
const VOTING_OFFSET = 20;
const INCARNATION_OFFSET = 24;
const CONFIGURATION_HASH_OFFSET = 32;
const EGRESS_TERM_LENGTH_OFFSET = 40;
const CHECKSUM_OFFSET = 44;
const BIRTH_LENGTH = 48;
/** Longest record that is looked at: those of other versions may be longer or shorter. */
const BIRTH_LENGTH_MAX = 512;
const CHECKSUM_LENGTH = 4;

/** An opaque 64-bit value as two unsigned 32-bit halves. */
export interface Opaque64 {
  readonly high: number;
  readonly low: number;
}

/** Who a data directory is. */
export interface Birth {
  readonly clusterId: number;
  readonly memberId: number;
  /** Whether the member was born with a vote: by bootstrap, not by joining blank. */
  readonly voting: boolean;
  /** Random; never zero. */
  readonly incarnation: Opaque64;
  /** Hash of the cluster's configuration at birth. */
  readonly configurationHash: Opaque64;
  /**
   * The cluster's egressTermLength. What services are answered depends on it, and so does the state
   * that a replay of the log gives: it is fixed for the life of the log.
   */
  readonly egressTermLength: number;
}

/** Reads an opaque 64-bit value. */
export function readOpaque64(view: DataView, offset: number): Opaque64 {
  return { high: view.getUint32(offset + 4, true), low: view.getUint32(offset, true) };
}

/** Writes an opaque 64-bit value. */
export function writeOpaque64(view: DataView, offset: number, value: Opaque64): void {
  view.setUint32(offset, value.low, true);
  view.setUint32(offset + 4, value.high, true);
}

/**
 * Reads birth.dat without changing anything.
 *
 * @returns undefined when the directory is blank.
 * @throws PawlError RECORD_CORRUPT, or DIRECTORY_FOREIGN for the layout of another version.
 */
export function* readBirth(storage: Storage): StorageTask<Birth | undefined> {
  const bytes = yield* readWholeFile(storage, BIRTH_PATH, OpenMode.Read, BIRTH_LENGTH_MAX);
  return bytes === undefined ? undefined : decodeBirth(bytes);
}

/** Writes birth.dat so that a crash leaves none or all of it. */
export function* writeBirth(storage: Storage, birth: Birth): StorageTask<void> {
  const path = BIRTH_TEMPORARY_PATH;
  const file = yield* openFile(storage, path, OpenMode.WriteOrCreate);
  checkCompletion(yield storage.setLength(file, 0), `shorten ${path}`);
  yield* writeFile(storage, file, path, 0, encodeBirth(birth));
  yield* syncFile(storage, file, path);
  yield* closeFile(storage, file);
  checkCompletion(yield storage.rename(path, BIRTH_PATH), `rename ${path} to ${BIRTH_PATH}`);
  yield* syncNames(storage);
}

function encodeBirth(birth: Birth): Uint8Array {
  const bytes = new Uint8Array(BIRTH_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, BIRTH_MAGIC, true);
  view.setUint32(VERSION_OFFSET, DIRECTORY_VERSION, true);
  writeInt64(view, CLUSTER_ID_OFFSET, birth.clusterId);
  view.setInt32(MEMBER_ID_OFFSET, birth.memberId, true);
  view.setInt32(VOTING_OFFSET, birth.voting ? 1 : 0, true);
  writeOpaque64(view, INCARNATION_OFFSET, birth.incarnation);
  writeOpaque64(view, CONFIGURATION_HASH_OFFSET, birth.configurationHash);
  view.setUint32(EGRESS_TERM_LENGTH_OFFSET, birth.egressTermLength, true);
  view.setUint32(CHECKSUM_OFFSET, recordChecksum(bytes, 0, CHECKSUM_OFFSET), true);
  return bytes;
}

function decodeBirth(bytes: Uint8Array): Birth {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = bytes.length - CHECKSUM_LENGTH;
  // What all versions share: the magic, the version behind it, and the crc at the end.
  const isProven =
    end >= VERSION_OFFSET + 4 &&
    view.getUint32(0, true) === BIRTH_MAGIC &&
    view.getUint32(end, true) === recordChecksum(bytes, 0, end);
  if (!isProven) {
    throw damaged(bytes.length);
  }
  const version = view.getUint32(VERSION_OFFSET, true);
  if (version !== DIRECTORY_VERSION) {
    throw new PawlError(
      ErrorCode.DirectoryForeign,
      `the data directory has layout version ${version}, this program reads version ` +
        `${DIRECTORY_VERSION}: use the program that wrote it, or another directory`,
      'environment',
    );
  }
  const clusterId = end === CHECKSUM_OFFSET ? readInt64(view, CLUSTER_ID_OFFSET) : Number.NaN;
  if (!Number.isSafeInteger(clusterId)) {
    throw damaged(bytes.length);
  }
  return {
    clusterId,
    memberId: view.getInt32(MEMBER_ID_OFFSET, true),
    voting: view.getInt32(VOTING_OFFSET, true) === 1,
    incarnation: readOpaque64(view, INCARNATION_OFFSET),
    configurationHash: readOpaque64(view, CONFIGURATION_HASH_OFFSET),
    egressTermLength: view.getUint32(EGRESS_TERM_LENGTH_OFFSET, true),
  };
}

function damaged(length: number): PawlError {
  return new PawlError(
    ErrorCode.RecordCorrupt,
    `${BIRTH_PATH} is damaged (${length} bytes, checksum wrong): this directory cannot prove ` +
      'whose it is; let the member join anew from an empty directory',
    'corruption',
  );
}
