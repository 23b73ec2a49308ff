// explanation.ts: a violation in words that a person can follow.

import { type CellStep, Condition, cellStepOf, isPossible } from './cell.js';
import type { KeyViolation } from './check.js';
import { type HistoryKey, type HistoryValue, type Operation, textOf } from './history.js';

/** Steps of the longest order that are shown: the last ones. */
const SHOWN_STEPS_MAX = 12;
/** Operations that could come next and cannot: the first ones are shown. */
const SHOWN_CANDIDATES_MAX = 8;

/** An operation as a person reads it, such as `process 3 cas 1 -> 2 (lines 4 to 7)`. */
export function operationText(operation: Operation): string {
  const { invokeLine, returnLine, process } = operation;
  const lines = returnLine === undefined ? `from line ${invokeLine}` : linesText(operation);
  return `process ${process} ${actionText(operation)} (${lines})`;
}

function linesText({ invokeLine, returnLine }: Operation): string {
  return `lines ${invokeLine} to ${returnLine}`;
}

function actionText({ expected, isKnown, kind, result, word, written }: Operation): string {
  const outcome = isKnown ? '' : ', outcome unknown';
  switch (kind) {
    case 'read':
      return `${word} gave ${textOf(result)}`;
    case 'write':
      return `${word} ${textOf(written)}${outcome}`;
    case 'delete':
      return `${word}${foundText(result)}${outcome}`;
    case 'compare-and-set': {
      const failed = isKnown && result === false ? ' did not match' : '';
      return `${word} ${textOf(expected)} -> ${textOf(written)}${failed}${outcome}`;
    }
  }
}

function foundText(result: HistoryValue | undefined): string {
  return typeof result === 'boolean' ? ` found ${result ? 'something' : 'nothing'}` : '';
}

/** What a step asks of the value, in words. */
function needText({ condition, expected }: CellStep): string {
  switch (condition) {
    case Condition.None:
      return 'needs nothing of the value, but what must follow it cannot be placed then';
    case Condition.Equal:
      return `needs the value ${textOf(expected)}`;
    case Condition.Different:
      return `needs another value than ${textOf(expected)}`;
  }
}

/** The value after an order of operations. */
export function valueAfter(order: readonly Operation[], initialValue: HistoryValue): HistoryValue {
  return order.reduce<HistoryValue>((value, operation) => {
    const { written } = cellStepOf(operation);
    return written === undefined ? value : written;
  }, initialValue);
}

/** Operations that no other open one with a known outcome precedes: one of them must come next. */
function candidatesAfter({ longestOrder, operations }: KeyViolation): readonly Operation[] {
  const placed = new Set(longestOrder.map(({ invokeIndex }) => invokeIndex));
  const open = operations.filter(({ invokeIndex }) => !placed.has(invokeIndex));
  const firstReturn = Math.min(...open.map(({ returnIndex }) => returnIndex));
  return open.filter(({ isKnown, invokeIndex }) => isKnown && invokeIndex < firstReturn);
}

/** What a key is called. */
export function keyText(key: HistoryKey | undefined): string {
  return key === undefined ? 'the register' : `key ${textOf(key)}`;
}

/** Explains why the operations of a key are not linearizable: several lines. */
export function explainViolation(
  violation: KeyViolation,
  initialValue: HistoryValue = null,
): readonly string[] {
  const { key, longestOrder, operation, operations } = violation;
  const hiddenCount = Math.max(0, longestOrder.length - SHOWN_STEPS_MAX);
  const value = valueAfter(longestOrder, initialValue);
  const candidates = candidatesAfter(violation);
  const knownCount = operations.filter(({ isKnown }) => isKnown).length;
  const placedCount = longestOrder.filter(({ isKnown }) => isKnown).length;
  return [
    `${keyText(key)} is not linearizable: up to line ${operation.returnLine} no order of its ` +
      'operations explains their results',
    `  cannot be placed: ${operationText(operation)}`,
    `  longest order found, ${placedCount} of the ${knownCount} operations of known outcome:`,
    `    at first the value is ${textOf(initialValue)}`,
    ...(hiddenCount > 0 ? [`    ... ${hiddenCount} operations before these`] : []),
    ...longestOrder.slice(hiddenCount).map((step, index) => {
      const order = longestOrder.slice(0, hiddenCount + index + 1);
      const after = textOf(valueAfter(order, initialValue));
      return `    ${hiddenCount + index + 1}. ${operationText(step)}: the value is ${after}`;
    }),
    '  one of these would have to come next:',
    ...candidates.slice(0, SHOWN_CANDIDATES_MAX).map((candidate) => {
      const step = cellStepOf(candidate);
      const reason = isPossible(step, value)
        ? 'is possible here, but what must follow it is not'
        : needText(step);
      return `    ${operationText(candidate)}: ${reason}`;
    }),
    ...(candidates.length > SHOWN_CANDIDATES_MAX
      ? [`    and ${candidates.length - SHOWN_CANDIDATES_MAX} more`]
      : []),
  ];
}
