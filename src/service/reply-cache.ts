// reply-cache.ts: which requests were executed, and what was answered.
//
// Built from applied events alone, so it is the same on every member at the same position. A client
// is known by the id of its first session, a position of the log. Of those that were forgotten the
// greatest id is kept: no request of a forgotten client is taken for one of a new client, and so
// none is executed twice, however long it was on its way.

import type { Position } from '../position.js';

/** How much is retained. Equal on all members. */
export interface ReplyLimits {
  /** Clients that are known; the one that has asked for nothing for longest is forgotten first. */
  readonly clientCountMax: number;
  /** Replies to one client; those to its lowest request ids are dropped first. */
  readonly repliesPerClientMax: number;
  /** Bytes of all replies, with REPLY_OVERHEAD_LENGTH for each. */
  readonly replyBytesMax: number;
  /** Cluster time without a request after which a client is forgotten, milliseconds. */
  readonly clientAgeMaxMs: number;
}

export const REPLY_LIMITS: ReplyLimits = {
  clientCountMax: 65_536,
  repliesPerClientMax: 4_096,
  replyBytesMax: 64 * 1024 * 1024,
  clientAgeMaxMs: 3_600_000,
};

/** What a reply costs beside its bytes. */
export const REPLY_OVERHEAD_LENGTH = 64;

/** How a request ended. On the wire; a code is never used for another meaning. */
export const ReplyCode = {
  /** The service has answered. */
  Ok: 0,
  /** It was executed or given up, and its reply is not retained; it is not executed (again). */
  Dropped: 1,
  /** The client was forgotten: whether the request was executed is not known any more. */
  Forgotten: 2,
  /** The service takes no requests. */
  NotServed: 3,
  /** The service has executed it without answering. */
  Unanswered: 4,
  /** The client id is another principal's; nothing of that client is touched. */
  Foreign: 5,
} as const;
export type ReplyCode = (typeof ReplyCode)[keyof typeof ReplyCode];

/** The one answer to a request. */
export interface Reply {
  readonly requestId: number;
  /** Log position after the request that was executed. */
  readonly logPosition: Position;
  /** Log time at which it was executed, milliseconds. */
  readonly timestamp: number;
  readonly code: ReplyCode;
  readonly bytes: Uint8Array;
}

/** Who makes a request. */
export interface Asker {
  /** Of the session that carries it. */
  readonly principal: Uint8Array;
  /** Of the session that the client's id names, as far as that is known. */
  readonly owner: Uint8Array;
}

/** A client as a snapshot holds it. */
export interface ClientReplies {
  readonly clientId: number;
  /** Whose it is: requests of others are refused. */
  readonly principal: Uint8Array;
  /** Requests below this are answered for good, or their replies were dropped. */
  readonly floor: number;
  readonly lastUsedMs: number;
  /** In the order of execution. */
  readonly replies: Iterable<Reply>;
}

/** What a snapshot holds. */
export interface FrozenReplies {
  readonly forgottenThrough: number;
  readonly clients: readonly (ClientReplies & { readonly replies: readonly Reply[] })[];
}

/** What a request says of itself. */
export interface RequestIds {
  readonly clientId: number;
  readonly requestId: number;
  readonly lowestUnansweredRequestId: number;
}

/** Executed requests by client. */
export class ReplyCache {
  readonly #limits: ReplyLimits;
  // Both in the order of the last request.
  readonly #clients = new Map<number, Client>();
  readonly #withReplies = new Set<Client>();
  #byteCount = 0;
  #replyCount = 0;
  #forgottenThrough = -1;

  constructor(limits: ReplyLimits = REPLY_LIMITS) {
    this.#limits = limits;
  }

  get clientCount(): number {
    return this.#clients.size;
  }

  get replyCount(): number {
    return this.#replyCount;
  }

  /** Bytes of all replies, overhead included. */
  get byteCount(): number {
    return this.#byteCount;
  }

  /** Greatest id of a client that was forgotten; -1 when none was. */
  get forgottenThrough(): number {
    return this.#forgottenThrough;
  }

  /** The clients, the one that has asked for nothing for longest first. */
  *values(): IterableIterator<ClientReplies> {
    for (const { replies, ...client } of this.#clients.values()) {
      yield { ...client, replies: replies.values() };
    }
  }

  /** All of it as it is now; what is applied later does not change it. */
  freeze(): FrozenReplies {
    const clients = [...this.values()].map((client) => ({
      ...client,
      replies: [...client.replies],
    }));
    return { forgottenThrough: this.#forgottenThrough, clients };
  }

  /** A snapshot is loaded into an empty cache. */
  restoreForgotten(forgottenThrough: number): void {
    this.#forgottenThrough = forgottenThrough;
  }

  /** The next client of a snapshot, in the order of `values`. */
  restoreClient(client: Omit<ClientReplies, 'replies'>): void {
    this.#clients.set(client.clientId, { ...client, replies: new Map() });
  }

  /** The next reply to a client of a snapshot. */
  restoreReply(clientId: number, reply: Reply): void {
    const client = this.#clients.get(clientId);
    if (client !== undefined) {
      this.#add(client, reply);
    }
  }

  /**
   * A request is applied.
   *
   * @param logPosition after the request. @param timestampMs log time.
   * @returns the reply that it has got before, a code with which it is refused, or `Ok`: execute
   *   it now and `put` its reply.
   */
  admit(
    { clientId, lowestUnansweredRequestId, requestId }: RequestIds,
    { owner, principal }: Asker,
    logPosition: Position,
    timestampMs: number,
  ): Reply | ReplyCode {
    this.#forgetOld(timestampMs);
    const known = this.#clients.get(clientId);
    if (!isSame(known?.principal ?? owner, principal)) {
      return ReplyCode.Foreign;
    }
    const client = known ?? this.#begin(clientId, principal, logPosition);
    if (client === undefined) {
      return ReplyCode.Forgotten;
    }
    this.#use(client, timestampMs);
    this.#raiseFloor(client, Math.min(lowestUnansweredRequestId, requestId));
    return requestId < client.floor
      ? ReplyCode.Dropped
      : (client.replies.get(requestId) ?? ReplyCode.Ok);
  }

  /** The reply to a request that was executed just now. */
  put(clientId: number, reply: Reply): void {
    const client = this.#clients.get(clientId);
    if (client === undefined) {
      return;
    }
    this.#add(client, reply);
    while (client.replies.size > this.#limits.repliesPerClientMax) {
      this.#raiseFloor(client, lowestRequestId(client) + 1);
    }
    for (const oldest of this.#withReplies) {
      while (this.#byteCount > this.#limits.replyBytesMax && oldest.replies.size > 0) {
        this.#raiseFloor(oldest, lowestRequestId(oldest) + 1);
      }
      if (this.#byteCount <= this.#limits.replyBytesMax) {
        return;
      }
    }
  }

  #add(client: Client, reply: Reply): void {
    client.replies.set(reply.requestId, reply);
    this.#withReplies.add(client);
    this.#byteCount += reply.bytes.length + REPLY_OVERHEAD_LENGTH;
    this.#replyCount++;
  }

  /** A client that was never heard of, as far as that can be known. */
  #begin(clientId: number, principal: Uint8Array, logPosition: Position): Client | undefined {
    const isNew = clientId > this.#forgottenThrough && clientId < logPosition;
    if (!isNew || !Number.isSafeInteger(clientId) || this.#limits.clientCountMax < 1) {
      return undefined;
    }
    const client: Client = { clientId, principal, floor: 0, lastUsedMs: 0, replies: new Map() };
    this.#clients.set(clientId, client);
    for (const oldest of this.#clients.values()) {
      if (this.#clients.size <= this.#limits.clientCountMax) {
        break;
      }
      this.#forget(oldest);
    }
    return client;
  }

  #use(client: Client, timestampMs: number): void {
    client.lastUsedMs = timestampMs;
    this.#clients.delete(client.clientId);
    this.#clients.set(client.clientId, client);
    if (this.#withReplies.delete(client)) {
      this.#withReplies.add(client);
    }
  }

  #forgetOld(timestampMs: number): void {
    for (const oldest of this.#clients.values()) {
      if (timestampMs - oldest.lastUsedMs <= this.#limits.clientAgeMaxMs) {
        return;
      }
      this.#forget(oldest);
    }
  }

  #forget(client: Client): void {
    for (const requestId of client.replies.keys()) {
      this.#drop(client, requestId);
    }
    this.#clients.delete(client.clientId);
    this.#forgottenThrough = Math.max(this.#forgottenThrough, client.clientId);
  }

  #raiseFloor(client: Client, floor: number): void {
    if (floor <= client.floor) {
      return;
    }
    // Ids are the client's choice: a leap of them must not cost more than the replies there are.
    if (floor - client.floor <= client.replies.size) {
      for (let requestId = client.floor; requestId < floor; requestId++) {
        this.#drop(client, requestId);
      }
    } else {
      for (const requestId of client.replies.keys()) {
        if (requestId < floor) {
          this.#drop(client, requestId);
        }
      }
    }
    client.floor = floor;
  }

  #drop(client: Client, requestId: number): void {
    const reply = client.replies.get(requestId);
    if (reply !== undefined) {
      client.replies.delete(requestId);
      this.#byteCount -= reply.bytes.length + REPLY_OVERHEAD_LENGTH;
      this.#replyCount--;
      if (client.replies.size === 0) {
        this.#withReplies.delete(client);
      }
    }
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one === other || (one.length === other.length && one.every((b, i) => b === other[i]));
}

interface Client {
  readonly clientId: number;
  readonly principal: Uint8Array;
  floor: number;
  lastUsedMs: number;
  readonly replies: Map<number, Reply>;
}

/** Of the replies that are retained, of which there is one at least. */
function lowestRequestId({ floor, replies }: Client): number {
  for (let requestId = floor; requestId <= floor + replies.size; requestId++) {
    if (replies.has(requestId)) {
      return requestId;
    }
  }
  let lowest = Number.POSITIVE_INFINITY;
  for (const requestId of replies.keys()) {
    lowest = Math.min(lowest, requestId);
  }
  return lowest;
}
