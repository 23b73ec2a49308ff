// cell.ts: the one state machine behind registers and keys: a cell that holds a value or nothing.
//
// Every operation on it is a condition on the value (none, equal, different) and perhaps a new
// value. Partitioned by key, a key/value store is nothing but such cells.

import type { HistoryValue, Operation } from './history.js';
import { IMPOSSIBLE, type Model } from './search.js';

export const Condition = { None: 0, Equal: 1, Different: 2 } as const;
export type Condition = (typeof Condition)[keyof typeof Condition];

/** What an operation asks of the value, and what it leaves there. */
export interface CellStep {
  readonly condition: Condition;
  /** The value that the condition names. */
  readonly expected: HistoryValue;
  /** The value afterwards; undefined leaves the one before. */
  readonly written: HistoryValue | undefined;
}

/** An operation as a step of its cell. What it returned is part of the condition. */
export function cellStepOf(operation: Operation): CellStep {
  const { expected = null, isKnown, kind, result = null, written = null } = operation;
  switch (kind) {
    case 'read':
      return { condition: Condition.Equal, expected: result, written: undefined };
    case 'write':
      return { condition: Condition.None, expected: null, written };
    case 'delete':
      return { condition: deletionCondition(result), expected: null, written: null };
    case 'compare-and-set':
      // One that did not match changes nothing, so an unknown one matters only if it did.
      return isKnown && result === false
        ? { condition: Condition.Different, expected, written: undefined }
        : { condition: Condition.Equal, expected, written };
  }
}

/** A deletion may tell whether there was something. */
function deletionCondition(result: HistoryValue): Condition {
  if (result === null) {
    return Condition.None;
  }
  return result === true ? Condition.Different : Condition.Equal;
}

/** Whether a step can be done at a value. */
export function isPossible({ condition, expected }: CellStep, value: HistoryValue): boolean {
  switch (condition) {
    case Condition.None:
      return true;
    case Condition.Equal:
      return value === expected;
    case Condition.Different:
      return value !== expected;
  }
}

/** All values that no condition names look the same to every operation. */
const OTHER = 0;

/** Values by small numbers; those that nobody asks for share one. */
class ValueNumbers {
  readonly #numbers = new Map<HistoryValue, number>();

  constructor(steps: readonly CellStep[]) {
    for (const { condition, expected } of steps) {
      if (condition !== Condition.None && !this.#numbers.has(expected)) {
        this.#numbers.set(expected, this.#numbers.size + 1);
      }
    }
  }

  numberOf(value: HistoryValue): number {
    return this.#numbers.get(value) ?? OTHER;
  }

  get count(): number {
    return this.#numbers.size + 1;
  }
}

/**
 * Leaves out operations of unknown outcome that could help nobody: what they would write is never
 * asked for. To assume that they took no effect is then as good as any other assumption.
 */
export function withoutUseless(operations: readonly Operation[]): readonly Operation[] {
  const steps = new Map(operations.map((operation) => [operation, cellStepOf(operation)]));
  if ([...steps.values()].some(({ condition }) => condition === Condition.Different)) {
    return operations;
  }
  let kept = operations;
  for (;;) {
    const asked = new Set<HistoryValue>();
    for (const operation of kept) {
      const step = steps.get(operation) as CellStep;
      if (step.condition === Condition.Equal) {
        asked.add(step.expected);
      }
    }
    const next = kept.filter((operation) => {
      const { written } = steps.get(operation) as CellStep;
      return operation.isKnown || (written !== undefined && asked.has(written));
    });
    if (next.length === kept.length) {
      return next;
    }
    kept = next;
  }
}

/** The cell as a model for the search: states are numbers of values. */
export class CellModel implements Model {
  readonly initialState: number;
  readonly #conditions: Uint8Array;
  readonly #expected: Int32Array;
  readonly #written: Int32Array;
  readonly #isKnown: readonly boolean[];
  /** Operations that are not done: by value, those that would write it, and those that need it. */
  readonly #writers: Int32Array;
  readonly #readers: Int32Array;

  constructor(operations: readonly Operation[], initialValue: HistoryValue) {
    const steps = operations.map(cellStepOf);
    const numbers = new ValueNumbers(steps);
    this.initialState = numbers.numberOf(initialValue);
    this.#conditions = Uint8Array.from(steps, ({ condition }) => condition);
    this.#expected = Int32Array.from(steps, ({ expected }) => numbers.numberOf(expected));
    this.#written = Int32Array.from(steps, ({ written }) =>
      written === undefined ? IMPOSSIBLE : numbers.numberOf(written),
    );
    this.#isKnown = operations.map(({ isKnown }) => isKnown);
    this.#writers = new Int32Array(numbers.count);
    this.#readers = new Int32Array(numbers.count);
    for (let operation = 0; operation < operations.length; operation++) {
      this.note(operation, false);
    }
  }

  note(operation: number, isDone: boolean): void {
    const change = isDone ? -1 : 1;
    const written = this.#written[operation] as number;
    if (written !== IMPOSSIBLE) {
      this.#writers[written] = (this.#writers[written] as number) + change;
    }
    if (this.#isKnown[operation] === true && this.#conditions[operation] === Condition.Equal) {
      const expected = this.#expected[operation] as number;
      this.#readers[expected] = (this.#readers[expected] as number) + change;
    }
  }

  isMissed(state: number): boolean {
    return (this.#readers[state] as number) > 0 && this.#writers[state] === 0;
  }

  step(state: number, operation: number): number {
    const condition = this.#conditions[operation];
    if (condition !== Condition.None) {
      const isEqual = state === this.#expected[operation];
      if (isEqual !== (condition === Condition.Equal)) {
        return IMPOSSIBLE;
      }
    }
    const written = this.#written[operation] as number;
    return written === IMPOSSIBLE ? state : written;
  }

  isPure(operation: number): boolean {
    return this.#written[operation] === IMPOSSIBLE;
  }

  classOf(operation: number): string {
    const condition = this.#conditions[operation];
    return `${condition} ${this.#expected[operation]} ${this.#written[operation]}`;
  }
}
