// leader-log.ts: the log while this member leads.
//
// One publication per term, starting where the log ends. The recorder and the services of this
// member read its buffer in place; each follower is a destination with a position of its own.

import { FRAME_ALIGNMENT } from '../../assembly/layout/frame.js';
import type { RecorderProxy } from '../archive/recorder-proxy.js';
import { assert } from '../assert.js';
import type { MemberId } from '../consensus/election-effects.js';
import { hit, Mark } from '../marks.js';
import type { Position } from '../position.js';
import { formatHostPort } from '../protocol/host-port.js';
import { LOG_STREAM_ID } from '../protocol/streams.js';
import type { BlockSource } from '../transport/block-source.js';
import type { LogPublication } from '../transport/log-publication.js';
import type { Transport } from '../transport/transport.js';
import type { ClusterConfig } from './cluster-config.js';
import type { LiveLog } from './log-poller.js';

/** A follower that cannot be sent what it needs is tried again after this ... */
const RESEND_INTERVAL_NS = 250_000_000;
/** ... so many times: what is damaged may be repaired, what is purged never comes back. */
const RESEND_COUNT_MAX = 4;

/** A follower whose log could not be read for it. */
interface FailedDestination {
  /** When it is tried again, or counts as served if nothing has failed since. */
  dueNs: number;
  triedCount: number;
}

/** The publication of the term that this member leads. */
export class LeaderLog implements LiveLog {
  readonly #transport: Transport;
  readonly #config: ClusterConfig;
  readonly #recorder: RecorderProxy;
  readonly #source: BlockSource;
  readonly #onRelease: () => void;
  #publication: LogPublication | undefined;
  #flushedPosition: Position = 0;
  readonly #failed = new Map<MemberId, FailedDestination>();
  readonly #onWarning: (message: string) => void;
  /** Requests for the log at a position that is not in it. */
  refusedCount = 0;

  /** @param onRelease told before the memory of a publication is released. */
  constructor(
    transport: Transport,
    config: ClusterConfig,
    recorder: RecorderProxy,
    source: BlockSource,
    onRelease: () => void,
    onWarning: (message: string) => void = () => undefined,
  ) {
    this.#onRelease = onRelease;
    this.#onWarning = onWarning;
    this.#transport = transport;
    this.#config = config;
    this.#recorder = recorder;
    this.#source = source;
  }

  get publication(): LogPublication | undefined {
    return this.#publication;
  }

  get isOpen(): boolean {
    return this.#publication !== undefined;
  }

  /** Transport session of the publication. */
  get sessionId(): number {
    return this.#publication?.sessionId ?? 0;
  }

  get meta(): number {
    return this.#publication?.meta ?? 0;
  }

  oldestPosition(): Position {
    return this.#publication?.oldestPosition() ?? Number.MAX_SAFE_INTEGER;
  }

  /** End of what is appended. */
  tail(): Position {
    return this.#publication?.position() ?? 0;
  }

  /** Opens the log of a term at its base, and starts to record it. */
  open(leadershipTermId: number, basePosition: Position, sessionId: number): void {
    assert(this.#publication === undefined, 'the log of one term is open at a time');
    const { member, endpoints, logTermLength } = this.#config;
    const publication = this.#transport.addLogPublication({
      streamId: LOG_STREAM_ID,
      sessionId,
      position: basePosition,
      termLength: logTermLength,
      mtuLength: member.mtuLength,
      leadershipTermId,
      source: this.#source,
    });
    publication.setQuorumSize(endpoints.length);
    publication.localDurablePosition = basePosition;
    for (const endpoint of endpoints) {
      if (endpoint.memberId !== member.memberId) {
        publication.addDestination(endpoint.memberId, formatHostPort(endpoint.log));
      }
    }
    this.#publication = publication;
    this.#flushedPosition = basePosition;
    this.#recorder.start(publication.meta, basePosition, leadershipTermId);
  }

  /** A follower is reconciled up to a position: sends it the log from there on. */
  startDestination(memberId: MemberId, position: Position): void {
    const publication = this.#publication;
    // The position came from the network: one that no frame of this log can start at is dropped.
    const isPossible =
      Number.isSafeInteger(position) &&
      position >= 0 &&
      position % FRAME_ALIGNMENT === 0 &&
      position <= this.tail();
    if (publication !== undefined && isPossible) {
      publication.startDestination(memberId, position);
    } else {
      this.refusedCount++;
    }
  }

  /**
   * The least position that a follower that listens may still ask for; Infinity for none. What was
   * sent may have been lost: only what is consumed is not asked for again.
   */
  lowestNeededPosition(): Position {
    const publication = this.#publication;
    const { endpoints, member } = this.#config;
    const followers = endpoints.filter((one) => one.memberId !== member.memberId);
    const positions = followers
      .filter((one) => publication?.isDestinationConnected(one.memberId) === true)
      .map((one) => publication?.destinationNeeded(one.memberId) ?? Number.POSITIVE_INFINITY);
    return Math.min(...positions, Number.POSITIVE_INFINITY);
  }

  /** Lets the recorder go on to the tail, and the publication know what is durable. */
  updateProgress(): void {
    const publication = this.#publication;
    if (publication === undefined) {
      return;
    }
    const tail = publication.position();
    if (tail !== this.#flushedPosition) {
      this.#flushedPosition = tail;
      publication.flushNeeded();
    }
    if (!this.#recorder.isBusy()) {
      this.#recorder.setRecordLimit(tail);
      publication.localDurablePosition = this.#recorder.durablePosition();
    }
  }

  /**
   * Followers that could not be sent what the recording holds: the operator is told, and they are
   * tried again. One that is still not served asks anew when it has heard nothing for long enough,
   * and may be given a snapshot.
   */
  tryFailedAgain(nowNs: number): void {
    const publication = this.#publication;
    if (publication === undefined) {
      return;
    }
    for (const { memberId } of this.#config.endpoints) {
      const isOther = memberId !== this.#config.member.memberId;
      const failure = isOther ? publication.destinationFailure(memberId) : undefined;
      if (failure !== undefined || this.#failed.has(memberId)) {
        this.#care(publication, memberId, failure, nowNs);
      }
    }
  }

  #care(
    publication: LogPublication,
    memberId: MemberId,
    failure: Error | undefined,
    nowNs: number,
  ): void {
    const known = this.#failed.get(memberId);
    if (known === undefined) {
      this.#failed.set(memberId, {
        dueNs: nowNs + RESEND_INTERVAL_NS,
        triedCount: 0,
      });
      this.#onWarning(
        `member ${memberId} cannot be sent the log: ${failure?.message}; it is tried again, and ` +
          'what is damaged is repaired from another member: see pawl cluster status',
      );
    } else if (failure === undefined) {
      if (nowNs >= known.dueNs) {
        this.#failed.delete(memberId);
      }
    } else if (nowNs >= known.dueNs && known.triedCount < RESEND_COUNT_MAX) {
      hit(Mark.LeaderLogTriesAgain);
      known.triedCount++;
      known.dueNs = nowNs + RESEND_INTERVAL_NS;
      publication.startDestination(memberId, publication.destinationConsumed(memberId));
    }
  }

  /** Closes the publication. Only after the recorder has stopped. */
  close(): void {
    assert(!this.#recorder.isRecording(), 'a log is closed when nobody records it');
    if (this.#publication !== undefined) {
      this.#onRelease();
      this.#publication.close();
      this.#publication = undefined;
    }
    this.#failed.clear();
  }
}
