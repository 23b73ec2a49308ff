// service-messages.ts: messages from services into the log, exactly once and in order.
//
//   offered in a callback ──► pending, on every member ──► the leader appends it
//                                    seen in the log: pending no more, given to services ◄──┘
//
// Which messages are pending follows from applied events alone: the same event makes every member
// offer the same message, under the same number, and the log takes it away again. Only how far the
// leader has proposed is its own, and ends with its term: a new leader has applied all that the log
// holds before it proposes what is then still pending. An event whose number is not the next one of
// its service is passed over by all, wherever it comes from.

import { ProposalCursor } from '../cluster/proposal-cursor.js';
import type {
  MessageListener,
  ServiceMessage,
  ServiceMessageSource,
} from '../cluster/service-host.js';
import { hit, Mark } from '../marks.js';
import type { Position } from '../position.js';
import { ServiceMessageResult } from './clustered-service.js';

/** Messages of one service that may wait for the log. Equal on all members. */
export const PENDING_MESSAGE_COUNT_MAX = 64 * 1024;
/** Bytes of them together. Equal on all members. */
export const PENDING_MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

/** How many messages may wait. Equal on all members. */
export interface PendingMessageLimits {
  readonly countMax: number;
  readonly bytesMax: number;
}

const LIMITS: PendingMessageLimits = {
  countMax: PENDING_MESSAGE_COUNT_MAX,
  bytesMax: PENDING_MESSAGE_BYTES_MAX,
};

/** What identifies a message in the log. */
export type LoggedServiceMessage = Pick<ServiceMessage, 'serviceId' | 'sequence'>;

/** Messages of services as a snapshot holds them. */
export interface FrozenMessages {
  /** Number of the last message of each service that the log holds. */
  readonly logged: readonly LoggedServiceMessage[];
  /** Messages of the service itself that the log does not hold, in order. */
  readonly pending: readonly ServiceMessage[];
}

/** The messages of one service on their way, and how far those of all services have come. */
export class ServiceMessages implements ServiceMessageSource {
  readonly #serviceId: number;
  readonly #limits: PendingMessageLimits;
  // By sequence number, which rises.
  readonly #pending = new Map<number, ServiceMessage>();
  // Sequence number of the last message in the log, by service id.
  readonly #logged = new Map<number, number>();
  #pendingBytes = 0;
  #lastSequence = 0;
  #lastOrigin: Position = -1;
  #lastOrdinal = 0;
  readonly #cursor = new ProposalCursor();
  /** Told of everything that changes which messages are pending. */
  listener: MessageListener | undefined;
  /** Events that were passed over because their message was not the next one. */
  passedOverCount = 0;

  constructor(serviceId: number, limits: PendingMessageLimits = LIMITS) {
    this.#serviceId = serviceId;
    this.#limits = limits;
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  get pendingCountMax(): number {
    return this.#limits.countMax;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get unproposedCount(): number {
    return this.#cursor.countTo(this.#lastSequence, this.#loggedOf(this.#serviceId));
  }

  /**
   * The service offers a message while it handles the event that ends at `originPosition`.
   *
   * @returns length, or ServiceMessageResult.PendingLimit.
   */
  offer(originPosition: Position, buffer: ArrayBufferView, offset: number, length: number): number {
    const { bytesMax, countMax } = this.#limits;
    if (this.#pending.size >= countMax || this.#pendingBytes + length > bytesMax) {
      hit(Mark.ServiceMessagesAtLimit);
      return ServiceMessageResult.PendingLimit;
    }
    const ordinal = originPosition === this.#lastOrigin ? this.#lastOrdinal + 1 : 0;
    const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length).slice();
    const sequence = this.#lastSequence + 1;
    this.#add({ serviceId: this.#serviceId, sequence, originPosition, ordinal, bytes });
    return length;
  }

  /** The log holds a message. Returns whether it is given to the service. */
  admit({ sequence, serviceId }: LoggedServiceMessage): boolean {
    if (sequence !== this.#loggedOf(serviceId) + 1) {
      hit(Mark.ServiceMessageRepeated);
      this.passedOverCount++;
      return false;
    }
    this.#logged.set(serviceId, sequence);
    const message = serviceId === this.#serviceId ? this.#pending.get(sequence) : undefined;
    if (message !== undefined) {
      this.#pending.delete(sequence);
      this.#pendingBytes -= message.bytes.length;
    }
    if (serviceId === this.#serviceId) {
      this.listener?.onLogged(sequence);
    }
    return true;
  }

  propose(limit: number, append: (message: ServiceMessage) => boolean): number {
    const logged = this.#loggedOf(this.#serviceId);
    return this.#cursor.propose(this.#pending, logged, limit, append);
  }

  forgetProposals(): void {
    this.#cursor.forget();
  }

  /** Everything that a member which starts here has to know. */
  freeze(): FrozenMessages {
    const logged = [...this.#logged].sort(([one], [other]) => one - other);
    return {
      logged: logged.map(([serviceId, sequence]) => ({ serviceId, sequence })),
      pending: [...this.#pending.values()],
    };
  }

  restoreLogged({ sequence, serviceId }: LoggedServiceMessage): void {
    this.#logged.set(serviceId, sequence);
    if (serviceId === this.#serviceId) {
      this.#lastSequence = sequence;
      this.listener?.onLogged(sequence);
    }
  }

  /** After the logged ones, in order. */
  restorePending(message: Omit<ServiceMessage, 'serviceId'>): void {
    this.#add({ ...message, serviceId: this.#serviceId });
  }

  #add(message: ServiceMessage): void {
    this.#pending.set(message.sequence, message);
    this.#pendingBytes += message.bytes.length;
    this.#lastSequence = message.sequence;
    this.#lastOrigin = message.originPosition;
    this.#lastOrdinal = message.ordinal;
    this.listener?.onOffered(message);
  }

  #loggedOf(serviceId: number): number {
    return this.#logged.get(serviceId) ?? 0;
  }
}
