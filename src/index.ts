// index.ts: the public API. Re-exports only.

export type { ClientOptions } from './client/client-options.js';
export {
  type AdminResponse,
  type ClientHandlers,
  ClientState,
  type ClusterClient,
} from './client/cluster-client.js';
export type { CredentialsSupplier } from './client/credentials.js';
export type { ExactlyOnceOptions } from './client/exactly-once-client.js';
export { OfferResult } from './client/offer-result.js';
export type { QueryOptions } from './client/query-client.js';
export type { QueryAnswer, QueryRequestOptions } from './client/query-shell.js';
export type { RequestClientOptions } from './client/request-client.js';
export type { Answer } from './client/request-shell.js';
export type {
  Authenticator,
  AuthenticatorFactory,
  AuthorisationService,
  SessionProxy,
} from './cluster/authenticator.js';
export type { ClusterSettings, MemberSettings } from './cluster/cluster-config.js';
export { type ErrorCategory, ErrorCode, PawlError } from './errors.js';
export { type BootstrapMemberOptions, type BornMember, bootstrapMember } from './host/bootstrap.js';
export type { ShutdownOutcome } from './host/cluster-orders.js';
export { type ConnectOptions, connect, type RequestSession } from './host/connect.js';
export {
  type ConnectExactlyOnceOptions,
  connectExactlyOnce,
  type ExactlyOnceConnection,
  type RequestReply,
} from './host/connect-exactly-once.js';
export { connectClient, type NodeClient, type NodeClientOptions } from './host/node-client.js';
export {
  type MemberEvent,
  type NodeMemberOptions,
  type NodeMemberStatus,
  type RunningMember,
  runMember,
  type ServiceStatus,
} from './host/node-member.js';
export type {
  ClientQuery,
  ClientRequest,
  ClientSession,
  CloseReason,
  Cluster,
  ClusteredService,
  LeadershipTerm,
  Role,
  ServiceFactory,
} from './service/clustered-service.js';
export { EgressResult, ServiceMessageResult } from './service/clustered-service.js';
export { REQUEST_HEADER_LENGTH, Replier } from './service/request.js';
export { type ElementEncoder, SnapshotArray } from './service/snapshot-array.js';
export { type BytesEntryHandler, SnapshotBytesMap } from './service/snapshot-bytes-map.js';
export { type EntryEncoder, SnapshotMap } from './service/snapshot-map.js';
export type {
  SnapshotImage,
  SnapshotOutput,
  SnapshotPublication,
  SnapshotRecordHandler,
  SnapshotView,
} from './service/snapshot-publication.js';
