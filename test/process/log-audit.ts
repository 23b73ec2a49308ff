// log-audit.ts: compares the committed logs of all members, and what clients were told with them.
//
// Logs are read from the files of the members. The committed log only ever grows: the hash at each
// position that was audited once must be found again in every later audit.

import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import {
  type LogGeometry,
  segmentBaseOf,
  segmentFileName,
} from '../../src/archive/log-geometry.js';
import { describeEvent, FrameFlag, LogCodec, type LogFrame } from '../../src/codec/index.js';
import { SessionMessageHeaderDecoder } from '../../src/protocol/codecs/session-message-header.js';
import { TemplateId } from '../../src/protocol/codecs/template-ids.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
} from '../../src/protocol/message-header.js';
import type { SessionLedger } from './ledger-client.js';

const CHUNK_LENGTH = 1024 * 1024;
const FIRST_SEGMENT = segmentFileName(0);
/** More than any header and the numbers behind it. */
const HEAD_LENGTH = 256;
/** Client and sequence; a shorter message has none. */
const NUMBERS_LENGTH = 8;

/** Where a message stands among all messages of the log, by sequence; from 1 on. */
type OrderOfSequence = Map<number, number>;

/** The one committed log of a cluster, as far as it was audited. */
export class LogAudit {
  /** Who led in each term, by the log. */
  readonly leaders = new Map<number, number>();
  readonly problems: string[] = [];
  messageCount = 0;
  /** Log time of the last message, milliseconds. */
  timestampMs = 0;
  readonly #header = new SessionMessageHeaderDecoder();
  #position = 0;
  // The payload is a view of the buffer that the next chunk overwrites: this one is a copy.
  #begun: LogFrame | undefined;
  #digest: string;
  readonly #geometry: LogGeometry;
  readonly #codec = LogCodec.create();
  readonly #buffer = new Uint8Array(CHUNK_LENGTH);
  readonly #orders = new Map<number, OrderOfSequence>();
  readonly #lastSequences = new Map<number, number>();

  constructor(geometry: LogGeometry) {
    this.#geometry = geometry;
    this.#digest = this.#codec.hasher().digest();
  }

  /**
   * Audits the logs of members up to a position that all of them have committed.
   *
   * @returns the hash that all logs have there.
   */
  audit(directories: readonly string[], limit: number): string {
    const isPurged = directories.some((directory) => !existsSync(join(directory, FIRST_SEGMENT)));
    const from = isPurged ? this.#position : 0;
    const digests = directories.map((directory) => this.#digestOf(directory, limit, from));
    const first = digests[0] ?? '';
    digests.forEach((digest, index) => {
      if (digest !== first) {
        this.problems.push(`the logs of members 0 and ${index} differ below ${limit}`);
      }
    });
    this.#readNew(directories[0] ?? '', limit);
    this.#position = limit;
    this.#digest = first;
    return first;
  }

  /** Compares what a session was told with the log. */
  checkSession(session: SessionLedger): void {
    const orders = this.#orders.get(session.client);
    let lostCount = 0;
    let wrongCount = 0;
    for (const [sequence, order] of session.acknowledged) {
      const found = orders?.get(sequence);
      lostCount += found === undefined ? 1 : 0;
      wrongCount += found !== undefined && found !== order ? 1 : 0;
    }
    if (lostCount > 0) {
      this.problems.push(`${lostCount} acknowledged messages of ${session.client} are lost`);
    }
    if (wrongCount > 0) {
      this.problems.push(
        `${wrongCount} replies to ${session.client} named another place in the log`,
      );
    }
    if ((this.#lastSequences.get(session.client) ?? 0) > session.sentCount) {
      this.problems.push(`the log holds messages that ${session.client} never sent`);
    }
  }

  /** Messages of a session that were reported unknown and are in the log. */
  unknownInLog(session: SessionLedger): number {
    const orders = this.#orders.get(session.client);
    return [...session.unknown].filter((sequence) => orders?.has(sequence) === true).length;
  }

  /**
   * The hash of a log up to a position. A log whose beginning was purged has it from the last audit
   * on: what was before was audited then.
   */
  #digestOf(directory: string, limit: number, from: number): string {
    const hasher = this.#codec.hasher(from);
    while (hasher.position < limit) {
      const position = hasher.position;
      // A stop at the position of the last audit, where the hash is known.
      const end = position < this.#position ? this.#position : limit;
      const chunk = this.#read(directory, position, end);
      if (hasher.update(chunk, position) === position) {
        this.problems.push(`${directory} has no frame at ${position}, committed up to ${limit}`);
        break;
      }
      if (from === 0 && hasher.position === this.#position && hasher.digest() !== this.#digest) {
        this.problems.push(`${directory} has changed below ${this.#position}, which was committed`);
      }
    }
    return hasher.digest();
  }

  #readNew(directory: string, limit: number): void {
    const { termLength } = this.#geometry;
    let position = this.#position;
    while (position < limit) {
      const chunk = this.#read(directory, position, limit);
      const { isGood, reason, validLength } = this.#codec.verify(chunk, { position, termLength });
      if (validLength === 0) {
        this.problems.push(`the frame at ${position} is not valid: ${isGood ? 'none' : reason}`);
        return;
      }
      for (const frame of this.#codec.frames(chunk, { position, termLength })) {
        this.#note(frame);
      }
      position += validLength;
    }
  }

  #note(frame: LogFrame): void {
    const { payload, flags } = frame;
    if (payload.length === 0) {
      return;
    }
    // Only the first fragment of a message has a header to read, and a message counts at its last
    // one: a leader that dies may leave the beginning of one in the log, which nobody ever applies.
    if ((flags & FrameFlag.Begin) !== 0) {
      this.#begun = { ...frame, payload: payload.slice(0, HEAD_LENGTH) };
    }
    if ((flags & FrameFlag.End) !== 0 && this.#begun !== undefined) {
      this.#noteBegun(this.#begun);
      this.#begun = undefined;
    }
  }

  #noteBegun({ payload, position }: LogFrame): void {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    const templateId = messageTemplateId(view, 0, payload.length);
    if (templateId === TemplateId.SessionMessageHeader) {
      this.#noteTime(this.#header.wrapAndApplyHeader(view, 0).timestamp(), position);
      const at = MESSAGE_HEADER_LENGTH + messageBlockLength(view, 0);
      if (payload.length - at < NUMBERS_LENGTH) {
        return;
      }
      this.#noteMessage(view.getUint32(at, true), view.getUint32(at + 4, true), position);
    } else if (templateId === TemplateId.NewLeadershipTermEvent) {
      const { leadershipTermId, leaderMemberId } = describeEvent(payload)?.fields ?? {};
      this.noteLeader(Number(leadershipTermId), Number(leaderMemberId), 'the log');
    }
  }

  #noteTime(timestampMs: number, position: number): void {
    if (timestampMs < this.timestampMs) {
      this.problems.push(`log time goes back by ${this.timestampMs - timestampMs} at ${position}`);
    }
    this.timestampMs = timestampMs;
  }

  #noteMessage(client: number, sequence: number, position: number): void {
    const orders = this.#orders.get(client) ?? new Map<number, number>();
    this.#orders.set(client, orders);
    const last = this.#lastSequences.get(client) ?? 0;
    if (orders.has(sequence)) {
      this.problems.push(`message ${sequence} of ${client} is in the log again at ${position}`);
    } else if (sequence < last) {
      this.problems.push(`message ${sequence} of ${client} is in the log behind ${last}`);
    }
    this.#lastSequences.set(client, Math.max(last, sequence));
    orders.set(sequence, ++this.messageCount);
  }

  /** Notes who led in a term; two members in one term are a problem. */
  noteLeader(termId: number, memberId: number, source: string): void {
    const known = this.leaders.get(termId);
    if (known !== undefined && known !== memberId) {
      this.problems.push(`members ${known} and ${memberId} both led in term ${termId} (${source})`);
    }
    this.leaders.set(termId, memberId);
  }

  /** Bytes of a log from a position on, from one segment file; empty when there are none. */
  #read(directory: string, position: number, limit: number): Uint8Array {
    const base = segmentBaseOf(position, this.#geometry.segmentLength);
    const end = Math.min(limit, base + this.#geometry.segmentLength, position + CHUNK_LENGTH);
    const file = openSync(join(directory, segmentFileName(base)), 'r');
    try {
      const length = readSync(file, this.#buffer, 0, end - position, position - base);
      return this.#buffer.subarray(0, length);
    } finally {
      closeSync(file);
    }
  }
}
