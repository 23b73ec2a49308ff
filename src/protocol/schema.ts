// schema.ts: the one table of messages that members, clients and the archive exchange.
//
// Its rows stand in schema-client-messages.ts and schema-member-messages.ts.
//
// Templates below 1000 follow the public layouts of Aeron Cluster (schema 111, version 17) and of
// the Aeron Archive catalog (schema 101, version 14), so that Aeron programs understand us and we
// understand them. Templates 1000 to 1099 are Pawl's own in schema 111: a receiver skips templates
// that it does not know, so an Aeron program ignores them.
//
// After a change: `node --import tsx scripts/generate-codecs.ts` writes src/protocol/codecs/.
// A field may only be added at the end of a block, with `since` and a higher schema version.

import {
  LOG_MESSAGES,
  SERVICE_MESSAGES,
  SESSION_MESSAGES,
  SNAPSHOT_MESSAGES,
} from './schema-client-messages.js';
import { ARCHIVE_MESSAGES, CONSENSUS_MESSAGES, OWN_MESSAGES } from './schema-member-messages.js';
import type { EnumerationSchema, MessageSchema } from './schema-types.js';

/** Pawl's own templates: at least this ... */
export const OWN_TEMPLATE_ID_MIN = 1000;
/** ... and at most this. */
export const OWN_TEMPLATE_ID_MAX = 1099;

export const ENUMERATIONS: readonly EnumerationSchema[] = [
  {
    name: 'EventCode',
    summary: 'What a SessionEvent tells the client.',
    values: { Ok: 0, Error: 1, Redirect: 2, AuthenticationRejected: 3, Closed: 4 },
  },
  {
    name: 'CloseReason',
    summary: 'Who or what closed a session.',
    values: { ClientAction: 0, ServiceAction: 1, Timeout: 2 },
  },
  {
    name: 'ClusterAction',
    summary: 'What an operator asks of the whole cluster.',
    values: { Suspend: 0, Resume: 1, Snapshot: 2 },
  },
  {
    name: 'SnapshotMark',
    summary: 'Where in a snapshot a marker stands.',
    values: { Begin: 0, Section: 1, End: 2 },
  },
  {
    name: 'ChangeType',
    summary: 'How the membership changed.',
    values: { Join: 0, Quit: 1 },
  },
  {
    name: 'ClusterTimeUnit',
    summary: 'Unit of the timestamps in the log.',
    values: { Millis: 0, Micros: 1, Nanos: 2 },
  },
  {
    name: 'AdminRequestType',
    summary: 'What a client with admin rights asks for.',
    values: { Snapshot: 0 },
  },
  {
    name: 'AdminResponseCode',
    summary: 'How an admin request ended.',
    values: { Ok: 0, Error: 1, UnauthorisedAccess: 2 },
  },
  {
    name: 'RecordingState',
    summary: 'State of a recording in the catalog.',
    values: { Invalid: 0, Valid: 1, Deleted: 2 },
  },
  {
    name: 'RefusalReason',
    summary: 'Why a member does not talk to another.',
    values: { ClusterId: 1, Configuration: 2, Durability: 3, Incarnation: 4, ProtocolVersion: 5 },
  },
  {
    name: 'DurabilityLevel',
    summary: 'When a log frame counts as recorded.',
    values: { Fsync: 0, PageCache: 1 },
  },
  {
    name: 'RepairCode',
    summary: 'Whether a member has the part of the log that another asks for.',
    values: { Ok: 0, NotHeld: 1, Damaged: 2 },
  },
  {
    name: 'QueryCode',
    summary: 'How a query ended.',
    values: { Ok: 0, NotServed: 1, Unanswered: 2, Failed: 3, Busy: 4 },
  },
];

/** Every message, in the order of its section. */
export const MESSAGES: readonly MessageSchema[] = [
  ...SESSION_MESSAGES,
  ...LOG_MESSAGES,
  ...SERVICE_MESSAGES,
  ...CONSENSUS_MESSAGES,
  ...SNAPSHOT_MESSAGES,
  ...ARCHIVE_MESSAGES,
  ...OWN_MESSAGES,
];
