// brute-force.ts: tries every order of the operations of a short history, one by one.
//
// It shares nothing with the checker but the operations: results are compared with a plain Map.

import type { Operation } from '../../../src/simulator/linearizability/history.js';

type Store = ReadonlyMap<unknown, unknown>;

/** The store after an operation, or nothing when its result cannot come from the store. */
export function applyTo(store: Store, operation: Operation, initial: unknown): Store | undefined {
  const { expected, isKnown, key, kind, result, written } = operation;
  const value = store.has(key) ? store.get(key) : initial;
  const changed = (next: unknown) => new Map(store).set(key, next);
  if (kind === 'read') {
    return value === result ? store : undefined;
  }
  if (kind === 'write') {
    return changed(written);
  }
  if (kind === 'delete') {
    const isTold = isKnown && typeof result === 'boolean';
    return isTold && result !== (value !== null) ? undefined : changed(null);
  }
  const isMatch = value === expected;
  if (isKnown && isMatch !== (result !== false)) {
    return undefined;
  }
  return isMatch ? changed(written) : store;
}

function explains(open: readonly Operation[], store: Store, initial: unknown): boolean {
  if (open.every(({ isKnown }) => !isKnown)) {
    return true;
  }
  const firstReturn = Math.min(...open.map(({ returnIndex }) => returnIndex));
  return open.some((operation) => {
    if (operation.invokeIndex > firstReturn) {
      return false;
    }
    const next = applyTo(store, operation, initial);
    const rest = open.filter((other) => other !== operation);
    return next !== undefined && explains(rest, next, initial);
  });
}

/** Whether any order of all keys' operations together explains all results. */
export function isLinearizable(operations: readonly Operation[], initial: unknown = null): boolean {
  return explains(operations, new Map(), initial);
}

/** What is wrong with an order that is said to explain operations; nothing when it does. */
export function faultOfOrder(
  operations: readonly Operation[],
  order: readonly Operation[],
  initial: unknown = null,
): string | undefined {
  const known = operations.filter(({ isKnown }) => isKnown);
  const missing = known.find((operation) => !order.includes(operation));
  if (missing !== undefined) {
    return `the operation of line ${missing.invokeLine} is missing`;
  }
  let store: Store = new Map();
  for (const [index, operation] of order.entries()) {
    const late = order.slice(index + 1).find((next) => next.returnIndex < operation.invokeIndex);
    if (late !== undefined) {
      return `line ${late.invokeLine} ended before line ${operation.invokeLine} began`;
    }
    const next = applyTo(store, operation, initial);
    if (next === undefined) {
      return `the result of line ${operation.invokeLine} is not explained`;
    }
    store = next;
  }
  return undefined;
}
