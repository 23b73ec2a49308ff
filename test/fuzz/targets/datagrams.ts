// datagrams.ts: what anybody may send to the sockets of two transports that talk to each other.
//
// An input is a sequence of choices: forged SETUPs, data, status messages, NAKs, measurements and
// ERR frames between honest traffic. Each field is what an honest peer would write, or an extreme
// of its own; so a frame gets past the first checks and is strange in one place or two.
//
// Whatever arrives: nothing throws or traps, every datagram is counted, images stay within their
// number, and all memory comes back.

import { Arena } from '../../../src/memory/arena.js';
import type { SocketAddress } from '../../../src/ports/network.js';
import { SocketState } from '../../../src/ports/network.js';
import { termIdAt, termOffsetAt } from '../../../src/position.js';
import type { ExclusivePublication } from '../../../src/transport/exclusive-publication.js';
import type { LogPublication } from '../../../src/transport/log-publication.js';
import type { Subscription } from '../../../src/transport/subscription.js';
import { Transport } from '../../../src/transport/transport.js';
import type { TransportCounters } from '../../../src/transport/transport-counters.js';
import { MemoryNetwork } from '../../support/memory-network.js';
import { SeededEntropy } from '../../support/seeded-entropy.js';
import { Choices, type FuzzTarget, hold, randomBytes } from '../fuzz-target.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const MILLISECOND_NS = 1_000_000;
const ARENA_LENGTH = 24 * MIB;
const TERM_LENGTH = 64 * KIB;
const IMAGE_COUNT_MAX = 4;
const CHANNEL = 'aeron:udp?endpoint=127.0.0.1:9000';
const RECEIVER: SocketAddress = { host: '127.0.0.1', port: 9000 };
const STRANGER: SocketAddress = { host: '127.0.0.1', port: 6666 };
const STREAM_ID = 5;
const LOG_STREAM_ID = 6;
const SESSION_ID = 4711;
const LOG_SESSION_ID = 4712;
const LOG_MEMBER_ID = 1;
/** More than an input of random bytes has. */
const STEP_COUNT_MAX = 96;
const DATAGRAM_LENGTH_MAX = 9000;

/** Where the honest stream starts: the last term of all is the place of most mistakes. */
const STARTS = [0, TERM_LENGTH - 320, TERM_LENGTH * (2 ** 31 - 2), TERM_LENGTH * 2 ** 31 - 4096];
const INITIAL_TERM_IDS = [0, 2 ** 31 - 2, -1, -(2 ** 31)];
const PAUSES_MS = [0, 0, 1, 20, 100, 1100, 6000, 12_000];
const MESSAGE_LENGTHS = [0, 1, 100, 1376, 1377, 4000, 8192];
const TERM_DELTAS = [0, 1, 2, 3, -1, 2 ** 30, 2 ** 31 - 2, 2 ** 31 - 1, -(2 ** 31)];
const OFFSETS = [0, 32, 64, 1056, 32_768, TERM_LENGTH - 32, TERM_LENGTH, TERM_LENGTH + 32];
const STRANGE_OFFSETS = [2 * MIB - 32, 2 * MIB, GIB - 32, GIB, GIB + 32, 31, -32, 2 ** 31 - 32];
const TERM_LENGTHS = [TERM_LENGTH, 2 * TERM_LENGTH, MIB, 2 * MIB];
const STRANGE_TERM_LENGTHS = [4 * MIB, GIB, 0, -1, 3 * TERM_LENGTH, 32 * KIB, -(2 ** 31)];
const MTU_LENGTHS = [1408, 4096, 32, 288, 8192, 65_504];
const STRANGE_MTU_LENGTHS = [0, 31, -32, 65_536, 1400, 2 ** 31 - 32];
const WINDOWS = [0, 1, 31, 4096, TERM_LENGTH / 2, TERM_LENGTH, GIB, 2 ** 31 - 1];
const STRANGE_LENGTHS = [-1, 0, 1, 31, 33, TERM_LENGTH, GIB, 2 ** 31 - 1, -(2 ** 31)];
const FLAGS = [0xc0, 0x80, 0x40, 0xe0, 0x20, 0];

const FrameType = { Pad: 0, Data: 1, Nak: 2, Sm: 3, Err: 4, Setup: 5, Rttm: 6 } as const;

/** Writes what an honest peer would, or something strange. */
class Field {
  readonly #choices: Choices;

  constructor(choices: Choices) {
    this.#choices = choices;
  }

  of(likely: readonly number[], strange: readonly number[] = STRANGE_LENGTHS): number {
    const byte = this.#choices.byte();
    if (byte === 255) {
      return this.#choices.uint32() | 0;
    }
    const from = byte < 192 ? likely : strange;
    return from[byte % from.length] ?? 0;
  }
}

/** Two transports, and whoever sends between them. */
class Peers {
  readonly network = new MemoryNetwork();
  readonly receiver: Transport;
  readonly sender: Transport;
  readonly #choices: Choices;
  readonly #field: Field;
  readonly #initialTermId: number;
  readonly #publication: ExclusivePublication;
  readonly #log: LogPublication;
  readonly #subscriptions: readonly Subscription[];
  readonly #bytes = new Uint8Array(DATAGRAM_LENGTH_MAX);
  readonly #view = new DataView(this.#bytes.buffer);
  #nowNs = MILLISECOND_NS;

  constructor(senderArena: Arena, receiverArena: Arena, choices: Choices) {
    this.#choices = choices;
    this.#field = new Field(choices);
    const entropy = new SeededEntropy(1);
    const { network } = this;
    const config = { termLength: TERM_LENGTH, imageCountMax: IMAGE_COUNT_MAX };
    this.sender = new Transport({ arena: senderArena, network, entropy, config });
    this.receiver = new Transport({ arena: receiverArena, network, entropy, config });
    this.#subscriptions = [STREAM_ID, LOG_STREAM_ID].map((streamId) =>
      this.receiver.addSubscription(CHANNEL, streamId, {
        ...(choices.byte() % 2 === 0 ? {} : { checksum: 'required' as const }),
        windowLength: 4096 << (choices.byte() % 4),
      }),
    );
    this.#initialTermId = INITIAL_TERM_IDS[choices.byte() % INITIAL_TERM_IDS.length] ?? 0;
    this.#publication = this.sender.addPublication(CHANNEL, STREAM_ID, {
      sessionId: SESSION_ID,
      initialTermId: this.#initialTermId,
      position: STARTS[choices.byte() % STARTS.length] ?? 0,
    });
    this.#log = this.sender.addLogPublication({
      streamId: LOG_STREAM_ID,
      sessionId: LOG_SESSION_ID,
      position: 0,
      termLength: TERM_LENGTH,
      leadershipTermId: 0,
    });
    this.#log.addDestination(LOG_MEMBER_ID, '127.0.0.1:9000');
    this.#log.setQuorumSize(2);
    this.#log.startDestination(LOG_MEMBER_ID, 0);
  }

  run(): void {
    for (let step = 0; step < STEP_COUNT_MAX && this.#choices.hasMore; step++) {
      this.#step();
      this.sender.doWork(this.#nowNs);
      this.receiver.doWork(this.#nowNs);
      hold(this.receiver.imageCount <= IMAGE_COUNT_MAX, 'no more images than are allowed');
    }
  }

  #step(): void {
    const { network } = this;
    const kind = this.#choices.byte() % 8;
    if (kind === 0) {
      this.#offer();
    } else if (kind === 1) {
      const pauseMs = PAUSES_MS[this.#choices.byte() % PAUSES_MS.length] ?? 0;
      this.#nowNs += pauseMs * MILLISECOND_NS;
    } else if (kind === 2) {
      for (const subscription of this.#subscriptions) {
        subscription.poll(() => undefined, 16);
      }
    } else {
      const sources = [...network.sockets.values()].filter((one) => one.remote !== undefined);
      const source = sources[this.#choices.byte() % (sources.length + 1)];
      const address = source?.localAddress ?? STRANGER;
      const isToSender = source !== undefined && this.#choices.byte() % 2 === 0;
      const bytes = this.#bytes.slice(0, this.#datagram(isToSender));
      const [from, to] = isToSender ? [RECEIVER, address] : [address, RECEIVER];
      network.inject(bytes, from, to);
    }
  }

  #offer(): void {
    const bytes = new Uint8Array(MESSAGE_LENGTHS[this.#choices.byte() % 7] ?? 0).fill(7);
    if (!this.#publication.isClosed) {
      this.#publication.offer(bytes, 0, bytes.length);
    }
    if (this.#log.offer(bytes, 0, bytes.length) > 0) {
      this.#log.localDurablePosition = this.#log.position();
    }
  }

  /** Writes one datagram; answers its length. */
  #datagram(isToSender: boolean): number {
    const types = isToSender
      ? [FrameType.Sm, FrameType.Nak, FrameType.Rttm, FrameType.Err]
      : [FrameType.Setup, FrameType.Data, FrameType.Pad, FrameType.Setup, FrameType.Data];
    const type = this.#field.of(types, [0, 1, 2, 3, 4, 5, 6, 7, 11, 65_535]) & 0xffff;
    if (type <= FrameType.Data) {
      return this.#dataDatagram(type);
    }
    const length = this.#controlFields(type);
    this.#header(0, this.#field.of([length]), type);
    return this.#choices.byte() % 16 === 0 ? this.#choices.below(length + 1) : length;
  }

  #header(at: number, stated: number, type: number): void {
    this.#view.setInt32(at, stated, true);
    this.#view.setUint8(at + 4, this.#field.of([0, 0, 0], [0, 1]));
    this.#view.setUint8(at + 5, this.#field.of(FLAGS, FLAGS));
    this.#view.setUint16(at + 6, type, true);
  }

  #word(at: number, value: number): void {
    this.#view.setInt32(at, value, true);
  }

  #identity(at: number): void {
    this.#word(at, this.#field.of([SESSION_ID, LOG_SESSION_ID, 900, 901], [0, -1, 902, 903]));
    this.#word(at + 4, this.#field.of([STREAM_ID, LOG_STREAM_ID], [0, 7, -1]));
  }

  /** A term id and the offset in it, of something the streams have been near to. */
  #place(termIdAtByte: number, offsetAtByte: number): void {
    const position = this.#publication.isClosed ? 0 : Math.max(0, this.#publication.position());
    const active = termIdAt(position, TERM_LENGTH, this.#initialTermId);
    const bases = [active, this.#initialTermId, 0];
    const base = this.#field.of(bases, bases);
    this.#word(termIdAtByte, base + this.#field.of([0, 0, 0, 1], TERM_DELTAS));
    const offset = termOffsetAt(position, TERM_LENGTH);
    this.#word(offsetAtByte, this.#field.of([offset, 0, ...OFFSETS], STRANGE_OFFSETS));
  }

  #controlFields(type: number): number {
    this.#bytes.fill(0, 0, 1100);
    switch (type) {
      case FrameType.Setup:
        this.#identity(12);
        this.#place(24, 8);
        this.#word(20, this.#view.getInt32(24, true) - this.#field.of(TERM_DELTAS, TERM_DELTAS));
        this.#word(28, this.#field.of(TERM_LENGTHS, STRANGE_TERM_LENGTHS));
        this.#word(32, this.#field.of(MTU_LENGTHS, STRANGE_MTU_LENGTHS));
        return 40;
      case FrameType.Sm:
        this.#identity(8);
        this.#place(16, 20);
        this.#word(24, this.#field.of(WINDOWS));
        return 36;
      case FrameType.Nak:
        this.#identity(8);
        this.#place(16, 20);
        this.#word(24, this.#field.of([32, 64, 1408, TERM_LENGTH]));
        return 28;
      case FrameType.Err:
        this.#identity(8);
        this.#word(36, this.#field.of([0, 10, 1023]));
        return 40 + this.#field.of([10, 1023, 0], [0, 1]);
      default:
        this.#identity(8);
        return 40;
    }
  }

  /** One to three frames, each where the one before ends. */
  #dataDatagram(type: number): number {
    this.#bytes.fill(0);
    this.#identity(12);
    this.#place(20, 8);
    this.#word(28, this.#field.of([0, 0], [1, -1]));
    let at = 0;
    for (let count = 1 + (this.#choices.byte() % 3); count > 0; count--) {
      const length = 32 + this.#field.of([0, 1, 100, 1376], [31, 2000]);
      if (at > 0) {
        this.#bytes.copyWithin(at + 8, 8, 32);
        this.#word(at + 8, this.#view.getInt32(8, true) + this.#field.of([at], [0, 32, -32]));
      }
      const inWire = Math.max(32, Math.min(length, 2048));
      const toTermEnd = TERM_LENGTH - this.#view.getInt32(at + 8, true);
      const stated = type === FrameType.Pad ? this.#field.of([toTermEnd]) : inWire;
      this.#header(at, this.#field.of([stated, stated, 0]), count > 1 ? FrameType.Data : type);
      at += type === FrameType.Pad && count === 1 ? 32 : Math.ceil(inWire / 32) * 32;
    }
    return this.#choices.byte() % 16 === 0 ? this.#choices.below(at + 1) : at;
  }

  /** Which counters rose, and how the streams fared. */
  outcome(): string {
    const risen = (counters: TransportCounters): string =>
      Object.values(counters)
        .map((count) => (count > 0 ? 1 : 0))
        .join('');
    const refusals = [this.#publication.refusal !== undefined, this.#publication.isConnected];
    return `${risen(this.sender.counters)} ${risen(this.receiver.counters)} ${refusals}`;
  }

  close(): void {
    this.sender.close();
    this.receiver.close();
    const open = [...this.network.sockets.values()].filter((s) => s.state === SocketState.Open);
    hold(open.length === 0, 'every socket is closed');
  }
}

export function datagramsTarget(): FuzzTarget {
  const senderArena = Arena.create(ARENA_LENGTH);
  const receiverArena = Arena.create(ARENA_LENGTH);
  const used = (): number => senderArena.allocatedLength + receiverArena.allocatedLength;
  const baseline = used();
  return {
    name: 'datagrams',
    generate: (random) => randomBytes(random, 64 + random.below(600)),
    run(input) {
      const peers = new Peers(senderArena, receiverArena, new Choices(input));
      peers.run();
      const outcome = peers.outcome();
      peers.close();
      hold(used() === baseline, 'all memory comes back');
      return outcome;
    },
  };
}
