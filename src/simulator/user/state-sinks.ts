// state-sinks.ts: a state as one hash, to compare many, and as lines of text, to tell two apart.

import { TraceHash } from '../trace-hash.js';
import { type OpaqueNames, type StateSink, StepKind, walkState } from './state-walk.js';

const VALUE_TEXT_MAX = 160;
const BYTES_TEXT_MAX = 32;
/** Lines that the text of a state has at most; what is beyond is not compared in words. */
export const STATE_LINES_MAX = 200_000;
/** Differences that are named at most. */
export const DIFFERENCES_MAX = 5;

const OPEN_TAG = 0x6f70;
const CLOSE_TAG = 0x636c;
const NUMBER_TAG = 0x6e75;
const TEXT_TAG = 0x7465;
const WORD_TAG = 0x776f;
const BYTES_TAG = 0x6279;
const STEP_TAG = 0x7374;

/** Folds a state into 64 bits. */
class HashSink implements StateSink {
  readonly hash = new TraceHash();
  readonly hiddenClasses = new Set<string>();
  readonly #float = new Float64Array(1);
  readonly #words = new Int32Array(this.#float.buffer);

  enter(kind: StepKind, key: string | number): void {
    this.hash.addWord(STEP_TAG ^ kind);
    if (typeof key === 'number') {
      this.hash.addWord(key);
    } else {
      this.hash.addText(key);
    }
  }

  leave(): void {
    // What is inside ends by itself: its kind and size came first.
  }

  open(className: string, size: number): void {
    this.hash.addWord(OPEN_TAG);
    this.hash.addText(className);
    this.hash.addWord(size);
  }

  close(): void {
    this.hash.addWord(CLOSE_TAG);
  }

  number(value: number): void {
    this.hash.addWord(NUMBER_TAG);
    // There is one NaN for a program, and there may be many for its bits.
    this.#float[0] = Number.isNaN(value) ? Number.NaN : value;
    this.hash.addWord(this.#words[0] as number);
    this.hash.addWord(this.#words[1] as number);
  }

  text(value: string): void {
    this.hash.addWord(TEXT_TAG);
    this.hash.addText(value);
  }

  word(value: string): void {
    this.hash.addWord(WORD_TAG);
    this.hash.addText(value);
  }

  bytes(value: Uint8Array): void {
    this.hash.addWord(BYTES_TAG);
    this.hash.addBytes(value, 0, value.length);
  }

  hidden(className: string): void {
    this.hiddenClasses.add(className);
  }
}

/** A state's hash, and how many values it took. */
export interface StateHash {
  readonly digest: string;
  readonly valueCount: number;
  /** Classes of objects that show nothing of what they may hold. */
  readonly hiddenClasses: ReadonlySet<string>;
}

export function hashState(state: unknown, opaqueNames?: OpaqueNames): StateHash {
  const sink = new HashSink();
  const valueCount = walkState(state, sink, opaqueNames);
  return { digest: sink.hash.digest(), valueCount, hiddenClasses: sink.hiddenClasses };
}

/** A state as lines: the path of each value, and the value. */
export type StateText = ReadonlyMap<string, string>;

/** What a state is called in the paths. */
export const STATE_ROOT = 'state';
const ORDER_SUFFIX = ' (order)';

/** An object that is being visited. */
interface OpenObject {
  readonly path: string;
  readonly keys: string[];
}

/** Writes a line for each value of a state. */
class TextSink implements StateSink {
  readonly lines = new Map<string, string>();
  /** Of each class of objects that show nothing, the path of the first one. */
  readonly hiddenPaths = new Map<string, string>();
  readonly #paths: string[];
  readonly #objects: OpenObject[] = [];

  constructor(root: string) {
    this.#paths = [root];
  }

  enter(kind: StepKind, key: string | number): void {
    const path = this.#path();
    this.#objects.at(-1)?.keys.push(String(key));
    this.#paths.push(path + stepText(kind, key));
  }

  leave(): void {
    this.#paths.pop();
  }

  open(className: string, size: number): void {
    this.#set(this.#path(), size === 0 ? `an empty ${className}` : `a ${className}`);
    this.#objects.push({ path: this.#path(), keys: [] });
  }

  close(): void {
    const object = this.#objects.pop();
    if (object !== undefined && object.keys.length > 1) {
      this.#set(object.path + ORDER_SUFFIX, bounded(object.keys.join(', ')));
    }
  }

  number(value: number): void {
    this.#set(this.#path(), Object.is(value, -0) ? '-0' : String(value));
  }

  text(value: string): void {
    this.#set(this.#path(), bounded(JSON.stringify(value)));
  }

  word(value: string): void {
    this.#set(this.#path(), bounded(value));
  }

  /** Long bytes are told in parts, so that the part which differs is named. */
  bytes(value: Uint8Array): void {
    if (value.length <= BYTES_TEXT_MAX) {
      this.#set(this.#path(), bytesText(value));
      return;
    }
    this.#set(this.#path(), `${value.length} bytes`);
    for (let at = 0; at < value.length; at += BYTES_TEXT_MAX) {
      const part = value.subarray(at, at + BYTES_TEXT_MAX);
      this.#set(`${this.#path()} from byte ${at}`, bytesText(part));
    }
  }

  hidden(className: string): void {
    if (!this.hiddenPaths.has(className)) {
      this.hiddenPaths.set(className, this.#path());
    }
  }

  #path(): string {
    return this.#paths.at(-1) as string;
  }

  #set(path: string, text: string): void {
    if (this.lines.size < STATE_LINES_MAX) {
      this.lines.set(path, text);
    }
  }
}

/** @param root what the state is called in the paths. */
export function textOfState(
  state: unknown,
  root = STATE_ROOT,
  opaqueNames?: OpaqueNames,
): StateText {
  const sink = new TextSink(root);
  walkState(state, sink, opaqueNames);
  return sink.lines;
}

/** Classes of objects that show nothing of what they may hold, with the path of the first one. */
export function hiddenPathsOf(
  state: unknown,
  opaqueNames?: OpaqueNames,
): ReadonlyMap<string, string> {
  const sink = new TextSink(STATE_ROOT);
  walkState(state, sink, opaqueNames);
  return sink.hiddenPaths;
}

/** Long text keeps a hash of all of it, so that texts are equal only when the values are. */
function bounded(text: string): string {
  if (text.length <= VALUE_TEXT_MAX) {
    return text;
  }
  const hash = new TraceHash();
  hash.addText(text);
  return `${text.slice(0, VALUE_TEXT_MAX)}… (${text.length} characters, hash ${hash.digest()})`;
}

/** Bytes as hexadecimal digits, long ones with a hash of all of them. */
export function bytesText(bytes: Uint8Array): string {
  const shown = Array.from(bytes.subarray(0, BYTES_TEXT_MAX), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join(' ');
  if (bytes.length <= BYTES_TEXT_MAX) {
    return `${bytes.length} bytes ${shown}`;
  }
  const hash = new TraceHash();
  hash.addBytes(bytes, 0, bytes.length);
  return `${bytes.length} bytes ${shown} … (hash ${hash.digest()})`;
}

const PLAIN_NAME = /^[A-Za-z_$][\w$]*$/;

function stepText(kind: StepKind, key: string | number): string {
  switch (kind) {
    case StepKind.Field:
      return PLAIN_NAME.test(String(key)) ? `.${key}` : `[${JSON.stringify(key)}]`;
    case StepKind.MapKey:
      return `.get(${key})`;
    case StepKind.MapEntry:
      return `.entry(${key})`;
    case StepKind.SetValue:
      return `.value(${key})`;
    default:
      return `[${key}]`;
  }
}

/** Where two states differ. */
export interface StateDifference {
  readonly path: string;
  /** Undefined where the value is missing. */
  readonly first: string | undefined;
  readonly second: string | undefined;
}

/** The first differences, values before orders: an order differs wherever a key is missing. */
export function differencesOf(first: StateText, second: StateText): StateDifference[] {
  const values: StateDifference[] = [];
  const orders: StateDifference[] = [];
  const compare = (path: string): void => {
    const difference = { path, first: first.get(path), second: second.get(path) };
    if (difference.first !== difference.second) {
      (path.endsWith(ORDER_SUFFIX) ? orders : values).push(difference);
    }
  };
  for (const path of first.keys()) {
    compare(path);
  }
  for (const path of second.keys()) {
    if (!first.has(path)) {
      compare(path);
    }
  }
  return (values.length > 0 ? values : orders).slice(0, DIFFERENCES_MAX);
}
