// agent.ts: the unit of scheduled work.
//
// Every role above the ports is an agent. The host (or the simulator's world) calls it when input
// arrived and when its deadline comes; between those calls it uses no CPU.

/** A role that is driven by duty cycles. */
export interface Agent {
  /** Names the role in reports and counters. */
  readonly roleName: string;
  /**
   * Runs one duty cycle: collects input from the ports, decides, and submits output.
   *
   * @param nowNs monotonic nanoseconds since the process started.
   * @returns how much work was done; 0 lets the host sleep until input or the deadline.
   */
  doWork(nowNs: number): number;
  /**
   * When the next duty cycle is due without any input: monotonic nanoseconds since the process
   * started, or Infinity when there is none.
   */
  deadlineNs(): number;
  /** Releases what the agent holds. Idempotent. Not called when the process is killed. */
  close(): void;
}
