// history-judge.ts: judges what the clients of a run did and were told.
//
// The order of answers is checked for every command, at once. Commands on registers are recorded
// besides, and at the end of the run a search that knows nothing of the log judges their history.

import type { Judge } from '../invariants/judge.js';
import { RegisterAction, type RegisterCommand } from '../register-commands.js';
import { AnswerOrder } from './answer-order.js';
import { type CheckLimits, type CheckResult, checkHistory } from './check.js';
import { explainViolation } from './explanation.js';
import { HistoryBuilder, type HistoryValue } from './history.js';

const INVARIANT = 'linearizability';
/** Commands on registers that are recorded in one run; then clients send no more of them. */
export const RECORDED_COUNT_MAX = 20_000;
/** More than any run has needed: a history that meets them is one to look at. */
const LIMITS: Partial<CheckLimits> = { stepsMax: 5_000_000, memoryWordsMax: 8 * 1024 * 1024 };
/** Room for the sequence numbers of a client. */
const SEQUENCE_LIMIT = 2 ** 32;

const WORDS: Readonly<Record<RegisterAction, string>> = {
  [RegisterAction.Get]: 'get',
  [RegisterAction.Put]: 'put',
  [RegisterAction.CompareAndSet]: 'compare-and-set',
  [RegisterAction.Delete]: 'delete',
};

/** A register holds numbers from 1 on; 0 is nothing. */
function valueOfNumber(number: number): HistoryValue {
  return number === 0 ? null : number;
}

function argumentOf({ action, expected, written }: RegisterCommand) {
  if (action === RegisterAction.CompareAndSet) {
    return [valueOfNumber(expected), valueOfNumber(written)] as const;
  }
  return action === RegisterAction.Put ? valueOfNumber(written) : undefined;
}

function resultOf(action: RegisterAction, result: number): HistoryValue {
  if (action === RegisterAction.Get) {
    return valueOfNumber(result);
  }
  return action === RegisterAction.Put ? null : result !== 0;
}

/** Hears of every command of every client. */
export class HistoryJudge {
  readonly #judge: Judge;
  readonly #order = new AnswerOrder();
  readonly #builder = new HistoryBuilder({ model: 'key-value' });
  readonly #open = new Map<number, RegisterCommand>();
  /** Commands on registers that were recorded. */
  recordedCount = 0;
  /** What the search came to, when the run has been judged. */
  result: CheckResult | undefined;

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  get isFull(): boolean {
    return this.recordedCount >= RECORDED_COUNT_MAX;
  }

  /** A client sends a command; with `register`, one on a register. */
  onInvoke(client: number, sequence: number, register?: RegisterCommand): void {
    const command = commandOf(client, sequence);
    this.#order.onInvoke(command);
    if (register !== undefined) {
      this.recordedCount++;
      this.#open.set(command, register);
      this.#builder.add({
        process: nameOf(client, sequence),
        type: 'invoke',
        operation: WORDS[register.action],
        key: register.key,
        value: argumentOf(register),
      });
    }
  }

  /** A member's service applies a command as number `place` of all. */
  onApplied(client: number, sequence: number, place: number): void {
    const fault = this.#order.onApplied(commandOf(client, sequence), place);
    if (fault !== undefined) {
      this.#judge.report(INVARIANT, `command ${sequence} of client ${client}: ${fault}`);
    }
  }

  /** A client has its answer. What is never answered may or may not have taken effect. */
  onOk(client: number, sequence: number, place: number, result: number): void {
    this.#order.onAnswered(place);
    const command = commandOf(client, sequence);
    const register = this.#open.get(command);
    if (register !== undefined) {
      this.#open.delete(command);
      this.#builder.add({
        process: nameOf(client, sequence),
        type: 'ok',
        operation: WORDS[register.action],
        key: register.key,
        value: resultOf(register.action, result),
      });
    }
  }

  /** A client asks for what a register holds, by a query that is not in the log. */
  onAsked(client: number, read: number, key: number): void {
    const name = nameOfRead(client, read);
    this.recordedCount++;
    this.#order.onAsked(name);
    this.#builder.add({
      process: name,
      type: 'invoke',
      operation: WORDS[RegisterAction.Get],
      key,
      value: undefined,
    });
  }

  /** It has its answer, from a state with so many commands. */
  onRead(client: number, read: number, key: number, place: number, value: number): void {
    const name = nameOfRead(client, read);
    const fault = this.#order.onRead(name, place);
    if (fault !== undefined) {
      this.#judge.report(INVARIANT, `query ${read} of client ${client}: ${fault}`);
    }
    this.#builder.add({
      process: name,
      type: 'ok',
      operation: WORDS[RegisterAction.Get],
      key,
      value: valueOfNumber(value),
    });
  }

  /** The run is over: judges the history of the registers. */
  finish(): void {
    this.result = checkHistory(this.#builder.finish(), { limits: LIMITS });
    for (const violation of this.result.violations) {
      this.#judge.report(INVARIANT, explainViolation(violation).join('\n'));
    }
    for (const { key, reason } of this.result.unknowns) {
      this.#judge.report(INVARIANT, `register ${key} could not be judged: ${reason}`);
    }
  }
}

function commandOf(client: number, sequence: number): number {
  return client * SEQUENCE_LIMIT + sequence;
}

function nameOfRead(client: number, read: number): string {
  return `${client}?${read}`;
}

/** Commands of one client overlap, so each is a process of its own. */
function nameOf(client: number, sequence: number): string {
  return `${client}:${sequence}`;
}
