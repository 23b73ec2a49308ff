// schema-client-messages.ts: the part of the message table that clients, logs and services use.

import type { FieldRow, GroupSchema, MessageSchema } from './schema-types.js';
import { cluster, enumerated, fieldOf, varDataOf } from './schema-types.js';

const EVENT_CODE = enumerated('EventCode');
const CLOSE_REASON = enumerated('CloseReason');
const CLUSTER_ACTION = enumerated('ClusterAction');
const SNAPSHOT_MARK = enumerated('SnapshotMark');
const CHANGE_TYPE = enumerated('ChangeType');
const TIME_UNIT = enumerated('ClusterTimeUnit');
const ADMIN_REQUEST_TYPE = enumerated('AdminRequestType');
const ADMIN_RESPONSE_CODE = enumerated('AdminResponseCode');

/** Client and cluster. */
export const SESSION_MESSAGES: readonly MessageSchema[] = [
  cluster(1, 'SessionMessageHeader', 24, 'Precedes the payload of a session message, both ways.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'clusterSessionId', 8],
    ['int64', 'timestamp', 16],
  ]),
  cluster(
    2,
    'SessionEvent',
    44,
    'The cluster answers a connect request, redirects it, or closes a session.',
    [
      ['int64', 'clusterSessionId', 0],
      ['opaque64', 'correlationId', 8],
      ['int64', 'leadershipTermId', 16],
      ['int32', 'leaderMemberId', 24],
      [EVENT_CODE, 'code', 28],
      ['int32', 'version', 32, { since: 6, nullValue: 0 }],
      ['int64', 'leaderHeartbeatTimeoutNs', 36, { since: 13 }],
    ],
    [['ascii', 'detail']],
  ),
  cluster(
    3,
    'SessionConnectRequest',
    16,
    'A client asks for a session.',
    [
      ['opaque64', 'correlationId', 0],
      ['int32', 'responseStreamId', 8],
      ['int32', 'version', 12, { since: 2, nullValue: 0 }],
    ],
    [
      ['ascii', 'responseChannel'],
      ['bytes', 'encodedCredentials'],
      ['ascii', 'clientInfo', 14],
    ],
  ),
  cluster(4, 'SessionCloseRequest', 16, 'A client closes its session.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'clusterSessionId', 8],
  ]),
  cluster(5, 'SessionKeepAlive', 16, 'A client shows that it is alive.', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'clusterSessionId', 8],
  ]),
  cluster(
    6,
    'NewLeaderEvent',
    20,
    'A new leader presents itself to the client of an open session.',
    [
      ['int64', 'leadershipTermId', 0],
      ['int64', 'clusterSessionId', 8],
      ['int32', 'leaderMemberId', 16],
    ],
    [['ascii', 'ingressEndpoints']],
  ),
  cluster(
    7,
    'Challenge',
    16,
    'The cluster asks a connecting client to prove who it is.',
    [
      ['opaque64', 'correlationId', 0],
      ['int64', 'clusterSessionId', 8],
    ],
    [['bytes', 'encodedChallenge']],
  ),
  cluster(
    8,
    'ChallengeResponse',
    16,
    'A client answers a challenge.',
    [
      ['opaque64', 'correlationId', 0],
      ['int64', 'clusterSessionId', 8],
    ],
    [['bytes', 'encodedCredentials']],
  ),
];

/** Events in the log, and admin requests that lead to them. */
export const LOG_MESSAGES: readonly MessageSchema[] = [
  cluster(20, 'TimerEvent', 24, 'A timer of the service fired (log event).', [
    ['int64', 'leadershipTermId', 0],
    ['opaque64', 'correlationId', 8],
    ['int64', 'timestamp', 16],
  ]),
  cluster(
    21,
    'SessionOpenEvent',
    36,
    'A session was opened (log event).',
    [
      ['int64', 'leadershipTermId', 0],
      ['opaque64', 'correlationId', 8],
      ['int64', 'clusterSessionId', 16],
      ['int64', 'timestamp', 24],
      ['int32', 'responseStreamId', 32],
    ],
    [
      ['ascii', 'responseChannel'],
      ['bytes', 'encodedPrincipal'],
    ],
  ),
  cluster(22, 'SessionCloseEvent', 28, 'A session was closed (log event).', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'clusterSessionId', 8],
    ['int64', 'timestamp', 16],
    [CLOSE_REASON, 'closeReason', 24],
  ]),
  cluster(23, 'ClusterActionRequest', 32, 'An action of the operator takes effect (log event).', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'logPosition', 8],
    ['int64', 'timestamp', 16],
    [CLUSTER_ACTION, 'action', 24],
    ['int32', 'flags', 28, { since: 11 }],
  ]),
  cluster(24, 'NewLeadershipTermEvent', 48, 'First event of a leadership term (log event).', [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'logPosition', 8],
    ['int64', 'timestamp', 16],
    ['int64', 'termBaseLogPosition', 24],
    ['int32', 'leaderMemberId', 32],
    ['int32', 'logSessionId', 36],
    [TIME_UNIT, 'timeUnit', 40, { since: 4 }],
    ['int32', 'appVersion', 44, { since: 4, nullValue: 0 }],
  ]),
  cluster(
    25,
    'MembershipChangeEvent',
    40,
    'A member joined or left (log event).',
    [
      ['int64', 'leadershipTermId', 0],
      ['int64', 'logPosition', 8],
      ['int64', 'timestamp', 16],
      ['int32', 'leaderMemberId', 24],
      ['int32', 'clusterSize', 28],
      [CHANGE_TYPE, 'changeType', 32],
      ['int32', 'memberId', 36],
    ],
    [['ascii', 'clusterMembers']],
  ),
  cluster(
    26,
    'AdminRequest',
    28,
    'A client with admin rights asks for something.',
    [
      ['int64', 'leadershipTermId', 0],
      ['int64', 'clusterSessionId', 8],
      ['opaque64', 'correlationId', 16],
      [ADMIN_REQUEST_TYPE, 'requestType', 24],
    ],
    [['bytes', 'payload']],
  ),
  cluster(
    27,
    'AdminResponse',
    24,
    'The cluster answers an admin request.',
    [
      ['int64', 'clusterSessionId', 0],
      ['opaque64', 'correlationId', 8],
      [ADMIN_REQUEST_TYPE, 'requestType', 16],
      [ADMIN_RESPONSE_CODE, 'responseCode', 20],
    ],
    [
      ['ascii', 'message'],
      ['bytes', 'payload'],
    ],
  ),
];

/** One entry of the member lists in ClusterMembersExtendedResponse. */
function memberGroup(name: string): GroupSchema {
  const endpoints = ['ingress', 'consensus', 'log', 'catchup', 'archive'];
  const fields: readonly FieldRow[] = [
    ['int64', 'leadershipTermId', 0],
    ['int64', 'logPosition', 8],
    ['opaque64', 'timeOfLastAppendNs', 16],
    ['int32', 'memberId', 24],
  ];
  return {
    name,
    blockLength: 28,
    fields: fields.map(fieldOf),
    varData: endpoints.map((endpoint) => varDataOf(['ascii', `${endpoint}Endpoint`])),
  };
}

/** Consensus module and service container of one member. */
export const SERVICE_MESSAGES: readonly MessageSchema[] = [
  cluster(30, 'CloseSession', 8, 'A service closes a session.', [['int64', 'clusterSessionId', 0]]),
  cluster(31, 'ScheduleTimer', 16, 'A service schedules a timer.', [
    ['opaque64', 'correlationId', 0],
    ['int64', 'deadline', 8],
  ]),
  cluster(32, 'CancelTimer', 8, 'A service cancels a timer.', [['opaque64', 'correlationId', 0]]),
  cluster(33, 'ServiceAck', 36, 'A service has reached a position.', [
    ['int64', 'logPosition', 0],
    ['int64', 'timestamp', 8],
    ['int64', 'ackId', 16],
    ['int64', 'relevantId', 24],
    ['int32', 'serviceId', 32],
  ]),
  cluster(34, 'ClusterMembersQuery', 12, 'A tool asks a member who is in the cluster.', [
    ['opaque64', 'correlationId', 0],
    ['boolean', 'extended', 8, { since: 5 }],
  ]),
  cluster(
    40,
    'JoinLog',
    40,
    'The consensus module tells a service which log to read.',
    [
      ['int64', 'logPosition', 0],
      ['int64', 'maxLogPosition', 8],
      ['int32', 'memberId', 16],
      ['int32', 'logSessionId', 20],
      ['int32', 'logStreamId', 24],
      ['boolean', 'isStartup', 28],
      ['int32', 'role', 32],
      ['boolean', 'isStandby', 36, { since: 16 }],
    ],
    [['ascii', 'logChannel']],
  ),
  cluster(
    41,
    'ClusterMembersResponse',
    12,
    'A member answers who is in the cluster.',
    [
      ['opaque64', 'correlationId', 0],
      ['int32', 'leaderMemberId', 8],
    ],
    [
      ['ascii', 'activeMembers'],
      ['ascii', 'passiveFollowers'],
    ],
  ),
  cluster(42, 'ServiceTerminationPosition', 12, 'A service is to end at a position.', [
    ['int64', 'logPosition', 0],
    ['boolean', 'ackRequired', 8, { since: 17 }],
  ]),
  cluster(
    43,
    'ClusterMembersExtendedResponse',
    24,
    'A member answers who is in the cluster and how far each has come.',
    [
      ['opaque64', 'correlationId', 0],
      ['opaque64', 'currentTimeNs', 8],
      ['int32', 'leaderMemberId', 16],
      ['int32', 'memberId', 20],
    ],
    [],
    [memberGroup('activeMembers'), memberGroup('passiveMembers')],
  ),
  cluster(108, 'RequestServiceAck', 8, 'The consensus module asks services for an ack.', [
    ['int64', 'logPosition', 0],
  ]),
];

/** Records of a snapshot. */
export const SNAPSHOT_MESSAGES: readonly MessageSchema[] = [
  cluster(100, 'SnapshotMarker', 40, 'Begins, divides or ends a snapshot.', [
    ['int64', 'typeId', 0],
    ['int64', 'logPosition', 8],
    ['int64', 'leadershipTermId', 16],
    ['int32', 'index', 24],
    [SNAPSHOT_MARK, 'mark', 28],
    [TIME_UNIT, 'timeUnit', 32, { since: 4 }],
    ['int32', 'appVersion', 36, { since: 4, nullValue: 0 }],
  ]),
  cluster(
    102,
    'ClientSession',
    12,
    'A session, in the snapshot of a service container.',
    [
      ['int64', 'clusterSessionId', 0],
      ['int32', 'responseStreamId', 8],
    ],
    [
      ['ascii', 'responseChannel'],
      ['bytes', 'encodedPrincipal'],
    ],
  ),
  cluster(
    103,
    'ClusterSession',
    40,
    'A session, in the snapshot of the consensus module.',
    [
      ['int64', 'clusterSessionId', 0],
      ['opaque64', 'correlationId', 8],
      ['int64', 'openedLogPosition', 16],
      ['int64', 'timeOfLastActivity', 24],
      [CLOSE_REASON, 'closeReason', 32],
      ['int32', 'responseStreamId', 36],
    ],
    [['ascii', 'responseChannel']],
  ),
  cluster(104, 'Timer', 16, 'A pending timer, in a snapshot.', [
    ['opaque64', 'correlationId', 0],
    ['int64', 'deadline', 8],
  ]),
  cluster(105, 'ConsensusModule', 28, 'Counters of the consensus module, in a snapshot.', [
    ['int64', 'nextSessionId', 0],
    ['int64', 'nextServiceSessionId', 8, { since: 3 }],
    ['int64', 'logServiceSessionId', 16, { since: 3 }],
    ['int32', 'pendingMessageCapacity', 24, { since: 3, nullValue: 0 }],
  ]),
  cluster(
    106,
    'ClusterMembers',
    8,
    'The members, in a snapshot.',
    [
      ['int32', 'memberId', 0],
      ['int32', 'highMemberId', 4],
    ],
    [['ascii', 'clusterMembers']],
  ),
  cluster(107, 'PendingMessageTracker', 24, 'Unsent service messages, in a snapshot.', [
    ['int64', 'nextServiceSessionId', 0],
    ['int64', 'logServiceSessionId', 8],
    ['int32', 'pendingMessageCapacity', 16, { nullValue: 0 }],
    ['int32', 'serviceId', 20],
  ]),
];
