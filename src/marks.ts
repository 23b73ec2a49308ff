// marks.ts: which rare paths of the code have run.
//
// A simulation that finds nothing proves nothing about code that it never reached. So the rare
// paths carry marks, runs count them, and a long run has to hit them all. The register is fixed
// when the code is built: what was never hit can be named. A hit costs one addition, so marks stay
// in production code; nobody reads them there.

let markCount = 0;

function nextMark(): number {
  return markCount++;
}

/** Every mark there is. */
export const Mark = {
  // Elections, votes, reconciliation, membership.
  ElectionBallotLost: nextMark(),
  ElectionBallotTimedOut: nextMark(),
  ElectionBetterCandidate: nextMark(),
  ElectionLeaderSilent: nextMark(),
  ElectionLogImageLost: nextMark(),
  ElectionGreaterTermSeen: nextMark(),
  ElectionLeaderLeft: nextMark(),
  ElectionNamed: nextMark(),
  ElectionOtherNamed: nextMark(),
  ElectionDiskStalled: nextMark(),
  ElectionIncarnationLost: nextMark(),
  ElectionGreaterTermRefusal: nextMark(),
  ElectionLateVote: nextMark(),
  ElectionDeposedLeaderTold: nextMark(),
  ElectionOtherLeaderHeard: nextMark(),
  ElectionStaleAppendPosition: nextMark(),
  VoterWithoutVote: nextMark(),
  VoterRepeatsGrant: nextMark(),
  VoterRefusesTerm: nextMark(),
  VoterLogNotFinal: nextMark(),
  VoterRefusesShorterLog: nextMark(),
  CandidacyVoteTooLate: nextMark(),
  CandidacyRefused: nextMark(),
  LeaderDiskTooSlowToBegin: nextMark(),
  LeaderQuorumLost: nextMark(),
  LeaderOwnDiskStalled: nextMark(),
  LeaderCanvassAnswered: nextMark(),
  LeaderCatchupNotPrefix: nextMark(),
  LeaderStaleAppendPosition: nextMark(),
  LeaderLearnerPosition: nextMark(),
  LeaderAdmits: nextMark(),
  LeaderHandsOver: nextMark(),
  LeaderTransferTooSlow: nextMark(),
  LeaderRepeatsAdmission: nextMark(),
  FollowerLogLost: nextMark(),
  FollowerSilentLogAskedAgain: nextMark(),
  FollowerTermEndReached: nextMark(),
  ReconcileTruncates: nextMark(),
  ReconcileBeginsTerm: nextMark(),
  ReconcileReplicatesOldTerm: nextMark(),
  ReconcileAsksLeader: nextMark(),
  ReconcileStaleAnswer: nextMark(),
  ReconcileWithinSharedTerm: nextMark(),
  ReconcileDropsOwnTerms: nextMark(),
  IntroductionForeignIncarnation: nextMark(),
  IntroductionInDoubt: nextMark(),
  IntroductionVoteLost: nextMark(),
  IntroductionVoteGained: nextMark(),
  MembershipAdmittedLater: nextMark(),
  MembershipForeign: nextMark(),
  GateUnknownMember: nextMark(),
  GateLearnerVoteDropped: nextMark(),
  AdmissionProbeSet: nextMark(),
  AdmissionWaitsForLog: nextMark(),
  // Reads without the log.
  ReadProbeRepeated: nextMark(),
  ReadProbeOfDeposedLeader: nextMark(),
  ReadAnswerOfEarlierRound: nextMark(),
  ReadWaitsForService: nextMark(),
  ReadsDroppedWithTerm: nextMark(),
  ReadRefusedBusy: nextMark(),
  ReadRejected: nextMark(),
  ReadOfClosedSession: nextMark(),
  ReadAnswerDropped: nextMark(),
  // Sessions, ingress, egress, the log of a member.
  LogStopWaitsForRecorder: nextMark(),
  LogOpeningWaitsForTime: nextMark(),
  FollowerLogImageKept: nextMark(),
  FollowerLogImageGone: nextMark(),
  FollowerLogRecordingCeased: nextMark(),
  EgressQueued: nextMark(),
  EgressOverflow: nextMark(),
  EgressPresentsAgain: nextMark(),
  EgressAnswersAgain: nextMark(),
  SessionAskedAgainWhileOpening: nextMark(),
  SessionLimitReached: nextMark(),
  SessionOpenBackPressured: nextMark(),
  SessionOfEarlierLeader: nextMark(),
  SessionTimedOut: nextMark(),
  IngressBackPressured: nextMark(),
  IngressFrameLimit: nextMark(),
  IngressStalledMessage: nextMark(),
  IngressLongMessageRejected: nextMark(),
  IngressRedirect: nextMark(),
  IngressNotLeaderDropped: nextMark(),
  IngressRequestRejected: nextMark(),
  RequestAnsweredAgain: nextMark(),
  RequestRefused: nextMark(),
  ResponderAnswerExpired: nextMark(),
  PollerReadsArchive: nextMark(),
  SnapshotByShadow: nextMark(),
  ShadowStartsEarlier: nextMark(),
  SharedLogOverrun: nextMark(),
  SharedLogAsks: nextMark(),
  OutboxWaits: nextMark(),
  OutboxOverflow: nextMark(),
  OutboxDropsAnswer: nextMark(),
  RemoteQueryRefused: nextMark(),
  // The client.
  ClientConnectTimedOut: nextMark(),
  ClientRedirected: nextMark(),
  ClientNewLeader: nextMark(),
  ClientDeposedLeaderReply: nextMark(),
  ClientAwaitsLeader: nextMark(),
  ClientLeaderBack: nextMark(),
  ClientGaveUpSession: nextMark(),
  ClientSessionClosed: nextMark(),
  ClientRequestRetried: nextMark(),
  ClientReopensSession: nextMark(),
  ClientForgotten: nextMark(),
  ClientQueryRetried: nextMark(),
  ClientQueryRefused: nextMark(),
  // Recovery, truncation, recording.
  RecoveryTornTail: nextMark(),
  RecoveryDamagedBelowMark: nextMark(),
  RecoverySegmentMissing: nextMark(),
  RecoveryRewritesNotedLog: nextMark(),
  RecoveryVoteSlotDamaged: nextMark(),
  RecoveryVoteLost: nextMark(),
  RecoveryMarkSlotDamaged: nextMark(),
  RecoveryRecordingLogTorn: nextMark(),
  TruncationRemovesSegment: nextMark(),
  TruncationLowersMark: nextMark(),
  RecorderOtherTerm: nextMark(),
  RecorderNoSpace: nextMark(),
  RecorderNoSpaceForSegment: nextMark(),
  RecorderPoisoned: nextMark(),
  RecorderSegmentRolls: nextMark(),
  // Streams.
  ImageUnderrun: nextMark(),
  ImageOverrun: nextMark(),
  ImageChecksumMismatch: nextMark(),
  ImageStrangeSetups: nextMark(),
  ImageNak: nextMark(),
  ImageTimedOut: nextMark(),
  ImageJoinNeverFilled: nextMark(),
  ImageEndOfStream: nextMark(),
  ImageControlWaits: nextMark(),
  SenderConnectionTimedOut: nextMark(),
  SenderReceiverGone: nextMark(),
  SenderSetupElicited: nextMark(),
  SenderStatusRefused: nextMark(),
  SenderBlocked: nextMark(),
  DestinationSkipsAhead: nextMark(),
  DestinationSendsRecorded: nextMark(),
  DestinationSourceFailed: nextMark(),
  DestinationRepairsFromRecording: nextMark(),
  DestinationNakRefused: nextMark(),
  EndpointAsksForSetup: nextMark(),
  EndpointSetupRefused: nextMark(),
  EndpointMalformed: nextMark(),
  RetransmitLingers: nextMark(),
  RetransmitOverflow: nextMark(),
} as const;

/** Names of all marks, by number. */
export const MARK_NAMES: readonly string[] = Object.keys(Mark);

const hits = new Float64Array(MARK_NAMES.length);

/** Counts that a path was taken. */
export function hit(number: number): void {
  hits[number] = (hits[number] as number) + 1;
}

/** How often each mark was hit since the process started, by number. */
export function markHits(): Float64Array {
  return hits.slice();
}
