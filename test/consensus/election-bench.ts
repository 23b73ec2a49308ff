// election-bench.ts: one election that a test drives by hand.

import { concludeConsensusConfig } from '../../src/consensus/consensus-config.js';
import { Election } from '../../src/consensus/election.js';
import {
  type ElectionEffects,
  HELLO_FLAG_VOTING,
  type MemberHello,
  type NewLeadershipTerm,
  type RecoveredState,
} from '../../src/consensus/election-effects.js';
import { electionStateName } from '../../src/consensus/election-state.js';
import { DurabilityLevel } from '../../src/protocol/codecs/enumerations.js';

export const MS = 1_000_000;
const FSYNC = DurabilityLevel.Fsync;
export const RECOVERED: RecoveredState = {
  nodeState: {
    candidateTermId: 3,
    votedForMemberId: -1,
    voting: true,
    admittedTermId: -1,
    admittedPosition: -1,
    incarnations: [
      { memberId: 1, incarnation: 1n, admittedTermId: -1, admittedPosition: -1 },
      { memberId: 2, incarnation: 2n, admittedTermId: -1, admittedPosition: -1 },
    ],
  },
  termEntries: [{ termId: 3, basePosition: 0 }],
  durablePosition: 960,
  commitPosition: 0,
  incarnation: 0n,
};

export const TERM_FOUR: NewLeadershipTerm = {
  logTermId: 3,
  nextTermId: 4,
  nextTermBasePosition: 960,
  termId: 4,
  termBasePosition: 960,
  commitPosition: 960,
  logSessionId: 77,
  leaderMemberId: 1,
};

/** Member 0 of three; what it asked for is noted, and disk work is answered by the test. */
export class Bench {
  readonly calls: string[] = [];
  /** Why it was in which state. */
  readonly reasons: string[] = [];
  readonly election: Election;
  nowNs = 0;
  private sequence = 0;

  constructor(
    recovered: Partial<RecoveredState['nodeState']> = {},
    durability: DurabilityLevel = FSYNC,
  ) {
    const note =
      (name: string) =>
      (...values: unknown[]): void => {
        this.calls.push(`${name} ${values.join(' ')}`);
      };
    const effects: ElectionEffects = {
      sendMemberHello: () => undefined,
      sendMemberRefused: note('refused'),
      sendMemberAdmitted: note('admitted'),
      sendLeadershipTransfer: note('transfer'),
      sendReadProbe: note('probe'),
      sendReadAcknowledgement: note('confirm'),
      sendCanvassPosition: note('canvass'),
      sendRequestVote: note('request'),
      sendVote: note('vote'),
      sendNewLeadershipTerm: note('term'),
      sendCatchupRequest: note('catchup'),
      sendAppendPosition: note('append'),
      sendCommitPosition: note('commit'),
      persistNodeState: (_state, sequence) => {
        this.sequence = sequence;
        this.calls.push('persist');
      },
      stopLog: note('stop'),
      truncateLog: note('truncate'),
      appendTermEntry: note('entry'),
      openLeaderLog: note('open'),
      joinLog: (join) => note('join')(join.logTermId, join.position, join.limitPosition),
      startDestination: note('destination'),
      onStateChange: (state, reason) => {
        this.reasons.push(`${electionStateName(state)}: ${reason}`);
      },
      onRoleChange: () => undefined,
    };
    const config = concludeConsensusConfig({
      memberId: 0,
      memberIds: [0, 1, 2],
      clusterId: 7,
      configurationHash: 9n,
      durability,
      protocolVersion: 1,
    });
    const state = { ...RECOVERED, nodeState: { ...RECOVERED.nodeState, ...recovered } };
    this.election = new Election(config, state, effects, () => 0);
    for (const memberId of [1, 2]) {
      this.hello(memberId, HELLO_FLAG_VOTING, { durability });
    }
    this.work(0);
    this.calls.length = 0;
  }

  hello(memberId: number, flags: number, other: Partial<MemberHello> = {}): void {
    const hello = {
      memberId,
      clusterId: 7,
      admittedTermId: -1,
      admittedPosition: -1,
      incarnation: BigInt(memberId),
      configurationHash: 9n,
      durability: 0,
      protocolVersion: 1,
      flags,
      ...other,
    };
    this.election.onMemberHello(hello, this.nowNs);
  }

  work(afterNs: number): void {
    this.nowNs += afterNs;
    this.election.doWork(this.nowNs);
  }

  persisted(): void {
    this.election.onNodeStatePersisted(this.sequence);
    this.work(0);
  }

  request(termId: number, logTermId = 3, position = 960): void {
    this.election.onRequestVote(1, logTermId, position, termId, this.nowNs);
    this.work(0);
  }

  /** Takes what was asked for since the last call, without canvass positions. */
  take(): string[] {
    return this.calls.splice(0).filter((call) => !call.startsWith('canvass'));
  }

  /** Follows member 1 in term 4, with the live log joined. */
  follow(): void {
    this.election.onNewLeadershipTerm(TERM_FOUR, this.nowNs);
    this.work(0);
    this.persisted();
    this.election.onTermEntryAppended();
    this.work(0);
    const live = { ...TERM_FOUR, logTermId: 4, nextTermId: -1, nextTermBasePosition: -1 };
    this.election.onNewLeadershipTerm(live, this.nowNs);
    this.work(0);
    this.take();
  }

  /** Leads term 4, whose event ends at 1056. */
  lead(): void {
    this.stand();
    this.election.onVote(2, 0, 4, true, 3, 960, this.nowNs);
    this.work(0);
    this.election.onTermEntryAppended();
    this.work(0);
    this.election.onLeaderLogOpened(55, 1056);
    this.work(0);
    this.take();
  }

  /** Asks for votes in term 4. */
  stand(): void {
    this.election.onCanvassPosition(1, 3, 960, 3, this.nowNs);
    this.election.onCanvassPosition(2, 3, 960, 3, this.nowNs);
    this.work(0);
    this.persisted();
    this.take();
  }
}
