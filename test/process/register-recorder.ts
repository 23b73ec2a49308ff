// register-recorder.ts: commands on registers of real processes, and the history of their clients.
//
// The commands travel in the messages of the ledger's clients. All clients live in this process, so
// what they send and hear has one order, and the judge of the simulator's histories judges it too.

import { Judge } from '../../src/simulator/invariants/judge.js';
import { HistoryJudge } from '../../src/simulator/linearizability/history-judge.js';
import { Prng } from '../../src/simulator/prng.js';
import {
  REGISTER_COMMAND_LENGTH,
  RegisterClient,
  writeRegisterCommand,
} from '../../src/simulator/register-commands.js';
import type { Workload, WorkloadSession } from './workload.js';

const NS_PER_MS = 1_000_000;
const MILLION = 1_000_000;
/** Client and sequence stand before the command. */
const HEADER_LENGTH = 8;
/** Client, sequence and order stand before what the command found. */
const REPLY_LENGTH = 12;

/** The history of all clients. */
export class RegisterHistory implements Workload {
  readonly #judge = new Judge({ nowNs: 0 });
  readonly #history = new HistoryJudge(this.#judge);
  readonly #random: Prng;
  #sessionCount = 0;

  constructor(seed: number) {
    this.#random = new Prng(seed, 'registers');
  }

  get recordedCount(): number {
    return this.#history.recordedCount;
  }

  /** A session begins. Its values differ from those of all others. */
  session(client: number): RegisterSession {
    const number = this.#sessionCount++;
    const time = { nowNs: 0 };
    const registers = new RegisterClient(number, this.#random.fork(`${number}`), time, MILLION);
    return new RegisterSession(client, registers, time, this.#history);
  }

  /** Judges everything so far, at the end of the run. Answers what was wrong, in words. */
  judge(): readonly string[] {
    this.#history.finish();
    const message = this.#judge.violation?.message;
    return message === undefined ? [] : [message];
  }
}

/** One session of one client. */
export class RegisterSession implements WorkloadSession {
  readonly #client: number;
  readonly #registers: RegisterClient;
  readonly #time: { nowNs: number };
  readonly #history: HistoryJudge;

  constructor(
    client: number,
    registers: RegisterClient,
    time: { nowNs: number },
    history: HistoryJudge,
  ) {
    this.#client = client;
    this.#registers = registers;
    this.#time = time;
    this.#history = history;
  }

  /** Writes a command into a message. Answers false when too many are unanswered. */
  write(sequence: number, bytes: Uint8Array): boolean {
    this.#time.nowNs = performance.now() * NS_PER_MS;
    const command = this.#registers.draw(sequence, false);
    if (command === undefined || bytes.length < HEADER_LENGTH + REGISTER_COMMAND_LENGTH) {
      return false;
    }
    writeRegisterCommand(new DataView(bytes.buffer), HEADER_LENGTH, command);
    return true;
  }

  onSent(sequence: number): void {
    this.#history.onInvoke(this.#client, sequence, this.#registers.onSent(sequence));
  }

  onLeaderLost(): void {
    this.#registers.forgetUnanswered();
  }

  onReply(sequence: number, view: DataView, offset: number): void {
    const order = view.getUint32(offset + REPLY_LENGTH - 4, true);
    const result = view.getUint32(offset + REPLY_LENGTH, true);
    this.#registers.onAnswer(sequence, result);
    this.#history.onApplied(this.#client, sequence, order);
    this.#history.onOk(this.#client, sequence, order, result);
  }
}
