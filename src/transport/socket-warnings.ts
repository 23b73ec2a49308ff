// socket-warnings.ts: when an operator is told that a socket to a peer cannot be opened.
//
// A peer that cannot be reached is met again and again: by each stream to it, in each leadership
// term. The operator is told of an address once, and again when it still lasts much later.

import type { SocketAddress } from '../ports/network.js';
import { formatHostPort } from '../protocol/host-port.js';

/** Addresses that are told of within one interval at most. */
export const WARNED_ADDRESS_COUNT_MAX = 64;
/** An address is told of again after this. */
export const WARNING_INTERVAL_NS = 600_000_000_000;

/** Which addresses an operator was told of a short while ago. */
export class SocketWarnings {
  /** When each was told of; the oldest comes first. */
  readonly #toldNs = new Map<string, number>();

  /** Whether the operator is to be told of an address now; if so, it is noted that he is. */
  admit(address: SocketAddress, nowNs: number): boolean {
    this.#forget(nowNs - WARNING_INTERVAL_NS);
    const key = formatHostPort(address);
    if (this.#toldNs.has(key) || this.#toldNs.size >= WARNED_ADDRESS_COUNT_MAX) {
      return false;
    }
    this.#toldNs.set(key, nowNs);
    return true;
  }

  #forget(endNs: number): void {
    for (const [key, toldNs] of this.#toldNs) {
      if (toldNs > endNs) {
        return;
      }
      this.#toldNs.delete(key);
    }
  }
}
