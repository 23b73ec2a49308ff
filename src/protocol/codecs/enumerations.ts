// enumerations.ts: the values of int32 fields that name something.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// A decoder returns the number as it came: a newer peer may send values not listed here.

/** What a SessionEvent tells the client. */
export const EventCode = {
  Ok: 0,
  Error: 1,
  Redirect: 2,
  AuthenticationRejected: 3,
  Closed: 4,
} as const;
export type EventCode = (typeof EventCode)[keyof typeof EventCode];

/** Who or what closed a session. */
export const CloseReason = {
  ClientAction: 0,
  ServiceAction: 1,
  Timeout: 2,
} as const;
export type CloseReason = (typeof CloseReason)[keyof typeof CloseReason];

/** What an operator asks of the whole cluster. */
export const ClusterAction = {
  Suspend: 0,
  Resume: 1,
  Snapshot: 2,
} as const;
export type ClusterAction = (typeof ClusterAction)[keyof typeof ClusterAction];

/** Where in a snapshot a marker stands. */
export const SnapshotMark = {
  Begin: 0,
  Section: 1,
  End: 2,
} as const;
export type SnapshotMark = (typeof SnapshotMark)[keyof typeof SnapshotMark];

/** How the membership changed. */
export const ChangeType = {
  Join: 0,
  Quit: 1,
} as const;
export type ChangeType = (typeof ChangeType)[keyof typeof ChangeType];

/** Unit of the timestamps in the log. */
export const ClusterTimeUnit = {
  Millis: 0,
  Micros: 1,
  Nanos: 2,
} as const;
export type ClusterTimeUnit = (typeof ClusterTimeUnit)[keyof typeof ClusterTimeUnit];

/** What a client with admin rights asks for. */
export const AdminRequestType = {
  Snapshot: 0,
} as const;
export type AdminRequestType = (typeof AdminRequestType)[keyof typeof AdminRequestType];

/** How an admin request ended. */
export const AdminResponseCode = {
  Ok: 0,
  Error: 1,
  UnauthorisedAccess: 2,
} as const;
export type AdminResponseCode = (typeof AdminResponseCode)[keyof typeof AdminResponseCode];

/** State of a recording in the catalog. */
export const RecordingState = {
  Invalid: 0,
  Valid: 1,
  Deleted: 2,
} as const;
export type RecordingState = (typeof RecordingState)[keyof typeof RecordingState];

/** Why a member does not talk to another. */
export const RefusalReason = {
  ClusterId: 1,
  Configuration: 2,
  Durability: 3,
  Incarnation: 4,
  ProtocolVersion: 5,
} as const;
export type RefusalReason = (typeof RefusalReason)[keyof typeof RefusalReason];

/** When a log frame counts as recorded. */
export const DurabilityLevel = {
  Fsync: 0,
  PageCache: 1,
} as const;
export type DurabilityLevel = (typeof DurabilityLevel)[keyof typeof DurabilityLevel];

/** Whether a member has the part of the log that another asks for. */
export const RepairCode = {
  Ok: 0,
  NotHeld: 1,
  Damaged: 2,
} as const;
export type RepairCode = (typeof RepairCode)[keyof typeof RepairCode];

/** How a query ended. */
export const QueryCode = {
  Ok: 0,
  NotServed: 1,
  Unanswered: 2,
  Failed: 3,
  Busy: 4,
} as const;
export type QueryCode = (typeof QueryCode)[keyof typeof QueryCode];
