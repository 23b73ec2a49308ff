// check.ts: whether a history is linearizable, and if not, the shortest part of it that is not.
//
// A history is linearizable when the operations of each key are: each key is judged alone. A part
// from the beginning of a linearizable history is linearizable too, so the shortest one that is not
// can be found by halving.

import { CellModel, withoutUseless } from './cell.js';
import type { History, HistoryKey, HistoryValue, Operation } from './history.js';
import { inSearchOrder, Search, type SearchLimits, SearchVerdict } from './search.js';

export interface CheckLimits {
  /** Operations of one key. Default 200,000. */
  readonly operationsMax: number;
  /** Operations that the search of one key may try, all ways together. Default 50 million. */
  readonly stepsMax: number;
  /** Words of 4 bytes for the places that one search has visited. Default 64 million. */
  readonly memoryWordsMax: number;
}

export const CHECK_LIMITS: CheckLimits = {
  operationsMax: 200_000,
  stepsMax: 50_000_000,
  memoryWordsMax: 64 * 1024 * 1024,
};

export interface CheckOptions {
  /** What every key holds at first. Default null: nothing. */
  readonly initialValue?: HistoryValue;
  readonly limits?: Partial<CheckLimits>;
}

/** Steps for the longest order of a violation, which is told and judged nowhere. */
const EXPLAINING_STEPS_MAX = 1_000_000;

/** A key whose operations no order explains. */
export interface KeyViolation {
  readonly key: HistoryKey | undefined;
  /** Number of the last event of the shortest part of the history that no order explains. */
  readonly prefixEventCount: number;
  /** The operation that ends there: it cannot be placed. */
  readonly operation: Operation;
  /** Operations of the key in that part, as the part knows them: later results are open in it. */
  readonly operations: readonly Operation[];
  /** The longest order that explains part of them. */
  readonly longestOrder: readonly Operation[];
}

/** A key about which nothing can be said. */
export interface KeyUnknown {
  readonly key: HistoryKey | undefined;
  /** The limit that was met, in words. */
  readonly reason: string;
}

/** What a history came to. A violation of one key is one, whatever is unknown of others. */
export interface CheckResult {
  readonly verdict: SearchVerdict;
  readonly keyCount: number;
  readonly operationCount: number;
  /** Operations that were tried in all searches. */
  readonly stepCount: number;
  readonly violations: readonly KeyViolation[];
  readonly unknowns: readonly KeyUnknown[];
}

/** Operations of each key, in the order of the keys' first appearance. */
function partition(operations: readonly Operation[]): readonly (readonly Operation[])[] {
  const parts = new Map<HistoryKey | undefined, Operation[]>();
  for (const operation of operations) {
    const part = parts.get(operation.key);
    if (part === undefined) {
      parts.set(operation.key, [operation]);
    } else {
      part.push(operation);
    }
  }
  return [...parts.values()];
}

/** The operations as they were known when a history had only so many events. */
export function prefixOf(operations: readonly Operation[], eventCount: number): Operation[] {
  return operations.flatMap((operation) => {
    if (operation.invokeIndex > eventCount) {
      return [];
    }
    if (operation.returnIndex <= eventCount) {
      return [operation];
    }
    return operation.kind === 'read' ? [] : [withoutOutcome(operation)];
  });
}

function withoutOutcome(operation: Operation): Operation {
  return {
    ...operation,
    isKnown: false,
    result: undefined,
    returnIndex: Number.POSITIVE_INFINITY,
    returnLine: undefined,
  };
}

/** Operations of unknown outcome at the end of an order were tried in vain. */
function withoutUnknownEnd(order: readonly Operation[]): readonly Operation[] {
  const lastKnown = order.findLastIndex(({ isKnown }) => isKnown);
  return order.slice(0, lastKnown + 1);
}

/** Checks one history, key by key. */
class HistoryCheck {
  readonly #limits: CheckLimits;
  readonly #initialValue: HistoryValue;
  readonly violations: KeyViolation[] = [];
  readonly unknowns: KeyUnknown[] = [];
  stepCount = 0;

  constructor({ initialValue = null, limits }: CheckOptions) {
    this.#initialValue = initialValue;
    this.#limits = { ...CHECK_LIMITS, ...limits };
  }

  checkKey(operations: readonly Operation[]): void {
    const key = operations[0]?.key;
    const { operationsMax, stepsMax, memoryWordsMax } = this.#limits;
    if (operations.length > operationsMax) {
      const reason = `it has ${operations.length} operations, the limit is ${operationsMax}`;
      this.unknowns.push({ key, reason });
      return;
    }
    const search = this.#search(operations);
    if (search.verdict === SearchVerdict.Unknown) {
      const isOutOfSteps = search.search.stepCount >= stepsMax;
      const reason = isOutOfSteps
        ? `the search took its limit of ${stepsMax} steps`
        : `the search took its limit of ${memoryWordsMax} words of memory`;
      this.unknowns.push({ key, reason });
    } else if (search.verdict === SearchVerdict.Violation) {
      this.violations.push(this.#locate(operations));
    }
  }

  #search(
    operations: readonly Operation[],
    isRecording = false,
  ): { readonly search: Search; readonly verdict: SearchVerdict } {
    const ordered = inSearchOrder(withoutUseless(operations));
    const model = new CellModel(ordered, this.#initialValue);
    const { memoryWordsMax, stepsMax } = this.#limits;
    const limits: SearchLimits = isRecording
      ? { memoryWordsMax, stepsMax: Math.min(stepsMax, EXPLAINING_STEPS_MAX), isRecording }
      : this.#limits;
    const search = new Search(ordered, model, limits);
    const verdict = search.run();
    this.stepCount += search.stepCount;
    return { search, verdict };
  }

  /** Finds the shortest part that is a violation. Where a limit hides it, a longer one stands. */
  #locate(operations: readonly Operation[]): KeyViolation {
    const ends = operations
      .filter(({ isKnown }) => isKnown)
      .sort((left, right) => left.returnIndex - right.returnIndex);
    let low = 0;
    let high = ends.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      const part = prefixOf(operations, (ends[middle] as Operation).returnIndex);
      if (this.#search(part).verdict === SearchVerdict.Violation) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    const operation = ends[high] as Operation;
    const part = prefixOf(operations, operation.returnIndex);
    const { search } = this.#search(part, true);
    return {
      key: operation.key,
      prefixEventCount: operation.returnIndex,
      operation,
      operations: part,
      longestOrder: withoutUnknownEnd(search.longest),
    };
  }
}

/** Checks a history. Deterministic: limits count steps and words, never time. */
export function checkHistory(history: History, options: CheckOptions = {}): CheckResult {
  const check = new HistoryCheck(options);
  const parts = partition(history.operations);
  for (const operations of parts) {
    check.checkKey(operations);
  }
  const { stepCount, unknowns, violations } = check;
  const withoutViolation = unknowns.length > 0 ? SearchVerdict.Unknown : SearchVerdict.Linearizable;
  return {
    verdict: violations.length > 0 ? SearchVerdict.Violation : withoutViolation,
    keyCount: parts.length,
    operationCount: history.operations.length,
    stepCount,
    violations,
    unknowns,
  };
}
