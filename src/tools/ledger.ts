// ledger.ts: what became of every message that was sent, by sequence number.
//
// Every message is one of: acknowledged (its echo came), unknown (unanswered when a leader was
// lost: it may or may not be in the log), or lost (unanswered although its leader lived). An echo
// that comes twice is duplicated, one that comes after a later one is reordered.

/** Counts that always add up: sent = acknowledged + unknown + lost. */
export interface LedgerSummary {
  readonly sent: number;
  readonly acknowledged: number;
  readonly unknown: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
}

/** Follows the sequence numbers 0, 1, 2, ... of one client. */
export class Ledger {
  #sentCount = 0;
  #acknowledgedCount = 0;
  #nextExpected = 0;
  readonly #missing = new Set<number>();
  #unknownBelow = 0;
  #duplicatedCount = 0;
  #reorderedCount = 0;

  get sentCount(): number {
    return this.#sentCount;
  }

  get acknowledgedCount(): number {
    return this.#acknowledgedCount;
  }

  get outstandingCount(): number {
    return this.#sentCount - this.#acknowledgedCount;
  }

  /** Sequence number of the next message: the count of those before it. */
  noteSent(): void {
    this.#sentCount++;
  }

  /** An echo came. */
  noteEcho(sequence: number): void {
    if (sequence === this.#nextExpected) {
      this.#nextExpected++;
    } else if (sequence > this.#nextExpected && sequence < this.#sentCount) {
      for (let gap = this.#nextExpected; gap < sequence; gap++) {
        this.#missing.add(gap);
      }
      this.#nextExpected = sequence + 1;
    } else if (this.#missing.delete(sequence)) {
      this.#reorderedCount++;
    } else {
      this.#duplicatedCount++;
      return;
    }
    this.#acknowledgedCount++;
  }

  /** The leader is gone: what is unanswered now may never be answered. */
  noteLeaderLost(): void {
    this.#unknownBelow = this.#sentCount;
  }

  /** Unanswered messages that a living leader still owes. */
  get owedCount(): number {
    return this.outstandingCount - this.#unknownCount();
  }

  isAcknowledged(sequence: number): boolean {
    return sequence < this.#nextExpected && !this.#missing.has(sequence);
  }

  summary(): LedgerSummary {
    const unknown = this.#unknownCount();
    return {
      sent: this.#sentCount,
      acknowledged: this.#acknowledgedCount,
      unknown,
      lost: this.outstandingCount - unknown,
      duplicated: this.#duplicatedCount,
      reordered: this.#reorderedCount,
    };
  }

  #unknownCount(): number {
    let count = Math.max(0, this.#unknownBelow - this.#nextExpected);
    for (const sequence of this.#missing) {
      count += sequence < this.#unknownBelow ? 1 : 0;
    }
    return count;
  }
}
