// clock.ts: the time port.

/** Reads time. Nothing above the ports reads time in any other way. */
export interface Clock {
  /** Monotonic nanoseconds since the process (or the virtual member) started. Never goes back. */
  nowNs(): number;
  /** Wall clock, milliseconds since 1970 UTC. May jump in either direction. */
  wallMs(): number;
}
