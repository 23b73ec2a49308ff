// json-lines.ts: histories with one JSON object in each line.

import {
  EVENT_TYPES,
  type EventType,
  type EventValue,
  type HistoryEvent,
  type HistoryKey,
  type HistoryValue,
  invalid,
} from './history.js';

/**
 * Reads one line: process, type, operation (or `f`), key, value. Other fields are not looked at.
 *
 * @returns undefined for an empty line and for what a nemesis did.
 * @throws PawlError HISTORY_INVALID with the line, the value and what it should be.
 */
export function parseJsonLine(text: string, line: number): HistoryEvent | undefined {
  if (text.trim() === '') {
    return undefined;
  }
  const fields = objectOf(text, line);
  const process = fields.process;
  if (process === 'nemesis' || process === ':nemesis') {
    return undefined;
  }
  if (!isName(process)) {
    throw invalid(line, `process is ${shown(process)}: write a number or a name`);
  }
  const operation = fields.operation ?? fields.f;
  if (typeof operation !== 'string') {
    throw invalid(line, `operation is ${shown(operation)}: write its name, such as "read"`);
  }
  return {
    process,
    type: typeOf(fields.type, line),
    operation,
    key: keyOf(fields.key, line),
    value: eventValueOf(fields.value, line),
    line,
  };
}

function objectOf(text: string, line: number): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw invalid(line, `it is no JSON (${reason}): write one JSON object in each line`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw invalid(line, `it is ${shown(parsed)}: write one JSON object in each line`);
  }
  return parsed as Record<string, unknown>;
}

function typeOf(value: unknown, line: number): EventType {
  const type = EVENT_TYPES.find((known) => known === value);
  if (type === undefined) {
    throw invalid(line, `type is ${shown(value)}: write one of ${EVENT_TYPES.join(', ')}`);
  }
  return type;
}

function keyOf(value: unknown, line: number): HistoryKey | undefined {
  if (value === undefined || value === null) {
    return undefined;
  }
  if (!isName(value)) {
    throw invalid(line, `key is ${shown(value)}: write a number or a text`);
  }
  return value;
}

function eventValueOf(value: unknown, line: number): EventValue {
  if (value === undefined || isScalar(value)) {
    return value;
  }
  if (Array.isArray(value) && value.length === 2) {
    const [expected, written] = value as readonly unknown[];
    if (isScalar(expected) && isScalar(written)) {
      return [expected, written];
    }
  }
  throw invalid(
    line,
    `value is ${shown(value)}: write null, a number, a text, true or false, or two of them as ` +
      '[expected, new]',
  );
}

function isName(value: unknown): value is number | string {
  return typeof value === 'number' || typeof value === 'string';
}

function isScalar(value: unknown): value is HistoryValue {
  return value === null || ['boolean', 'number', 'string'].includes(typeof value);
}

const SHOWN_LENGTH_MAX = 60;

function shown(value: unknown): string {
  const text = value === undefined ? 'missing' : JSON.stringify(value);
  return text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}...` : text;
}
