// jepsen-log.ts: histories as Jepsen logs them, such as those of its test of etcd.
//
// An operation is a line like `INFO  jepsen.util - 3 :invoke :cas [1 2]`: process, type, operation
// and value, with spaces or tabs between. Everything else in such a log is no part of the history.

import {
  EVENT_TYPES,
  type EventValue,
  type HistoryEvent,
  type HistoryValue,
  invalid,
} from './history.js';

const OPERATION = /(?:^|\s)(:?[\w-]+)\s+:(invoke|ok|fail|info)\s+:([\w-]+)(?:\s+(.*?))?\s*$/;
const PROCESS = /^\d+$/;
const PAIR = /^\[\s*(\S+)\s*,?\s+(\S+?)\s*\]/;
const TEXT = /^"(?:[^"\\]|\\.)*"/;
const NUMBER = /^-?\d+(?:\.\d+)?$/;

/**
 * Reads one line.
 *
 * @returns undefined for a line that is no operation of a client.
 * @throws PawlError HISTORY_INVALID when the line is one and its value cannot be read.
 */
export function parseJepsenLine(text: string, line: number): HistoryEvent | undefined {
  const match = OPERATION.exec(text);
  const [, name = '', word = '', operation = '', rest = ''] = match ?? [];
  const type = EVENT_TYPES.find((known) => known === word);
  if (type === undefined || !PROCESS.test(name)) {
    return undefined;
  }
  const process = Number(name);
  // What follows an end without a result is the reason, such as :timed-out.
  const value = type === 'invoke' || type === 'ok' ? parseValue(rest, line) : undefined;
  return { process, type, operation, value, line };
}

function parseValue(rest: string, line: number): EventValue {
  const pair = PAIR.exec(rest);
  if (pair !== null) {
    return [parseScalar(pair[1] ?? '', line), parseScalar(pair[2] ?? '', line)];
  }
  const text = TEXT.exec(rest);
  return text === null ? parseScalar(rest.split(/\s/)[0] ?? '', line) : parseScalar(text[0], line);
}

function parseScalar(text: string, line: number): HistoryValue {
  if (text === '' || text === 'nil') {
    return null;
  }
  if (text === 'true' || text === 'false') {
    return text === 'true';
  }
  if (NUMBER.test(text)) {
    return Number(text);
  }
  if (TEXT.test(text)) {
    return text.slice(1, -1).replace(/\\(.)/g, '$1');
  }
  throw invalid(
    line,
    `value '${text}' cannot be read: it must be nil, a number, a "text", or [expected new]`,
  );
}
