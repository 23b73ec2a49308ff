// member-assembly.ts: makes the parts of a running member and joins them.
//
// Three groups, each made from the one before: the log (recorder, publication, image), the sessions
// (egress, ingress, what the log has opened), and consensus, which drives both.

import type { RecoveredDirectory } from '../archive/member-directory.js';
import { Recorder } from '../archive/recorder.js';
import { allocateRecorderControl, RECORDER_CONTROL_LENGTH } from '../archive/recorder-control.js';
import { RecorderProxy } from '../archive/recorder-proxy.js';
import { LogReader } from '../archive/segment-reader.js';
import { SNAPSHOT_CHUNK_LENGTH, type SnapshotEntry } from '../archive/snapshot-recording.js';
import type { StorageTasks } from '../archive/storage-task.js';
import { Election } from '../consensus/election.js';
import type { ElectionState, MemberRole } from '../consensus/election-state.js';
import type { PawlError } from '../errors.js';
import type { Arena } from '../memory/arena.js';
import type { Agent } from '../ports/agent.js';
import type { Clock } from '../ports/clock.js';
import type { Entropy } from '../ports/entropy.js';
import { formatIngressEndpoints, ingressEndpointsOf } from '../protocol/member-endpoints.js';
import { CONSENSUS_STREAM_ID, INGRESS_STREAM_ID } from '../protocol/streams.js';
import { messageLengthMax } from '../transport/log-memory.js';
import type { Subscription } from '../transport/subscription.js';
import type { Transport } from '../transport/transport.js';
import { type Authenticator, type AuthorisationService, DENY_ALL } from './authenticator.js';
import { CheckedReader } from './checked-reader.js';
import { ClientOrders } from './client-orders.js';
import { ClockAgreement } from './clock-agreement.js';
import type { ClusterConfig } from './cluster-config.js';
import { ClusterControl } from './cluster-control.js';
import { AppliedSessions } from './cluster-session.js';
import { ConsensusAdapter, type RefusalHandler } from './consensus-adapter.js';
import { ConsensusEffects } from './consensus-effects.js';
import { ConsensusModule } from './consensus-module.js';
import { ConsensusPublisher } from './consensus-publisher.js';
import { DiskWatch } from './disk-watch.js';
import type { Divergence } from './divergence.js';
import { Egress } from './egress.js';
import { FollowerLog } from './follower-log.js';
import { IngressAdapter } from './ingress-adapter.js';
import { IngressGate } from './ingress-gate.js';
import { InstallSource } from './install-source.js';
import { InstallTarget } from './install-target.js';
import { Installs } from './installs.js';
import { LeaderLog } from './leader-log.js';
import { LeaderReads } from './leader-reads.js';
import { LeaderSessions } from './leader-sessions.js';
import { LogApplier } from './log-applier.js';
import { LogCare } from './log-care.js';
import { LogClock } from './log-clock.js';
import { LogPoller } from './log-poller.js';
import { LogPublisher } from './log-publisher.js';
import type { LogPurger } from './log-purger.js';
import { channelOf, ownEndpoints } from './member-addresses.js';
import { Outputs } from './outputs.js';
import { QueryIngress } from './query-ingress.js';
import { recoveredState } from './recovered-state.js';
import { Responder } from './responder.js';
import { ServiceProposer } from './service-proposer.js';
import type { Services } from './services.js';
import { SessionAdmission } from './session-admission.js';
import type { ShadowRunner, ShadowSnapshots } from './shadow-snapshots.js';
import { Shutdown } from './shutdown.js';
import { assembleLoader, assembleSnapshots, NOT_BY_SERVICE } from './snapshot-assembly.js';
import type { SnapshotSchedule } from './snapshot-schedule.js';
import type { SnapshotTaker } from './snapshot-taker.js';

/** Runs the recorder somewhere else than on this thread. */
export interface RecorderRunner {
  /** Starts it over a control block in the arena. Failures come back through the poison flag. */
  start(control: number, directory: RecoveredDirectory): void;
  /** Wakes it. */
  notify(): void;
  close(): void;
}

/** What a member is assembled from. */
export interface AssemblyInputs {
  readonly config: ClusterConfig;
  readonly arena: Arena;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly services: Services;
  readonly authenticator?: Authenticator;
  readonly authorisation?: AuthorisationService;
  readonly recorderRunner?: RecorderRunner;
  /** Given where snapshots are taken by a shadow. */
  readonly shadowRunner?: ShadowRunner;
  readonly directory: RecoveredDirectory;
  readonly transport: Transport;
  readonly tasks: StorageTasks;
  onStateChange(state: ElectionState, reason: string): void;
  onRoleChange(role: MemberRole, termId: number): void;
  readonly onRefused: RefusalHandler;
  onSnapshot(entry: SnapshotEntry): void;
  onDivergence(divergence: Divergence): void;
  onWarning(message: string): void;
  onFatal(error: PawlError): void;
}

/** The parts that the member itself looks at. */
export interface MemberParts {
  readonly directory: RecoveredDirectory;
  readonly module: ConsensusModule;
  readonly services: Services;
  readonly election: Election;
  readonly recorder: RecorderProxy;
  readonly applied: AppliedSessions;
  readonly applier: LogApplier;
  readonly sessions: LeaderSessions;
  readonly egress: Egress;
  readonly responder: Responder;
  readonly ingress: IngressAdapter;
  readonly admission: SessionAdmission;
  readonly control: ClusterControl;
  readonly shutdown: Shutdown;
  readonly queryIngress: QueryIngress;
  readonly reads: LeaderReads;
  readonly adapter: ConsensusAdapter;
  readonly publisher: ConsensusPublisher;
  readonly logCare: LogCare;
  readonly logClock: LogClock;
  readonly taker: SnapshotTaker;
  readonly shadow: ShadowSnapshots | undefined;
  readonly purger: LogPurger;
  readonly installs: Installs;
  readonly outputs: Outputs;
  readonly diskWatch: DiskWatch;
  readonly schedule: SnapshotSchedule;
  readonly subscriptions: readonly Subscription[];
  close(): void;
}

/** What moves in a member's duty cycles. */
export type MemberObservation = Pick<
  MemberParts,
  'election' | 'logCare' | 'module' | 'recorder' | 'shutdown'
>;

/** Makes and joins the parts of a member whose directory is open. */
export function assembleMember(inputs: AssemblyInputs): MemberParts {
  const { clock, config, directory, services } = inputs;
  const log = assembleLog(inputs);
  const snapshots = assembleSnapshots(inputs, log);
  const sessions = assembleSessions(inputs, log, snapshots);
  const consensus = assembleConsensus(inputs, log, sessions, snapshots);
  startServices(inputs, log, sessions, snapshots, consensus.outputs);
  const loader = assembleLoader(inputs, sessions);
  const module = new ConsensusModule({
    config,
    clock,
    services,
    ...log,
    ...sessions,
    ...consensus,
    ...snapshots,
    loader,
    proposer: new ServiceProposer(services.hosts, log.logPublisher),
    sendNow: (nowNs) => inputs.transport.flush(nowNs),
    ingressEndpoints: formatIngressEndpoints(ingressEndpointsOf(config.endpoints)),
  });
  const close = (): void => {
    loader?.close();
    snapshots.shadow?.close();
    snapshots.taker.close();
    consensus.close();
    sessions.close();
    log.close();
  };
  const subscriptions = [
    sessions.subscription,
    consensus.subscription,
    log.followerLog.subscription,
  ];
  return {
    directory,
    module,
    services,
    ...log,
    ...snapshots,
    ...sessions,
    ...consensus,
    subscriptions,
    close,
  };
}

export type LogParts = ReturnType<typeof assembleLog>;
type SnapshotParts = ReturnType<typeof assembleSnapshots>;
export type SessionParts = ReturnType<typeof assembleSessions>;

function assembleLog(inputs: AssemblyInputs) {
  const { arena, config, directory, recorderRunner, services, tasks, transport } = inputs;
  const { recordingLog, geometry } = directory;
  const logCare = new LogCare({
    arena,
    config,
    directory,
    tasks,
    onWarning: (message) => inputs.onWarning(message),
    onFatal: (error) => inputs.onFatal(error),
  });
  const diskWatch = new DiskWatch({ config, tasks, onWarning: inputs.onWarning });
  const makeReader = (): CheckedReader => {
    const reader = new LogReader({ tasks, arena, recordingLog, geometry });
    return new CheckedReader(reader, logCare, (error) => inputs.onFatal(error));
  };
  const start = directory.snapshot?.logPosition ?? directory.logStartPosition;
  const makePoller = (): LogPoller =>
    new LogPoller(arena, makeReader(), config.logTermLength, start);
  const control = allocateRecorderControl(arena);
  const recorder = new RecorderProxy({
    arena,
    control,
    ...(recorderRunner === undefined ? {} : { notify: () => recorderRunner.notify() }),
  });
  recorderRunner?.start(control, directory);
  const inlineRecorder: Agent | undefined =
    recorderRunner === undefined
      ? new Recorder({ tasks, arena, control, geometry, durability: config.durability })
      : undefined;
  // Nothing in its buffers is read from then on; `onLogChange` tells what is.
  const onRelease = (): void => services.setLive(undefined);
  const source = { open: makeReader };
  const onLogWarning = (message: string): void => inputs.onWarning(message);
  const leaderLog = new LeaderLog(transport, config, recorder, source, onRelease, onLogWarning);
  const followerLog = new FollowerLog(transport, config, recorder, onRelease);
  const logPublisher = new LogPublisher(arena, messageLengthMax(config.logTermLength));
  const logClock = new LogClock(config.clockSkewMaxMs);
  const { memberId, memberIds } = config.consensus;
  const clocks = new ClockAgreement(inputs.clock, memberId, memberIds);
  const close = (): void => {
    followerLog.close();
    logPublisher.close();
    logCare.close();
    inlineRecorder?.close();
    arena.release(control, RECORDER_CONTROL_LENGTH);
  };
  return {
    makeReader,
    makePoller,
    recorder,
    inlineRecorder,
    leaderLog,
    followerLog,
    logPublisher,
    logCare,
    diskWatch,
    logClock,
    clocks,
    close,
  };
}

/** Each service reads the log by itself, and brings its own section of a snapshot. */
function startServices(
  inputs: AssemblyInputs,
  log: LogParts,
  sessions: SessionParts,
  snapshots: SnapshotParts,
  outputs: Outputs,
): void {
  const { arena, config, directory, services } = inputs;
  const { snapshot, snapshotVersions } = directory;
  services.start((serviceId) => ({
    arena,
    memberId: config.member.memberId,
    poller: log.makePoller(),
    egress: sessions.egress,
    messageLengthMax: messageLengthMax(config.logTermLength),
    fragmentLimit: config.member.serviceFragmentLimit,
    openRecording: log.makeReader,
    snapshots: snapshots.shadow === undefined ? snapshots.taker.sinkOf(serviceId) : NOT_BY_SERVICE,
    outputs: outputs.historyOf(serviceId),
    snapshot: snapshot && { ...snapshot, appVersion: snapshotVersions[serviceId] ?? 0 },
  }));
}

function assembleSessions(inputs: AssemblyInputs, log: LogParts, snapshots: SnapshotParts) {
  const { arena, config, transport } = inputs;
  const applied = new AppliedSessions();
  const egress = new Egress(transport, config, {
    onOverflow: (id) => sessions.giveUp(id),
    onCloseRequest: (id) => sessions.endForService(id),
    isHeard: (id) => sessions.isHeard(id),
  });
  const sessions = new LeaderSessions(arena, config, applied, egress, log.logPublisher);
  const control = new ClusterControl(log.logPublisher);
  const lengthMax = messageLengthMax(config.logTermLength);
  const poller = log.makePoller();
  const applier = new LogApplier(poller, applied, sessions, control, lengthMax, (event) => {
    snapshots.taker.onEvent(event, applied.values(), control.isSuspended);
    snapshots.schedule.onEvent(event.logPosition, event.timestampMs);
  });
  const responder = new Responder(transport, config);
  const gate = new IngressGate(arena, config, () => ({
    ingressCount: subscription.images.length,
    egressCount: egress.openCount(),
  }));
  const subscription = transport.addSubscription(
    channelOf(ownEndpoints(config).ingress),
    INGRESS_STREAM_ID,
    {
      windowLength: config.member.windowLength,
      accept: ({ termLength }, nowNs) => gate.accept(termLength, nowNs),
      onUnavailableImage: (image) => ingress.onUnavailableImage(image),
    },
  );
  const { authenticator, authorisation = DENY_ALL, onWarning } = inputs;
  const admission = new SessionAdmission({
    config,
    authenticator,
    sessions,
    responder,
    onWarning: (message) => onWarning(message),
  });
  const { schedule } = snapshots;
  const asked = { applied, sessions, admission, authorisation, egress, responder };
  const orders = new ClientOrders({ ...asked, schedule });
  const reads = new LeaderReads(inputs.services.answering, egress, {
    countMax: config.member.queryCountMax,
    bytesMax: config.member.queryBytesMax,
  });
  const queryIngress = new QueryIngress(arena, sessions, reads);
  const ingress = new IngressAdapter({
    arena,
    subscription,
    sessions,
    log: log.logPublisher,
    queries: queryIngress,
    orders,
    messageLengthMax: lengthMax,
  });
  const close = (): void => {
    egress.close();
    responder.close();
    applier.close();
    sessions.close();
    ingress.close();
  };
  const entry = { ingress, queryIngress, reads, responder, subscription };
  return { applied, egress, sessions, admission, control, applier, ...entry, close };
}

function assembleConsensus(
  inputs: AssemblyInputs,
  log: LogParts,
  sessions: SessionParts,
  snapshots: SnapshotParts,
) {
  const { config, directory, entropy, onRefused, services, transport } = inputs;
  const publisher = new ConsensusPublisher(transport, config, directory.birth.incarnation);
  const effects = new ConsensusEffects({
    ...inputs,
    ...log,
    publisher,
    appliedFrame: () => sessions.applier.positionBehind,
    onPurgedLogWanted: (memberId) => snapshots.given.source?.offer(memberId),
    onLogChange: () => {
      const live = log.leaderLog.isOpen ? log.leaderLog : log.followerLog;
      sessions.applier.setLive(live);
      services.setLive(live);
    },
  });
  const recovered = recoveredState(directory);
  const election = new Election(config.consensus, recovered, effects, () => entropy.nextUint32());
  effects.bind(election);
  log.logCare.join(election, publisher);
  log.diskWatch.join(election);
  const subscription = transport.addSubscription(
    channelOf(ownEndpoints(config).consensus),
    CONSENSUS_STREAM_ID,
    { checksum: 'required', windowLength: config.member.windowLength },
  );
  const installs = assembleInstalls(inputs, snapshots, election, publisher);
  const shutdown = new Shutdown({ ...snapshots, ...log, config, election, publisher, services });
  const { logCare } = log;
  const outputs = new Outputs({
    arena: inputs.arena,
    config,
    services,
    isIntroduced: (memberId) => election.peers.isIntroduced(memberId),
    send: (to, message) => publisher.outputHash(to, message),
    onDivergence: (divergence) => inputs.onDivergence(divergence),
    onWarning: (message) => inputs.onWarning(message),
    onFatal: (error) => inputs.onFatal(error),
  });
  const adapter = new ConsensusAdapter(
    subscription,
    election,
    onRefused,
    logCare,
    installs,
    log.clocks,
    outputs,
    shutdown,
  );
  const close = (): void => {
    effects.close();
    installs.close();
    publisher.close();
    outputs.close();
  };
  const given = { effects, election, installs, outputs, shutdown, subscription };
  return { publisher, adapter, ...given, close };
}

function assembleInstalls(
  inputs: AssemblyInputs,
  snapshots: SnapshotParts,
  election: Election,
  publisher: ConsensusPublisher,
): Installs {
  const { arena, config, directory, services, tasks } = inputs;
  const source = new InstallSource({
    arena,
    tasks,
    directory,
    pieceLengthMax: publisher.repairPieceLengthMax,
    sendOffer: (to, entry) => publisher.snapshotOffer(to, election.leadershipTermId(), entry),
    sendBlock: (to, position, offset, address, length) =>
      publisher.snapshotBlock(to, position, offset, address, length),
    requestSnapshot: () => snapshots.schedule.request(),
    onWarning: (message) => inputs.onWarning(message),
  });
  snapshots.given.source = source;
  const target = new InstallTarget({
    arena,
    tasks,
    directory,
    // The rest of the window is for what keeps this member in the term.
    requestLength: Math.min(SNAPSHOT_CHUNK_LENGTH, config.member.windowLength / 4),
    snapshotVersions: () => services.snapshotVersions,
    leaderMemberId: () => election.leaderMemberId(),
    durablePosition: () => election.durablePosition(),
    sealLogBelow: (position) => election.ownLog.sealBelow(position),
    allocateRecordingId: () => snapshots.taker.allocateRecordingId(),
    send: (to, request) => publisher.snapshotRequest(to, request),
    onWarning: (message) => inputs.onWarning(message),
    onFatal: (error) => inputs.onFatal(error),
  });
  return new Installs(source, target, election);
}
