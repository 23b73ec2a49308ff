// query-judge.ts: whether answers to queries are what the state at their position says.
//
// What an instance answers is kept with the position of its state. At the end of a run a fresh
// instance is given the log up to each of these positions, and is asked the same: twice, in both
// orders, so that what an earlier query left behind is seen. And what reaches a client must be what
// an instance answered to this very query, from a state that held all that was applied before it
// was asked: should this fail, the bug is Pawl's.

import type { Position } from '../../position.js';
import { messageText } from './event-outputs.js';
import type { QueryOutcome } from './watched-query.js';

/** Bytes of queries and answers that are kept for the replay. */
export const QUERY_BYTES_KEPT_MAX = 64 * 1024 * 1024;
/** What a kept query takes beside its bytes, about. */
const QUERY_OVERHEAD_LENGTH = 200;

/** A query and what came of it, where it was asked first. */
export interface QueryRecord {
  /** Log position of the state that was asked. */
  readonly position: Position;
  readonly instance: string;
  readonly outcome: QueryOutcome;
}

/** What a replay says to a query. */
export type AskReplay = (record: QueryRecord) => QueryOutcome | undefined;

/** The queries of one run. */
export class QueryJudge {
  readonly #records = new Map<Position, QueryRecord[]>();
  #keptLength = 0;
  /** Whether every query is kept for the replay. */
  isComplete = true;
  /** Answers that a replay was asked for. */
  comparedCount = 0;

  onOutcome(record: QueryRecord): void {
    const { answer, query } = record.outcome;
    this.#keptLength += query.length + (answer?.length ?? 0) + QUERY_OVERHEAD_LENGTH;
    if (this.#keptLength > QUERY_BYTES_KEPT_MAX) {
      this.isComplete = false;
      return;
    }
    const records = this.#records.get(record.position) ?? [];
    records.push(record);
    this.#records.set(record.position, records);
  }

  /** Whether an instance gave this answer to this query, at this position. */
  isKnown(sessionId: number, query: Uint8Array, position: Position, answer: Uint8Array): boolean {
    const records = this.#records.get(position) ?? [];
    return (
      !this.isComplete ||
      records.some(
        ({ outcome }) =>
          outcome.sessionId === sessionId &&
          isEqual(outcome.query, query) &&
          outcome.answer !== undefined &&
          isEqual(outcome.answer, answer),
      )
    );
  }

  /** Positions at which something was asked, in the order of the log. */
  positions(): Position[] {
    return [...this.#records.keys()].sort((first, second) => first - second);
  }

  /**
   * Asks a replay, whose log has come to this position.
   *
   * @param report told of the first answer that differs, and whether the replay had been asked
   *   before.
   */
  compare(
    position: Position,
    ask: AskReplay,
    report: (record: QueryRecord, answer: QueryOutcome, isAgain: boolean) => void,
  ): void {
    const records = this.#records.get(position) ?? [];
    const rounds = [records, records.toReversed()];
    for (const [round, queries] of rounds.entries()) {
      for (const record of queries) {
        const outcome = ask(record);
        this.comparedCount += outcome === undefined ? 0 : 1;
        if (outcome !== undefined && !isSame(outcome, record.outcome)) {
          report(record, outcome, round > 0);
          return;
        }
      }
    }
  }
}

/** An outcome in words. */
export function outcomeText({ answer, error }: QueryOutcome): string {
  const text = answer === undefined ? 'no answer' : messageText(answer);
  return error === undefined ? text : `${text}, and throws ${String(error)}`;
}

function isSame(first: QueryOutcome, second: QueryOutcome): boolean {
  const [one, other] = [first.answer, second.answer];
  const isEqualAnswer =
    one === undefined || other === undefined ? one === other : isEqual(one, other);
  return isEqualAnswer && String(first.error) === String(second.error);
}

function isEqual(first: Uint8Array, second: Uint8Array): boolean {
  return first.length === second.length && first.every((byte, index) => byte === second[index]);
}
