// event-outputs.ts: what a service sent while it handled an event, as a hash and in words.

import { TraceHash } from '../trace-hash.js';
import { bytesText } from './state-sinks.js';

const CLOSE_WORD = 0x636c;
const SERVICE_MESSAGE_WORD = 0x736d;
const RECORD_WORD = 0x7265;

/** What a service sent, and asked for, while it handled one event. */
export class EventOutputs {
  #hash = new TraceHash();
  /** In words; kept only while `isKept` is set. */
  readonly lines: string[] = [];
  isKept = false;
  count = 0;

  clear(): void {
    if (this.count > 0) {
      this.#hash = new TraceHash();
      this.lines.length = 0;
      this.count = 0;
    }
  }

  addMessage(sessionId: number, bytes: Uint8Array): void {
    this.count++;
    this.#hash.addInteger(sessionId);
    this.#hash.addBytes(bytes, 0, bytes.length);
    if (this.isKept) {
      this.lines.push(`to session ${sessionId}: ${messageText(bytes)}`);
    }
  }

  addClose(sessionId: number): void {
    this.count++;
    this.#hash.addWord(CLOSE_WORD);
    this.#hash.addInteger(sessionId);
    if (this.isKept) {
      this.lines.push(`closes session ${sessionId}`);
    }
  }

  /** @param deadline undefined where the timer is cancelled. */
  addTimer(correlationId: number, deadline: number | undefined, result: boolean): void {
    this.count++;
    this.#hash.addText(`${correlationId} ${deadline} ${result}`);
    if (this.isKept) {
      const what = deadline === undefined ? 'cancels' : `sets for ${deadline}`;
      this.lines.push(`${what} timer ${correlationId}, with the result ${result}`);
    }
  }

  addServiceMessage(bytes: Uint8Array): void {
    this.count++;
    this.#hash.addWord(SERVICE_MESSAGE_WORD);
    this.#hash.addBytes(bytes, 0, bytes.length);
    if (this.isKept) {
      this.lines.push(`into the log: ${messageText(bytes)}`);
    }
  }

  /** A record of a snapshot. */
  addRecord(bytes: Uint8Array): void {
    this.count++;
    this.#hash.addWord(RECORD_WORD);
    this.#hash.addBytes(bytes, 0, bytes.length);
    if (this.isKept) {
      this.lines.push(`into the snapshot: ${messageText(bytes)}`);
    }
  }

  /** Stands for everything that was sent in this event. */
  digest(): string {
    return this.#hash.digest();
  }
}

const PRINTABLE = /^[\x20-\x7e\n\t]*$/;
const MESSAGE_TEXT_MAX = 240;

/** A message as text where it is one, otherwise as hexadecimal digits. */
export function messageText(bytes: Uint8Array): string {
  const text = String.fromCharCode(...bytes.subarray(0, MESSAGE_TEXT_MAX));
  if (bytes.length > 0 && PRINTABLE.test(text)) {
    const rest = bytes.length > MESSAGE_TEXT_MAX ? `… (${bytes.length} bytes)` : '';
    return `'${text}'${rest}`;
  }
  return bytesText(bytes);
}
