// remote-snapshot.ts: the section of a snapshot that a service writes on another thread.
//
// Its messages arrive through the ring and wait here until they are written. The service sends no
// more than a window beyond what was taken, so a slow disk costs neither memory nor the ring.

import type { Arena } from '../memory/arena.js';
import { MessageJoiner } from './message-pieces.js';
import type { ServiceChannel } from './service-channel.js';
import type { SnapshotSection, SnapshotWrite } from './service-host.js';

/** Bytes that a service sends beyond what was taken, about: one message may pass it. */
export const SNAPSHOT_WINDOW_LENGTH = 256 * 1024;

/** One section. */
export class RemoteSnapshot implements SnapshotSection {
  readonly #channel: ServiceChannel;
  readonly #logPosition: number;
  readonly #onTaken: () => void;
  readonly #messages: Uint8Array[] = [];
  readonly #joiner: MessageJoiner;
  #takenLength: number;
  #isComplete = false;
  #oversizeLength = 0;
  #isClosed = false;

  /** @param onTaken the service may go on. */
  constructor(arena: Arena, channel: ServiceChannel, logPosition: number, onTaken: () => void) {
    this.#channel = channel;
    this.#logPosition = logPosition;
    this.#onTaken = onTaken;
    this.#joiner = new MessageJoiner(arena, (message) => this.#messages.push(message));
    this.#takenLength = channel.snapshotTaken.get();
  }

  /** A piece has arrived. */
  add(address: number, length: number): void {
    if (!this.#isClosed) {
      this.#joiner.add(address, length);
    }
  }

  get oversizeLength(): number {
    return this.#oversizeLength;
  }

  /** All pieces have arrived, or one record was too long and nothing follows. */
  complete(oversizeLength: number): void {
    this.#isComplete = true;
    this.#oversizeLength = oversizeLength;
  }

  write(append: SnapshotWrite, lengthMax: number): boolean {
    let written = 0;
    let count = 0;
    for (const message of this.#messages) {
      if (written >= lengthMax) {
        break;
      }
      append(message, message.length);
      written += message.length;
      count++;
    }
    this.#messages.splice(0, count);
    if (written > 0) {
      this.#takenLength += written;
      this.#channel.snapshotTaken.set(this.#takenLength);
      this.#onTaken();
    }
    return this.#isComplete && this.#messages.length === 0;
  }

  /** The service lets go of its state, if it has not sent all of it. */
  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#messages.length = 0;
      this.#channel.snapshotUseless.set(this.#logPosition);
      this.#onTaken();
    }
  }
}
