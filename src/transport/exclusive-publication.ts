// exclusive-publication.ts: a stream to one receiver over UDP, or to subscribers in this process.
//
// Closing takes time: what was appended is sent, the end is announced and NAKs are answered for a
// while, and only then does the memory go back.

import type { Position } from '../position.js';
import type { StreamGeometry } from './log-memory.js';
import type { MediumAddress } from './medium.js';
import { admissionOf, type ChecksumOptions, Publication } from './publication.js';
import { StreamSender } from './stream-sender.js';
import type { TransportContext } from './transport-context.js';

/** What happens to a publication, in order. */
export const PublicationState = {
  /** Takes offers. */
  Active: 0,
  /** Closed; what was appended is still being sent or read. */
  Draining: 1,
  /** All is sent; the end is announced and lost data is sent again. */
  Lingering: 2,
  Done: 3,
} as const;
export type PublicationState = (typeof PublicationState)[keyof typeof PublicationState];

/** One writer, one stream. Made by `Transport.addPublication`. */
export class ExclusivePublication extends Publication {
  /** The channel as it was asked for. */
  readonly channel: string;
  readonly #sender: StreamSender | undefined;
  readonly #lingerNs: number;
  readonly #windowLength: number;
  #state: PublicationState = PublicationState.Active;
  #deadlineNs = Infinity;

  constructor(
    context: TransportContext,
    channel: string,
    geometry: StreamGeometry,
    options: {
      readonly address: MediumAddress | undefined;
      readonly lingerNs: number;
      readonly checksum: ChecksumOptions | undefined;
    },
  ) {
    super(context, geometry, options.checksum);
    this.channel = channel;
    this.#lingerNs = options.lingerNs;
    this.#windowLength = geometry.termLength / 2;
    if (options.address !== undefined) {
      this.#sender = new StreamSender(context, this.log, options.address, geometry.position);
    }
    this.flushNeeded();
  }

  get isIpc(): boolean {
    return this.#sender === undefined;
  }

  get isConnected(): boolean {
    const sender = this.#sender;
    return !this.isClosing && (sender === undefined ? this.readers.length > 0 : sender.isConnected);
  }

  get failure(): Error | undefined {
    return this.#sender?.failure;
  }

  /** Why the receiver does not take this stream, in its words; undefined where it said nothing. */
  get refusal(): string | undefined {
    return this.#sender?.refusal;
  }

  get isWaiting(): boolean {
    return this.#sender?.isBlocked === true;
  }

  /** Everything below was given to the socket; the tail for in-process publications. */
  get senderPosition(): Position {
    return this.#sender?.senderPosition ?? this.position();
  }

  /** What the receiver said it consumed; of in-process publications the slowest subscriber. */
  get consumedPosition(): Position {
    return this.#sender?.consumedPosition ?? this.slowestReader(this.position());
  }

  protected admission(): number {
    return admissionOf(this.isConnected);
  }

  /** Takes what arrived on the socket. Returns how many datagrams. */
  poll(): number {
    const count = this.#sender?.poll() ?? 0;
    if (count > 0) {
      this.context.enqueue(this);
    }
    return count;
  }

  duty(nowNs: number): number {
    const tail = this.position();
    const sender = this.#sender;
    let work = 0;
    if (sender !== undefined) {
      if (this.#state !== PublicationState.Active && sender.senderPosition >= tail) {
        this.#announceEnd(sender);
      }
      work += sender.send(nowNs, tail);
    }
    this.isUrgent = sender?.hasMore === true;
    this.#updateLimit(tail);
    this.setConnected(this.isConnected);
    this.#advanceState(nowNs, tail);
    return work;
  }

  #announceEnd(sender: StreamSender): void {
    if (!sender.isEndOfStream) {
      sender.isEndOfStream = true;
      sender.hastenHeartbeat();
    }
  }

  #updateLimit(tail: Position): void {
    const sender = this.#sender;
    const sent = sender === undefined ? tail : sender.senderPosition;
    const consumed = this.slowestReader(sent);
    const intactFrom = sender === undefined ? consumed : sender.heldPosition();
    const hasReaders = sender !== undefined || this.readers.length > 0;
    this.advanceLimit(consumed, intactFrom, hasReaders ? consumed + this.#windowLength : 0);
  }

  #advanceState(nowNs: number, tail: Position): void {
    if (this.#state === PublicationState.Active && this.isClosing) {
      this.#state = PublicationState.Draining;
      this.#deadlineNs = nowNs + this.context.config.publicationConnectionTimeoutNs;
      this.context.enqueue(this);
    } else if (this.#state === PublicationState.Draining && this.#isDrained(nowNs, tail)) {
      this.#state = PublicationState.Lingering;
      this.#deadlineNs = nowNs + this.#lingerNs;
      this.context.enqueue(this);
    } else if (this.#state === PublicationState.Lingering && this.#isLingered(nowNs)) {
      this.#state = PublicationState.Done;
      this.dispose();
    }
  }

  #isDrained(nowNs: number, tail: Position): boolean {
    const sender = this.#sender;
    const isRead = this.slowestReader(tail) >= tail;
    const isSent = sender === undefined || !sender.isConnected || sender.senderPosition >= tail;
    return (isRead && isSent) || nowNs >= this.#deadlineNs;
  }

  #isLingered(nowNs: number): boolean {
    if (this.retainCount > 0) {
      return false;
    }
    const sender = this.#sender;
    if (sender === undefined || !sender.isConnected || nowNs >= this.#deadlineNs) {
      return (
        sender === undefined || sender.heldPosition() === Infinity || nowNs >= this.#deadlineNs
      );
    }
    return false;
  }

  deadlineNs(): number {
    return Math.min(this.#endingNs(), this.#sender?.deadlineNs() ?? Infinity);
  }

  readyNs(): number {
    return Math.min(this.#endingNs(), this.#sender?.readyNs() ?? Infinity);
  }

  #endingNs(): number {
    const isRetained = this.retainCount > 0 && this.#state === PublicationState.Lingering;
    return isRetained ? Infinity : this.#deadlineNs;
  }

  protected disposeMedia(): void {
    this.#state = PublicationState.Done;
    this.#sender?.close();
  }
}
