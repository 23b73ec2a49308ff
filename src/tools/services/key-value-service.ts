// key-value-service.ts: a key/value store: get, put, delete, compare-and-set.
//
// Its map is frozen for a snapshot and written while the store goes on. Every answer names the log
// position at which it holds.

import type { ClientSession, Cluster, ClusteredService } from '../../service/clustered-service.js';
import { REQUEST_HEADER_LENGTH, Replier } from '../../service/request.js';
import { SnapshotMap } from '../../service/snapshot-map.js';
import type {
  SnapshotImage,
  SnapshotOutput,
  SnapshotPublication,
} from '../../service/snapshot-publication.js';
import {
  ANSWER_HEAD_LENGTH,
  KeyValueOperation,
  KeyValueResult,
  NO_VALUE,
  REQUEST_HEAD_LENGTH,
} from './key-value-messages.js';

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** Running hash and number of changes. */
const STATE_RECORD_LENGTH = 8;
const ANSWER_LENGTH_MAX = 1024 * 1024;
const NO_BYTES = new Uint8Array(0);

/** The parts of a request, within the message that brought it. */
interface Request {
  readonly operation: number;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Undefined: the key must not be there. */
  readonly expected: Uint8Array | undefined;
}

/** An entry's record: key length u32, key, value. */
class EntryRecords {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);

  offer(key: string, value: Uint8Array, output: SnapshotOutput): void {
    const length = 4 + key.length + value.length;
    if (length > this.#bytes.length) {
      this.#bytes = new Uint8Array(length * 2);
      this.#view = new DataView(this.#bytes.buffer);
    }
    this.#view.setUint32(0, key.length, true);
    for (let index = 0; index < key.length; index++) {
      this.#bytes[4 + index] = key.charCodeAt(index);
    }
    this.#bytes.set(value, 4 + key.length);
    output.offer(this.#bytes, 0, length);
  }
}

class KeyValueService implements ClusteredService {
  readonly snapshotVersion = 1;
  // Keys are the bytes that clients sent, one character each: no two are ever taken for one.
  readonly #values = new SnapshotMap<string, Uint8Array>();
  readonly #records = new EntryRecords();
  readonly #replier = new Replier(ANSWER_LENGTH_MAX);
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
      const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length);
      const keyLength = buffer.getUint32(offset, true);
      const key = keyOf(bytes.subarray(4, 4 + keyLength));
      this.#values.set(key, bytes.slice(4 + keyLength));
    });
  }

  onTakeSnapshot(snapshot: SnapshotPublication): void {
    const state = new DataView(new ArrayBuffer(STATE_RECORD_LENGTH));
    state.setInt32(0, this.#hash, true);
    state.setUint32(4, this.#changeCount, true);
    snapshot.offer(state, 0, STATE_RECORD_LENGTH);
    snapshot.offerView(
      this.#values.snapshot((key, value, output) => this.#records.offer(key, value, output)),
    );
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
    const request = readRequest(buffer, offset, length);
    if (request === undefined) {
      this.#answer(session, buffer, offset, KeyValueResult.Invalid, NO_BYTES);
      return;
    }
    const key = keyOf(request.key);
    const current = this.#values.get(key);
    switch (request.operation) {
      case KeyValueOperation.Get:
        this.#answer(session, buffer, offset, foundResult(current), current ?? NO_BYTES);
        break;
      case KeyValueOperation.Put:
        this.#put(key, request);
        this.#answer(session, buffer, offset, KeyValueResult.Ok, NO_BYTES);
        break;
      case KeyValueOperation.Delete:
        this.#delete(key, request);
        this.#answer(session, buffer, offset, foundResult(current), NO_BYTES);
        break;
      case KeyValueOperation.CompareAndSet: {
        const isExpected = isSame(current, request.expected);
        if (isExpected) {
          this.#put(key, request);
        }
        const result = isExpected ? KeyValueResult.Ok : KeyValueResult.Mismatch;
        this.#answer(
          session,
          buffer,
          offset,
          result,
          isExpected ? NO_BYTES : (current ?? NO_BYTES),
        );
        break;
      }
      default:
        this.#answer(session, buffer, offset, KeyValueResult.Invalid, NO_BYTES);
    }
  };

  stateHash(): string {
    const hash = (this.#hash >>> 0).toString(16).padStart(8, '0');
    return `${this.#values.size}:${this.#changeCount}:${hash}`;
  }

  #put(key: string, request: Request): void {
    this.#values.set(key, request.value.slice());
    this.#note(KeyValueOperation.Put, request.key, request.value);
  }

  #delete(key: string, request: Request): void {
    if (this.#values.delete(key)) {
      this.#note(KeyValueOperation.Delete, request.key, NO_BYTES);
    }
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

  #answer(
    session: ClientSession,
    buffer: DataView,
    offset: number,
    result: number,
    value: Uint8Array,
  ): void {
    const { body } = this.#replier;
    body.setUint32(0, result, true);
    body.setUint32(4, 0, true);
    body.setFloat64(8, this.#cluster?.logPosition() ?? 0, true);
    new Uint8Array(body.buffer, body.byteOffset).set(value, ANSWER_HEAD_LENGTH);
    this.#replier.reply(session, buffer, offset, ANSWER_HEAD_LENGTH + value.length);
  }
}

/** The request behind its header; undefined when its lengths contradict its bytes. */
function readRequest(buffer: DataView, offset: number, length: number): Request | undefined {
  const start = offset + REQUEST_HEADER_LENGTH;
  const rest = length - REQUEST_HEADER_LENGTH - REQUEST_HEAD_LENGTH;
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
  const from = buffer.byteOffset + start + REQUEST_HEAD_LENGTH;
  const bytes = new Uint8Array(buffer.buffer, from, rest);
  const valueEnd = keyLength + valueLength;
  return {
    operation: buffer.getUint8(start),
    key: bytes.subarray(0, keyLength),
    value: bytes.subarray(keyLength, valueEnd),
    expected: isAbsent ? undefined : bytes.subarray(valueEnd),
  };
}

function keyOf(bytes: Uint8Array): string {
  let key = '';
  for (let index = 0; index < bytes.length; index++) {
    key += String.fromCharCode(bytes[index] as number);
  }
  return key;
}

function foundResult(value: Uint8Array | undefined): number {
  return value === undefined ? KeyValueResult.NotFound : KeyValueResult.Ok;
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
