// key-value-messages.ts: what clients say to the key/value service, and what it answers.
//
// Request, behind the eight bytes of a request of `connect`, and the whole body of an exactly-once
// request or of a query, which may only be a get:
//   0 operation u8 | 4 key length u32 | 8 value length u32 | 12 expected length u32
//   16 key, value, expected value
// Answer, behind the same eight bytes where the request had them:
//   0 result u8 | 8 log position f64 | 16 value

export const KeyValueOperation = {
  Get: 1,
  Put: 2,
  Delete: 3,
  /** Sets the value if it is the expected one; NO_VALUE as its length stands for no value. */
  CompareAndSet: 4,
} as const;
export type KeyValueOperation = (typeof KeyValueOperation)[keyof typeof KeyValueOperation];

export const KeyValueResult = {
  /** Done; the answer of a get has the value. */
  Ok: 0,
  /** There is no such key. */
  NotFound: 1,
  /** The value is another than the expected one; the answer has it. */
  Mismatch: 2,
  /** The request could not be read. */
  Invalid: 3,
  /**
   * A key or a value of the request, or the value that would be the answer, is longer than the
   * service takes: nothing was changed, and the answer has no value.
   */
  TooLong: 4,
} as const;
export type KeyValueResult = (typeof KeyValueResult)[keyof typeof KeyValueResult];

export const REQUEST_HEAD_LENGTH = 16;
export const ANSWER_HEAD_LENGTH = 16;
/** Longest key that is set, bytes. */
export const KEY_LENGTH_MAX = 1024 * 1024;
/** Longest value that is set or answered, bytes: with its head an answer has at most 1 MiB. */
export const VALUE_LENGTH_MAX = 1024 * 1024 - ANSWER_HEAD_LENGTH;
/** In place of the length of an expected value: the key must not be there. */
export const NO_VALUE = 0xffff_ffff;

/** A request, as a client makes it. */
export interface KeyValueRequest {
  readonly operation: KeyValueOperation;
  readonly key: string;
  readonly value?: Uint8Array;
  /** For CompareAndSet; undefined: the key must not be there. */
  readonly expected?: Uint8Array;
}

/** An answer. */
export interface KeyValueAnswer {
  readonly result: KeyValueResult;
  /** Log position at which the answer holds. */
  readonly logPosition: number;
  readonly value: Uint8Array;
}

/** Bytes of a request's body. */
export function encodeRequest(request: KeyValueRequest): Uint8Array {
  const key = new TextEncoder().encode(request.key);
  const value = request.value ?? new Uint8Array(0);
  const expected = request.expected ?? new Uint8Array(0);
  const isAbsent = request.expected === undefined;
  const bytes = new Uint8Array(REQUEST_HEAD_LENGTH + key.length + value.length + expected.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, request.operation);
  view.setUint32(4, key.length, true);
  view.setUint32(8, value.length, true);
  view.setUint32(12, isAbsent ? NO_VALUE : expected.length, true);
  bytes.set(key, REQUEST_HEAD_LENGTH);
  bytes.set(value, REQUEST_HEAD_LENGTH + key.length);
  bytes.set(expected, REQUEST_HEAD_LENGTH + key.length + value.length);
  return bytes;
}

/** Reads the body of an answer. */
export function decodeAnswer(body: Uint8Array): KeyValueAnswer {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  return {
    result: view.getUint8(0) as KeyValueResult,
    logPosition: view.getFloat64(8, true),
    value: body.slice(ANSWER_HEAD_LENGTH),
  };
}
