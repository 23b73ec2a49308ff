// search.ts: looks for an order of a history's operations that explains all their results.
//
// The search of Wing and Gong with the memory of Lowe. Calls and returns of the operations with a
// known outcome stand in one doubly linked list, in their order. Any call before the first return
// may be the next of the order: it is done, lifted out of the list together with its return, and
// the search goes on; at a dead end the last one is put back. Operations of unknown outcome have
// no return, and need not be done at all: they are tried when no other can be. A place (operations
// done, state) is visited once.

import { ConfigurationSet } from './configuration-set.js';
import type { Operation } from './history.js';

/** What `step` answers when the operation cannot be done in the state. */
export const IMPOSSIBLE = -1;

/** A deterministic state machine. States are numbers from 0. Operations are their indices. */
export interface Model {
  readonly initialState: number;
  /** The state after an operation with the result that it had, or IMPOSSIBLE. */
  step(state: number, operation: number): number;
  /** Whether an operation changes nothing, whatever the state. */
  isPure(operation: number): boolean;
  /** Operations of one class do the same in every state. */
  classOf(operation: number): string;
  /** Is told of every operation that is done, or put back. */
  note(operation: number, isDone: boolean): void;
  /**
   * Whether an operation of known outcome that is not done needs a state that was left, and none
   * that is not done can bring it back. May always be false: it saves time only.
   */
  isMissed(state: number): boolean;
}

export const SearchVerdict = {
  Linearizable: 'linearizable',
  Violation: 'violation',
  Unknown: 'unknown',
} as const;
export type SearchVerdict = (typeof SearchVerdict)[keyof typeof SearchVerdict];

export interface SearchLimits {
  /** Operations that may be tried, all ways together. */
  readonly stepsMax: number;
  /** Words of 4 bytes for the places that were visited. */
  readonly memoryWordsMax: number;
  /** Keeps the longest order that can be done, whether or not it leads anywhere: slower. */
  readonly isRecording?: boolean;
}

/** Operations in the order that a search numbers them: those of known outcome first. */
export function inSearchOrder(operations: readonly Operation[]): readonly Operation[] {
  const sorted = [...operations].sort((left, right) => left.invokeIndex - right.invokeIndex);
  return [
    ...sorted.filter(({ returnIndex }) => Number.isFinite(returnIndex)),
    ...sorted.filter(({ returnIndex }) => !Number.isFinite(returnIndex)),
  ];
}

const HEAD = 0;
const NONE = -1;
const WORD_BITS = 32;

/** The entry of the list for a call is odd, its return is the even one after it. */
function callOf(operation: number): number {
  return 2 * operation + 1;
}

function isCall(entry: number): boolean {
  return (entry & 1) === 1;
}

function operationOf(entry: number): number {
  return (entry - 1) >> 1;
}

/** One search. Use it once. */
export class Search {
  readonly #model: Model;
  readonly #limits: SearchLimits;
  readonly #operations: readonly Operation[];
  /** Operations with an index below this have a known outcome. */
  readonly #knownCount: number;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** Index of the last known operation that begins before this one returns. */
  readonly #reach: Int32Array;
  /** Of an unknown operation: the one of its class that must be done before it. */
  readonly #predecessor: Int32Array;
  readonly #done: Int32Array;
  readonly #unknownWords: number;
  readonly #row: Int32Array;
  readonly #visited: ConfigurationSet;
  readonly #order: number[] = [];
  readonly #statesBefore: number[] = [];
  #state: number;
  #openCount: number;
  /** Of the known operations that may come next, those that return up to here were tried. */
  #triedUpTo = 0;
  /** Of the unknown operations, those before this one were tried. */
  #unknown = 0;
  #longest: readonly number[] = [];
  #longestKnownCount = -1;
  #isOutOfMemory = false;
  stepCount = 0;

  /** @param operations in the order of `inSearchOrder`, by which the model numbers them. */
  constructor(operations: readonly Operation[], model: Model, limits: SearchLimits) {
    this.#operations = operations;
    this.#model = model;
    this.#limits = limits;
    const openAt = operations.findIndex(({ returnIndex }) => !Number.isFinite(returnIndex));
    this.#knownCount = openAt < 0 ? operations.length : openAt;
    this.#openCount = this.#knownCount;
    const entryCount = 2 * this.#knownCount + 1;
    this.#next = new Int32Array(entryCount).fill(NONE);
    this.#previous = new Int32Array(entryCount).fill(NONE);
    this.#reach = new Int32Array(this.#knownCount);
    this.#predecessor = new Int32Array(operations.length - this.#knownCount).fill(NONE);
    this.#linkEntries();
    this.#linkClasses();
    // Known and unknown operations have words of their own: a row leaves out what is all done.
    const knownWords = Math.ceil(this.#knownCount / WORD_BITS);
    this.#unknownWords = Math.ceil((operations.length - this.#knownCount) / WORD_BITS);
    this.#done = new Int32Array(knownWords + this.#unknownWords);
    this.#row = new Int32Array(this.#done.length + 2);
    this.#visited = new ConfigurationSet(limits.memoryWordsMax);
    this.#state = model.initialState;
  }

  /** Searches to the end, or to a limit. */
  run(): SearchVerdict {
    while (this.#openCount > 0) {
      if (this.#tryKnown() || this.#tryUnknown()) {
        continue;
      }
      // A place that could not be noted was not searched: nothing may be concluded from it.
      if (this.stepCount >= this.#limits.stepsMax || this.#isOutOfMemory) {
        return SearchVerdict.Unknown;
      }
      if (!this.#goBack()) {
        return SearchVerdict.Violation;
      }
    }
    return SearchVerdict.Linearizable;
  }

  /** The order found, when the history is linearizable. */
  get order(): readonly Operation[] {
    return this.#order.map((operation) => this.#operations[operation] as Operation);
  }

  /** The order that explains most operations of known outcome; empty unless recording. */
  get longest(): readonly Operation[] {
    return this.#longest.map((operation) => this.#operations[operation] as Operation);
  }

  // --- set-up ---

  #linkEntries(): void {
    const known = this.#operations.slice(0, this.#knownCount);
    const entries = known.flatMap((operation, index) => [
      { at: operation.invokeIndex, entry: callOf(index) },
      { at: operation.returnIndex, entry: callOf(index) + 1 },
    ]);
    entries.sort((left, right) => left.at - right.at);
    let previous = HEAD;
    let lastBegun = NONE;
    for (const { entry } of entries) {
      this.#next[previous] = entry;
      this.#previous[entry] = previous;
      previous = entry;
      if (isCall(entry)) {
        lastBegun = operationOf(entry);
      } else {
        this.#reach[operationOf(entry)] = lastBegun;
      }
    }
  }

  /** Of operations that do the same and stay open, the earlier can always stand for the later. */
  #linkClasses(): void {
    const last = new Map<string, number>();
    for (let index = this.#knownCount; index < this.#operations.length; index++) {
      const name = this.#model.classOf(index);
      this.#predecessor[index - this.#knownCount] = last.get(name) ?? NONE;
      last.set(name, index);
    }
  }

  // --- forward ---

  /**
   * What is most urgent comes first: to keep what may still wait for later leaves more ways open.
   * What changes nothing comes before everything else, and if it can be done, nothing else need be
   * tried.
   */
  #tryKnown(): boolean {
    if (this.#triedUpTo === 0) {
      const pure = this.#possiblePure();
      if (pure !== NONE) {
        this.#triedUpTo = Number.POSITIVE_INFINITY;
        this.#unknown = this.#predecessor.length;
        return this.#try(pure);
      }
    }
    for (;;) {
      const operation = this.#mostUrgent();
      if (operation === NONE) {
        return false;
      }
      this.#triedUpTo = this.#returnOf(operation);
      if (this.#try(operation)) {
        return true;
      }
    }
  }

  #possiblePure(): number {
    let entry = this.#next[HEAD] as number;
    for (; isCall(entry); entry = this.#next[entry] as number) {
      const operation = operationOf(entry);
      const isPure = this.#model.isPure(operation);
      if (isPure && this.#model.step(this.#state, operation) !== IMPOSSIBLE) {
        return operation;
      }
    }
    return NONE;
  }

  /** Of the operations that may come next and were not tried, the one that returns first. */
  #mostUrgent(): number {
    let found = NONE;
    let foundReturn = Number.POSITIVE_INFINITY;
    let entry = this.#next[HEAD] as number;
    for (; isCall(entry); entry = this.#next[entry] as number) {
      const operation = operationOf(entry);
      const returnIndex = this.#returnOf(operation);
      const isCandidate = returnIndex > this.#triedUpTo && returnIndex < foundReturn;
      if (isCandidate && !this.#model.isPure(operation)) {
        found = operation;
        foundReturn = returnIndex;
      }
    }
    return found;
  }

  #returnOf(operation: number): number {
    return this.#operations[operation]?.returnIndex as number;
  }

  /** Index of the first return among the operations that are not done. */
  #firstReturn(): number {
    let entry = this.#next[HEAD] as number;
    while (isCall(entry)) {
      entry = this.#next[entry] as number;
    }
    return this.#returnOf(operationOf(entry));
  }

  #tryUnknown(): boolean {
    const count = this.#predecessor.length;
    const limit = this.#unknown < count ? this.#firstReturn() : 0;
    for (; this.#unknown < count; this.#unknown++) {
      const operation = this.#knownCount + this.#unknown;
      if ((this.#operations[operation] as Operation).invokeIndex > limit) {
        return false;
      }
      const predecessor = this.#predecessor[this.#unknown] as number;
      const isNext = predecessor === NONE || this.#isDone(predecessor);
      if (isNext && !this.#isDone(operation) && this.#try(operation)) {
        return true;
      }
    }
    return false;
  }

  /** Does an operation, if the state allows it and the place is a new one. */
  #try(operation: number): boolean {
    this.stepCount++;
    const before = this.#state;
    const after = this.#model.step(before, operation);
    const isKnown = operation < this.#knownCount;
    // An unknown operation that changes nothing here helps nobody here.
    if (after === IMPOSSIBLE || (!isKnown && after === before)) {
      return false;
    }
    this.#flip(operation);
    if (isKnown) {
      this.#lift(operation);
    }
    this.#state = after;
    const isSaving = after !== before && this.#limits.isRecording !== true;
    const isHopeless = isSaving && this.#model.isMissed(before);
    if (isHopeless || (this.#openCount > 0 && !this.#visit())) {
      this.#state = before;
      this.#undo(operation);
      return false;
    }
    this.#order.push(operation);
    this.#statesBefore.push(before);
    this.#triedUpTo = 0;
    this.#unknown = 0;
    return true;
  }

  /** Whether nobody was at this place before. */
  #visit(): boolean {
    const first = operationOf(this.#next[HEAD] as number);
    const row = this.#row;
    row[0] = this.#state;
    row[1] = first;
    let length = 2;
    // All before the first open operation are done, and none beyond its reach.
    const last = Math.floor((this.#reach[first] as number) / WORD_BITS);
    for (let word = Math.floor(first / WORD_BITS); word <= last; word++) {
      row[length++] = this.#done[word] as number;
    }
    for (let word = this.#done.length - this.#unknownWords; word < this.#done.length; word++) {
      row[length++] = this.#done[word] as number;
    }
    if (this.#visited.isFull(length)) {
      this.#isOutOfMemory = true;
      return false;
    }
    return this.#visited.add(row, length);
  }

  // --- back ---

  /** Takes back the last operation that has alternatives. Answers whether there was one. */
  #goBack(): boolean {
    this.#noteLongest();
    for (;;) {
      const operation = this.#order.pop();
      if (operation === undefined) {
        return false;
      }
      this.#state = this.#statesBefore.pop() as number;
      this.#undo(operation);
      // What changes nothing can always come at once: if that led nowhere, nothing else does.
      if (operation < this.#knownCount && this.#model.isPure(operation)) {
        continue;
      }
      const isKnown = operation < this.#knownCount;
      this.#triedUpTo = isKnown ? this.#returnOf(operation) : Number.POSITIVE_INFINITY;
      this.#unknown = isKnown ? 0 : operation - this.#knownCount + 1;
      return true;
    }
  }

  #undo(operation: number): void {
    this.#flip(operation);
    if (operation < this.#knownCount) {
      this.#unlift(operation);
    }
  }

  #noteLongest(): void {
    const knownCount = this.#knownCount - this.#openCount;
    if (this.#limits.isRecording === true && knownCount > this.#longestKnownCount) {
      this.#longestKnownCount = knownCount;
      this.#longest = this.#order.slice();
    }
  }

  // --- the list and the bits ---

  #lift(operation: number): void {
    this.#unlink(callOf(operation));
    this.#unlink(callOf(operation) + 1);
    this.#openCount--;
  }

  #unlift(operation: number): void {
    this.#relink(callOf(operation) + 1);
    this.#relink(callOf(operation));
    this.#openCount++;
  }

  #unlink(entry: number): void {
    const next = this.#next[entry] as number;
    const previous = this.#previous[entry] as number;
    this.#next[previous] = next;
    if (next !== NONE) {
      this.#previous[next] = previous;
    }
  }

  #relink(entry: number): void {
    const next = this.#next[entry] as number;
    this.#next[this.#previous[entry] as number] = entry;
    if (next !== NONE) {
      this.#previous[next] = entry;
    }
  }

  #bitOf(operation: number): number {
    const gap = this.#done.length - this.#unknownWords;
    return operation < this.#knownCount
      ? operation
      : gap * WORD_BITS + operation - this.#knownCount;
  }

  #flip(operation: number): void {
    const bit = this.#bitOf(operation);
    const word = Math.floor(bit / WORD_BITS);
    this.#done[word] = (this.#done[word] as number) ^ (1 << (bit % WORD_BITS));
    this.#model.note(operation, this.#isDone(operation));
  }

  #isDone(operation: number): boolean {
    const bit = this.#bitOf(operation);
    const word = this.#done[Math.floor(bit / WORD_BITS)] as number;
    return ((word >>> (bit % WORD_BITS)) & 1) === 1;
  }
}
