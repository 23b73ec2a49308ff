// virtual-member.ts: one member of the virtual cluster: a disk, a process that may die, a log.

import { assert } from '../../src/assert.js';
import { Election } from '../../src/consensus/election.js';
import type { ElectionEffects, MemberId, NodeState } from '../../src/consensus/election-effects.js';
import { electionStateName, MemberRole } from '../../src/consensus/election-state.js';
import type { VirtualCluster } from './virtual-cluster.js';
import { type Life, newLife } from './virtual-life.js';
import { type Frame, VirtualLog } from './virtual-log.js';
import { type Disk, messageEffects } from './virtual-messages.js';

const NLT_EVENT_LENGTH = 96;
const FRAMES_PER_SEND_MAX = 16;
const LOG_HEARTBEAT_NS = 100_000_000;
const WAKE_MIN_NS = 20_000;

export class VirtualMember {
  readonly memberId: MemberId;
  readonly disk: Disk;
  election: Election | undefined;
  isPaused = false;
  /** The disk answers nothing while it hangs. */
  isDiskHung = false;
  /** The log cannot be read from here on: no log opens whose tail that is. A cut takes it away. */
  unreadablePosition = Number.POSITIVE_INFINITY;
  private readonly cluster: VirtualCluster;
  private life: Life | undefined;
  private epoch = 0;
  private inbox: ((election: Election) => void)[] = [];
  /** What a lost directory held: it may have been counted before it was lost. */
  private lostLog: VirtualLog | undefined;
  private wakeNs = Number.POSITIVE_INFINITY;
  private sessions = 0;

  constructor(cluster: VirtualCluster, memberId: MemberId) {
    this.cluster = cluster;
    this.memberId = memberId;
    this.disk = {
      nodeState: {
        candidateTermId: -1,
        votedForMemberId: -1,
        voting: true,
        admittedTermId: -1,
        admittedPosition: -1,
        incarnations: [],
      },
      entries: [],
      log: new VirtualLog(),
      commitPosition: 0,
      incarnation: BigInt(1000 + memberId),
    };
  }

  isRunning(): boolean {
    return this.election !== undefined;
  }

  /** The disk as far as it was acknowledged: a lost one counts until its successor is admitted. */
  acknowledgedLog(): VirtualLog {
    return this.disk.nodeState.admittedTermId < 0 && this.lostLog !== undefined
      ? this.lostLog
      : this.disk.log;
  }

  memoryLog(): VirtualLog {
    return this.life?.log ?? this.disk.log;
  }

  start(): void {
    assert(this.election === undefined, 'the process is down');
    this.epoch++;
    this.isPaused = false;
    this.isDiskHung = false;
    this.inbox = [];
    this.life = newLife(this.epoch, this.disk);
    this.election = new Election(
      this.cluster.config(this.memberId),
      {
        nodeState: this.disk.nodeState,
        termEntries: this.disk.entries,
        durablePosition: this.disk.log.end(),
        commitPosition: this.disk.commitPosition,
        incarnation: this.disk.incarnation,
      },
      this.effects(this.epoch),
      () => this.cluster.random.nextUint32(),
    );
    this.cluster.note(`${this.memberId} start ${this.disk.log.end()}`);
    this.wakeSoon();
  }

  /** The process dies. Disk work under way may have happened up to any point. */
  crash(): void {
    const life = this.life;
    if (life === undefined) {
      return;
    }
    this.cluster.note(`${this.memberId} crash`);
    for (const work of life.pending) {
      if (this.cluster.random.chance(0.5)) {
        break;
      }
      work.apply();
    }
    this.election = undefined;
    this.life = undefined;
    this.wakeNs = Number.POSITIVE_INFINITY;
  }

  /** The directory is lost: a new one starts without a vote. */
  wipe(voting = false): void {
    assert(this.election === undefined, 'the process is down');
    this.cluster.note(`${this.memberId} wipe`);
    this.disk.nodeState = {
      candidateTermId: -1,
      votedForMemberId: -1,
      voting,
      admittedTermId: -1,
      admittedPosition: -1,
      incarnations: [],
    };
    this.disk.entries = [];
    this.lostLog = this.disk.log;
    this.disk.log = new VirtualLog();
    this.disk.commitPosition = 0;
    this.disk.incarnation += 10n;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.wakeSoon();
  }

  /** Clean shutdown of the consensus; the process goes on. */
  leave(): void {
    this.election?.leave(this.cluster.now());
    this.work();
  }

  /** One duty cycle, now. */
  poke(): void {
    this.work();
  }

  receive(deliver: (election: Election) => void): void {
    if (this.election === undefined) {
      return;
    }
    if (this.isPaused) {
      this.inbox.push(deliver);
      return;
    }
    deliver(this.election);
    this.work();
  }

  /** A client message, if this member believes that it leads. */
  offer(): void {
    const life = this.life;
    if (life === undefined || this.isPaused || !this.election?.isIngressOpen()) {
      return;
    }
    if (this.election.isHandingOver()) {
      return;
    }
    const count = 1 + this.cluster.random.below(4);
    for (let index = 0; index < count; index++) {
      this.appendFrame(life, life.ledTermId, 32 * (1 + this.cluster.random.below(8)));
    }
    this.work();
  }

  private appendFrame(life: Life, termId: number, length: number): void {
    this.cluster.checker.onFrame(life.log.append(termId, this.cluster.frameId(), length));
  }

  private wakeSoon(): void {
    const epoch = this.epoch;
    this.cluster.events.after(1, () => this.wake(epoch));
  }

  private wake(epoch: number): void {
    if (epoch !== this.epoch || this.election === undefined || this.isPaused) {
      return;
    }
    const inbox = this.inbox;
    this.inbox = [];
    for (const deliver of inbox) {
      deliver(this.election);
    }
    this.work();
  }

  /** One duty cycle. */
  private work(): void {
    const { election, life } = this;
    if (election === undefined || life === undefined) {
      return;
    }
    const nowNs = this.cluster.now();
    election.onLogProgress(this.disk.log.end(), life.log.end(), nowNs);
    election.onServicePosition(election.consumablePosition());
    election.doWork(nowNs);
    if (election.consumablePosition() > life.consumed) {
      // The service has work in this very cycle, and a new leader waits for it. A leader that hands
      // over may lead no more afterwards: what it committed is noted before.
      this.checkCommit(election, life);
      election.onServicePosition(election.consumablePosition());
      election.doWork(nowNs);
    }
    assert(election.deadlineNs() > nowNs, 'a member that is done would spin');
    this.sync(life);
    this.sendLog(life, nowNs);
    this.checkCommit(election, life);
    this.scheduleWake(election, life, nowNs);
  }

  private scheduleWake(election: Election, life: Life, nowNs: number): void {
    const leaderNs = life.session > 0 ? life.logHeartbeatNs + LOG_HEARTBEAT_NS : Infinity;
    const deadlineNs = Math.max(Math.min(election.deadlineNs(), leaderNs), nowNs + WAKE_MIN_NS);
    const isCovered = this.wakeNs > nowNs && this.wakeNs <= deadlineNs;
    if (deadlineNs === Number.POSITIVE_INFINITY || isCovered) {
      return;
    }
    this.wakeNs = deadlineNs;
    const epoch = this.epoch;
    this.cluster.events.at(deadlineNs, () => this.wake(epoch));
  }

  private checkCommit(election: Election, life: Life): void {
    const { checker, members } = this.cluster;
    if (election.role() === MemberRole.Leader && life.session > 0) {
      const position = election.commitPosition();
      if (position > checker.committedPosition) {
        const disks = members.map((member) => member.acknowledgedLog());
        checker.onCommit(life.ledTermId, position, life.log, disks);
      }
    }
    const consumable = election.consumablePosition();
    checker.onConsume(this.memberId, life.consumed, consumable, this.disk.log);
    life.consumed = consumable;
    this.disk.commitPosition = consumable;
  }

  // ---- disk ----

  /** Group commit: one sync at a time of everything that has accumulated. */
  private sync(life: Life): void {
    const end = life.log.end();
    if (life.isSyncing || end <= this.disk.log.end() || !this.isRecording(life)) {
      return;
    }
    life.isSyncing = true;
    this.diskWork(
      life,
      () => this.copyToDisk(life.log, end),
      () => {
        life.isSyncing = false;
      },
    );
  }

  private isRecording(life: Life): boolean {
    return life.join !== undefined || life.session > 0;
  }

  private copyToDisk(log: VirtualLog, end: number): void {
    for (const frame of log.slice(this.disk.log.end(), end, Number.MAX_SAFE_INTEGER)) {
      this.disk.log.frames.push(frame);
    }
  }

  /** Work is done in the order in which it was asked for. */
  private diskWork(life: Life, apply: () => void, done: () => void): void {
    life.pending.push({ apply, done });
    if (life.pending.length === 1) {
      this.scheduleDisk(life);
    }
  }

  private scheduleDisk(life: Life): void {
    const delayNs = 1000 + this.cluster.random.below(this.cluster.options.syncDelayMaxNs);
    this.cluster.events.after(delayNs, () => {
      if (this.life !== life) {
        return;
      }
      if (this.isDiskHung || this.isPaused) {
        this.scheduleDisk(life);
        return;
      }
      const work = life.pending.shift();
      work?.apply();
      work?.done();
      if (life.pending.length > 0) {
        this.scheduleDisk(life);
      }
      this.work();
    });
  }

  private persist(life: Life, state: NodeState, sequence: number): void {
    this.diskWork(
      life,
      () => {
        const directory = `${this.memberId}/${this.disk.incarnation}`;
        this.cluster.checker.onNodeState(directory, this.disk.nodeState, state);
        this.disk.nodeState = {
          ...state,
          incarnations: state.incarnations.map((known) => ({ ...known })),
        };
      },
      () => this.election?.onNodeStatePersisted(sequence),
    );
  }

  private stopLog(life: Life): void {
    const end = life.log.end();
    life.join = undefined;
    life.session = 0;
    life.ledTermId = -1;
    life.destinations.clear();
    this.diskWork(
      life,
      () => this.copyToDisk(life.log, end),
      () => this.election?.onLogStopped(end),
    );
  }

  private truncateLog(life: Life, position: number, lastTermId: number): void {
    assert(this.election?.role() !== MemberRole.Leader, 'a leader never truncates');
    assert(life.log.hashAt(position) !== undefined, `a cut at ${position} is between frames`);
    this.cluster.checker.truncations++;
    this.cluster.note(`${this.memberId} truncate ${position} term ${lastTermId}`);
    this.diskWork(
      life,
      () => {
        this.disk.log.truncate(position);
        if (position <= this.unreadablePosition) {
          this.unreadablePosition = Number.POSITIVE_INFINITY;
        }
        this.disk.entries = this.disk.entries.filter((entry) => entry.termId <= lastTermId);
      },
      () => {
        life.log.truncate(position);
        this.election?.onTruncated();
      },
    );
  }

  // ---- log transport ----

  private sendLog(life: Life, nowNs: number): void {
    if (life.session === 0) {
      return;
    }
    const isHeartbeat = nowNs >= life.logHeartbeatNs + LOG_HEARTBEAT_NS;
    if (isHeartbeat) {
      life.logHeartbeatNs = nowNs;
    }
    for (const [memberId, position] of life.destinations) {
      const frames = life.log.slice(position, life.log.end(), FRAMES_PER_SEND_MAX);
      if (frames.length > 0 || isHeartbeat) {
        life.destinations.set(memberId, frames.at(-1)?.end ?? position);
        this.sendLogData(memberId, life.session, position, frames);
      }
    }
  }

  private sendLogData(to: MemberId, session: number, from: number, frames: Frame[]): void {
    this.cluster.send(this.memberId, to, 'log', () => {
      this.cluster.member(to).onLogData(this.memberId, session, from, frames);
    });
  }

  private onLogData(leaderId: MemberId, session: number, from: number, frames: Frame[]): void {
    const { election, life } = this;
    const join = life?.join;
    const isMine = join?.leaderMemberId === leaderId && join.logSessionId === session;
    if (election === undefined || life === undefined || join === undefined || !isMine) {
      return;
    }
    const nowNs = this.cluster.now();
    election.onLogActivity(nowNs);
    const limit = join.limitPosition === -1 ? Number.MAX_SAFE_INTEGER : join.limitPosition;
    if (from > life.log.end()) {
      this.nak(leaderId, session, life.log.end());
      return;
    }
    for (const frame of frames) {
      const isNext = frame.end - frame.length === life.log.end() && frame.end <= limit;
      if (isNext && frame.termId !== join.logTermId) {
        election.onLogLost(nowNs);
        return;
      }
      if (isNext) {
        this.cluster.checker.onFrame(life.log.append(frame.termId, frame.id, frame.length));
      }
    }
  }

  private nak(leaderId: MemberId, session: number, position: number): void {
    this.cluster.send(this.memberId, leaderId, 'nak', () => {
      const life = this.cluster.member(leaderId).life;
      if (life?.session === session && life.destinations.has(this.memberId)) {
        life.destinations.set(this.memberId, position);
      }
    });
  }

  // ---- effects ----

  private effects(epoch: number): ElectionEffects {
    const from = this.memberId;
    const { cluster } = this;
    const live = (): Life => {
      assert(this.life?.epoch === epoch, 'effects are those of the living process');
      return this.life;
    };
    return {
      ...messageEffects(cluster, from, this.disk),
      persistNodeState: (state, sequence) => {
        // The constructor of an election asks for nothing; a life exists by now.
        this.persist(live(), state, sequence);
      },
      stopLog: () => this.stopLog(live()),
      truncateLog: (position, lastTermId) => this.truncateLog(live(), position, lastTermId),
      appendTermEntry: (termId, basePosition) => {
        const entry = { termId, basePosition };
        cluster.checker.onTermEntry(entry);
        this.diskWork(
          live(),
          () => this.disk.entries.push(entry),
          () => this.election?.onTermEntryAppended(),
        );
      },
      openLeaderLog: (termId, basePosition) => {
        const life = live();
        assert(life.log.end() === basePosition, 'the log opens at its end');
        assert(this.disk.log.end() === basePosition, 'and all of it is durable');
        life.ledTermId = termId;
        cluster.events.after(1000, () => {
          const isWanted = this.life === life && life.ledTermId === termId;
          const isReadable = basePosition <= this.unreadablePosition;
          if (!isWanted || !isReadable || this.election === undefined) {
            return;
          }
          life.session = from * 100_000 + ++this.sessions + epoch * 100;
          life.destinations.clear();
          this.appendFrame(life, termId, NLT_EVENT_LENGTH);
          this.election.onLeaderLogOpened(life.session, life.log.end());
          this.work();
        });
      },
      joinLog: (join) => {
        assert(live().log.end() === join.position, 'the log is joined at its end');
        live().join = join;
      },
      startDestination: (memberId, position) => {
        live().destinations.set(memberId, position);
      },
      onStateChange: (state, reason) =>
        cluster.note(`${from} ${electionStateName(state)} ${reason}`),
      onRoleChange: (role, termId) => {
        if (role === MemberRole.Leader) {
          cluster.checker.onLeader(from, termId, live().log);
        }
      },
    };
  }
}
