// transport-fixture.ts: two transports on a network in memory, under a virtual clock.

import { Arena } from '../../src/memory/arena.js';
import type { FragmentHandler } from '../../src/transport/fragment-header.js';
import { Transport } from '../../src/transport/transport.js';
import type { TransportConfig } from '../../src/transport/transport-config.js';
import { type Datagram, MemoryNetwork } from '../support/memory-network.js';
import { SeededEntropy } from '../support/seeded-entropy.js';

export const MILLISECOND_NS = 1_000_000;
export const SECOND_NS = 1_000_000_000;

export const FrameType = { Pad: 0, Data: 1, Nak: 2, Sm: 3, Err: 4, Setup: 5, Rttm: 6 } as const;

export interface FixtureOptions {
  readonly config?: Partial<TransportConfig>;
  readonly arenaLength?: number;
  readonly seed?: number;
}

/** A sending and a receiving side. */
export class Fixture {
  readonly network = new MemoryNetwork();
  readonly senderArena: Arena;
  readonly receiverArena: Arena;
  readonly sender: Transport;
  readonly receiver: Transport;
  readonly entropy: SeededEntropy;
  /** Bytes in use before the transports were made. */
  readonly baselineLength: number;
  nowNs = 1_000;

  constructor(options: FixtureOptions = {}) {
    const length = options.arenaLength ?? 32 * 1024 * 1024;
    this.entropy = new SeededEntropy(options.seed ?? 1);
    this.senderArena = Arena.create(length);
    this.receiverArena = Arena.create(length);
    this.baselineLength = this.senderArena.allocatedLength + this.receiverArena.allocatedLength;
    this.sender = this.#transport(this.senderArena, options.config);
    this.receiver = this.#transport(this.receiverArena, options.config);
  }

  #transport(arena: Arena, config: Partial<TransportConfig> | undefined): Transport {
    const { network, entropy } = this;
    return new Transport({ arena, network, entropy, ...(config === undefined ? {} : { config }) });
  }

  /** One duty cycle of both sides at the same instant. Returns how much work was done. */
  turn(): number {
    return this.sender.doWork(this.nowNs) + this.receiver.doWork(this.nowNs);
  }

  /** Lets virtual time pass, waking both sides at their deadlines; `each` runs after each turn. */
  run(durationNs: number, each: () => void = () => undefined): void {
    const endNs = this.nowNs + durationNs;
    let idleTurns = 0;
    while (this.nowNs < endNs) {
      const work = this.turn();
      each();
      idleTurns = work > 0 ? 0 : idleTurns + 1;
      if (idleTurns > 2) {
        const deadline = Math.min(this.sender.deadlineNs(), this.receiver.deadlineNs());
        this.nowNs = Math.min(endNs, Math.max(deadline, this.nowNs + 1_000));
        idleTurns = 0;
      }
    }
  }

  /** Turns until a condition holds, at most for so long. Returns whether it came to hold. */
  until(condition: () => boolean, durationNs: number = 10 * SECOND_NS): boolean {
    const endNs = this.nowNs + durationNs;
    while (!condition()) {
      if (this.nowNs >= endNs) {
        return false;
      }
      // The condition may offer or poll: the deadline is asked for after it.
      if (this.turn() === 0) {
        if (condition()) {
          return true;
        }
        const deadline = Math.min(this.sender.deadlineNs(), this.receiver.deadlineNs());
        this.nowNs = Math.min(endNs, Math.max(deadline, this.nowNs + 1_000));
      }
    }
    return true;
  }

  close(): void {
    this.sender.close();
    this.receiver.close();
  }

  /** Bytes that are in use beyond the baseline. */
  leakedLength(): number {
    const used = this.senderArena.allocatedLength + this.receiverArena.allocatedLength;
    return used - this.baselineLength;
  }
}

export function frameTypeOf(datagram: Datagram): number {
  return (datagram.bytes[6] as number) | ((datagram.bytes[7] as number) << 8);
}

export function isHeartbeat(datagram: Datagram): boolean {
  return frameTypeOf(datagram) === FrameType.Data && frameLengthOf(datagram) === 0;
}

export function frameLengthOf(datagram: Datagram): number {
  return new DataView(datagram.bytes.buffer).getInt32(0, true);
}

/** Bytes of a message that tell where they belong. */
export function message(index: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    bytes[i] = (index * 31 + i * 7 + (i >>> 8)) & 0xff;
  }
  return bytes;
}

/** Collects copies of what a handler is given. */
export class Collector {
  readonly messages: Uint8Array[] = [];
  readonly positions: number[] = [];
  readonly onFragment: FragmentHandler = (view, offset, length, header) => {
    const copy = new Uint8Array(length);
    copy.set(new Uint8Array(view.buffer, view.byteOffset + offset, length));
    this.messages.push(copy);
    this.positions.push(header.position);
  };

  /** Index of the first message that is not as expected, or -1. */
  firstWrong(lengthOf: (index: number) => number): number {
    return this.messages.findIndex(
      (bytes, index) => !equalBytes(bytes, message(index, lengthOf(index))),
    );
  }
}

export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}
