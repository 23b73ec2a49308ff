// simulation.ts: one seed: a cluster, its clients, its bad luck, and those who judge.
//
// Two phases. In the safety phase the nemesis strikes and nothing untrue may happen. In the
// liveness phase (liveness.ts) first a majority and then everybody is healed, and must elect,
// serve, and become equal within bounds: a cluster that is safe because it does nothing is none.

import type { RecoveredDirectory } from '../archive/member-directory.js';
import { type Divergence, divergenceText } from '../cluster/divergence.js';
import type { Member, MemberEvents } from '../cluster/member.js';
import { ErrorCode, PawlError } from '../errors.js';
import type { Application } from './application.js';
import { concludeSwarm } from './conclude-swarm.js';
import { describeError } from './describe-error.js';
import { LOW_SPACE_LENGTH } from './equipment-faults.js';
import { EventKind, type WorldEvent } from './event-heap.js';
import { GlobalGuard } from './global-guard.js';
import { Intruder } from './intruder.js';
import { Judge } from './invariants/judge.js';
import { judgeRecovery } from './judge-recovery.js';
import { Judges } from './judges.js';
import { Liveness } from './liveness.js';
import { Nemesis } from './nemesis.js';
import { Operator } from './operator.js';
import type { Prng } from './prng.js';
import { SimulatedRequester } from './request-workload.js';
import { Shutdowns } from './shutdowns.js';
import {
  type ArenaPool,
  isMemberTurn,
  SimulatedCluster,
  type SimulatedMember,
} from './simulated-cluster.js';
import { makeSecurity } from './simulated-security.js';
import { addMemberCounters, emptyCounts } from './simulation-counts.js';
import type { SimulationResult } from './simulation-result.js';

export type { SimulationResult } from './simulation-result.js';

import { Conversation } from './story/conversation.js';
import type { LastingTrouble, Swarm } from './swarm.js';
import type { Profile } from './swarm-profiles.js';
import { Timeline } from './timeline.js';
import type { VirtualNode } from './virtual-node.js';
import { SimulatedClient } from './workload.js';
import { World } from './world.js';

const NS_PER_MS = 1_000_000;
/** A member whose process has ended is started again after at most this. */
const RESTART_DELAY_MAX_MS = 3_000;

/** Fast enough for the longest log of a run to be read within a cycle. */
const SCRUB_BYTES_PER_SECOND = 16 * 1024 * 1024;

/** Runs are short: members compare their output often. */
const DIVERGENCE_INTERVAL_MS = 200;
/** Logs of runs are small, and disks that fill up do so within a second. */
const SPACE_CHECK_INTERVAL_MS = 200;
/** A shutdown does not wait longer for a member than many faults last. */
const TERMINATION_TIMEOUT_MS = 3_000;

export interface SimulationOptions {
  readonly seed: number;
  readonly arenas: ArenaPool;
  readonly profile?: Profile;
  /** Length of the safety phase; otherwise the seed decides. */
  readonly safetyNs?: number;
  /** The run is given up at this time of its safety phase; all else is as without it. */
  readonly untilNs?: number;
  readonly isTraced?: boolean;
  /** Numbers of the faults that strike: all when not given. */
  readonly onlyFaults?: readonly number[] | undefined;
  /** What is wrong all the time, and is left out. */
  readonly without?: readonly LastingTrouble[] | undefined;
  /** Changes what the seed decided, before anything is made of it. */
  readonly adjust?: (swarm: Swarm) => Swarm;
  /** What runs on the cluster; a ledger and its clients when not given. */
  readonly makeApplication?: (world: World, judge: Judge) => Application;
  /** Takes away what would make the run depend on more than its seed. `false` leaves it. */
  readonly guard?: GlobalGuard | false;
}

/** One run. Use it once. */
export class Simulation {
  readonly world: World;
  readonly swarm: Swarm;
  readonly cluster: SimulatedCluster;
  readonly clients: readonly SimulatedClient[];
  readonly requesters: readonly SimulatedRequester[];
  readonly judge: Judge;
  readonly timeline: Timeline;
  readonly nemesis: Nemesis;
  readonly judges: Judges;
  readonly intruders: readonly Intruder[];
  readonly operator: Operator;
  readonly shutdowns: Shutdowns;
  readonly application: Application | undefined;
  readonly liveness: Liveness;
  readonly #random: Prng;
  readonly #guard: GlobalGuard | undefined;
  readonly #untilNs: number;
  #isOver = false;
  #finalHash = '';
  #safetyStartNs = 0;
  readonly #counts = emptyCounts();

  constructor(options: SimulationOptions) {
    const { arenas, seed, isTraced = false } = options;
    this.swarm = concludeSwarm(options);
    this.#untilNs = options.untilNs ?? Number.POSITIVE_INFINITY;
    this.#guard = options.guard === false ? undefined : (options.guard ?? new GlobalGuard());
    this.world = new World(seed);
    this.#random = this.world.random.fork('simulation');
    this.timeline = new Timeline(this.world, isTraced);
    this.judge = new Judge(this.world);
    this.cluster = this.#makeCluster(arenas);
    const isDurable = this.swarm.durability === 'fsync';
    this.application = options.makeApplication?.(this.world, this.judge);
    const { application, cluster, judge, timeline, world } = this;
    this.judges = new Judges(
      world,
      judge,
      cluster.members,
      isDurable,
      application,
      this.swarm.messages,
    );
    const parts = {
      world,
      arenas,
      timeline,
      acknowledged: this.judges.acknowledged,
      history: this.judges.history,
      onQueryFailed: (client: number, code: string) => this.#onQueryFailed(client, code),
      ingressEndpoints: cluster.ingressEndpoints,
      isAuthenticated: this.swarm.isAuthenticated,
    };
    this.clients = Array.from(
      { length: this.swarm.workload.clientCount },
      (_, index) =>
        new SimulatedClient(index, parts, this.swarm.workload, application?.commandsOf(index)),
    );
    this.requesters = this.#makeRequesters(arenas);
    this.intruders = this.#makeIntruders(arenas);
    const { clients, intruders, requesters } = this;
    const { operatorIntervalNs: intervalNs } = this.swarm;
    this.operator = new Operator({ world, cluster, timeline, intervalNs });
    const shutdownParts = { world, cluster, timeline, judge };
    const { shutdownIntervalNs } = this.swarm;
    this.shutdowns = new Shutdowns({ ...shutdownParts, intervalNs: shutdownIntervalNs });
    application?.onClients(clients);
    const { onlyFaults } = options;
    const committedEnd = (): number => this.judges.committed.end;
    const acted = {
      world,
      cluster,
      clients,
      requesters,
      intruders,
      swarm: this.swarm,
      timeline,
      committedEnd,
    };
    this.nemesis = new Nemesis({ ...acted, onlyFaults });
    const { judges, nemesis } = this;
    const random = world.random.fork('liveness');
    const start = (member: SimulatedMember): void => this.#start(member);
    this.liveness = new Liveness({ ...acted, judge, judges, nemesis, random, start });
  }

  /** Runs both phases. */
  run(): SimulationResult {
    return this.#guard === undefined ? this.#run() : this.#guard.run(() => this.#run());
  }

  #run(): SimulationResult {
    try {
      this.#begin();
      this.#safetyStartNs = this.world.nowNs;
      const safetyEndNs = this.#safetyStartNs + this.swarm.safetyNs;
      this.liveness.runUntil(Math.min(safetyEndNs, this.#untilNs));
      if (this.judge.violation === undefined && this.#untilNs >= safetyEndNs) {
        this.operator.stop();
        for (const intruder of this.intruders) {
          intruder.stop();
        }
        this.liveness.run();
      }
      this.judges.history.finish();
    } catch (error) {
      // Thrown by the world itself, such as by a socket whose held bytes were changed.
      this.judge.report('exception', describeError(error));
    }
    this.#end();
    return this.#result();
  }

  // --- set-up ---

  #makeCluster(arenas: ArenaPool): SimulatedCluster {
    const { durability, memberCount, mtuLength, scrubCycleMs, segmentTerms } = this.swarm;
    const { egressBufferLengthMax, sessionCountMax, sessionTimeoutMs } = this.swarm;
    const { logRetention, queryCountMax, snapshotIntervalLength, snapshotIntervalMs } = this.swarm;
    const logTermLength = 64 * 1024;
    return new SimulatedCluster({
      world: this.world,
      memberCount,
      arenas,
      isRecorderInline: this.swarm.isRecorderInline,
      cluster: {
        durability,
        serviceCount: this.swarm.messages.serviceCount,
        logTermLength,
        segmentLength: segmentTerms * logTermLength,
        sessionTimeoutMs,
        sessionCountMax,
        egressBufferLengthMax,
      },
      member: {
        mtuLength,
        scrubCycleMs,
        scrubBytesPerSecond: SCRUB_BYTES_PER_SECOND,
        snapshotIntervalLength,
        snapshotIntervalMs,
        logRetention,
        divergenceIntervalMs: DIVERGENCE_INTERVAL_MS,
        lowSpaceLength: LOW_SPACE_LENGTH,
        spaceCheckIntervalMs: SPACE_CHECK_INTERVAL_MS,
        queryCountMax,
        terminationTimeoutMs: TERMINATION_TIMEOUT_MS,
        threads: this.swarm.isServiceDedicated ? 'dedicated' : 'shared',
      },
      memberOf: (memberId) => {
        const { messages, shadowEvery } = this.swarm;
        const isShadowed =
          messages.serviceCount === 1 && shadowEvery > 0 && memberId % shadowEvery === 0;
        return { snapshotBy: isShadowed ? 'shadow' : 'service' };
      },
      makeService: (memberId) => this.judges.makeServices(memberId),
      makeShadow: (memberId) => this.judges.makeShadow(memberId),
      makeSecurity: this.swarm.isAuthenticated ? makeSecurity(this.world.random) : undefined,
      events: (memberId) => this.#eventsOf(memberId),
      onEnd: (memberId, member) => this.#onMemberEnd(memberId, member),
    });
  }

  #makeIntruders(arenas: ArenaPool): Intruder[] {
    const { judge, swarm, world } = this;
    const { ingressEndpoints } = this.cluster;
    return Array.from(
      { length: swarm.intruderCount },
      (_, index) => new Intruder(index, { world, arenas, judge, ingressEndpoints }),
    );
  }

  /** None where the caller brings a service of its own. */
  #makeRequesters(arenas: ArenaPool): SimulatedRequester[] {
    const { cluster, swarm, timeline, world } = this;
    const { requests } = this.judges;
    const { ingressEndpoints } = cluster;
    const { isAuthenticated } = swarm;
    const parts = { world, arenas, ingressEndpoints, requests, timeline, isAuthenticated };
    const count = this.application === undefined ? swarm.requests.requesterCount : 0;
    return Array.from(
      { length: count },
      (_, index) => new SimulatedRequester(index, parts, swarm.requests),
    );
  }

  #eventsOf(memberId: number): MemberEvents {
    const { timeline } = this;
    const name = `member ${memberId}`;
    return {
      onRecovered: (directory) => this.#onRecovered(memberId, directory),
      onStateChange: (state, reason) => {
        this.#counts.catchUps += state === 'FOLLOWER_CATCHUP' ? 1 : 0;
        timeline.add(name, `${state}: ${reason}`);
      },
      onRoleChange: (role, termId) => {
        if (role === 'leader') {
          timeline.add(name, `LEADS term ${termId}`);
          this.#counts.elections++;
          this.judges.onLeader(memberId, termId);
        }
      },
      onSnapshot: (entry) => {
        this.judges.snapshots.onSnapshot(memberId, entry);
        timeline.add(name, `has a snapshot of position ${entry.logPosition}`);
      },
      onTerminated: (position) => {
        this.liveness.onRestarting();
        this.shutdowns.onTerminated(memberId, position);
      },
      onDivergence: (divergence) => this.#onDivergence(memberId, divergence),
      onWarning: (message) => timeline.add(name, `warns: ${message}`),
    };
  }

  #onDivergence(memberId: number, divergence: Divergence): void {
    // What a user's service puts out is judged event by event, with the cause: see user/.
    if (this.application === undefined) {
      this.judge.report('outputs', `member ${memberId} finds a ${divergenceText(divergence)}`);
    }
  }

  #onRecovered(memberId: number, directory: RecoveredDirectory): void {
    const { health } = directory;
    this.judges.onRecovered(memberId, directory);
    const { snapshot: used, snapshots } = directory;
    // One that has rotted may still be whole where it counts: a bit behind its end has flipped.
    const newest = snapshots.index.snapshots.findLast(
      ({ recordingId }) =>
        recordingId === used?.recordingId || !this.nemesis.damage.hasRotten(memberId, recordingId),
    );
    const isWhole = health.kind !== 'corrupt' && !this.nemesis.failedReads.has(memberId);
    this.judges.snapshots.onStart(memberId, isWhole ? newest : undefined, used);
    this.#counts.tornTails += health.kind === 'torn' ? 1 : 0;
    this.timeline.add(
      `member ${memberId}`,
      `recovered ${directory.appendPosition} of its log, ${health.kind}, in term ` +
        `${directory.logTermId}`,
    );
    const member = this.cluster.members[memberId] as SimulatedMember;
    judgeRecovery(this.nemesis, this.judge, member, directory);
  }

  #begin(): void {
    const { cluster, world } = this;
    cluster.bootstrap();
    this.timeline.add('run', `seed ${world.seed}: ${JSON.stringify(this.swarm)}`);
    world.onEvent = (event) => this.#onEvent(event);
    for (const member of cluster.members) {
      member.node.onFatal = (_process, error) => this.#onFatal(member, error);
    }
    for (const { node } of [...this.clients, ...this.requesters, ...this.intruders]) {
      node.onFatal = (_process, error) =>
        this.judge.report('fatal', `${node.name}: ${describeError(error)}`);
    }
    this.judges.committed.excusedMember = () => this.nemesis.losses.blankMemberId;
    this.nemesis.losses.onLost = (memberId) => this.judges.onLostDirectory(memberId);
    if (this.timeline.isOn) {
      new Conversation(world, this.timeline).begin();
    }
    this.nemesis.begin();
    for (const member of cluster.members) {
      this.#start(member);
    }
    for (const client of [...this.clients, ...this.requesters]) {
      client.start();
    }
    for (const intruder of this.intruders) {
      intruder.start();
    }
    this.operator.begin();
    this.shutdowns.begin(world.nowNs + this.swarm.safetyNs);
  }

  #start(member: SimulatedMember): void {
    const { memberId } = member;
    if (this.#isOver || member.node.process !== undefined || this.liveness.isHeldDown(member)) {
      return;
    }
    this.judges.onStart(memberId);
    this.nemesis.onStart(memberId);
    this.timeline.add(member.node.name, 'starts');
    this.cluster.start(member);
  }

  // --- what happens ---

  #onEvent(event: WorldEvent): void {
    if (event.kind !== EventKind.Turn) {
      return;
    }
    const simulated = this.cluster.members[event.nodeId];
    const observed = simulated?.member?.observe();
    if (simulated !== undefined && observed !== undefined) {
      const servicePosition = simulated.member?.servicePosition ?? 0;
      this.judges.onTurn(simulated.memberId, observed, servicePosition, isMemberTurn(event));
      const { losses } = this.nemesis;
      if (simulated.memberId === losses.blankMemberId && observed.election.isVoting()) {
        losses.onVote(simulated.memberId);
      }
    }
  }

  #onMemberEnd(memberId: number, member: Member | undefined): void {
    const { world } = this;
    const truncations = member?.observe()?.election.counters.truncations ?? 0;
    this.#counts.truncations += truncations;
    if (truncations > 0) {
      this.timeline.add(`member ${memberId}`, `has cut its log ${truncations} times in its life`);
    }
    addMemberCounters(this.#counts, member?.status().counters ?? {});
    this.#counts.repairs += member?.observe()?.logCare.counters().repairs ?? 0;
    if (this.#isOver || world.onEvent === undefined) {
      return;
    }
    this.timeline.add(`member ${memberId}`, 'is down');
    const maxMs = this.#random.pick([5, 300, RESTART_DELAY_MAX_MS]);
    const delayNs = this.#random.between(1, maxMs) * NS_PER_MS;
    world.schedule(world.nowNs + delayNs, undefined, () => {
      this.#counts.restarts++;
      this.#start(this.cluster.members[memberId] as SimulatedMember);
    });
  }

  #onFatal(member: SimulatedMember, error: unknown): void {
    const { memberId } = member;
    const code = error instanceof PawlError ? error.code : undefined;
    const isStorage = code === ErrorCode.StorageFailed || code === ErrorCode.StorageFull;
    const { damage, fullMembers } = this.nemesis;
    if (code === ErrorCode.StorageFull && fullMembers.has(memberId)) {
      return;
    }
    this.timeline.add(member.node.name, `ends: ${describeError(error)}`);
    const isInstalled = code === ErrorCode.SnapshotInstalled;
    const start = this.judges.snapshots.startOf(memberId);
    const isUnreadable =
      damage.hasRotten(memberId, start) || this.nemesis.failedReads.has(memberId);
    const isRotten = code === ErrorCode.SnapshotInvalid && isUnreadable;
    // It starts again, as every member that ends. Rot may come between its check and its loading.
    if (isInstalled || isRotten) {
      this.#counts.installs += isInstalled ? 1 : 0;
      this.liveness.onRestarting();
      return;
    }
    if (isStorage && this.nemesis.expectedFailures.delete(memberId)) {
      return;
    }
    // A member that nobody has damaged, and that refuses its own records, has not recovered.
    const isRecovery =
      code === ErrorCode.RecordCorrupt && !this.nemesis.losses.blankMembers.has(memberId);
    const invariant = isRecovery ? 'recovery' : 'fatal';
    this.judge.report(invariant, `member ${memberId} ends: ${describeError(error)}`);
  }

  /** Queries end by their deadline, or with their session; all else is wrong. */
  #onQueryFailed(client: number, code: string): void {
    if (code !== ErrorCode.Timeout && code !== ErrorCode.LimitExceeded) {
      this.judge.report('I-12', `a query of client ${client} ends in ${code}`);
    }
  }

  // --- end ---

  /** Ends all processes, so that their memory can serve the next run. */
  #end(): void {
    this.#isOver = true;
    const { world } = this;
    const traceHash = world.trace.digest();
    world.onEvent = undefined;
    for (const node of world.nodes) {
      endQuietly(node);
    }
    this.#finalHash = traceHash;
    world.runUntil(world.nowNs);
  }

  #result(): SimulationResult {
    const counts = this.#counts;
    this.nemesis.addTo(counts);
    counts.snapshots = this.judges.snapshots.takenCount;
    counts.suspensions = this.judges.suspension.count;
    counts.shutdowns = this.shutdowns.count;
    counts.shutdownEnds = this.shutdowns.endedCount;
    counts.snapshotLoads = this.judges.snapshots.loadedCount;
    counts.timersFired = this.judges.services.firedTimerCount();
    counts.serviceMessages = this.judges.services.messages.receivedCount;
    counts.judgedOperations = this.judges.history.result?.operationCount ?? 0;
    counts.requests = this.judges.requests.executedCount;
    counts.reads = this.clients.reduce((sum, one) => sum + one.readCount, 0);
    counts.requestRetries = this.requesters.reduce((sum, one) => sum + one.retryCount, 0);
    counts.retriesAnswered = this.judges.services.repeatedRequestCount();
    const { acknowledged } = this.judges;
    counts.commands = this.application?.commandCount ?? acknowledged.appliedCount;
    counts.acknowledged = this.application?.answerCount ?? acknowledged.acknowledgedCount;
    return {
      seed: this.world.seed,
      traceHash: this.#finalHash,
      events: this.world.eventCount,
      simulatedNs: this.world.nowNs,
      counts,
      violation: this.judge.violation,
      timeline: this.timeline.lines,
      entries: this.timeline.entries,
      struck: this.nemesis.struck,
      safetyStartNs: this.#safetyStartNs,
      safetyEndNs: this.#safetyStartNs + this.swarm.safetyNs,
    };
  }
}

function endQuietly(node: VirtualNode): void {
  node.onFatal = () => undefined;
  node.kill();
}
