// service-demand.ts: whether a healed cluster serves what a client of a user's workload has to say.
//
// Nothing can be demanded for a client that has nothing to say: its commands may have run out, or
// it waits for an answer that was lost under the faults. So each client is asked once, as soon as
// it has had a session with the leader for a while, whatever its rate is. What it says then has to
// be applied. If it has nothing to say, that it has a session is all that is demanded. But a
// command that it has said and that is lost to a leader that leads on is not forgotten: a client
// that waits for its answer is stuck, and not idle.

import { TraceHash } from './trace-hash.js';

const NS_PER_MS = 1_000_000;
/** What was decided about a session under the faults has reached its client after this. */
const SETTLED_NS = 1_000 * NS_PER_MS;

/** Who leads, since a term. */
export interface Reign {
  readonly memberId: number;
  readonly termId: number;
}

/** What of a client tells whom it speaks to. */
export interface Speaker {
  readonly state: string;
  readonly leaderMemberId: number;
  readonly leadershipTermId: number;
}

/** Follows one client while a cluster has to serve. */
export class ServiceDemand {
  #reign: (() => Reign | undefined) | undefined;
  /** Since when the client has had a session with the leader; undefined while it has none. */
  #settledSinceNs: number | undefined;
  #askedTermId = -1;
  #hadNothing = false;
  /** Begins anew when it has nothing to say, and has not done so yet. */
  #isProbe = false;
  #isServed = false;
  #isHungUp = false;
  /** Digests of what was said since the demand began, and neither applied nor lost for a reason. */
  readonly #open: string[] = [];

  /** Whether there is something left to find out. */
  get isPending(): boolean {
    return this.#reign !== undefined && !this.#isServed;
  }

  /**
   * A cluster has to serve from now on.
   *
   * @param isProbe the client begins anew when it has nothing to say.
   */
  begin(reign: () => Reign | undefined, isProbe: boolean): void {
    this.#reign = reign;
    this.#isServed = false;
    this.#isProbe = isProbe;
    this.#settledSinceNs = undefined;
    this.#forget();
  }

  /** Whether the client may be asked now. Called in each of its turns. */
  mayAsk(client: Speaker, nowNs: number): boolean {
    const reign = this.#reign?.();
    const isLed =
      client.state === 'connected' &&
      client.leaderMemberId === reign?.memberId &&
      client.leadershipTermId === reign.termId;
    if (!isLed) {
      this.#settledSinceNs = undefined;
      this.#hadNothing = false;
      return false;
    }
    this.#settledSinceNs ??= nowNs;
    this.#askedTermId = reign.termId;
    return nowNs - this.#settledSinceNs >= SETTLED_NS;
  }

  /** The client was asked, and had nothing to say. Returns whether it has to begin anew. */
  onNothing(): boolean {
    const beginsAnew = this.#isProbe && this.#open.length === 0;
    this.#hadNothing = !beginsAnew;
    this.#isProbe &&= !beginsAnew;
    return beginsAnew;
  }

  onSaid(command: Uint8Array): void {
    if (this.isPending) {
      this.#hadNothing = false;
      this.#open.push(digestOf(command));
    }
  }

  /** The log has a command of the client. */
  onApplied(command: Uint8Array): void {
    const index = this.#open.length === 0 ? -1 : this.#open.indexOf(digestOf(command));
    if (index >= 0) {
      this.#open.splice(0, index + 1);
      this.#isServed = true;
    }
  }

  /** Another leader presents itself: what the last one had may be lost. */
  onNewLeader(): void {
    this.#forget();
  }

  /** The service, or the client itself, has ended the session: what came behind that is lost. */
  onHungUp(): void {
    this.#isHungUp = true;
  }

  /** The client begins anew. What it had said may be lost only where there was a reason. */
  onRestart(): void {
    this.#settledSinceNs = undefined;
    if (this.#isHungUp || this.#reign?.()?.termId !== this.#askedTermId) {
      this.#forget();
    }
  }

  /** @param isOpen whether the log has the client's session. */
  isMet(isOpen: boolean): boolean {
    return this.#isServed || (isOpen && this.#hadNothing && this.#open.length === 0);
  }

  #forget(): void {
    this.#open.length = 0;
    this.#hadNothing = false;
    this.#isHungUp = false;
  }
}

function digestOf(command: Uint8Array): string {
  const hash = new TraceHash();
  hash.addBytes(command, 0, command.length);
  return hash.digest();
}
