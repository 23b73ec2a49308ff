// output-monitor.ts: members compare what their services put out, at equal positions of the log.
//
// Now and then, and only when the log has moved, a member tells the others what its service had put
// out by the position that it has reached: one hash, conflated. Whoever has been there compares. A
// difference is followed to its first position and put to all members; then it is told, once.

import type { MemberId } from '../consensus/election-effects.js';
import { ErrorCode, PawlError } from '../errors.js';
import { hit, Mark } from '../marks.js';
import type { Position } from '../position.js';
import type { ClusterConfig } from './cluster-config.js';
import { type Divergence, divergenceText, oddMembers } from './divergence.js';
import type { Hash64, OutputHistory } from './output-history.js';
import { type FirstDifference, type OutputClaim, PeerOutputs } from './peer-outputs.js';

const NS_PER_MS = 1_000_000;
/** A question that is not answered is asked again after this. */
const ASK_INTERVAL_NS = 100_000_000;
/** A member that ends because it is odd has told the others what it knows by then. */
const STOP_DELAY_NS = 100_000_000;
/** A search, or a vote on who is odd, that learns nothing for so long ends with what it knows. */
const PATIENCE_NS = 2_000_000_000;
const NO_HASH: Hash64 = { low: 0, high: 0 };

/** Flags of an OutputHash. */
export const OutputHashFlag = {
  /** The other member is asked for its hash at the same position. */
  Asks: 1,
  /** The member cannot tell: it has not come so far, or does not remember. */
  Unknown: 2,
} as const;

/** What one member says to another. */
export interface OutputHashMessage extends OutputClaim {
  readonly serviceId: number;
  readonly flags: number;
}

export interface OutputMonitorParts {
  readonly config: ClusterConfig;
  readonly serviceId: number;
  readonly history: OutputHistory;
  /** End of what the service has consumed. */
  servicePosition(): Position;
  isIntroduced(memberId: MemberId): boolean;
  send(to: MemberId, message: OutputHashMessage): void;
  onDivergence(divergence: Divergence): void;
  onWarning(message: string): void;
  onFatal(error: PawlError): void;
}

/** A difference on its way from its discovery to its report. */
interface Inquiry {
  readonly difference: FirstDifference;
  readonly hashes: Map<MemberId, Hash64>;
  isReported: boolean;
  isDecided: boolean;
}

/** Compares the output of one service. */
export class OutputMonitor {
  readonly #parts: OutputMonitorParts;
  readonly #memberId: MemberId;
  readonly #peers = new Map<MemberId, PeerOutputs>();
  readonly #intervalNs: number;
  #toldPosition: Position = 0;
  #nextTellNs = 0;
  #nextAskNs = Number.POSITIVE_INFINITY;
  #learnedNs = 0;
  #searched: PeerOutputs | undefined;
  #inquiry: Inquiry | undefined;
  #divergence: Divergence | undefined;
  #stopsNs = Number.POSITIVE_INFINITY;
  /** Positions at which this member was compared with another. */
  comparedCount = 0;
  /** Differences that were told. */
  divergenceCount = 0;

  constructor(parts: OutputMonitorParts) {
    const { config } = parts;
    this.#parts = parts;
    this.#memberId = config.member.memberId;
    this.#intervalNs = config.member.divergenceIntervalMs * NS_PER_MS;
    for (const { memberId } of config.endpoints) {
      if (memberId !== this.#memberId) {
        this.#peers.set(memberId, new PeerOutputs(memberId));
      }
    }
  }

  /** The difference that was told last and has not gone away. */
  get divergence(): Divergence | undefined {
    return this.#divergence;
  }

  doWork(nowNs: number): number {
    if (this.#intervalNs === 0) {
      return 0;
    }
    if (nowNs >= this.#stopsNs && this.#divergence !== undefined) {
      this.#parts.onFatal(stopError(this.#memberId, this.#divergence));
    }
    return this.#compareLater() + this.#tell(nowNs) + this.#inquire(nowNs);
  }

  deadlineNs(): number {
    const hasNews = this.#intervalNs > 0 && this.#parts.servicePosition() > this.#toldPosition;
    const tellNs = hasNews ? this.#nextTellNs : Number.POSITIVE_INFINITY;
    return Math.min(this.#nextAskNs, this.#stopsNs, tellNs);
  }

  /** Another member tells or asks. False when the message is dropped. */
  onOutputHash(from: MemberId, message: OutputHashMessage, nowNs: number): boolean {
    const peer = this.#peers.get(from);
    const { flags, hash, position, serviceId } = message;
    const isPossible = Number.isSafeInteger(position) && position >= 0;
    if (peer === undefined || !isPossible || serviceId !== this.#parts.serviceId) {
      return false;
    }
    if (!this.#parts.isIntroduced(from)) {
      return false;
    }
    if (this.#intervalNs === 0) {
      return true;
    }
    if ((flags & OutputHashFlag.Unknown) === 0) {
      this.#onClaim(peer, { position, hash }, nowNs);
    } else if (peer === this.#searched) {
      this.#learnedNs = nowNs;
      peer.onForgotten(position);
      this.#nextAskNs = nowNs;
    }
    if ((flags & OutputHashFlag.Asks) !== 0) {
      this.#answer(from, position);
    }
    return true;
  }

  // --- telling and comparing ---

  #tell(nowNs: number): number {
    const { servicePosition } = this.#parts;
    const position = servicePosition();
    if (position <= this.#toldPosition || nowNs < this.#nextTellNs) {
      return 0;
    }
    const hash = this.#ownHash(position);
    this.#nextTellNs = nowNs + this.#intervalNs;
    if (hash === undefined) {
      return 0;
    }
    this.#toldPosition = position;
    for (const memberId of this.#peers.keys()) {
      this.#send(memberId, position, hash, 0);
    }
    return this.#peers.size;
  }

  #answer(to: MemberId, position: Position): void {
    const hash = this.#ownHash(position);
    this.#send(to, position, hash ?? NO_HASH, hash === undefined ? OutputHashFlag.Unknown : 0);
  }

  /** What others said of positions that the service has reached by now. */
  #compareLater(): number {
    const reached = this.#parts.servicePosition();
    let work = 0;
    for (const peer of this.#peers.values()) {
      const { ahead } = peer;
      if (ahead !== undefined && ahead.position <= reached) {
        peer.ahead = undefined;
        this.#compare(peer, ahead);
        work++;
      }
    }
    return work;
  }

  #onClaim(peer: PeerOutputs, claim: OutputClaim, nowNs: number): void {
    if (claim.position > this.#parts.servicePosition()) {
      // The first of them is kept, or one that is left behind would never compare anything.
      hit(Mark.OutputsComparedLater);
      peer.ahead ??= claim;
    } else {
      this.#compare(peer, claim);
    }
    if (peer === this.#searched && !peer.differs) {
      this.#searched = undefined;
    }
    this.#onAnswer(peer, claim, nowNs);
  }

  #compare(peer: PeerOutputs, { hash, position }: OutputClaim): void {
    const own = this.#ownHash(position);
    if (own === undefined) {
      hit(Mark.OutputsForgotten);
      return;
    }
    this.comparedCount++;
    if (own.low === hash.low && own.high === hash.high) {
      peer.onEqual(position);
      this.#forgetHealed();
    } else {
      peer.onDifferent(position, hash);
      this.#nextAskNs = 0;
    }
  }

  /** A difference is over when nobody differs any more. */
  #forgetHealed(): void {
    if (this.#inquiry !== undefined && ![...this.#peers.values()].some((one) => one.differs)) {
      this.#inquiry = undefined;
      this.#divergence = undefined;
    }
  }

  // --- finding the first difference, and who is odd ---

  #inquire(nowNs: number): number {
    if (nowNs < this.#nextAskNs) {
      return 0;
    }
    this.#nextAskNs = Number.POSITIVE_INFINITY;
    const inquiry = this.#inquiry;
    if (inquiry !== undefined && !inquiry.isReported) {
      this.#askAll(inquiry, nowNs);
      return 1;
    }
    if (this.#searched === undefined || this.#searched.isReported) {
      this.#searched = [...this.#peers.values()].find((one) => one.differs && !one.isReported);
      this.#learnedNs = nowNs;
    }
    if (this.#searched === undefined) {
      return 0;
    }
    this.#search(this.#searched, nowNs);
    return 1;
  }

  #search(peer: PeerOutputs, nowNs: number): void {
    for (;;) {
      const position = peer.nextProbe();
      if (position === undefined || nowNs - this.#learnedNs > PATIENCE_NS) {
        this.#searched = undefined;
        this.#begin(peer, nowNs);
        return;
      }
      const own = this.#ownHash(position);
      if (own !== undefined) {
        this.#send(peer.memberId, position, own, OutputHashFlag.Asks);
        this.#nextAskNs = nowNs + ASK_INTERVAL_NS;
        return;
      }
      peer.onForgotten(position);
    }
  }

  #begin(peer: PeerOutputs, nowNs: number): void {
    const difference = peer.firstDifference();
    const hashes = new Map<MemberId, Hash64>();
    const known = [
      [this.#memberId, this.#ownHash(difference.position)],
      [peer.memberId, peer.differingHash],
    ] as const;
    for (const [memberId, hash] of known) {
      if (hash !== undefined) {
        hashes.set(memberId, hash);
      }
    }
    this.#inquiry = { difference, hashes, isReported: false, isDecided: false };
    this.#learnedNs = nowNs;
    this.#askAll(this.#inquiry, nowNs);
  }

  #askAll(inquiry: Inquiry, nowNs: number): void {
    const { hashes } = inquiry;
    const missing = [...this.#peers.keys()].filter((memberId) => !hashes.has(memberId));
    if (missing.length === 0 || nowNs - this.#learnedNs > PATIENCE_NS) {
      this.#conclude(inquiry, nowNs);
      // Others may differ as well.
      this.#nextAskNs = nowNs;
      return;
    }
    for (const memberId of missing) {
      this.#ask(memberId, inquiry);
    }
    this.#nextAskNs = nowNs + ASK_INTERVAL_NS;
  }

  #ask(memberId: MemberId, { difference, hashes }: Inquiry): void {
    const own = hashes.get(this.#memberId);
    const flags = OutputHashFlag.Asks | (own === undefined ? OutputHashFlag.Unknown : 0);
    this.#send(memberId, difference.position, own ?? NO_HASH, flags);
  }

  /** What a member said may be what a search or an inquiry waits for. */
  #onAnswer(peer: PeerOutputs, { hash, position }: OutputClaim, nowNs: number): void {
    const inquiry = this.#inquiry;
    if (inquiry === undefined) {
      if (peer === this.#searched) {
        this.#learnedNs = nowNs;
        this.#nextAskNs = nowNs;
      }
      return;
    }
    const isWanted = !inquiry.hashes.has(peer.memberId);
    if (isWanted && position === inquiry.difference.position) {
      inquiry.hashes.set(peer.memberId, hash);
      this.#learnedNs = nowNs;
      if (inquiry.isReported && !inquiry.isDecided) {
        this.#conclude(inquiry, nowNs);
      }
      this.#nextAskNs = Math.min(this.#nextAskNs, nowNs);
    } else if (isWanted && inquiry.isReported && !inquiry.isDecided) {
      // A member that was not there when it was put to all may decide now who is odd.
      this.#ask(peer.memberId, inquiry);
    }
  }

  #conclude(inquiry: Inquiry, nowNs: number): void {
    const { difference, hashes } = inquiry;
    const { config, serviceId } = this.#parts;
    const odd = oddMembers(hashes, config.endpoints.length);
    if (!inquiry.isReported) {
      this.#tellFirstDifference(difference);
    }
    const isNews = !inquiry.isReported || odd !== undefined;
    this.divergenceCount += inquiry.isReported ? 0 : 1;
    inquiry.isReported = true;
    inquiry.isDecided = odd !== undefined;
    for (const peer of this.#peers.values()) {
      peer.isReported ||= peer.differs;
    }
    if (!isNews) {
      return;
    }
    const differing = [...this.#peers.values()].filter((one) => one.differs);
    const named = [this.#memberId, ...hashes.keys(), ...differing.map((one) => one.memberId)];
    const memberIds = [...new Set(named)].sort((one, other) => one - other);
    const divergence = { ...difference, serviceId, memberIds, oddMemberIds: odd ?? [] };
    this.#divergence = divergence;
    this.#parts.onWarning(divergenceText(divergence));
    this.#parts.onDivergence(divergence);
    if (odd?.includes(this.#memberId) === true && config.member.onDivergence === 'stop') {
      this.#stopsNs = nowNs + STOP_DELAY_NS;
    }
  }

  /** Spares the others the search. */
  #tellFirstDifference({ equalAt, position }: FirstDifference): void {
    for (const place of [equalAt, position]) {
      const hash = this.#ownHash(place);
      if (hash !== undefined) {
        for (const memberId of this.#peers.keys()) {
          this.#send(memberId, place, hash, 0);
        }
      }
    }
  }

  // --- small things ---

  #ownHash(position: Position): Hash64 | undefined {
    return this.#parts.history.at(position, this.#parts.servicePosition());
  }

  #send(to: MemberId, position: Position, hash: Hash64, flags: number): void {
    this.#parts.send(to, { serviceId: this.#parts.serviceId, position, hash, flags });
  }
}

function stopError(memberId: MemberId, divergence: Divergence): PawlError {
  return new PawlError(
    ErrorCode.OutputsDiverged,
    `${divergenceText(divergence)}. Member ${memberId} stops, because onDivergence is 'stop': ` +
      'repair the service; then move its data directory away, so that it starts without a vote ' +
      'and builds its state anew, from the log or a snapshot of the others',
    'corruption',
  );
}
