// register-commands.ts: commands on registers, for a history that can be judged.
//
// They travel in the filling of the numbered commands, behind a mark that no filling has. The
// registers are part of the service's state; what a command found there goes back in its answer.

import { assertNever } from '../assert.js';
import { SnapshotMap } from '../service/snapshot-map.js';
import type { SnapshotView } from '../service/snapshot-publication.js';
import type { Prng } from './prng.js';
import type { TimeSource } from './virtual-clock.js';

const NS_PER_SECOND = 1_000_000_000;
/** Filling repeats one byte; these four differ. */
const MARK = 0x52454749;
/** Mark, action, key, expected and written, as i32. */
export const REGISTER_COMMAND_LENGTH = 20;
/** Key and value, as i32. */
const REGISTER_RECORD_LENGTH = 8;
/** Answer to a command that is none on a register. */
export const NO_REGISTER = -1;
/** A client waits with the next command on a register while so many are unanswered. */
const OPEN_COUNT_MAX = 4;
/** Registers that are in use at the same time: few, so that clients meet. */
const KEY_COUNT = 4;
/** After this time clients use other registers, so that no history grows without end. */
const EPOCH_NS = 10 * NS_PER_SECOND;
/** Room for the number of a client in the values that it writes. */
const CLIENT_LIMIT = 1_024;

export const RegisterAction = { Get: 1, Put: 2, CompareAndSet: 3, Delete: 4 } as const;
export type RegisterAction = (typeof RegisterAction)[keyof typeof RegisterAction];

const { Get, Put, CompareAndSet, Delete } = RegisterAction;
const DRAWN_ACTIONS: readonly RegisterAction[] = [
  ...[Get, Get, Get, Get, Put, Put, Put, CompareAndSet, CompareAndSet, Delete],
];

/** A register that is in use now. */
export function drawRegisterKey(random: Prng, time: TimeSource): number {
  return Math.floor(time.nowNs / EPOCH_NS) * KEY_COUNT + random.below(KEY_COUNT);
}

/** One command. Values are from 1 on; 0 is nothing. */
export interface RegisterCommand {
  readonly action: RegisterAction;
  readonly key: number;
  readonly expected: number;
  readonly written: number;
}

/** Writes a command behind the header of a numbered one. */
export function writeRegisterCommand(view: DataView, offset: number, command: RegisterCommand) {
  view.setInt32(offset, MARK, true);
  view.setInt32(offset + 4, command.action, true);
  view.setInt32(offset + 8, command.key, true);
  view.setInt32(offset + 12, command.expected, true);
  view.setInt32(offset + 16, command.written, true);
}

/** The registers of one service. */
export class Registers {
  readonly #values = new SnapshotMap<number, number>();

  /** What the registers hold now, a record for each, written while they go on changing. */
  snapshot(): SnapshotView {
    const record = new DataView(new ArrayBuffer(REGISTER_RECORD_LENGTH));
    return this.#values.snapshot((key, value, output) => {
      record.setInt32(0, key, true);
      record.setInt32(4, value, true);
      output.offer(record, 0, REGISTER_RECORD_LENGTH);
    });
  }

  /** What a register holds; 0 is nothing. */
  valueOf(key: number): number {
    return this.#values.get(key) ?? 0;
  }

  /** Takes back a record. */
  restore(view: DataView, offset: number): void {
    this.#values.set(view.getInt32(offset, true), view.getInt32(offset + 4, true));
  }

  /**
   * Applies the command that stands at an offset, if one does.
   *
   * @returns the value that a get found, 1 or 0 for whether a comparison matched or a deletion
   * found something, 0 for a put, or NO_REGISTER.
   */
  apply(view: DataView, offset: number, length: number): number {
    if (length < REGISTER_COMMAND_LENGTH || view.getInt32(offset, true) !== MARK) {
      return NO_REGISTER;
    }
    const action = view.getInt32(offset + 4, true) as RegisterAction;
    const key = view.getInt32(offset + 8, true);
    const expected = view.getInt32(offset + 12, true);
    const written = view.getInt32(offset + 16, true);
    const value = this.#values.get(key) ?? 0;
    switch (action) {
      case Get:
        return value;
      case Put:
        this.#values.set(key, written);
        return 0;
      case CompareAndSet:
        if (value === expected) {
          this.#values.set(key, written);
        }
        return value === expected ? 1 : 0;
      case Delete:
        this.#values.delete(key);
        return value === 0 ? 0 : 1;
      default:
        return assertNever(action);
    }
  }
}

/** What one client does with registers. */
export class RegisterClient {
  readonly #client: number;
  readonly #random: Prng;
  readonly #time: TimeSource;
  readonly #perMillion: number;
  readonly #open = new Map<number, RegisterCommand>();
  /** What this client last knew of each register, to have something to compare with. */
  readonly #known = new Map<number, number>();
  #drawn: RegisterCommand | undefined;

  /** @param perMillion chance that a command is one on a register. */
  constructor(client: number, random: Prng, time: TimeSource, perMillion: number) {
    this.#client = client;
    this.#random = random;
    this.#time = time;
    this.#perMillion = perMillion;
  }

  /** The command that goes with a sequence number, or nothing. */
  draw(sequence: number, isHistoryFull: boolean): RegisterCommand | undefined {
    const isWaiting = isHistoryFull || this.#open.size >= OPEN_COUNT_MAX;
    const isDue = this.#random.chance(this.#perMillion, 1_000_000);
    this.#drawn = isDue && !isWaiting ? this.#drawCommand(sequence) : undefined;
    return this.#drawn;
  }

  /** The command that was drawn last is on its way. */
  onSent(sequence: number): RegisterCommand | undefined {
    const command = this.#drawn;
    if (command !== undefined) {
      this.#open.set(sequence, command);
    }
    return command;
  }

  #drawCommand(sequence: number): RegisterCommand {
    const random = this.#random;
    const action = random.pick(DRAWN_ACTIONS);
    const key = drawRegisterKey(random, this.#time);
    const isWriting = action === Put || action === CompareAndSet;
    return {
      action,
      key,
      expected: action === CompareAndSet ? (this.#known.get(key) ?? 0) : 0,
      // No two commands write the same value.
      written: isWriting ? sequence * CLIENT_LIMIT + this.#client + 1 : 0,
    };
  }

  onAnswer(sequence: number, result: number): void {
    const command = this.#open.get(sequence);
    this.#open.delete(sequence);
    if (command?.action === Get) {
      this.#known.set(command.key, result);
    } else if (command !== undefined && (command.action !== CompareAndSet || result === 1)) {
      this.#known.set(command.key, command.written);
    }
  }

  /** A session or a leader has gone: what is unanswered is not waited for. */
  forgetUnanswered(): void {
    this.#open.clear();
  }
}
