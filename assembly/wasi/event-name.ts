// event-name.ts: the names of the cluster's messages, by template id.
//
// The table of src/protocol/ cannot be compiled here; a test compares every name with it.

import { DATA_FLAG_BEGIN, DATA_HEADER_LENGTH, FRAME_FLAGS_OFFSET } from '../layout/frame';

const CLUSTER_SCHEMA_ID: i32 = 111;
const MESSAGE_HEADER_LENGTH: i32 = 8;

/** Messages that stand in the log. */
function nameOfLogEvent(templateId: i32): string {
  switch (templateId) {
    case 1: return 'SessionMessageHeader';
    case 20: return 'TimerEvent';
    case 21: return 'SessionOpenEvent';
    case 22: return 'SessionCloseEvent';
    case 23: return 'ClusterActionRequest';
    case 24: return 'NewLeadershipTermEvent';
    case 25: return 'MembershipChangeEvent';
    case 1050: return 'ServiceMessageHeader';
    case 1054: return 'ServiceTimerEvent';
    default: return nameOfClientMessage(templateId);
  }
}

function nameOfClientMessage(templateId: i32): string {
  switch (templateId) {
    case 2: return 'SessionEvent';
    case 3: return 'SessionConnectRequest';
    case 4: return 'SessionCloseRequest';
    case 5: return 'SessionKeepAlive';
    case 6: return 'NewLeaderEvent';
    case 7: return 'Challenge';
    case 8: return 'ChallengeResponse';
    case 26: return 'AdminRequest';
    case 27: return 'AdminResponse';
    case 1010: return 'RequestHeader';
    case 1011: return 'ReplyHeader';
    default: return nameOfServiceMessage(templateId);
  }
}

function nameOfServiceMessage(templateId: i32): string {
  switch (templateId) {
    case 30: return 'CloseSession';
    case 31: return 'ScheduleTimer';
    case 32: return 'CancelTimer';
    case 33: return 'ServiceAck';
    case 34: return 'ClusterMembersQuery';
    case 40: return 'JoinLog';
    case 41: return 'ClusterMembersResponse';
    case 42: return 'ServiceTerminationPosition';
    case 43: return 'ClusterMembersExtendedResponse';
    case 108: return 'RequestServiceAck';
    default: return nameOfMemberMessage(templateId);
  }
}

function nameOfMemberMessage(templateId: i32): string {
  switch (templateId) {
    case 50: return 'CanvassPosition';
    case 51: return 'RequestVote';
    case 52: return 'Vote';
    case 53: return 'NewLeadershipTerm';
    case 54: return 'AppendPosition';
    case 55: return 'CommitPosition';
    case 56: return 'CatchupPosition';
    case 57: return 'StopCatchup';
    case 75: return 'TerminationPosition';
    case 76: return 'TerminationAck';
    case 1000: return 'MemberHello';
    case 1001: return 'MemberRefused';
    case 1002: return 'MemberAdmitted';
    case 1020: return 'ReadProbe';
    case 1021: return 'ReadAcknowledgement';
    case 1022: return 'Query';
    case 1023: return 'QueryAnswer';
    case 1024: return 'QueryBatch';
    case 1025: return 'QueryAnswers';
    case 1030: return 'CatchupRequest';
    case 1031: return 'RepairRequest';
    case 1032: return 'RepairBlock';
    case 1003: return 'LeadershipTransfer';
    case 1004: return 'VoterClock';
    case 1062: return 'OutputHash';
    case 1012: return 'RequestClients';
    case 1013: return 'RequestClient';
    case 1014: return 'RetainedReply';
    case 1040: return 'SnapshotRecord';
    case 1041: return 'SnapshotTerm';
    case 1042: return 'SnapshotOffer';
    case 1043: return 'SnapshotRequest';
    case 1044: return 'SnapshotBlock';
    default: return nameOfSnapshotRecord(templateId);
  }
}

function nameOfSnapshotRecord(templateId: i32): string {
  switch (templateId) {
    case 100: return 'SnapshotMarker';
    case 102: return 'ClientSession';
    case 103: return 'ClusterSession';
    case 104: return 'Timer';
    case 105: return 'ConsensusModule';
    case 106: return 'ClusterMembers';
    case 107: return 'PendingMessageTracker';
    case 1051: return 'ServiceMessageMark';
    case 1052: return 'PendingServiceMessage';
    case 1053: return 'SnapshotService';
    case 1063: return 'OutputState';
    default: return 'template ' + templateId.toString();
  }
}

/** What a data frame carries: the name of its message, or why it has none. */
export function eventNameOf(frame: usize): string {
  const flags = <i32>load<u8>(frame, FRAME_FLAGS_OFFSET);
  if ((flags & DATA_FLAG_BEGIN) == 0) {
    return '(continued)';
  }
  const payloadLength = load<i32>(frame) - DATA_HEADER_LENGTH;
  const payload = frame + DATA_HEADER_LENGTH;
  if (payloadLength < MESSAGE_HEADER_LENGTH) {
    return '(no message header)';
  }
  const schemaId = <i32>load<u16>(payload, 4);
  if (schemaId != CLUSTER_SCHEMA_ID) {
    return '(schema ' + schemaId.toString() + ')';
  }
  return nameOfLogEvent(<i32>load<u16>(payload, 2));
}
