// history.ts: what clients did and what they were told, in the order in which it happened.
//
// A history is a row of events. An operation begins with `invoke` and ends with `ok` (it took
// effect, and this is its result), `fail` (it took no effect) or `info` (nobody knows). Where an
// event stands in the row is its time: nothing else of time matters to linearizability.

import { ErrorCode, PawlError } from '../../errors.js';

/** What a key holds. `null` stands for nothing. */
export type HistoryValue = null | boolean | number | string;
/** What an event carries: nothing, one value, or the two of a compare-and-set. */
export type EventValue = HistoryValue | readonly [HistoryValue, HistoryValue] | undefined;
export type HistoryKey = number | string;

export const EVENT_TYPES = ['invoke', 'ok', 'fail', 'info'] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** One line of a history. */
export interface HistoryEvent {
  readonly process: number | string;
  readonly type: EventType;
  /** Name of the operation, as the history has it. */
  readonly operation: string;
  readonly key?: HistoryKey | undefined;
  readonly value?: EventValue;
  /** Line of the file, from 1; otherwise events count from 1 in the order of their coming. */
  readonly line?: number;
}

export const MODELS = ['register', 'key-value'] as const;
/** `register`: read, write, cas. `key-value`: get, put, delete, compare-and-set. */
export type ModelName = (typeof MODELS)[number];

export type OperationKind = 'read' | 'write' | 'delete' | 'compare-and-set';

const READS = { read: 'read', get: 'read' } as const;
const WRITES = { write: 'write', put: 'write' } as const;
const COMPARES = { cas: 'compare-and-set', 'compare-and-set': 'compare-and-set' } as const;
const KINDS: Readonly<Record<ModelName, Readonly<Record<string, OperationKind>>>> = {
  register: { ...READS, ...WRITES, ...COMPARES },
  'key-value': { ...READS, ...WRITES, ...COMPARES, delete: 'delete' },
};
const KEY_VALUE_WORDS: readonly string[] = ['get', 'put', 'delete'];

/** An operation that took effect, or may have. Those that certainly did not are not kept. */
export interface Operation {
  readonly process: number | string;
  readonly kind: OperationKind;
  /** Its name in the history. */
  readonly word: string;
  readonly key: HistoryKey | undefined;
  /** What is written; undefined for reads and deletions. */
  readonly written: HistoryValue | undefined;
  /** What a compare-and-set compares with. */
  readonly expected: HistoryValue | undefined;
  /** Whether its outcome is known. */
  readonly isKnown: boolean;
  /** Value read; of a deletion and a compare-and-set, whether it found what it looked for. */
  readonly result: HistoryValue | undefined;
  /** Number of the event that began it. */
  readonly invokeIndex: number;
  /** Number of the event that ended it; infinite when its outcome is unknown. */
  readonly returnIndex: number;
  readonly invokeLine: number;
  readonly returnLine: number | undefined;
}

/** What becomes of a compare-and-set that failed. */
export const FAILED_COMPARISONS = ['drop', 'mismatch'] as const;
/**
 * `drop`: it took no effect and tells nothing. `mismatch`: it took no effect because the value was
 * another, which is an observation and is checked.
 */
export type FailedComparison = (typeof FAILED_COMPARISONS)[number];

export interface HistoryOptions {
  readonly model: ModelName;
  /** Default `drop`. */
  readonly failedComparison?: FailedComparison;
}

/** Operations of a history, and what was left out. */
export interface History {
  /** In the order of their invocation. */
  readonly operations: readonly Operation[];
  readonly eventCount: number;
  /** Operations that failed, and reads without a result: they tell nothing. */
  readonly droppedCount: number;
  /** Operations that may or may not have taken effect, without the reads. */
  readonly unknownCount: number;
}

/** The model that a history speaks of. */
export function modelOf(events: readonly HistoryEvent[]): ModelName {
  const isKeyValue = events.some(({ operation }) => KEY_VALUE_WORDS.includes(operation));
  return isKeyValue ? 'key-value' : 'register';
}

interface Begun {
  readonly event: HistoryEvent;
  readonly kind: OperationKind;
  readonly index: number;
  readonly line: number;
}

/** Pairs beginnings with ends. Add the events in their order, then take the history. */
export class HistoryBuilder {
  readonly #model: ModelName;
  readonly #failedComparison: FailedComparison;
  readonly #begun = new Map<number | string, Begun>();
  readonly #operations: Operation[] = [];
  #eventCount = 0;
  #droppedCount = 0;
  #unknownCount = 0;

  constructor({ model, failedComparison = 'drop' }: HistoryOptions) {
    this.#model = model;
    this.#failedComparison = failedComparison;
  }

  /**
   * Takes the next event.
   *
   * @throws PawlError HISTORY_INVALID, with the line, when it cannot follow what came before.
   */
  add(event: HistoryEvent): void {
    const index = ++this.#eventCount;
    const line = event.line ?? index;
    const kind = KINDS[this.#model][event.operation];
    if (kind === undefined || !Object.hasOwn(KINDS[this.#model], event.operation)) {
      const known = Object.keys(KINDS[this.#model]).join(', ');
      throw invalid(
        line,
        `operation '${event.operation}' is none of model ${this.#model}: use ${known}`,
      );
    }
    if (event.type === 'invoke') {
      this.#begin({ event, kind, index, line });
    } else {
      this.#end(event, index, line);
    }
  }

  /** The history so far: what has not ended has an unknown outcome. */
  finish(): History {
    const open = [...this.#begun.values()];
    this.#begun.clear();
    for (const begun of open) {
      this.#keepUnknown(begun);
    }
    const operations = this.#operations.sort((left, right) => left.invokeIndex - right.invokeIndex);
    return {
      operations,
      eventCount: this.#eventCount,
      droppedCount: this.#droppedCount,
      unknownCount: this.#unknownCount,
    };
  }

  #begin(begun: Begun): void {
    const { event, kind, line } = begun;
    const open = this.#begun.get(event.process);
    if (open !== undefined) {
      throw invalid(
        line,
        `process ${event.process} invokes ${event.operation} while its ` +
          `${open.event.operation} of line ${open.line} is open: end that with ok, fail or ` +
          'info first',
      );
    }
    if (this.#model === 'key-value' && event.key === undefined) {
      throw invalid(line, `${event.operation} has no key: name the key that it is about`);
    }
    const isPair = Array.isArray(event.value);
    if (kind === 'compare-and-set' && !isPair) {
      throw invalid(
        line,
        `${event.operation} has the value ${textOf(event.value)}: write [expected, new]`,
      );
    }
    if (kind === 'write' && (event.value === undefined || isPair)) {
      throw invalid(
        line,
        `${event.operation} has the value ${textOf(event.value)}: write the one value it writes`,
      );
    }
    this.#begun.set(event.process, begun);
  }

  #end(event: HistoryEvent, index: number, line: number): void {
    const begun = this.#begun.get(event.process);
    if (begun === undefined) {
      throw invalid(
        line,
        `process ${event.process} ends a ${event.operation} that it has not begun: an event of ` +
          'type invoke must come first',
      );
    }
    if (begun.event.operation !== event.operation) {
      throw invalid(
        line,
        `process ${event.process} ends a ${event.operation}, and its ${begun.event.operation} of ` +
          `line ${begun.line} is open: end the operation that was begun`,
      );
    }
    if (event.key !== undefined && event.key !== begun.event.key) {
      throw invalid(
        line,
        `${event.operation} ends with key ${textOf(event.key)} and began, in line ${begun.line}, ` +
          `with ${textOf(begun.event.key)}: write the same key, or none`,
      );
    }
    this.#begun.delete(event.process);
    if (event.type === 'info') {
      this.#keepUnknown(begun);
    } else if (event.type === 'ok') {
      this.#keep(begun, { index, line, result: resultOf(begun, event.value, line) });
    } else if (begun.kind === 'compare-and-set' && this.#failedComparison === 'mismatch') {
      this.#keep(begun, { index, line, result: false });
    } else {
      this.#droppedCount++;
    }
  }

  #keepUnknown(begun: Begun): void {
    if (begun.kind === 'read') {
      this.#droppedCount++;
      return;
    }
    this.#unknownCount++;
    this.#keep(begun, undefined);
  }

  #keep(
    { event, index, kind, line }: Begun,
    end: { index: number; line: number; result: HistoryValue | undefined } | undefined,
  ): void {
    const pair = event.value as readonly [HistoryValue, HistoryValue];
    const isComparing = kind === 'compare-and-set';
    const written = kind === 'write' ? (event.value as HistoryValue) : undefined;
    this.#operations.push({
      process: event.process,
      kind,
      word: event.operation,
      key: event.key,
      written: isComparing ? pair[1] : written,
      expected: isComparing ? pair[0] : undefined,
      isKnown: end !== undefined,
      result: end?.result,
      invokeIndex: index,
      returnIndex: end?.index ?? Number.POSITIVE_INFINITY,
      invokeLine: line,
      returnLine: end?.line,
    });
  }
}

/**
 * The result in an event of type ok.
 *
 * A contradiction to the invocation is refused: a judge that overlooks it would judge garbage.
 */
function resultOf({ event, kind }: Begun, value: EventValue, line: number): HistoryValue {
  if (kind === 'read') {
    if (value === undefined || (typeof value === 'object' && value !== null)) {
      throw invalid(
        line,
        `${event.operation} ended ok with the value ${textOf(value)}: write the value that was ` +
          'read, or null for nothing',
      );
    }
    return value;
  }
  if (value === undefined || value === null || value === true) {
    return value ?? null;
  }
  if (value === false && kind !== 'write') {
    return false;
  }
  const isSame = textOf(value) === textOf(event.value);
  if (!isSame || kind === 'delete') {
    throw invalid(
      line,
      `${event.operation} of ${textOf(event.value)} ended ok with the value ${textOf(value)}: ` +
        `write the same value${kind === 'write' ? '' : ', true or false'}, or none`,
    );
  }
  return true;
}

/** A value as messages show it. */
export function textOf(value: EventValue): string {
  return value === undefined ? 'none' : JSON.stringify(value);
}

/** The error of a history that cannot be read. */
export function invalid(line: number, message: string): PawlError {
  return new PawlError(ErrorCode.HistoryInvalid, `line ${line}: ${message}`);
}
