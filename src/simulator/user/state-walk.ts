// state-walk.ts: visits everything that a service's state consists of, in an order that the state
// alone decides.
//
// Maps, sets and objects are visited in the order in which they would be iterated: a service that
// iterates them acts in that order, so two states that differ in nothing else are different states.
// Private fields and the variables of closures cannot be seen. Where that may hide all that an
// object holds, the sink is told.

import { ErrorCode, PawlError } from '../../errors.js';
import { Replier } from '../../service/request.js';
import { SnapshotArray } from '../../service/snapshot-array.js';
import { SnapshotBytesMap } from '../../service/snapshot-bytes-map.js';
import { SnapshotMap } from '../../service/snapshot-map.js';

/** Values in a state at most; 8 bytes of binary data count as one. */
export const STATE_VALUES_MAX = 5_000_000;
/** Levels of objects within objects at most. */
export const STATE_DEPTH_MAX = 1_000;
const BYTES_PER_VALUE = 8;

/** How a value is reached from the one that holds it. */
export const StepKind = { Field: 1, Index: 2, MapKey: 3, MapEntry: 4, SetValue: 5 } as const;
export type StepKind = (typeof StepKind)[keyof typeof StepKind];

/** Receives a state, value by value. */
export interface StateSink {
  /** A value follows that is reached so; `leave` ends it. */
  enter(kind: StepKind, key: string | number): void;
  leave(): void;
  /** An object begins, of so many parts; `close` ends it. */
  open(className: string, size: number): void;
  close(): void;
  number(value: number): void;
  text(value: string): void;
  /** Anything that its name tells completely, such as `true` or `12n`. */
  word(value: string): void;
  bytes(value: Uint8Array): void;
  /** The object that was opened last shows nothing of what it may hold. */
  hidden?(className: string): void;
}

/** Names objects that belong to Pawl and are not looked into; undefined for all others. */
export type OpaqueNames = (value: object) => string | undefined;

/** One walk through one state. */
class Walk {
  readonly #sink: StateSink;
  readonly #opaqueNames: OpaqueNames;
  readonly #seen = new Map<object, number>();
  #depth = 0;
  valueCount = 0;

  constructor(sink: StateSink, opaqueNames: OpaqueNames) {
    this.#sink = sink;
    this.#opaqueNames = opaqueNames;
  }

  visit(value: unknown): void {
    this.#count(1);
    switch (typeof value) {
      case 'number':
        this.#sink.number(value);
        break;
      case 'string':
        this.#count(value.length / BYTES_PER_VALUE);
        this.#sink.text(value);
        break;
      case 'object':
        if (value === null) {
          this.#sink.word('null');
        } else {
          this.#visitObject(value);
        }
        break;
      default:
        this.#sink.word(wordOf(value));
    }
  }

  #visitObject(value: object): void {
    const opaque = this.#opaqueNames(value) ?? opaqueName(value);
    if (opaque !== undefined) {
      this.#sink.word(opaque);
      return;
    }
    const number = this.#seen.get(value);
    if (number !== undefined) {
      this.#sink.word(`the same object as number ${number}`);
      return;
    }
    this.#seen.set(value, this.#seen.size);
    this.#depth++;
    if (this.#depth > STATE_DEPTH_MAX) {
      throw tooMuch(`is nested ${STATE_DEPTH_MAX} levels deep`);
    }
    this.#visitParts(value);
    this.#depth--;
  }

  #visitParts(value: object): void {
    const name = classNameOf(value);
    if (ArrayBuffer.isView(value)) {
      this.#visitBytes(name, new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    } else if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) {
      this.#visitBytes(name, new Uint8Array(value));
    } else if (Array.isArray(value)) {
      this.#sink.open(name, value.length);
      for (let index = 0; index < value.length; index++) {
        this.#part(StepKind.Index, index, value[index]);
      }
      this.#sink.close();
    } else {
      this.#visitCollection(name, value);
    }
  }

  #visitBytes(name: string, bytes: Uint8Array): void {
    this.#count(bytes.length / BYTES_PER_VALUE);
    this.#sink.open(name, 1);
    this.#sink.bytes(bytes);
    this.#sink.close();
  }

  #visitCollection(name: string, value: object): void {
    const keys = Object.keys(value);
    const symbols = Object.getOwnPropertySymbols(value);
    const fieldCount = keys.length + symbols.length;
    this.#sink.open(name, fieldCount + contentSize(value));
    if (!this.#visitContent(value)) {
      const fields = [...keys, ...symbols].map((key) => Reflect.get(value, key));
      if (isHidden(value, fields, this.#opaqueNames)) {
        this.#sink.hidden?.(name);
      }
    }
    for (const key of keys) {
      this.#part(StepKind.Field, key, (value as Record<string, unknown>)[key]);
    }
    for (const symbol of symbols) {
      this.#part(StepKind.Field, String(symbol), (value as Record<symbol, unknown>)[symbol]);
    }
    this.#sink.close();
  }

  /** Visits what is no field of an object; false where nothing is known of such a content. */
  #visitContent(value: object): boolean {
    if (value instanceof Map || value instanceof SnapshotMap) {
      this.#visitEntries(value);
    } else if (value instanceof Set) {
      this.#visitValues(StepKind.SetValue, value);
    } else if (value instanceof SnapshotArray) {
      this.#visitValues(StepKind.Index, value);
    } else if (value instanceof SnapshotBytesMap) {
      value.forEach((key, bytes) => {
        this.#count(key.length / BYTES_PER_VALUE);
        this.#part(StepKind.MapKey, bytesKeyText(key), bytes);
      });
    } else {
      const text = wholeText(value);
      if (text === undefined) {
        return false;
      }
      this.#sink.word(text);
    }
    return true;
  }

  #visitValues(kind: StepKind, values: Iterable<unknown>): void {
    let index = 0;
    for (const value of values) {
      this.#part(kind, index++, value);
    }
  }

  #visitEntries(entries: Iterable<[unknown, unknown]>): void {
    let index = 0;
    for (const [key, value] of entries) {
      if (typeof key === 'object' && key !== null) {
        this.#part(StepKind.MapEntry, index, [key, value]);
      } else {
        this.#part(StepKind.MapKey, keyText(key), value);
      }
      index++;
    }
  }

  #part(kind: StepKind, key: string | number, value: unknown): void {
    this.#sink.enter(kind, key);
    this.visit(value);
    this.#sink.leave();
  }

  #count(values: number): void {
    this.valueCount += values;
    if (this.valueCount > STATE_VALUES_MAX) {
      throw tooMuch(`has more than ${STATE_VALUES_MAX} values`);
    }
  }
}

/**
 * Visits a state.
 *
 * @returns how many values it has.
 * @throws PawlError LIMIT_EXCEEDED for a state that is larger or deeper than the limits above.
 */
export function walkState(
  state: unknown,
  sink: StateSink,
  opaqueNames: OpaqueNames = () => undefined,
): number {
  const walk = new Walk(sink, opaqueNames);
  walk.visit(state);
  return Math.ceil(walk.valueCount);
}

function tooMuch(what: string): PawlError {
  return new PawlError(
    ErrorCode.LimitExceeded,
    `the state of the service ${what}: give simulate() a stateOf(service) that returns less, ` +
      'such as a summary, and nothing that belongs to the host (streams, loggers, timers)',
  );
}

function wordOf(value: unknown): string {
  switch (typeof value) {
    case 'bigint':
      return `${value}n`;
    case 'function':
      return `function ${value.name}`;
    default:
      return String(value);
  }
}

function keyText(key: unknown): string {
  return typeof key === 'string' ? JSON.stringify(key) : wordOf(key);
}

const PRINTABLE = /^[\x20-\x7e]*$/;

/** A key of bytes: as text where it is one, otherwise as hexadecimal digits. */
function bytesKeyText(key: Uint8Array): string {
  const text = Array.from(key, (byte) => String.fromCharCode(byte)).join('');
  return PRINTABLE.test(text)
    ? `bytes of ${JSON.stringify(text)}`
    : `bytes ${Array.from(key, (byte) => byte.toString(16).padStart(2, '0')).join(' ')}`;
}

/** Parts of an object that are no fields. */
function contentSize(value: object): number {
  if (value instanceof Map || value instanceof Set) {
    return value.size;
  }
  if (value instanceof SnapshotMap || value instanceof SnapshotBytesMap) {
    return value.size;
  }
  return value instanceof SnapshotArray ? value.length : 0;
}

/**
 * Whether nothing of what an object may hold is seen: an instance of a class whose fields, if it
 * has any, are functions and what belongs to others, or functions that may share variables.
 */
function isHidden(value: object, fields: readonly unknown[], opaqueNames: OpaqueNames): boolean {
  const isEmpty = (field: unknown): boolean =>
    typeof field === 'function' ||
    (typeof field === 'object' && field !== null && opaqueNames(field) !== undefined);
  if (!fields.every(isEmpty)) {
    return false;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === null || prototype === Object.prototype;
  return !isPlain || fields.some((field) => typeof field === 'function');
}

function classNameOf(value: object): string {
  const made: unknown = value.constructor;
  return typeof made === 'function' ? made.name : 'Object';
}

/** Kinds without parts that a service could read in order, or without state. */
const OPAQUE_TAGS: readonly string[] = [
  ...['WeakMap', 'WeakSet', 'WeakRef', 'Promise'],
  ...['TextEncoder', 'TextDecoder'],
];

/** What cannot be looked into, or need not. */
function opaqueName(value: object): string | undefined {
  if (value instanceof Replier) {
    return 'a Replier';
  }
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1);
  return OPAQUE_TAGS.includes(tag) || tag.startsWith('Intl.') ? `a ${tag}` : undefined;
}

/** Built-in values whose content is no own field. */
function wholeText(value: object): string | undefined {
  switch (Object.prototype.toString.call(value)) {
    case '[object Date]':
      return String((value as { getTime(): number }).getTime());
    case '[object Error]':
    case '[object RegExp]':
      return String(value);
    case '[object URL]':
    case '[object URLSearchParams]':
    case '[object Number]':
    case '[object String]':
    case '[object Boolean]':
      return String(value);
    default:
      return undefined;
  }
}
