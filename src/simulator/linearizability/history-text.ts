// history-text.ts: reads a history from text in either format.

import { ErrorCode, PawlError } from '../../errors.js';
import {
  type FailedComparison,
  type History,
  HistoryBuilder,
  type HistoryEvent,
  type ModelName,
  modelOf,
} from './history.js';
import { parseJepsenLine } from './jepsen-log.js';
import { parseJsonLine } from './json-lines.js';

export const HISTORY_FORMATS = ['json-lines', 'jepsen'] as const;
export type HistoryFormat = (typeof HISTORY_FORMATS)[number];

export interface ReadOptions {
  /** Otherwise the first lines tell. */
  readonly format?: HistoryFormat;
  /** Otherwise the names of the operations tell. */
  readonly model?: ModelName;
  readonly failedComparison?: FailedComparison;
}

export interface ReadHistory {
  readonly history: History;
  readonly format: HistoryFormat;
  readonly model: ModelName;
  /** Lines with something in them that is no operation of a client. */
  readonly ignoredLineCount: number;
}

const PARSERS = { 'json-lines': parseJsonLine, jepsen: parseJepsenLine } as const;

/** Jepsen's log begins with words, JSON lines with a brace. */
function formatOf(text: string): HistoryFormat {
  return /^\s*[{[]/.test(text.replace(/^\uFEFF/, '')) ? 'json-lines' : 'jepsen';
}

/**
 * Reads a history.
 *
 * @throws PawlError HISTORY_INVALID with line, value and remedy.
 */
export function readHistory(text: string, options: ReadOptions = {}): ReadHistory {
  const format = options.format ?? formatOf(text);
  const events: HistoryEvent[] = [];
  let ignoredLineCount = 0;
  let line = 0;
  for (const row of text.replace(/^\uFEFF/, '').split('\n')) {
    line++;
    const event = PARSERS[format](row, line);
    if (event !== undefined) {
      events.push(event);
    } else if (row.trim() !== '') {
      ignoredLineCount++;
    }
  }
  if (events.length === 0) {
    throw new PawlError(
      ErrorCode.HistoryInvalid,
      `the history has no operation in its ${line} lines: write JSON lines such as ` +
        '{"process":0,"type":"invoke","operation":"read","key":"a"}, or a log of Jepsen with ' +
        'lines such as `INFO  jepsen.util - 0 :invoke :read nil`',
    );
  }
  const model = options.model ?? modelOf(events);
  const { failedComparison } = options;
  const builder = new HistoryBuilder({
    model,
    ...(failedComparison === undefined ? {} : { failedComparison }),
  });
  for (const event of events) {
    builder.add(event);
  }
  return { history: builder.finish(), format, model, ignoredLineCount };
}
