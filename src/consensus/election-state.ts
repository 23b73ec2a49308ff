// election-state.ts: the named states of a member, and the words for why it changes them.
//
// The pages behind it: docs/protocol/elections.md. Every transition is reported with its reason, so
// that a trace of states reads as the story of an election.

/** Where a member stands. CLOSED is normal work; every other state is part of an election. */
export const ElectionState = {
  /** Without a leader: stop the log, tell the others its end, learn theirs, disturb nobody. */
  Canvass: 1,
  /** Could win: wait for better candidates to speak, then sync a vote for itself in a new term. */
  Nominate: 2,
  /** The vote for itself is durable: ask the others for theirs until a quorum has granted. */
  CandidateBallot: 3,
  /** Granted a vote: wait for the candidate to announce its term. */
  FollowerBallot: 4,
  /** Won: make the entry of the term durable, open the log and append the event of the term. */
  LeaderLogReplication: 5,
  /** Leads; waits until the event of its term is committed and applied before it opens ingress. */
  LeaderReady: 6,
  /** Has a leader: truncate what differs and take the terms before the leader's own. */
  FollowerLogReplication: 7,
  /** In the leader's term, below the commit position that was named when it joined. */
  FollowerCatchup: 8,
  /** Caught up and acknowledging; waits to hear that the event of the term is committed. */
  FollowerReady: 9,
  /** Normal work, as leader or as follower. */
  Closed: 10,
  /** Said good-bye: answers nothing and takes part in nothing until the process ends. */
  Left: 11,
} as const;
export type ElectionState = (typeof ElectionState)[keyof typeof ElectionState];

/** What a member is to its clients and its service. */
export const MemberRole = {
  Follower: 0,
  Candidate: 1,
  Leader: 2,
} as const;
export type MemberRole = (typeof MemberRole)[keyof typeof MemberRole];

const STATE_NAMES: Readonly<Record<ElectionState, string>> = {
  [ElectionState.Canvass]: 'CANVASS',
  [ElectionState.Nominate]: 'NOMINATE',
  [ElectionState.CandidateBallot]: 'CANDIDATE_BALLOT',
  [ElectionState.FollowerBallot]: 'FOLLOWER_BALLOT',
  [ElectionState.LeaderLogReplication]: 'LEADER_LOG_REPLICATION',
  [ElectionState.LeaderReady]: 'LEADER_READY',
  [ElectionState.FollowerLogReplication]: 'FOLLOWER_LOG_REPLICATION',
  [ElectionState.FollowerCatchup]: 'FOLLOWER_CATCHUP',
  [ElectionState.FollowerReady]: 'FOLLOWER_READY',
  [ElectionState.Closed]: 'CLOSED',
  [ElectionState.Left]: 'LEFT',
};

/** The name of a state as the protocol pages write it. */
export function electionStateName(state: ElectionState): string {
  return STATE_NAMES[state];
}

/** Role that a state implies; CLOSED alone does not say, so the caller passes whether it leads. */
export function roleOfState(state: ElectionState, leads: boolean): MemberRole {
  switch (state) {
    case ElectionState.Nominate:
    case ElectionState.CandidateBallot:
      return MemberRole.Candidate;
    case ElectionState.LeaderLogReplication:
    case ElectionState.LeaderReady:
      return MemberRole.Leader;
    case ElectionState.Closed:
      return leads ? MemberRole.Leader : MemberRole.Follower;
    default:
      return MemberRole.Follower;
  }
}
