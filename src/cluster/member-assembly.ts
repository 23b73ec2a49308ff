// member-assembly.ts: makes the parts of a running member and joins them.
//
// Three groups, each made from the one before: the log (recorder, publication, image), the sessions
// (egress, ingress, what the log has opened), and consensus, which drives both.

import type { RecoveredDirectory } from '../archive/member-directory.js';
import { Recorder } from '../archive/recorder.js';
import { allocateRecorderControl, RECORDER_CONTROL_LENGTH } from '../archive/recorder-control.js';
import { RecorderProxy } from '../archive/recorder-proxy.js';
import { LogReader } from '../archive/segment-reader.js';
import { SnapshotReader } from '../archive/snapshot-reader.js';
import { SNAPSHOT_CHUNK_LENGTH, type SnapshotEntry } from '../archive/snapshot-recording.js';
import type { StorageTasks } from '../archive/storage-task.js';
import { assert } from '../assert.js';
import { Election } from '../consensus/election.js';
import type { RecoveredState } from '../consensus/election-effects.js';
import type { ElectionState, MemberRole } from '../consensus/election-state.js';
import type { PawlError } from '../errors.js';
import type { Arena } from '../memory/arena.js';
import type { Agent } from '../ports/agent.js';
import type { Clock } from '../ports/clock.js';
import type { Entropy } from '../ports/entropy.js';
import { POSITION_NULL } from '../position.js';
import { CloseReason } from '../protocol/codecs/enumerations.js';
import { formatHostPort } from '../protocol/host-port.js';
import {
  formatIngressEndpoints,
  ingressEndpointsOf,
  type MemberEndpoints,
} from '../protocol/member-endpoints.js';
import { CONSENSUS_STREAM_ID, INGRESS_STREAM_ID } from '../protocol/streams.js';
import type { Subscription } from '../transport/subscription.js';
import type { Transport } from '../transport/transport.js';
import { CheckedReader } from './checked-reader.js';
import { ClockAgreement } from './clock-agreement.js';
import { type ClusterConfig, toOpaque64 } from './cluster-config.js';
import { AppliedSessions } from './cluster-session.js';
import { ConsensusAdapter, type RefusalHandler } from './consensus-adapter.js';
import { ConsensusEffects } from './consensus-effects.js';
import { ConsensusModule } from './consensus-module.js';
import { ConsensusPublisher } from './consensus-publisher.js';
import { Egress } from './egress.js';
import { FollowerLog } from './follower-log.js';
import { IngressAdapter } from './ingress-adapter.js';
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
import { LogPurger } from './log-purger.js';
import { QueryIngress } from './query-ingress.js';
import { Responder } from './responder.js';
import type { ServiceHost, SnapshotSink } from './service-host.js';
import { type ShadowRunner, ShadowSnapshots } from './shadow-snapshots.js';
import { SnapshotLoader } from './snapshot-loader.js';
import { SnapshotSchedule } from './snapshot-schedule.js';
import { SnapshotTaker } from './snapshot-taker.js';
import { TimerProposer } from './timer-proposer.js';

/** Longest message in a log, bytes: an eighth of a term, at most 16 MiB, as in Aeron. */
export const MESSAGE_LENGTH_MAX = 16 * 1024 * 1024;
export const MESSAGE_TERM_SHARE = 8;

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
  readonly service: ServiceHost;
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
  onWarning(message: string): void;
  onFatal(error: PawlError): void;
}

/** The parts that the member itself looks at. */
export interface MemberParts {
  readonly directory: RecoveredDirectory;
  readonly module: ConsensusModule;
  readonly election: Election;
  readonly recorder: RecorderProxy;
  readonly applied: AppliedSessions;
  readonly sessions: LeaderSessions;
  readonly egress: Egress;
  readonly responder: Responder;
  readonly ingress: IngressAdapter;
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
  readonly schedule: SnapshotSchedule;
  readonly subscriptions: readonly Subscription[];
  close(): void;
}

/** Makes and joins the parts of a member whose directory is open. */
export function assembleMember(inputs: AssemblyInputs): MemberParts {
  const { arena, clock, config, directory, service } = inputs;
  const log = assembleLog(inputs);
  const snapshots = assembleSnapshots(inputs, log);
  const sessions = assembleSessions(inputs, log, snapshots);
  const consensus = assembleConsensus(inputs, log, sessions, snapshots);
  service.start({
    arena,
    memberId: config.member.memberId,
    poller: log.makePoller(),
    openRecording: log.makeReader,
    egress: sessions.egress,
    messageLengthMax: messageLengthMax(config),
    fragmentLimit: config.member.serviceFragmentLimit,
    snapshots: snapshots.shadow === undefined ? snapshots.taker : NOT_BY_SERVICE,
    snapshot: directory.snapshot,
    nowNs: () => clock.nowNs(),
  });
  const loader = assembleLoader(inputs, sessions);
  const module = new ConsensusModule({
    config,
    clock,
    service,
    ...log,
    ...sessions,
    ...consensus,
    ...snapshots,
    loader,
    timers: new TimerProposer(service.timers, log.logPublisher),
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
    ...log,
    ...snapshots,
    ...sessions,
    ...consensus,
    subscriptions,
    close,
  };
}

type LogParts = ReturnType<typeof assembleLog>;
type SnapshotParts = ReturnType<typeof assembleSnapshots>;
type SessionParts = ReturnType<typeof assembleSessions>;

function assembleLog(inputs: AssemblyInputs) {
  const { arena, config, directory, recorderRunner, service, tasks, transport } = inputs;
  const { recordingLog, geometry } = directory;
  const logCare = new LogCare({
    arena,
    config,
    directory,
    tasks,
    onWarning: (message) => inputs.onWarning(message),
    onFatal: (error) => inputs.onFatal(error),
  });
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
  const onRelease = (): void => service.setLive(undefined);
  const source = { open: makeReader };
  const leaderLog = new LeaderLog(transport, config, recorder, source, onRelease);
  const followerLog = new FollowerLog(transport, config, recorder, onRelease);
  const logPublisher = new LogPublisher(arena, messageLengthMax(config));
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
    logClock,
    clocks,
    close,
  };
}

function assembleSnapshots(inputs: AssemblyInputs, log: LogParts) {
  const { arena, config, directory, service, tasks } = inputs;
  const purger = new LogPurger({
    config,
    directory,
    tasks,
    leaderLog: log.leaderLog,
    damage: log.logCare.damage,
    servicePosition: () => service.position,
    onFatal: (error) => inputs.onFatal(error),
  });
  /** Who gives snapshots away is there when consensus is. */
  const given: { source?: InstallSource } = {};
  const taker = new SnapshotTaker({
    arena,
    tasks,
    directory,
    keptCount: config.member.snapshotCountKept,
    isGivenAway: (entry) => given.source?.isServing(entry) ?? false,
    snapshotVersion: () => service.snapshotVersion,
    onSnapshot: (entry) => {
      purger.onSnapshot();
      inputs.onSnapshot(entry);
    },
    onWarning: (message) => inputs.onWarning(message),
    onFatal: (error) => inputs.onFatal(error),
  });
  const schedule = new SnapshotSchedule(
    config,
    log.logPublisher,
    { canTake: () => service.snapshotVersion >= 0, isBusy: () => taker.isBusy },
    directory.snapshot?.logPosition ?? 0,
    directory.snapshot?.timestampMs ?? 0,
  );
  const shadow = assembleShadow(inputs, log, taker);
  return { taker, schedule, purger, given, shadow };
}

/** What a service is told whose snapshots a shadow takes. */
const NOT_BY_SERVICE: SnapshotSink = {
  wantedPosition: POSITION_NULL,
  wants: () => false,
  offer: (section) => section.close(),
};

function assembleShadow(
  inputs: AssemblyInputs,
  log: LogParts,
  taker: SnapshotTaker,
): ShadowSnapshots | undefined {
  const { arena, config, directory, service, shadowRunner: runner, tasks } = inputs;
  if (config.member.snapshotBy !== 'shadow') {
    return undefined;
  }
  assert(runner !== undefined, 'a member whose snapshots a shadow takes can run one');
  return new ShadowSnapshots({
    ...{ arena, config, directory, tasks, taker, runner },
    openRecording: log.makeReader,
    snapshotVersion: () => service.snapshotVersion,
  });
}

/** What brings sessions and service to the snapshot that the member starts from. */
function assembleLoader(inputs: AssemblyInputs, parts: SessionParts): SnapshotLoader | undefined {
  const { arena, directory, service, tasks } = inputs;
  const { applied, sessions } = parts;
  if (directory.snapshot === undefined) {
    return undefined;
  }
  return new SnapshotLoader({
    reader: new SnapshotReader(tasks, arena, directory.geometry, directory.snapshot),
    service,
    onSession: (session) => {
      applied.open(session);
      sessions.onOpened(session, false, 0);
    },
    onFatal: (error) => inputs.onFatal(error),
  });
}

function assembleSessions(inputs: AssemblyInputs, log: LogParts, snapshots: SnapshotParts) {
  const { arena, config, transport } = inputs;
  const applied = new AppliedSessions();
  const egress = new Egress(transport, config, {
    onOverflow: (id) => sessions.requestClose(id, CloseReason.Timeout),
    onCloseRequest: (id) => sessions.requestClose(id, CloseReason.ServiceAction),
    isHeard: (id) => sessions.isHeard(id),
  });
  const sessions = new LeaderSessions(arena, config, applied, egress, log.logPublisher);
  const applier = new LogApplier(log.makePoller(), applied, sessions, (event) => {
    snapshots.taker.onEvent(event, applied.values());
    snapshots.schedule.onEvent(event.logPosition, event.timestampMs);
  });
  const responder = new Responder(transport, config);
  const subscription = transport.addSubscription(
    channelOf(ownEndpoints(config).ingress),
    INGRESS_STREAM_ID,
    {
      windowLength: config.member.windowLength,
      onUnavailableImage: (image) => ingress.onUnavailableImage(image),
    },
  );
  const reads = new LeaderReads(inputs.service, egress, {
    countMax: config.member.queryCountMax,
    bytesMax: config.member.queryBytesMax,
  });
  const queryIngress = new QueryIngress(arena, sessions.table, reads);
  const ingress = new IngressAdapter(
    arena,
    subscription,
    sessions,
    log.logPublisher,
    responder,
    queryIngress,
    messageLengthMax(config),
  );
  const close = (): void => {
    egress.close();
    responder.close();
    applier.close();
    sessions.close();
    ingress.close();
  };
  const parts = { applied, egress, sessions, applier, responder, ingress, queryIngress, reads };
  return { ...parts, subscription, close };
}

function assembleConsensus(
  inputs: AssemblyInputs,
  log: LogParts,
  sessions: SessionParts,
  snapshots: SnapshotParts,
) {
  const { config, directory, entropy, service, transport } = inputs;
  const publisher = new ConsensusPublisher(transport, config, directory.birth.incarnation);
  const effects = new ConsensusEffects({
    ...inputs,
    ...log,
    publisher,
    onPurgedLogWanted: (memberId) => snapshots.given.source?.offer(memberId),
    onLogChange: () => {
      const live = log.leaderLog.isOpen ? log.leaderLog : log.followerLog;
      sessions.applier.setLive(live);
      service.setLive(live);
    },
  });
  const recovered = recoveredState(directory);
  const election = new Election(config.consensus, recovered, effects, () => entropy.nextUint32());
  effects.bind(election);
  log.logCare.join(election, publisher);
  const subscription = transport.addSubscription(
    channelOf(ownEndpoints(config).consensus),
    CONSENSUS_STREAM_ID,
    { checksum: 'required', windowLength: config.member.windowLength },
  );
  const installs = assembleInstalls(inputs, log, snapshots, election, publisher);
  const { onRefused } = inputs;
  const adapter = new ConsensusAdapter(
    subscription,
    election,
    onRefused,
    log.logCare,
    installs,
    log.clocks,
  );
  const close = (): void => {
    effects.close();
    installs.close();
    publisher.close();
  };
  return { publisher, effects, election, adapter, installs, subscription, close };
}

function assembleInstalls(
  inputs: AssemblyInputs,
  log: LogParts,
  snapshots: SnapshotParts,
  election: Election,
  publisher: ConsensusPublisher,
): Installs {
  const { arena, config, directory, service, tasks } = inputs;
  const source = new InstallSource({
    arena,
    tasks,
    directory,
    pieceLengthMax: publisher.repairPieceLengthMax,
    sendOffer: (to, entry) => publisher.snapshotOffer(to, election.leadershipTermId(), entry),
    sendBlock: (to, position, offset, address, length) =>
      publisher.snapshotBlock(to, position, offset, address, length),
  });
  snapshots.given.source = source;
  const target = new InstallTarget({
    arena,
    tasks,
    directory,
    // The rest of the window is for what keeps this member in the term.
    requestLength: Math.min(SNAPSHOT_CHUNK_LENGTH, config.member.windowLength / 4),
    snapshotVersion: () => service.snapshotVersion,
    leaderMemberId: () => election.leaderMemberId(),
    durablePosition: () => log.recorder.durablePosition(),
    allocateRecordingId: () => snapshots.taker.allocateRecordingId(),
    send: (to, request) => publisher.snapshotRequest(to, request),
    onWarning: (message) => inputs.onWarning(message),
    onFatal: (error) => inputs.onFatal(error),
  });
  return new Installs(source, target, election);
}

/** What recovery found, as consensus wants it. */
function recoveredState(directory: RecoveredDirectory): RecoveredState {
  const { appendPosition, birth, commitPosition, health, nodeState, recordingLog } = directory;
  // The snapshot stands for what lies before it, whether that has rotted or not.
  const start = directory.snapshot?.logPosition ?? 0;
  const ranges = health.kind === 'corrupt' ? health.ranges : [];
  const damaged = ranges.find((range) => range.to > start);
  const damagedPosition = damaged === undefined ? undefined : Math.max(damaged.from, start);
  return {
    nodeState: {
      ...nodeState.state,
      incarnations: nodeState.state.incarnations.map(({ memberId, incarnation }) => ({
        memberId,
        incarnation: toOpaque64(incarnation),
      })),
    },
    termEntries: recordingLog.entries().map((entry) => ({
      termId: entry.leadershipTermId,
      basePosition: entry.termBaseLogPosition,
    })),
    durablePosition: appendPosition,
    commitPosition: Math.min(commitPosition, appendPosition),
    incarnation: toOpaque64(birth.incarnation),
    ...(damagedPosition === undefined ? {} : { damagedPosition }),
  };
}

/** Longest message that a cluster's log can hold, bytes. */
export function messageLengthMax(config: ClusterConfig): number {
  return Math.min(config.logTermLength / MESSAGE_TERM_SHARE, MESSAGE_LENGTH_MAX);
}

function ownEndpoints(config: ClusterConfig): MemberEndpoints {
  const own = config.endpoints.find((one) => one.memberId === config.member.memberId);
  assert(own !== undefined, 'the configuration names this member');
  return own;
}

function channelOf(endpoint: MemberEndpoints['ingress']): string {
  return `aeron:udp?endpoint=${formatHostPort(endpoint)}`;
}
