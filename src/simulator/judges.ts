// judges.ts: everybody who judges a run, and where they look.

import { DATA_FLAGS_UNFRAGMENTED } from '../../assembly/layout/frame.js';
import type { RecoveredDirectory } from '../archive/member-directory.js';
import type { FragmentHandler, MessageConsumer } from '../cluster/log-poller.js';
import type { MemberObservation } from '../cluster/member-assembly.js';
import type { ServiceHostContext } from '../cluster/service-host.js';
import { MemberRole } from '../consensus/election-state.js';
import { TERM_NULL } from '../position.js';
import { SessionMessageHeaderDecoder } from '../protocol/codecs/session-message-header.js';
import { MESSAGE_HEADER_LENGTH } from '../protocol/message-header.js';
import type { DedicatedService } from '../service/service-agent.js';
import type { Application } from './application.js';
import { Acknowledged } from './invariants/acknowledged.js';
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
import { Suspension } from './invariants/suspension.js';
import { Votes } from './invariants/votes.js';
import { Wire } from './invariants/wire.js';
import { JudgedServices } from './judged-services.js';
import { HistoryJudge } from './linearizability/history-judge.js';
import { type MessageOptions, NO_MESSAGES } from './message-chain.js';
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
  readonly services: JudgedServices;
  readonly history: HistoryJudge;
  readonly promises: Promises;
  readonly requests: Requests;
  readonly suspension: Suspension;
  readonly #members: readonly SimulatedMember[];
  readonly limits: Limits;
  readonly #logOrder: LogOrder;
  readonly snapshots: Snapshots;
  readonly #wire: Wire;
  readonly #progress: Progress;
  readonly #stuckLeader: StuckLeader;
  readonly #world: World;
  /** What runs on the cluster in place of the ledger. */
  readonly #application: Application | undefined;

  /**
   * @param isDurable whether only what is synced counts as on a disk.
   * @param messages what the services send.
   */
  constructor(
    world: World,
    judge: Judge,
    members: readonly SimulatedMember[],
    isDurable: boolean,
    application?: Application,
    messages: MessageOptions = NO_MESSAGES,
  ) {
    this.#application = application;
    const disks = members.map((member) => member.node.disk);
    const { logTermLength, segmentLength } = (members[0] as SimulatedMember).config;
    const geometry = { termLength: logTermLength, segmentLength };
    this.judge = judge;
    this.acknowledged = new Acknowledged(judge);
    this.history = new HistoryJudge(judge);
    this.snapshots = new Snapshots(judge);
    this.#logOrder = new LogOrder(judge, disks.length);
    this.requests = new Requests(judge, world, () => this.#logOrder.latestMs);
    this.suspension = new Suspension(judge);
    this.services = new JudgedServices(judge, world, this, messages);
    this.committed = new CommittedLog(judge, disks, geometry, isDurable);
    this.votes = new Votes(judge, disks);
    this.promises = new Promises(judge, disks.length);
    this.#members = members;
    this.limits = new Limits(judge, disks.length);
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
    this.committed.onLostDirectory(memberId);
    this.votes.onLostDirectory(memberId);
    this.promises.forget(memberId);
  }

  /**
   * A thread of a member has done a duty cycle.
   *
   * @param isOwn the thread is the member's own: what was to be done, it could do.
   */
  onTurn(
    memberId: number,
    observed: MemberObservation,
    servicePosition: number,
    isOwn: boolean,
  ): void {
    const { election } = observed;
    const durable = observed.recorder.durablePosition();
    const append = observed.module.appendPosition();
    this.#progress.check(memberId, observed, servicePosition, append, durable);
    this.committed.onServicePosition(memberId, servicePosition);
    const member = this.#members[memberId]?.member;
    if (member !== undefined) {
      this.limits.onTurn(memberId, member);
    }
    const commitPosition = election.commitPosition();
    const isLeading = election.role() === MemberRole.Leader;
    if (isOwn) {
      this.#stuckLeader.onTurn(memberId, isLeading, durable, append, this.#world.nowNs);
    }
    const entry = isLeading ? election.termEntries().at(-1) : undefined;
    if (entry !== undefined && entry.termId === election.leadershipTermId()) {
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

  /** States of the services in a member's last process. */
  stateOf(memberId: number): string {
    return this.services.stateOf(memberId);
  }

  /** The services of a member's process, watched. */
  makeServices(memberId: number): readonly DedicatedService[] {
    const application = this.#application?.makeService(memberId);
    const hosts = application === undefined ? this.services.make(memberId) : [application];
    for (const host of hosts) {
      const start = host.start.bind(host);
      host.start = (context) => {
        this.#watchApplied(memberId, context);
        if (host.serviceId === 0) {
          this.#watchFragments(memberId, context);
        }
        start(context);
      };
    }
    return hosts;
  }

  /**
   * An instance that takes snapshots for a member's service. What it executes is judged as well: a
   * member may start from its snapshot without having come that far itself.
   */
  makeShadow(memberId: number): DedicatedService {
    const host = this.services.makeShadow(memberId);
    const start = host.start.bind(host);
    host.start = (context) => {
      this.#watchApplied(memberId, context);
      // What the member itself has seen is judged member by member, and the shadow is no member.
      seeFragments(context, (view, offset, length, flags, position) =>
        this.suspension.onFragment(view, offset, length, flags, position),
      );
      start(context);
    };
    return host;
  }

  /** Sees how far a service is to go, before it goes. */
  #watchApplied(memberId: number, { poller }: ServiceHostContext): void {
    const pollMessages = poller.pollMessages.bind(poller);
    poller.pollMessages = (consumer, limit, fragmentLimit) => {
      if (limit > poller.position) {
        this.committed.onApply(memberId, limit, this.#termOf(memberId));
      }
      return pollMessages(consumer, limit, fragmentLimit);
    };
  }

  /** Sees everything that the first service is given, before it gets it. */
  #watchFragments(memberId: number, context: ServiceHostContext): void {
    const { committed } = this;
    committed.onServiceStart(memberId, context.poller.position);
    seeFragments(context, (view, offset, length, flags, position) => {
      committed.onFragment(memberId, view, offset, length, position);
      this.#logOrder.onFragment(memberId, view, offset, length, flags, position);
      this.suspension.onFragment(view, offset, length, flags, position);
      this.#application?.onFragment(view, offset, length, flags, position);
    });
  }

  #termOf(memberId: number): number {
    return this.#members[memberId]?.member?.observe()?.election.leadershipTermId() ?? TERM_NULL;
  }
}

/** Has each fragment seen before a container gets it. */
function seeFragments({ poller }: ServiceHostContext, see: FragmentHandler): void {
  const pollMessages = poller.pollMessages.bind(poller);
  const watched = new WatchedConsumer(see);
  poller.pollMessages = (consumer, limit, fragmentLimit) => {
    watched.consumer = consumer;
    return pollMessages(watched, limit, fragmentLimit);
  };
}

/** A consumer of whom another sees each frame first, decoded messages included. */
class WatchedConsumer implements MessageConsumer {
  consumer: MessageConsumer | undefined;
  readonly onFragment: FragmentHandler;
  readonly #see: FragmentHandler;

  constructor(see: FragmentHandler) {
    this.#see = see;
    this.onFragment = (view, offset, length, flags, position) => {
      see(view, offset, length, flags, position);
      this.consumer?.onFragment(view, offset, length, flags, position);
    };
  }

  onSessionMessage(
    view: DataView,
    offset: number,
    length: number,
    clusterSessionId: number,
    timestamp: number,
    position: number,
  ): void {
    const start = offset - SESSION_MESSAGE_HEADER_LENGTH;
    const wholeLength = length + SESSION_MESSAGE_HEADER_LENGTH;
    this.#see(view, start, wholeLength, DATA_FLAGS_UNFRAGMENTED, position);
    this.consumer?.onSessionMessage(view, offset, length, clusterSessionId, timestamp, position);
  }
}
