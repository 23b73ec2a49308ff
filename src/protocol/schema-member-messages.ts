// schema-member-messages.ts: the part of the message table that members and the archive use.

import type { MessageSchema } from './schema-types.js';
import { archive, cluster, enumerated } from './schema-types.js';

const RECORDING_STATE = enumerated('RecordingState');
const REFUSAL_REASON = enumerated('RefusalReason');
const DURABILITY = enumerated('DurabilityLevel');
const REPAIR_CODE = enumerated('RepairCode');
const QUERY_CODE = enumerated('QueryCode');

/** Member and member. */
export const CONSENSUS_MESSAGES: readonly MessageSchema[] = [
  cluster(50, 'CanvassPosition', 32, 'A member without a leader says how much log it has.', [
    ['int64', 'logLeadershipTermId', 0],
    ['int64', 'logPosition', 8],
    ['int64', 'leadershipTermId', 16],
    ['int32', 'followerMemberId', 24],
    ['int32', 'protocolVersion', 28, { since: 9, nullValue: 0 }],
  ]),
  cluster(51, 'RequestVote', 32, 'A candidate asks for a vote.', [
    ['int64', 'logLeadershipTermId', 0],
    ['int64', 'logPosition', 8],
    ['int64', 'candidateTermId', 16],
    ['int32', 'candidateMemberId', 24],
    ['int32', 'protocolVersion', 28, { since: 9, nullValue: 0 }],
  ]),
  cluster(52, 'Vote', 36, 'A member votes for or against a candidate.', [
    ['int64', 'candidateTermId', 0],
    ['int64', 'logLeadershipTermId', 8],
    ['int64', 'logPosition', 16],
    ['int32', 'candidateMemberId', 24],
    ['int32', 'followerMemberId', 28],
    ['boolean', 'vote', 32],
  ]),
  cluster(53, 'NewLeadershipTerm', 96, 'A leader tells a follower which log to follow.', [
    ['int64', 'logLeadershipTermId', 0],
    ['int64', 'nextLeadershipTermId', 8],
    ['int64', 'nextTermBaseLogPosition', 16],
    ['int64', 'nextLogPosition', 24],
    ['int64', 'leadershipTermId', 32],
    ['int64', 'termBaseLogPosition', 40],
    ['int64', 'logPosition', 48],
    ['int64', 'leaderRecordingId', 56],
    ['int64', 'timestamp', 64],
    ['int32', 'leaderMemberId', 72],
    ['int32', 'logSessionId', 76],
    ['int32', 'appVersion', 80, { nullValue: 0 }],
    ['boolean', 'isStartup', 84],
    ['int64', 'commitPosition', 88, { since: 15 }],
  ]),
  cluster(54, 'AppendPosition', 21, 'A follower acknowledges the log up to a position.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'logPosition', 8],
    ['int32', 'followerMemberId', 16],
    ['uint8', 'flags', 20, { since: 8, nullValue: 0 }],
  ]),
  cluster(55, 'CommitPosition', 20, 'The leader says how far the log is committed.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'logPosition', 8],
    ['int32', 'leaderMemberId', 16],
  ]),
  cluster(
    56,
    'CatchupPosition',
    20,
    'A follower asks for the log from a position.',
    [
      ['int64', 'leadershipTermId', 0],
      ['int64', 'logPosition', 8],
      ['int32', 'followerMemberId', 16],
    ],
    [['ascii', 'catchupEndpoint']],
  ),
  cluster(57, 'StopCatchup', 12, 'The leader ends a catch-up.', [
    ['int64', 'leadershipTermId', 0],
    ['int32', 'followerMemberId', 8],
  ]),
  cluster(75, 'TerminationPosition', 20, 'The leader says where the cluster is to end.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'logPosition', 8],
    ['int32', 'leaderMemberId', 16],
  ]),
  cluster(76, 'TerminationAck', 20, 'A follower has reached the position where all end.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'logPosition', 8],
    ['int32', 'memberId', 16],
  ]),
];

/** Blocks of the archive catalog: they stand in the file without a message header. */
export const ARCHIVE_MESSAGES: readonly MessageSchema[] = [
  archive(20, 'CatalogHeader', 32, 'Head of the catalog file.', [
    ['int32', 'version', 0],
    ['int32', 'length', 4],
    ['int64', 'nextRecordingId', 8],
    ['int32', 'alignment', 16],
    ['int8', 'reserved', 31],
  ]),
  archive(21, 'RecordingDescriptorHeader', 32, 'Head of one entry of the catalog.', [
    ['int32', 'length', 0],
    [RECORDING_STATE, 'state', 4],
    ['int32', 'checksum', 8],
    ['int8', 'reserved', 31],
  ]),
  archive(
    22,
    'RecordingDescriptor',
    80,
    'One entry of the catalog: what was recorded, from where, and how far.',
    [
      ['opaque64', 'controlSessionId', 0],
      ['opaque64', 'correlationId', 8],
      ['int64', 'recordingId', 16],
      ['int64', 'startTimestamp', 24],
      ['int64', 'stopTimestamp', 32],
      ['int64', 'startPosition', 40],
      ['int64', 'stopPosition', 48],
      ['int32', 'initialTermId', 56],
      ['int32', 'segmentFileLength', 60],
      ['int32', 'termBufferLength', 64],
      ['int32', 'mtuLength', 68],
      ['int32', 'sessionId', 72],
      ['int32', 'streamId', 76],
    ],
    [
      ['ascii', 'strippedChannel'],
      ['ascii', 'originalChannel'],
      ['ascii', 'sourceIdentity'],
    ],
  ),
];

/** Pawl's own. */
export const OWN_MESSAGES: readonly MessageSchema[] = [
  cluster(1000, 'MemberHello', 56, 'A member says who it is and what it was configured with.', [
    ['int64', 'clusterId', 0],
    ['int64', 'leadershipTermId', 8],
    ['opaque64', 'incarnation', 16],
    ['opaque64', 'configurationHash', 24],
    ['int32', 'memberId', 32],
    [DURABILITY, 'durability', 36],
    ['int32', 'flags', 40],
    ['int32', 'protocolVersion', 44],
    ['int64', 'admittedPosition', 48],
  ]),
  cluster(
    1001,
    'MemberRefused',
    12,
    'A member says why it does not talk to another.',
    [
      ['int32', 'memberId', 0],
      ['int32', 'refusedMemberId', 4],
      [REFUSAL_REASON, 'reason', 8],
    ],
    [['ascii', 'detail']],
  ),
  cluster(1002, 'MemberAdmitted', 32, 'The leader lets a member that has caught up vote.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'logPosition', 8],
    ['opaque64', 'incarnation', 16],
    ['int32', 'memberId', 24],
  ]),
  cluster(1003, 'LeadershipTransfer', 20, 'The leader of a term steps down for another member.', [
    ['int64', 'leadershipTermId', 0],
    ['int32', 'leaderMemberId', 8],
    ['int32', 'targetMemberId', 12],
    ['int32', 'protocolVersion', 16],
  ]),
  cluster(1004, 'VoterClock', 20, 'A voter tells a candidate what its wall clock says.', [
    ['int64', 'candidateTermId', 0],
    ['int64', 'timestamp', 8],
    ['int32', 'memberId', 16],
  ]),
  cluster(1010, 'RequestHeader', 48, 'Precedes the payload of an exactly-once request.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'clusterSessionId', 8],
    ['int64', 'timestamp', 16],
    ['opaque64', 'clientId', 24],
    ['int64', 'requestId', 32],
    ['int64', 'lowestUnansweredRequestId', 40],
  ]),
  cluster(1011, 'ReplyHeader', 48, 'Precedes the payload of the reply to a request.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'clusterSessionId', 8],
    ['int64', 'timestamp', 16],
    ['int64', 'requestId', 24],
    ['int64', 'logPosition', 32],
    ['int32', 'code', 40],
  ]),
  cluster(1012, 'RequestClients', 8, 'Begins the retained replies of a snapshot.', [
    ['int64', 'forgottenThrough', 0],
  ]),
  cluster(
    1013,
    'RequestClient',
    24,
    'A client that makes requests, in a snapshot.',
    [
      ['int64', 'clientId', 0],
      ['int64', 'floor', 8],
      ['int64', 'lastUsed', 16],
    ],
    [['bytes', 'principal']],
  ),
  cluster(1014, 'RetainedReply', 28, 'Precedes a reply to the client before, in a snapshot.', [
    ['int64', 'requestId', 0],
    ['int64', 'logPosition', 8],
    ['int64', 'timestamp', 16],
    ['int32', 'code', 24],
  ]),
  cluster(1020, 'ReadProbe', 20, 'A leader asks whether it still leads.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'round', 8],
    ['int32', 'leaderMemberId', 16],
  ]),
  cluster(1021, 'ReadAcknowledgement', 20, 'A follower confirms the leader for a round.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'round', 8],
    ['int32', 'memberId', 16],
  ]),
  cluster(1022, 'Query', 24, 'Precedes the payload of a query: a read that is not in the log.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'clusterSessionId', 8],
    ['int64', 'queryId', 16],
  ]),
  cluster(1023, 'QueryAnswer', 40, 'Precedes the payload of the answer to a query.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'clusterSessionId', 8],
    ['int64', 'queryId', 16],
    ['int64', 'logPosition', 24],
    [QUERY_CODE, 'code', 32],
  ]),
  cluster(1024, 'QueryBatch', 16, 'Precedes the records of queries of one session.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'clusterSessionId', 8],
  ]),
  cluster(1025, 'QueryAnswers', 24, 'Precedes the records of answers that hold at one position.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'clusterSessionId', 8],
    ['int64', 'logPosition', 16],
  ]),
  cluster(1030, 'CatchupRequest', 32, 'A follower asks the leader for the log that it lacks.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'logLeadershipTermId', 8],
    ['int64', 'logPosition', 16],
    ['int32', 'followerMemberId', 24],
    ['int32', 'flags', 28],
  ]),
  cluster(1031, 'RepairRequest', 32, 'A member asks another for a part of its log that rotted.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'logPosition', 8],
    ['int64', 'requestId', 16],
    ['int32', 'memberId', 24],
    ['int32', 'lengthBytes', 28],
  ]),
  cluster(
    1032,
    'RepairBlock',
    32,
    'A piece of the frames that were asked for, or why there are none.',
    [
      ['int64', 'requestId', 0],
      ['int64', 'logPosition', 8],
      ['int32', 'memberId', 16],
      [REPAIR_CODE, 'code', 20],
      ['int32', 'blockLength', 24],
      ['int32', 'blockOffset', 28],
    ],
    [['bytes', 'frames']],
  ),
  cluster(1040, 'SnapshotRecord', 4, "Precedes a piece of a service's state in a snapshot.", [
    ['int32', 'serviceId', 0],
  ]),
  cluster(1041, 'SnapshotTerm', 16, 'A leadership term of the log before a snapshot.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'termBaseLogPosition', 8],
  ]),
  cluster(1042, 'SnapshotOffer', 64, 'A leader offers a snapshot for the log that it has purged.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'logPosition', 8],
    ['int64', 'logLeadershipTermId', 16],
    ['int64', 'termBaseLogPosition', 24],
    ['int64', 'timestamp', 32],
    ['int64', 'lengthBytes', 40],
    ['uint32', 'hash', 48],
    ['int32', 'formatVersion', 52],
    ['int32', 'appVersion', 56],
    ['int32', 'memberId', 60],
  ]),
  cluster(1043, 'SnapshotRequest', 24, 'A member asks for a part of a snapshot.', [
    ['int64', 'logPosition', 0],
    ['int64', 'offsetBytes', 8],
    ['int32', 'lengthBytes', 16],
    ['int32', 'memberId', 20],
  ]),
  cluster(
    1044,
    'SnapshotBlock',
    20,
    'A piece of a snapshot that was asked for.',
    [
      ['int64', 'logPosition', 0],
      ['int64', 'offsetBytes', 8],
      ['int32', 'memberId', 16],
    ],
    [['bytes', 'data']],
  ),
  cluster(1050, 'ServiceMessageHeader', 40, 'Precedes a message of a service (log event).', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'timestamp', 8],
    ['int64', 'originPosition', 16],
    ['int64', 'sequence', 24],
    ['int32', 'serviceId', 32],
    ['int32', 'ordinal', 36],
  ]),
  cluster(1051, 'ServiceMessageMark', 12, "The last of a service's messages in a snapshot's log.", [
    ['int64', 'sequence', 0],
    ['int32', 'serviceId', 8],
  ]),
  cluster(1052, 'PendingServiceMessage', 20, 'Precedes a message that the log has not got yet.', [
    ['int64', 'originPosition', 0],
    ['int64', 'sequence', 8],
    ['int32', 'ordinal', 16],
  ]),
  cluster(1053, 'SnapshotService', 12, 'A service whose state a snapshot holds.', [
    ['int32', 'serviceId', 0],
    ['int32', 'serviceCount', 4],
    ['int32', 'appVersion', 8],
  ]),
  cluster(1054, 'ServiceTimerEvent', 28, 'A timer of a service other than 0 fired (log event).', [
    ['int64', 'leadershipTermId', 0],
    ['opaque64', 'correlationId', 8],
    ['int64', 'timestamp', 16],
    ['int32', 'serviceId', 24],
  ]),
  cluster(1062, 'OutputHash', 32, 'What the services of a member had put out by a position.', [
    ['int64', 'logPosition', 0],
    ['opaque64', 'hash', 8],
    ['int32', 'memberId', 16],
    ['int32', 'serviceId', 20],
    ['int32', 'flags', 24],
  ]),
  cluster(1063, 'OutputState', 12, 'What a service had put out, in a snapshot.', [
    ['opaque64', 'hash', 0],
    ['int32', 'serviceId', 8],
  ]),
];
