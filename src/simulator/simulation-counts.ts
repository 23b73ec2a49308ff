// simulation-counts.ts: what happened in a run, in numbers: a run without crashes is no test.

/** What happened in a run. */
export interface SimulationCounts {
  elections: number;
  truncations: number;
  catchUps: number;
  crashes: number;
  restarts: number;
  /** Logs that ended in the middle of a frame, or behind it in bytes that are none. */
  tornTails: number;
  /** Ranges of logs that were repaired from another member. */
  repairs: number;
  diskFailures: number;
  /** Commands in the log. */
  commands: number;
  acknowledged: number;
  lostDirectories: number;
  /** Directories that were put back after another one had followed them. */
  formerDirectories: number;
  timersFired: number;
  /** Messages of services that the log has given to services. */
  serviceMessages: number;
  /** Exactly-once requests that were executed. */
  requests: number;
  /** Requests that clients sent again. */
  requestRetries: number;
  /** Retries that were answered from what is retained of the first execution. */
  retriesAnswered: number;
  /** Queries that were answered without the log. */
  reads: number;
  /** Ranges of logs that rotted or took a misdirected write. */
  rottenRanges: number;
  /** Snapshots of which a bit flipped. */
  rottenSnapshots: number;
  /** Operations on registers whose history was judged. */
  judgedOperations: number;
  /** Snapshots that members completed, and starts from one. */
  snapshots: number;
  snapshotLoads: number;
  /** Snapshots that members took from others. */
  installs: number;
  /** Segments of the log that members gave up. */
  purgedSegments: number;
  /** Callbacks of services on threads of their own that took long. */
  serviceStalls: number;
  /** Snapshots that shadows of services took. */
  shadowSnapshots: number;
  /** Times that an operator suspended the cluster. */
  suspensions: number;
  /** Orders that ended the cluster, and members that ended by one. */
  shutdowns: number;
  shutdownEnds: number;
  /** Clients that were challenged, let in after a handshake, and rejected. */
  sessionsChallenged: number;
  sessionsAuthenticated: number;
  sessionsRejected: number;
  /** Positions at which members compared what their services had put out. */
  outputsCompared: number;
  /** Times that a member had little room left on its disk, and handed leadership over for it. */
  lowSpaces: number;
  lowSpaceTransfers: number;
}

/** Nothing has happened yet. */
export function emptyCounts(): SimulationCounts {
  return {
    elections: 0,
    truncations: 0,
    catchUps: 0,
    crashes: 0,
    restarts: 0,
    tornTails: 0,
    repairs: 0,
    diskFailures: 0,
    commands: 0,
    acknowledged: 0,
    lostDirectories: 0,
    formerDirectories: 0,
    timersFired: 0,
    serviceMessages: 0,
    requests: 0,
    requestRetries: 0,
    retriesAnswered: 0,
    reads: 0,
    rottenRanges: 0,
    rottenSnapshots: 0,
    judgedOperations: 0,
    snapshots: 0,
    snapshotLoads: 0,
    installs: 0,
    purgedSegments: 0,
    serviceStalls: 0,
    shadowSnapshots: 0,
    suspensions: 0,
    shutdowns: 0,
    shutdownEnds: 0,
    sessionsChallenged: 0,
    sessionsAuthenticated: 0,
    sessionsRejected: 0,
    outputsCompared: 0,
    lowSpaces: 0,
    lowSpaceTransfers: 0,
  };
}

/** Adds what happened in one run to a sum. */
export function addCounts(total: SimulationCounts, counts: SimulationCounts): void {
  for (const name of Object.keys(counts) as (keyof SimulationCounts)[]) {
    total[name] += counts[name];
  }
}

/** Adds what a member's process has counted by its end. */
export function addMemberCounters(
  counts: SimulationCounts,
  counters: Readonly<Record<string, number>>,
): void {
  counts.shadowSnapshots += counters.snapshotsByShadow ?? 0;
  counts.purgedSegments += counters.segmentsPurged ?? 0;
  counts.sessionsChallenged += counters.sessionsChallenged ?? 0;
  counts.sessionsAuthenticated += counters.sessionsAuthenticated ?? 0;
  counts.sessionsRejected += counters.sessionsRejected ?? 0;
  counts.outputsCompared += counters.outputsCompared ?? 0;
  counts.lowSpaces += counters.lowSpaceCount ?? 0;
  counts.lowSpaceTransfers += counters.lowSpaceTransfers ?? 0;
}
