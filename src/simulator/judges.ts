// judges.ts: everybody who judges a run, and where they look.

import { DATA_FLAGS_UNFRAGMENTED } from '../../assembly/layout/frame.js';
import type { RecoveredDirectory } from '../archive/member-directory.js';
import type { FragmentHandler, MessageConsumer } from '../cluster/log-poller.js';
import type { MemberObservation } from '../cluster/member.js';
import type { ServiceHostContext } from '../cluster/service-host.js';
import { MemberRole } from '../consensus/election-state.js';
import { TERM_NULL } from '../position.js';
import { SessionMessageHeaderDecoder } from '../protocol/codecs/session-message-header.js';
import { MESSAGE_HEADER_LENGTH } from '../protocol/message-header.js';
import type { DedicatedService } from '../service/service-agent.js';
import { ServiceContainer } from '../service/service-container.js';
import type { Application } from './application.js';
import { Acknowledged, CLIENT_COUNT_MAX } from './invariants/acknowledged.js';
import { CommittedLog } from './invariants/committed-log.js';
import type { Judge } from './invariants/judge.js';
import { Limits } from './invariants/limits.js';
import { LogOrder } from './invariants/log-order.js';
import { Progress } from './invariants/progress.js';
import { Promises } from './invariants/promises.js';
import { Requests } from './invariants/requests.js';
import { SentLog } from './invariants/sent-log.js';
import { Snapshots } from './invariants/snapshots.js';
import { StuckLeader } from './invariants/stuck-leader.js';
import { Timers } from './invariants/timers.js';
import { Votes } from './invariants/votes.js';
import { Wire } from './invariants/wire.js';
import { type LedgerObserver, LedgerService } from './ledger-service.js';
import { HistoryJudge } from './linearizability/history-judge.js';
import type { SimulatedMember } from './simulated-cluster.js';
import type { World } from './world.js';

const SESSION_MESSAGE_HEADER_LENGTH =
  MESSAGE_HEADER_LENGTH + SessionMessageHeaderDecoder.BLOCK_LENGTH;

/** The judges of one cluster. */
export class Judges {
  readonly judge: Judge;
  readonly votes: Votes;
  readonly committed: CommittedLog;
  readonly acknowledged: Acknowledged;
  readonly timers: Timers;
  readonly history: HistoryJudge;
  readonly promises: Promises;
  readonly requests: Requests;
  readonly #members: readonly SimulatedMember[];
  readonly limits: Limits;
  readonly #logOrder: LogOrder;
  readonly snapshots: Snapshots;
  readonly #wire: Wire;
  readonly #progress: Progress;
  readonly #stuckLeader: StuckLeader;
  readonly #world: World;
  readonly #services: (LedgerService | undefined)[];
  readonly #containers: (ServiceContainer | undefined)[];
  /** What runs on the cluster in place of the ledger. */
  readonly #application: Application | undefined;

  /** @param isDurable whether only what is synced counts as on a disk. */
  constructor(
    world: World,
    judge: Judge,
    members: readonly SimulatedMember[],
    isDurable: boolean,
    application?: Application,
  ) {
    this.#application = application;
    const disks = members.map((member) => member.node.disk);
    const { logTermLength, segmentLength } = (members[0] as SimulatedMember).config;
    const geometry = { termLength: logTermLength, segmentLength };
    this.judge = judge;
    this.acknowledged = new Acknowledged(judge);
    this.timers = new Timers(judge, world);
    this.history = new HistoryJudge(judge);
    this.snapshots = new Snapshots(judge);
    this.requests = new Requests(judge, world);
    this.committed = new CommittedLog(judge, disks, geometry, isDurable);
    this.votes = new Votes(judge, disks);
    this.promises = new Promises(judge, disks.length);
    this.#members = members;
    this.limits = new Limits(judge, disks.length);
    this.#logOrder = new LogOrder(judge, disks.length);
    this.#wire = new Wire(disks.length, {
      votes: this.votes,
      committed: this.committed,
      promises: this.promises,
      sentLog: new SentLog(judge, logTermLength),
    });
    this.#progress = new Progress(judge, disks.length);
    const { leaderTimeoutNs } = (members[0] as SimulatedMember).config.consensus;
    this.#stuckLeader = new StuckLeader(judge, disks.length, leaderTimeoutNs);
    this.#world = world;
    this.#services = disks.map(() => undefined);
    this.#containers = disks.map(() => undefined);
    world.network.addFilter((source, _destination, buffer, offset, length) => {
      if (source.id < disks.length) {
        this.#wire.onDatagram(source.id, buffer, offset, length);
      }
      return true;
    });
  }

  /** A member's process starts. */
  onStart(memberId: number): void {
    this.committed.onStart(memberId);
    this.#wire.onStart(memberId);
    this.#progress.onStart(memberId);
    this.#logOrder.onStart(memberId);
    this.votes.check(memberId);
  }

  /** A member has recovered its directory, and has done nothing else yet. */
  onRecovered(memberId: number, directory: RecoveredDirectory): void {
    const { candidateTermId, voting } = directory.nodeState.state;
    const { appendPosition } = directory;
    this.promises.onRecovered(memberId, voting, candidateTermId, appendPosition);
  }

  /** A member begins to lead a term. */
  onLeader(memberId: number, termId: number): void {
    this.votes.onLeader(memberId, termId);
    this.committed.onLeader(memberId, termId);
  }

  /** A member's directory is lost or damaged: what it had promised is not there any more. */
  onLostDirectory(memberId: number): void {
    this.votes.onLostDirectory(memberId);
    this.promises.forget(memberId);
  }

  /** A member has done a duty cycle. */
  onTurn(memberId: number, observed: MemberObservation, servicePosition: number): void {
    this.#progress.check(memberId, observed, servicePosition);
    this.committed.onServicePosition(memberId, servicePosition);
    const member = this.#members[memberId]?.member;
    if (member !== undefined) {
      this.limits.onTurn(memberId, member);
    }
    const { election } = observed;
    const commitPosition = election.commitPosition();
    const entry = election.termEntries().at(-1);
    const isLeading = election.role() === MemberRole.Leader;
    const durable = observed.recorder.durablePosition();
    const append = observed.module.appendPosition();
    this.#stuckLeader.onTurn(memberId, isLeading, durable, append, this.#world.nowNs);
    if (isLeading && entry?.termId === election.leadershipTermId()) {
      this.committed.onLeaderCommit(memberId, entry.termId, entry.basePosition, commitPosition);
    } else {
      this.committed.onCommitKnown(commitPosition);
    }
  }

  /** The cluster has become equal, and clients wait for nothing any more. */
  onConverged(): void {
    for (const { member, memberId } of this.#members) {
      this.acknowledged.onFinal(memberId, member?.servicePosition ?? 0);
    }
  }

  /** Requests that were answered from what was retained: as the member has it that saw most. */
  repeatedRequestCount(): number {
    return Math.max(0, ...this.#containers.map((one) => one?.requests.repeatedCount ?? 0));
  }

  /** State of the service in a member's last process. */
  stateOf(memberId: number): string {
    return this.#services[memberId]?.stateHash() ?? '';
  }

  /** The service of a member's process, watched. */
  makeService(memberId: number): DedicatedService {
    const container = this.#application?.makeService(memberId) ?? this.#makeLedger(memberId);
    const start = container.start.bind(container);
    container.start = (context) => {
      this.#watchPoller(memberId, context);
      start(context);
    };
    return container;
  }

  /**
   * An instance that takes snapshots for a member's service. What it executes is judged as well: a
   * member may start from its snapshot without having come that far itself.
   */
  makeShadow(memberId: number): DedicatedService {
    const service = new LedgerService(this.#observerOf(memberId));
    return new ServiceContainer(() => service);
  }

  #makeLedger(memberId: number): ServiceContainer {
    const service = new LedgerService(this.#observerOf(memberId));
    this.#services[memberId] = service;
    const container = new ServiceContainer(() => service);
    this.#containers[memberId] = container;
    return container;
  }

  #observerOf(memberId: number): LedgerObserver {
    const { acknowledged } = this;
    return {
      onEvent: (position, hash) => acknowledged.onState(memberId, position, hash),
      onCommand: (position, hash, client, sequence, order) => {
        acknowledged.onState(memberId, position, hash, { client, sequence, order });
        this.history.onApplied(client % CLIENT_COUNT_MAX, sequence, order);
      },
      onRequest: (request, position) => this.requests.onExecuted(request, position),
      onTimers: (position, timestamp, operations) =>
        this.timers.onEvent(position, timestamp, operations),
    };
  }

  /** Sees everything that a service is given, before it gets it. */
  #watchPoller(memberId: number, context: ServiceHostContext): void {
    const { poller } = context;
    const { committed } = this;
    committed.onServiceStart(memberId, poller.position);
    const see: FragmentHandler = (view, offset, length, flags, position) => {
      committed.onFragment(memberId, view, offset, length, position);
      this.#logOrder.onFragment(memberId, view, offset, length, flags, position);
      this.#application?.onFragment(view, offset, length, flags, position);
    };
    const pollMessages = poller.pollMessages.bind(poller);
    poller.pollMessages = (consumer, limit, fragmentLimit) => {
      if (limit > poller.position) {
        committed.onApply(memberId, limit, this.#termOf(memberId));
      }
      return pollMessages(watched(consumer, see), limit, fragmentLimit);
    };
  }

  #termOf(memberId: number): number {
    return this.#members[memberId]?.member?.observe()?.election.leadershipTermId() ?? TERM_NULL;
  }
}

/** A consumer of whom another sees each frame first, decoded messages included. */
function watched(consumer: MessageConsumer, see: FragmentHandler): MessageConsumer {
  return {
    onSessionMessage: (view, offset, length, clusterSessionId, timestamp, position) => {
      const start = offset - SESSION_MESSAGE_HEADER_LENGTH;
      see(view, start, length + SESSION_MESSAGE_HEADER_LENGTH, DATA_FLAGS_UNFRAGMENTED, position);
      consumer.onSessionMessage(view, offset, length, clusterSessionId, timestamp, position);
    },
    onFragment: (view, offset, length, flags, position) => {
      see(view, offset, length, flags, position);
      consumer.onFragment(view, offset, length, flags, position);
    },
  };
}
