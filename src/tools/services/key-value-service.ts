// key-value-service.ts: a key/value store: get, put, delete, compare-and-set.
//
// Its map is frozen for a snapshot and written while the store goes on. Every answer names the log
// position at which it holds.

import {
  type Cluster,
  type ClusteredService,
  EgressResult,
} from '../../service/clustered-service.js';
import { REQUEST_HEADER_LENGTH, Replier } from '../../service/request.js';
import { SnapshotBytesMap } from '../../service/snapshot-bytes-map.js';
import type { SnapshotImage, SnapshotPublication } from '../../service/snapshot-publication.js';
import {
  ANSWER_HEAD_LENGTH,
  KEY_LENGTH_MAX,
  KeyValueOperation,
  KeyValueResult,
  NO_VALUE,
  REQUEST_HEAD_LENGTH,
  VALUE_LENGTH_MAX,
} from './key-value-messages.js';

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** Running hash and number of changes. */
const STATE_RECORD_LENGTH = 8;
const NO_BYTES = new Uint8Array(0);
/** Where a request tells the length of its key. */
const KEY_LENGTH_OFFSET = 4;

/** The parts of a request, within the message that brought it. */
interface Request {
  readonly operation: number;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Undefined: the key must not be there. */
  readonly expected: Uint8Array | undefined;
}

class KeyValueService implements ClusteredService {
  readonly snapshotVersion = 1;
  readonly #values = new SnapshotBytesMap();
  readonly #replier = new Replier(ANSWER_HEAD_LENGTH + VALUE_LENGTH_MAX);
  /** Where every answer is written, within the replier's bytes. */
  readonly #answer = this.#replier.body;
  readonly #answerBytes = new Uint8Array(this.#answer.buffer, this.#answer.byteOffset);
  /** The view that brought the last query, and all of the memory behind it. */
  #lastBuffer: DataView | undefined;
  #memory: Uint8Array = NO_BYTES;
  #cluster: Cluster | undefined;
  #hash = FNV_OFFSET;
  #changeCount = 0;

  onStart(cluster: Cluster, snapshot?: SnapshotImage): void {
    this.#cluster = cluster;
    let isFirst = true;
    snapshot?.read((buffer, offset, length) => {
      if (isFirst) {
        this.#hash = buffer.getInt32(offset, true);
        this.#changeCount = buffer.getUint32(offset + 4, true);
        isFirst = false;
        return;
      }
      this.#values.load(buffer, offset, length);
    });
  }

  onTakeSnapshot(snapshot: SnapshotPublication): void {
    const state = new DataView(new ArrayBuffer(STATE_RECORD_LENGTH));
    state.setInt32(0, this.#hash, true);
    state.setUint32(4, this.#changeCount, true);
    snapshot.offer(state, 0, STATE_RECORD_LENGTH);
    snapshot.offerView(this.#values.snapshot());
  }

  onSessionMessage: ClusteredService['onSessionMessage'] = (
    session,
    _timestamp,
    buffer,
    offset,
    length,
  ) => {
    if (length < REQUEST_HEADER_LENGTH) {
      return;
    }
    const body = offset + REQUEST_HEADER_LENGTH;
    const answerLength = this.#execute(readRequest(buffer, body, length - REQUEST_HEADER_LENGTH));
    if (this.#replier.reply(session, buffer, offset, answerLength) === EgressResult.TooLong) {
      this.#replier.reply(session, buffer, offset, this.#write(KeyValueResult.TooLong));
    }
  };

  /** The same, as an exactly-once request: without the eight bytes. */
  onRequest: NonNullable<ClusteredService['onRequest']> = (
    request,
    _timestamp,
    buffer,
    offset,
    length,
  ) => {
    const answerLength = this.#execute(readRequest(buffer, offset, length));
    if (request.reply(this.#answer, 0, answerLength) === EgressResult.TooLong) {
      request.reply(this.#answer, 0, this.#write(KeyValueResult.TooLong));
    }
  };

  /** A get that is not in the log: without the eight bytes. */
  onQuery: NonNullable<ClusteredService['onQuery']> = (query, buffer, offset, length) => {
    const answerLength = this.#read(buffer, offset, length);
    if (query.reply(this.#answer, 0, answerLength) === EgressResult.TooLong) {
      query.reply(this.#answer, 0, this.#write(KeyValueResult.TooLong));
    }
  };

  stateHash(): string {
    const hash = (this.#hash >>> 0).toString(16).padStart(8, '0');
    return `${this.#values.size}:${this.#changeCount}:${hash}`;
  }

  /** Executes a request and writes the answer. Returns the answer's length. */
  #execute(request: Request | undefined): number {
    switch (request?.operation) {
      case KeyValueOperation.Get:
        return this.#get(request);
      case KeyValueOperation.Put:
        return this.#put(request);
      case KeyValueOperation.Delete: {
        const isThere = this.#delete(request);
        return this.#write(isThere ? KeyValueResult.Ok : KeyValueResult.NotFound);
      }
      case KeyValueOperation.CompareAndSet:
        return this.#compareAndSet(request);
      default:
        return this.#write(KeyValueResult.Invalid);
    }
  }

  /** Executes a get, whose key is compared where it lies. Returns the answer's length. */
  #read(buffer: DataView, start: number, length: number): number {
    const keyLength = length - REQUEST_HEAD_LENGTH;
    if (
      keyLength < 0 ||
      buffer.getUint8(start) !== KeyValueOperation.Get ||
      buffer.getUint32(start + KEY_LENGTH_OFFSET, true) !== keyLength
    ) {
      return this.#write(KeyValueResult.Invalid);
    }
    if (this.#lastBuffer !== buffer) {
      this.#lastBuffer = buffer;
      this.#memory = new Uint8Array(buffer.buffer);
    }
    const key = buffer.byteOffset + start + REQUEST_HEAD_LENGTH;
    return this.#answerGet(this.#values.getAt(this.#memory, key, keyLength));
  }

  #get(request: Request): number {
    return this.#answerGet(this.#values.get(request.key));
  }

  #answerGet(value: Uint8Array | undefined): number {
    return value === undefined
      ? this.#write(KeyValueResult.NotFound)
      : this.#write(KeyValueResult.Ok, value);
  }

  #compareAndSet(request: Request): number {
    const current = this.#values.get(request.key);
    if (!isSame(current, request.expected)) {
      return this.#write(KeyValueResult.Mismatch, current);
    }
    return this.#put(request);
  }

  /** What could never be answered, or be part of a snapshot, is not taken. */
  #put({ key, value }: Request): number {
    if (key.length > KEY_LENGTH_MAX || value.length > VALUE_LENGTH_MAX) {
      return this.#write(KeyValueResult.TooLong);
    }
    this.#values.set(key, value);
    this.#note(KeyValueOperation.Put, key, value);
    return this.#write(KeyValueResult.Ok);
  }

  #delete(request: Request): boolean {
    const isThere = this.#values.delete(request.key);
    if (isThere) {
      this.#note(KeyValueOperation.Delete, request.key, NO_BYTES);
    }
    return isThere;
  }

  #note(operation: number, key: Uint8Array, value: Uint8Array): void {
    this.#changeCount++;
    let hash = Math.imul(this.#hash ^ operation, FNV_PRIME);
    for (const bytes of [key, value]) {
      hash = Math.imul(hash ^ bytes.length, FNV_PRIME);
      for (let index = 0; index < bytes.length; index++) {
        hash = Math.imul(hash ^ (bytes[index] as number), FNV_PRIME);
      }
    }
    this.#hash = hash;
  }

  /**
   * Writes an answer; returns its length. A snapshot may hold a value that is too long for one:
   * former versions took it.
   */
  #write(result: number, value: Uint8Array = NO_BYTES): number {
    if (value.length > VALUE_LENGTH_MAX) {
      return this.#write(KeyValueResult.TooLong);
    }
    const answer = this.#answer;
    answer.setUint32(0, result, true);
    answer.setUint32(4, 0, true);
    answer.setFloat64(8, this.#cluster?.logPosition() ?? 0, true);
    this.#answerBytes.set(value, ANSWER_HEAD_LENGTH);
    return ANSWER_HEAD_LENGTH + value.length;
  }
}

/** The request of a body; undefined when its lengths contradict its bytes. */
function readRequest(buffer: DataView, start: number, length: number): Request | undefined {
  const rest = length - REQUEST_HEAD_LENGTH;
  if (rest < 0) {
    return undefined;
  }
  const keyLength = buffer.getUint32(start + 4, true);
  const valueLength = buffer.getUint32(start + 8, true);
  const expectedLength = buffer.getUint32(start + 12, true);
  const isAbsent = expectedLength === NO_VALUE;
  if (keyLength + valueLength + (isAbsent ? 0 : expectedLength) !== rest) {
    return undefined;
  }
  const keyStart = buffer.byteOffset + start + REQUEST_HEAD_LENGTH;
  const valueStart = keyStart + keyLength;
  const expectedStart = valueStart + valueLength;
  return {
    operation: buffer.getUint8(start),
    key: bytesOf(buffer, keyStart, keyLength),
    value: bytesOf(buffer, valueStart, valueLength),
    expected: isAbsent ? undefined : bytesOf(buffer, expectedStart, expectedLength),
  };
}

/** A part of a message; most requests have none but the key. */
function bytesOf(message: DataView, start: number, length: number): Uint8Array {
  return length === 0 ? NO_BYTES : new Uint8Array(message.buffer, start, length);
}

function isSame(current: Uint8Array | undefined, expected: Uint8Array | undefined): boolean {
  if (current === undefined || expected === undefined) {
    return current === expected;
  }
  return (
    current.length === expected.length && current.every((byte, index) => byte === expected[index])
  );
}

/** Makes a fresh instance. */
export function createService(): ClusteredService {
  return new KeyValueService();
}
