// user-commands.ts: what one client of a user's workload sends, and what it thinks of the answers.

import type { PawlError } from '../../errors.js';
import { REQUEST_HEADER_LENGTH } from '../../service/request.js';
import { describeError } from '../describe-error.js';
import { promiseText } from '../global-guard.js';
import type { Judge } from '../invariants/judge.js';
import type { ClientReads, CommandSource, WorkloadOptions } from '../workload.js';
import type { SimulateOptions, WorkloadClient, WorkloadContext } from './simulate-options.js';
import { type ClientAnswer, UserQueries, type UserQueriesParts } from './user-queries.js';

const TWO_POW_32 = 0x1_0000_0000;

/** What a client needs of its run. */
export type ClientParts = Pick<UserQueriesParts, 'time' | 'random' | 'appliedPosition'> & {
  /** Judges an answer by what instances have answered. */
  readonly onAnswer: (clientId: number, answer: ClientAnswer) => void;
  /** Whether the log has a session. */
  readonly isSessionOpen: (sessionId: number) => boolean;
  /** Where a promise was made since the last time; undefined where none was. */
  readonly takePromise: () => string | undefined;
};

/** One client over all its sessions. */
export class UserCommands implements CommandSource {
  readonly #judge: Judge;
  readonly #clientId: number;
  readonly #headerLength: number;
  readonly #encoder = new TextEncoder();
  readonly #parts: ClientParts;
  /** Of the last session that the client had. */
  sessionId = 0;
  #client: WorkloadClient | undefined;
  /** Messages that have arrived. */
  replyCount = 0;
  onSessionOpened: ((sessionId: number) => void) | undefined = undefined;

  constructor(
    options: Pick<SimulateOptions, 'workload' | 'requests'>,
    context: WorkloadContext,
    judge: Judge,
    parts: ClientParts,
  ) {
    this.#judge = judge;
    this.#parts = parts;
    this.#clientId = context.clientId;
    this.#headerLength = options.requests === true ? REQUEST_HEADER_LENGTH : 0;
    this.#guard('workload()', () => {
      this.#client = options.workload(context);
      return typeof this.#client?.next === 'function'
        ? undefined
        : 'returned no object with a function next()';
    });
  }

  /** Whether the workload has queries. */
  get hasQueries(): boolean {
    return this.#client?.nextQuery !== undefined;
  }

  next(sequence: number, bytes: Uint8Array, lengthMax: number): number {
    let length = 0;
    this.#guard('next()', () => {
      const command = this.#client?.next();
      if (command === undefined) {
        return undefined;
      }
      const body = typeof command === 'string' ? this.#encoder.encode(command) : command;
      const fit = lengthMax - this.#headerLength;
      if (!(body instanceof Uint8Array) || body.length > fit || body.length === 0) {
        const what = body instanceof Uint8Array ? `${body.length} bytes` : String(body);
        return `returned ${what}: a command is text or bytes, 1 to ${fit} of them`;
      }
      bytes.set(body, this.#headerLength);
      length = this.#headerLength + body.length;
      this.#writeHeader(sequence, bytes);
      return undefined;
    });
    return length;
  }

  onReply(view: DataView, offset: number, length: number): void {
    this.replyCount++;
    const header = this.#headerLength;
    this.#guard('onReply()', () => {
      if (length < header) {
        return `: an answer of ${length} bytes has no room for the number of its request`;
      }
      const start = view.byteOffset + offset;
      const body = new Uint8Array(view.buffer, start + header, length - header).slice();
      const request =
        header === 0
          ? undefined
          : view.getUint32(offset + 4, true) * TWO_POW_32 + view.getUint32(offset, true);
      return this.#client?.onReply?.(body, request);
    });
  }

  onSession(sessionId: number): void {
    this.sessionId = sessionId;
    this.onSessionOpened?.(sessionId);
  }

  isSessionOpen(): boolean {
    return this.#parts.isSessionOpen(this.sessionId);
  }

  /** None where the workload has no `nextQuery`. */
  makeReads({ intervalNs, readIntervalNs }: WorkloadOptions): ClientReads | undefined {
    if (this.#client?.nextQuery === undefined) {
      return undefined;
    }
    const { appliedPosition, onAnswer, random, time } = this.#parts;
    return new UserQueries({
      ...{ appliedPosition, random, time },
      intervalNs:
        readIntervalNs === undefined || readIntervalNs === 0 ? intervalNs : readIntervalNs,
      sessionId: () => this.sessionId,
      next: () => this.#nextQuery(),
      onAnswer: (answer) => {
        onAnswer(this.#clientId, answer);
        this.#guard('onAnswer()', () =>
          this.#client?.onAnswer?.(answer.answer, {
            query: answer.query,
            logPosition: answer.logPosition,
          }),
        );
      },
      onRefused: (reason, query) => this.#onRefused(reason, query),
    });
  }

  #nextQuery(): Uint8Array | undefined {
    let bytes: Uint8Array | undefined;
    this.#guard('nextQuery()', () => {
      const query = this.#client?.nextQuery?.();
      const body = typeof query === 'string' ? this.#encoder.encode(query) : query;
      if (body !== undefined && !(body instanceof Uint8Array)) {
        return `returned ${String(body)}: a query is text or bytes`;
      }
      bytes = body?.slice();
      return undefined;
    });
    return bytes;
  }

  /** Whoever does not expect it has a fault that he wants to know of. */
  #onRefused(reason: PawlError, query: Uint8Array): void {
    this.#guard('a query', () =>
      this.#client?.onRefused === undefined
        ? `was not answered: ${reason.message}. Give the workload an onRefused where this is right`
        : this.#client.onRefused(reason, query),
    );
  }

  #writeHeader(sequence: number, bytes: Uint8Array): void {
    if (this.#headerLength > 0) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, REQUEST_HEADER_LENGTH);
      view.setUint32(0, sequence % TWO_POW_32, true);
      view.setUint32(4, Math.floor(sequence / TWO_POW_32), true);
    }
  }

  /** Code of the user: what it says, or throws, ends the run. */
  #guard(what: string, code: () => string | undefined): void {
    const { takePromise } = this.#parts;
    try {
      takePromise();
      const text = code();
      const place = takePromise();
      const fault = place === undefined ? text : promiseText(place);
      if (typeof fault === 'string') {
        this.#judge.report('workload', `${what} of client ${this.#clientId} ${fault}`);
      }
    } catch (error) {
      const text = `${what} of client ${this.#clientId} threw ${describeError(error)}`;
      this.#judge.report('workload', text);
    }
  }
}
