// catalog.ts: the descriptor of the log as a recording, in the layout of Aeron's archive catalog.
//
// The log is recording 0 and stays active for ever, so the catalog is written once, at birth. The
// entry's checksum is the crc32c of its descriptor, as an Aeron archive with that checksum has it.

import { ErrorCode, PawlError } from '../errors.js';
import { OpenMode, type Storage } from '../ports/storage.js';
import { POSITION_NULL } from '../position.js';
import { CatalogHeaderDecoder, CatalogHeaderEncoder } from '../protocol/codecs/catalog-header.js';
import {
  RecordingDescriptorDecoder,
  RecordingDescriptorEncoder,
} from '../protocol/codecs/recording-descriptor.js';
import {
  RecordingDescriptorHeaderDecoder,
  RecordingDescriptorHeaderEncoder,
} from '../protocol/codecs/recording-descriptor-header.js';
import { LOG_STREAM_ID } from '../protocol/streams.js';
import {
  checkGeometry,
  LOG_INITIAL_TERM_ID,
  LOG_RECORDING_ID,
  type LogGeometry,
} from './log-geometry.js';
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

export const CATALOG_PATH = 'archive.catalog';
const CATALOG_TEMPORARY_PATH = 'archive.catalog.tmp';

/** 3.1.0, as Aeron composes versions: major, minor and patch in one integer. */
const CATALOG_VERSION = (3 << 16) | (1 << 8);
const CATALOG_ALIGNMENT = 64;
const CATALOG_LENGTH = 4096;
const HEADER_LENGTH = CatalogHeaderEncoder.BLOCK_LENGTH;
const DESCRIPTOR_HEADER_LENGTH = RecordingDescriptorHeaderEncoder.BLOCK_LENGTH;
const DESCRIPTOR_OFFSET = HEADER_LENGTH + DESCRIPTOR_HEADER_LENGTH;
const RECORDING_STATE_VALID = 1;
const LOG_CHANNEL = 'aeron:udp?alias=log';

/** What the catalog tells of the log. */
export interface CatalogEntry {
  readonly geometry: LogGeometry;
  /** Longest frame of the log's first publication, bytes. */
  readonly mtuLength: number;
  /** Wall clock at birth, milliseconds. */
  readonly startTimestampMs: number;
}

/** Writes the catalog so that a crash leaves none or all of it. */
export function* writeCatalog(storage: Storage, entry: CatalogEntry): StorageTask<void> {
  const path = CATALOG_TEMPORARY_PATH;
  const file = yield* openFile(storage, path, OpenMode.WriteOrCreate);
  checkCompletion(yield storage.setLength(file, 0), `shorten ${path}`);
  yield* writeFile(storage, file, path, 0, encodeCatalog(entry));
  yield* syncFile(storage, file, path);
  yield* closeFile(storage, file);
  checkCompletion(yield storage.rename(path, CATALOG_PATH), `rename ${path} to ${CATALOG_PATH}`);
  yield* syncNames(storage);
}

/**
 * Reads the catalog without changing it.
 *
 * @throws PawlError RECORD_CORRUPT when it is missing or damaged.
 */
export function* readCatalog(storage: Storage): StorageTask<CatalogEntry> {
  const bytes = yield* readWholeFile(storage, CATALOG_PATH, OpenMode.Read, CATALOG_LENGTH);
  const entry = bytes === undefined ? undefined : decodeCatalog(bytes);
  if (entry === undefined) {
    throw new PawlError(
      ErrorCode.RecordCorrupt,
      `${CATALOG_PATH} is ${bytes === undefined ? 'missing' : 'damaged'}: copy it from another ` +
        'member of the cluster with the same lengths, or let the member join anew from an empty ' +
        'directory',
      'corruption',
    );
  }
  return entry;
}

/** Bytes of a catalog with the log as its one recording. */
export function encodeCatalog(entry: CatalogEntry): Uint8Array {
  checkGeometry(entry.geometry);
  const bytes = new Uint8Array(CATALOG_LENGTH);
  const view = new DataView(bytes.buffer);
  new CatalogHeaderEncoder()
    .wrap(view, 0)
    .version(CATALOG_VERSION)
    .length(HEADER_LENGTH)
    .nextRecordingId(LOG_RECORDING_ID + 1)
    .alignment(CATALOG_ALIGNMENT);
  const descriptor = new RecordingDescriptorEncoder()
    .wrap(view, DESCRIPTOR_OFFSET)
    .recordingId(LOG_RECORDING_ID)
    .startTimestamp(entry.startTimestampMs)
    .stopTimestamp(POSITION_NULL)
    .startPosition(0)
    .stopPosition(POSITION_NULL)
    .initialTermId(LOG_INITIAL_TERM_ID)
    .segmentFileLength(entry.geometry.segmentLength)
    .termBufferLength(entry.geometry.termLength)
    .mtuLength(entry.mtuLength)
    .streamId(LOG_STREAM_ID)
    .putStrippedChannel(LOG_CHANNEL)
    .putOriginalChannel(LOG_CHANNEL)
    .putSourceIdentity('');
  const length = alignedLength(descriptor.encodedLength());
  new RecordingDescriptorHeaderEncoder()
    .wrap(view, HEADER_LENGTH)
    .length(length)
    .state(RECORDING_STATE_VALID)
    .checksum(recordChecksum(bytes, DESCRIPTOR_OFFSET, length) | 0);
  return bytes;
}

function decodeCatalog(bytes: Uint8Array): CatalogEntry | undefined {
  if (bytes.length < CATALOG_LENGTH) {
    return undefined;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = new CatalogHeaderDecoder().wrap(view, 0);
  const entryHeader = new RecordingDescriptorHeaderDecoder().wrap(view, HEADER_LENGTH);
  const length = entryHeader.length();
  const isWhole =
    header.version() === CATALOG_VERSION &&
    header.alignment() === CATALOG_ALIGNMENT &&
    entryHeader.state() === RECORDING_STATE_VALID &&
    length >= RecordingDescriptorDecoder.BLOCK_LENGTH &&
    length <= CATALOG_LENGTH - DESCRIPTOR_OFFSET &&
    entryHeader.checksum() === (recordChecksum(bytes, DESCRIPTOR_OFFSET, length) | 0);
  if (!isWhole) {
    return undefined;
  }
  const descriptor = new RecordingDescriptorDecoder().wrap(view, DESCRIPTOR_OFFSET);
  return {
    geometry: {
      termLength: descriptor.termBufferLength(),
      segmentLength: descriptor.segmentFileLength(),
    },
    mtuLength: descriptor.mtuLength(),
    startTimestampMs: descriptor.startTimestamp(),
  };
}

/** Length of a descriptor whose entry, with its header, ends at the alignment. */
function alignedLength(length: number): number {
  const entryLength = DESCRIPTOR_HEADER_LENGTH + length;
  return Math.ceil(entryLength / CATALOG_ALIGNMENT) * CATALOG_ALIGNMENT - DESCRIPTOR_HEADER_LENGTH;
}
