// transport.ts: the conductor of all streams of one arena.
//
// Each duty cycle takes what arrived, lets every stream that has something to do do it, and looks
// at timers when the earliest is due. Appending only marks a publication: its bytes leave in the
// next duty cycle, together with everything else that was appended until then.

import { assert } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';
import type { Arena } from '../memory/arena.js';
import type { Agent } from '../ports/agent.js';
import type { Entropy } from '../ports/entropy.js';
import type { Network } from '../ports/network.js';
import type { Position } from '../position.js';
import type { ChannelUri } from '../protocol/channel-uri.js';
import { type ResolvedChannel, resolveChannel } from './channel.js';
import { ExclusivePublication } from './exclusive-publication.js';
import type { Image } from './image.js';
import { LocalSubscriptions } from './local-subscriptions.js';
import { LogPublication, type LogPublicationOptions } from './log-publication.js';
import type { NetworkImage } from './network-image.js';
import { publicationSlabs } from './publication-memory.js';
import { concludeGeometry, type PublicationOptions } from './publication-options.js';
import { type ImageRegistry, ReceiveEndpoint } from './receive-endpoint.js';
import { Subscription, type SubscriptionOptions } from './subscription.js';
import { concludeTransportConfig, type TransportConfig } from './transport-config.js';
import { type Stream, TransportContext } from './transport-context.js';
import { TransportCounters } from './transport-counters.js';

/** Parts that a transport is made of. */
export interface TransportOptions {
  readonly arena: Arena;
  readonly network: Network;
  readonly entropy: Entropy;
  readonly config?: Partial<TransportConfig>;
  readonly counters?: TransportCounters;
  /**
   * Told of a peer whose socket cannot be opened, once in ten minutes for an address and of at most
   * 64 of them; the rest is counted in `socketFailuresUntold`. The socket is tried again.
   */
  readonly onWarning?: (message: string) => void;
}

/** Settings of a reader of a publication in this process. */
export interface SpyOptions {
  /** Whether the writer waits for this reader. Default true. */
  readonly tether?: boolean;
  /** Where to begin: a frame that the buffers still hold. Default: the tail. */
  readonly position?: Position;
}

type AnyPublication = ExclusivePublication | LogPublication;

/** All streams of one arena. Every method is called by the thread that owns it. */
export class Transport implements Agent, ImageRegistry {
  readonly roleName = 'transport';
  readonly arena: Arena;
  readonly config: TransportConfig;
  readonly counters: TransportCounters;
  readonly #context: TransportContext;
  readonly #publications: AnyPublication[] = [];
  readonly #images: NetworkImage[] = [];
  readonly #endpoints: ReceiveEndpoint[] = [];
  readonly #local = new LocalSubscriptions();
  #isClosed = false;

  constructor(options: TransportOptions) {
    this.arena = options.arena;
    this.config = concludeTransportConfig(options.config);
    this.counters = options.counters ?? new TransportCounters();
    this.#context = new TransportContext(
      options.arena,
      options.network,
      options.entropy,
      this.config,
      this.counters,
      options.onWarning,
    );
  }

  /** Images of network streams that are open or still hold memory. */
  get imageCount(): number {
    return this.#images.length;
  }

  /** Publications that are open or still hold memory. */
  get publicationCount(): number {
    return this.#publications.length;
  }

  // --- duty cycle ---

  doWork(nowNs: number): number {
    if (this.#isClosed) {
      return 0;
    }
    const context = this.#context;
    context.nowNs = nowNs;
    let work = this.#receive();
    work += context.runQueue(nowNs);
    if (nowNs >= context.readyNs) {
      work += this.#runTimers(nowNs);
    }
    if (context.hasDone) {
      this.#reap();
    }
    return work;
  }

  /**
   * Sends what was queued since the last duty cycle, and looks at no socket for input.
   *
   * @param nowNs not given: the time of this duty cycle.
   */
  flush(nowNs = this.#context.nowNs): number {
    if (this.#isClosed) {
      return 0;
    }
    this.#context.nowNs = nowNs;
    return this.#context.runQueue(nowNs);
  }

  /** 0 when a stream has work that was not input, for example after an offer. */
  deadlineNs(): number {
    if (this.#isClosed) {
      return Infinity;
    }
    const { hasDone, hasInput, isUrgent, timerNs } = this.#context;
    return isUrgent || hasDone || hasInput ? 0 : timerNs;
  }

  #receive(): number {
    let count = 0;
    this.#context.hasInput = false;
    for (let index = 0; index < this.#endpoints.length; index++) {
      count += (this.#endpoints[index] as ReceiveEndpoint).poll();
    }
    for (let index = 0; index < this.#publications.length; index++) {
      count += (this.#publications[index] as AnyPublication).poll();
    }
    return count;
  }

  /** Runs every stream that has something to do by time, and finds out when the next one has. */
  #runTimers(nowNs: number): number {
    this.#context.timerNs = Infinity;
    this.#context.readyNs = Infinity;
    return this.#runDue(this.#publications, nowNs) + this.#runDue(this.#images, nowNs);
  }

  #runDue(streams: readonly Stream[], nowNs: number): number {
    const context = this.#context;
    let work = 0;
    for (let index = 0; index < streams.length; index++) {
      const stream = streams[index] as Stream;
      if (stream.readyNs() <= nowNs) {
        work += context.run(stream, nowNs);
      } else {
        context.noteTimer(stream);
      }
    }
    return work;
  }

  #reap(): void {
    this.#context.hasDone = false;
    removeWhere(this.#publications, (publication) => publication.isDone);
    removeWhere(this.#images, (image) => image.isDone);
    removeWhere(this.#endpoints, (endpoint) => {
      if (endpoint.isEmpty) {
        endpoint.close();
      }
      return endpoint.isEmpty;
    });
  }

  // --- streams ---

  /**
   * Opens a publication to one endpoint (`aeron:udp?endpoint=host:port`) or to subscribers of this
   * transport (`aeron:ipc`).
   *
   * @throws PawlError CHANNEL_INVALID, CONFIGURATION_INVALID, LIMIT_EXCEEDED, MEMORY_EXHAUSTED.
   */
  addPublication(
    channel: string | ChannelUri,
    streamId: number,
    options: PublicationOptions = {},
  ): ExclusivePublication {
    this.#checkPublicationCount();
    const resolved = resolveChannel(channel);
    if (resolved.uri.isSpy) {
      throw new PawlError(
        ErrorCode.ChannelInvalid,
        `channel '${resolved.text}' is a spy: it can be subscribed to, not published on`,
      );
    }
    const geometry = concludeGeometry(
      { resolved, streamId, options },
      this.config,
      this.#context.entropy,
      (sessionId) => this.#publications.some((each) => each.sessionId === sessionId),
    );
    const { endpoint, localHost, uri } = resolved;
    const { isFailureTold = true } = options;
    const address = endpoint && { host: localHost, port: 0, remote: endpoint, isFailureTold };
    const publication = new ExclusivePublication(this.#context, resolved.text, geometry, {
      address,
      lingerNs: options.lingerNs ?? uri.durationNs('linger') ?? this.config.lingerNs,
      checksum: options.checksum,
    });
    this.#publications.push(publication);
    this.#local.onPublication(publication, resolved);
    return publication;
  }

  /**
   * Whether there is room for a publication, and for so many more of its kind beside it: for those
   * who open one because a stranger asks, and must not end because there are many of him.
   *
   * @param reserveLength bytes that stay free in one piece, beside all of these.
   */
  canAddPublication(termLength: number, spareCount = 0, reserveLength = 0): boolean {
    const streams = publicationSlabs(termLength, 1 + spareCount);
    const reserve = reserveLength === 0 ? [] : [{ length: reserveLength, count: 1 }];
    return (
      this.#publications.length + spareCount < this.config.publicationCountMax &&
      this.#context.arena.canAllocateAll([...streams, ...reserve])
    );
  }

  /**
   * Opens the log of a leadership term.
   *
   * @throws PawlError CONFIGURATION_INVALID, LIMIT_EXCEEDED, MEMORY_EXHAUSTED.
   */
  addLogPublication(options: LogPublicationOptions): LogPublication {
    this.#checkPublicationCount();
    const { streamId, sessionId, position, termLength } = options;
    const geometry = concludeGeometry(
      {
        resolved: undefined,
        streamId,
        options: {
          sessionId,
          position,
          termLength,
          // The log is one position space for the life of the cluster: it starts in term 0.
          initialTermId: 0,
          ...(options.mtuLength === undefined ? {} : { mtuLength: options.mtuLength }),
        },
      },
      this.config,
      this.#context.entropy,
      () => false,
    );
    const publication = new LogPublication(this.#context, geometry, options);
    this.#publications.push(publication);
    return publication;
  }

  #checkPublicationCount(): void {
    assert(!this.#isClosed, 'a closed transport opens nothing');
    if (this.#publications.length >= this.config.publicationCountMax) {
      throw new PawlError(
        ErrorCode.LimitExceeded,
        `there are ${this.config.publicationCountMax} publications already: close some, or raise ` +
          'publicationCountMax',
        'environment',
      );
    }
  }

  /**
   * Subscribes to a stream id at a local address, in this process (`aeron:ipc`), or to what a
   * publication of this transport sends (`aeron-spy:aeron:udp?endpoint=...`).
   *
   * @throws PawlError CHANNEL_INVALID. A socket that cannot be bound shows in `failure`.
   */
  addSubscription(
    channel: string | ChannelUri,
    streamId: number,
    options: SubscriptionOptions = {},
  ): Subscription {
    assert(!this.#isClosed, 'a closed transport opens nothing');
    const resolved = resolveChannel(channel);
    if (resolved.endpoint === undefined || resolved.uri.isSpy) {
      return this.#local.add(resolved, streamId, options, this.#publications);
    }
    const windowLength = options.windowLength ?? resolved.uri.size('rcv-wnd');
    const endpoint = this.#endpointOf(resolved);
    const subscription = new Subscription(
      endpoint,
      resolved.text,
      streamId,
      resolved.sessionId,
      windowLength === undefined ? options : { ...options, windowLength },
    );
    endpoint.addSubscription(subscription);
    return subscription;
  }

  /** The bound socket of an address; with port 0 always a new one. */
  #endpointOf(resolved: ResolvedChannel): ReceiveEndpoint {
    const { endpoint, key } = resolved;
    assert(endpoint !== undefined, 'a network channel has an endpoint');
    const known = this.#endpoints.find((each) => each.key === key);
    if (known !== undefined && endpoint.port !== 0) {
      return known;
    }
    const created = new ReceiveEndpoint(this.#context, this, key, endpoint);
    this.#endpoints.push(created);
    return created;
  }

  /** Reads a network publication of this transport in place. */
  addSpy(publication: AnyPublication, options: SpyOptions = {}): Image {
    return publication.openReader({
      joinPosition: options.position ?? publication.position(),
      isTethered: options.tether ?? true,
    });
  }

  /** Called by the endpoints. */
  addImage(image: NetworkImage): void {
    this.#images.push(image);
  }

  /**
   * Closes everything at once: what was appended and not yet sent is lost. Idempotent. To leave in
   * good order, close the publications first and go on with duty cycles until none is left.
   */
  close(): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    for (const image of this.#images) {
      image.close();
    }
    for (const publication of this.#publications) {
      publication.dispose();
    }
    for (const image of this.#images) {
      image.dispose();
    }
    for (const endpoint of this.#endpoints) {
      endpoint.close();
    }
    this.#context.dispose();
  }
}

function removeWhere<T>(items: T[], isGone: (item: T) => boolean): void {
  for (let index = items.length - 1; index >= 0; index--) {
    if (isGone(items[index] as T)) {
      items.splice(index, 1);
    }
  }
}
