// atomic-store.ts: makes histories that are linearizable for sure, because a store made them in
// which every operation takes effect at one moment between its invocation and its end.

import type { HistoryEvent, HistoryValue } from '../../../src/simulator/linearizability/history.js';
import type { Prng } from '../../../src/simulator/prng.js';

export interface StoreOptions {
  readonly processCount: number;
  readonly keyCount: number;
  readonly operationCount: number;
  /** Different values that are written; 0 for a new one each time. */
  readonly valueCount: number;
  /** Of a hundred operations, how many end without an outcome. */
  readonly unknownPercent: number;
}

interface Pending {
  readonly process: number;
  readonly operation: string;
  readonly key: string;
  readonly value: HistoryValue | readonly [HistoryValue, HistoryValue] | undefined;
  isApplied: boolean;
  result: HistoryValue | undefined;
}

const OPERATIONS = ['get', 'get', 'get', 'put', 'put', 'compare-and-set', 'delete'] as const;

/** Plays clients of a store, step by step. */
class AtomicStore {
  readonly events: HistoryEvent[] = [];
  readonly #random: Prng;
  readonly #options: StoreOptions;
  readonly #values = new Map<string, HistoryValue>();
  readonly #pending: Pending[] = [];
  /** Their clients have given up, and they may still take effect. */
  readonly #abandoned: Pending[] = [];
  #begunCount = 0;
  #nextValue = 1;

  constructor(random: Prng, options: StoreOptions) {
    this.#random = random;
    this.#options = options;
  }

  run(): readonly HistoryEvent[] {
    const { operationCount, processCount } = this.#options;
    while (this.#begunCount < operationCount || this.#pending.length > 0) {
      const process = this.#random.below(processCount);
      const pending = this.#pending.find((one) => one.process === process);
      if (pending !== undefined) {
        this.#goOn(pending);
      } else if (this.#begunCount < operationCount) {
        this.#begin(process);
      }
      if (this.#abandoned.length > 0 && this.#random.chance(1, 10)) {
        this.#apply(this.#abandoned.shift() as Pending);
      }
    }
    return this.events;
  }

  #begin(process: number): void {
    const random = this.#random;
    const operation = random.pick(OPERATIONS);
    const key = `k${random.below(this.#options.keyCount)}`;
    const current = this.#values.get(key) ?? null;
    const value =
      operation === 'put'
        ? this.#draw()
        : operation === 'compare-and-set'
          ? ([random.chance(2, 3) ? current : this.#draw(), this.#draw()] as const)
          : undefined;
    this.#begunCount++;
    this.#pending.push({ process, operation, key, value, isApplied: false, result: undefined });
    this.events.push({ process, type: 'invoke', operation, key, value });
  }

  #draw(): number {
    const { valueCount } = this.#options;
    return valueCount === 0 ? this.#nextValue++ : this.#random.below(valueCount);
  }

  #goOn(pending: Pending): void {
    const { key, operation, process } = pending;
    const { unknownPercent } = this.#options;
    if (this.#random.chance(unknownPercent, 200)) {
      this.#remove(pending);
      this.events.push({ process, type: 'info', operation, key });
      if (!pending.isApplied && operation !== 'get' && this.#random.chance(1, 2)) {
        this.#abandoned.push(pending);
      }
    } else if (!pending.isApplied) {
      this.#apply(pending);
    } else {
      this.#remove(pending);
      this.events.push({ process, type: 'ok', operation, key, value: pending.result });
    }
  }

  #remove(pending: Pending): void {
    this.#pending.splice(this.#pending.indexOf(pending), 1);
  }

  #apply(pending: Pending): void {
    const { key, operation, value } = pending;
    const current = this.#values.get(key) ?? null;
    pending.isApplied = true;
    if (operation === 'get') {
      pending.result = current;
    } else if (operation === 'put') {
      this.#values.set(key, value as HistoryValue);
    } else if (operation === 'delete') {
      pending.result = current !== null;
      this.#values.delete(key);
    } else {
      const [expected, written] = value as readonly [HistoryValue, HistoryValue];
      pending.result = current === expected;
      if (current === expected) {
        this.#values.set(key, written);
      }
    }
  }
}

/** A history that is linearizable. */
export function atomicHistory(random: Prng, options: StoreOptions): readonly HistoryEvent[] {
  return new AtomicStore(random, options).run();
}
