// session-fleet.ts: very many sessions of one process, each with a stream of its own to the leader.
//
// To the cluster each is a client: it asks for a session, keeps it alive, and sends nothing else.
// What they share is on the client's side only: one loop, one socket for egress.

import { IngressWriter } from '../../client/ingress-writer.js';
import type { NodeNetwork } from '../../host/node-network.js';
import type { Arena } from '../../memory/arena.js';
import type { Agent } from '../../ports/agent.js';
import type { Entropy } from '../../ports/entropy.js';
import { EventCode } from '../../protocol/codecs/enumerations.js';
import { SessionEventDecoder } from '../../protocol/codecs/session-event.js';
import { formatHostPort } from '../../protocol/host-port.js';
import { EGRESS_STREAM_ID_DEFAULT, INGRESS_STREAM_ID } from '../../protocol/streams.js';
import type { ExclusivePublication } from '../../transport/exclusive-publication.js';
import type { Subscription } from '../../transport/subscription.js';
import { Transport } from '../../transport/transport.js';

/** Handshakes under way at a time. */
const OPENING_COUNT_MAX = 64;
const ASK_INTERVAL_NS = 250_000_000;
const KEEP_ALIVE_INTERVAL_NS = 2_000_000_000;
const TURN_INTERVAL_NS = 5_000_000;
const FRAGMENT_LIMIT = 4_096;
const MTU_LENGTH = 1_408;

interface FleetSession {
  readonly correlationId: number;
  readonly publication: ExclusivePublication;
  readonly writer: IngressWriter;
  readonly ids: { clusterSessionId: number; leadershipTermId: number };
  askedNs: number;
  spokeNs: number;
}

export interface FleetOptions {
  readonly arena: Arena;
  readonly network: NodeNetwork;
  readonly entropy: Entropy;
  /** host:port of the leader's ingress. */
  readonly leader: string;
  readonly countMax: number;
  /** Bytes of a term of each stream. */
  readonly termLength: number;
}

/** Opens sessions and keeps them. */
export class SessionFleet implements Agent {
  readonly roleName = 'sessions';
  readonly #options: FleetOptions;
  readonly #transport: Transport;
  readonly #egress: Subscription;
  readonly #event = new SessionEventDecoder();
  readonly #opening = new Map<number, FleetSession>();
  readonly #open: FleetSession[] = [];
  #wanted = 0;
  #begun = 0;
  #nowNs = 0;
  /** Index of the open session that is to be kept alive next. */
  #next = 0;
  /** Why a session was refused or closed; undefined while none was. */
  failure: string | undefined;

  constructor(options: FleetOptions) {
    this.#options = options;
    const { arena, countMax, entropy, network, termLength } = options;
    this.#transport = new Transport({
      arena,
      network,
      entropy,
      config: {
        mtuLength: MTU_LENGTH,
        termLength,
        ipcTermLength: termLength,
        initialWindowLength: termLength / 4,
        imageCountMax: countMax + OPENING_COUNT_MAX,
        publicationCountMax: countMax + OPENING_COUNT_MAX,
      },
    });
    const channel = 'aeron:udp?endpoint=127.0.0.1:0';
    this.#egress = this.#transport.addSubscription(channel, EGRESS_STREAM_ID_DEFAULT, {
      termLengthMax: termLength,
      windowLength: termLength / 4,
    });
  }

  get openCount(): number {
    return this.#open.length;
  }

  /** Goes on until so many are open. */
  want(count: number): void {
    this.#wanted = count;
  }

  doWork(nowNs: number): number {
    this.#nowNs = nowNs;
    let work = this.#transport.doWork(nowNs);
    work += this.#egress.poll((view, offset, length) => {
      if (SessionEventDecoder.isValid(view, offset, length)) {
        this.#onEvent(this.#event.wrapAndApplyHeader(view, offset));
      }
    }, FRAGMENT_LIMIT);
    return work + this.#begin() + this.#ask() + this.#keepAlive();
  }

  deadlineNs(): number {
    return Math.min(this.#transport.deadlineNs(), this.#nowNs + TURN_INTERVAL_NS);
  }

  close(): void {
    this.#transport.close();
  }

  #begin(): number {
    const { leader, termLength } = this.#options;
    let work = 0;
    while (this.#begun < this.#wanted && this.#opening.size < OPENING_COUNT_MAX) {
      const correlationId = ++this.#begun;
      const ids = { clusterSessionId: -1, leadershipTermId: -1 };
      this.#opening.set(correlationId, {
        correlationId,
        publication: this.#transport.addPublication(
          `aeron:udp?endpoint=${leader}`,
          INGRESS_STREAM_ID,
          { termLength, mtuLength: MTU_LENGTH },
        ),
        writer: new IngressWriter(this.#transport, ids, MTU_LENGTH),
        ids,
        askedNs: Number.NEGATIVE_INFINITY,
        spokeNs: 0,
      });
      work++;
    }
    return work;
  }

  #ask(): number {
    const local = this.#egress.localEndpoint;
    let work = 0;
    for (const session of this.#opening.values()) {
      this.failure ??= session.publication.refusal;
      const isDue = this.#nowNs - session.askedNs >= ASK_INTERVAL_NS;
      if (local !== undefined && isDue && session.publication.isConnected) {
        session.askedNs = this.#nowNs;
        session.writer.connect(session.publication, {
          correlationId: BigInt(session.correlationId),
          responseStreamId: EGRESS_STREAM_ID_DEFAULT,
          localEndpoint: formatHostPort(local),
          encodedCredentials: new Uint8Array(0),
        });
        work++;
      }
    }
    return work;
  }

  #onEvent(event: SessionEventDecoder): void {
    const session = this.#opening.get(event.correlationIdLow());
    if (event.code() === EventCode.Ok && session !== undefined) {
      session.ids.clusterSessionId = event.clusterSessionId();
      session.ids.leadershipTermId = event.leadershipTermId();
      session.spokeNs = this.#nowNs;
      this.#opening.delete(session.correlationId);
      this.#open.push(session);
    } else if (event.code() === EventCode.Error || event.code() === EventCode.Closed) {
      this.failure ??= event.detail();
    }
  }

  /** In turn, as their time comes: they were opened one after the other. */
  #keepAlive(): number {
    let work = 0;
    for (let looked = 0; looked < this.#open.length; looked++) {
      // More are opened meanwhile, behind the last one.
      this.#next = this.#next < this.#open.length ? this.#next : 0;
      const session = this.#open[this.#next] as FleetSession;
      if (this.#nowNs - session.spokeNs < KEEP_ALIVE_INTERVAL_NS) {
        return work;
      }
      session.spokeNs = this.#nowNs;
      session.writer.keepAlive(session.publication);
      this.#next++;
      work++;
    }
    return work;
  }
}
