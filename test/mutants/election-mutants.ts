// election-mutants.ts: famous bugs of votes and elections.

import type { Mutant } from './mutant.js';

const VOTER = 'src/consensus/voter.ts';
const NODE_RECORD = 'src/consensus/node-record.ts';
const NODE_STATE_FILE = 'src/archive/node-state-file.ts';
const LEADER_TERM = 'src/consensus/leader-term.ts';
const ELECTION = 'src/consensus/election.ts';
const MACHINE = 'src/consensus/election-machine.ts';
const EFFECTS = 'src/cluster/consensus-effects.ts';

/** The assertion in the file of the vote, which would notice before any judge. */
const VOTE_ASSERTION = {
  file: NODE_STATE_FILE,
  find: `    assert(next.candidateTermId >= candidateTermId, 'a candidate term never falls');
    assert(
      next.candidateTermId > candidateTermId ||
        votedForMemberId === MEMBER_NULL ||
        next.votedForMemberId === votedForMemberId,
      'a vote never changes within its term',
    );`,
  replace: '    assert(candidateTermId > -2 && votedForMemberId > -2);',
};

export const ELECTION_MUTANTS: readonly Mutant[] = [
  {
    id: 'B1',
    bug: 'term and vote are never made durable',
    source: 'PySyncObj 202, cornerstone 65, NodeDB 161, raft-java 57',
    breaks: 'the node record counts as durable though nothing is written',
    judges: ['I-2', 'I-11'],
    edits: [
      {
        file: EFFECTS,
        find: `    this.#run(
      tasks,
      directory.nodeState.write(toRecord(state)),
      () => this.#election?.onNodeStatePersisted(sequence),
      NODE_STATE_QUEUE,
    );`,
        replace: `    void [tasks, directory, state, toRecord, NODE_STATE_QUEUE];
    this.#election?.onNodeStatePersisted(sequence);`,
      },
    ],
  },
  {
    id: 'B3',
    bug: 'a vote is told before it is durable',
    source: 'valkey 3887',
    breaks: 'the voter does not wait for its record',
    judges: ['I-11'],
    edits: [
      {
        file: VOTER,
        find: 'if (grant === undefined || !this.context.record.isDurable(grant.recordSequence)) {',
        replace: 'if (grant === undefined) {',
      },
    ],
  },
  {
    id: 'B7',
    bug: 'stepping down in the same term forgets whom the member voted for',
    source: 'CCF 8094',
    breaks: 'a candidate that lost its ballot may vote for another in that very term',
    judges: ['I-2', 'I-1'],
    edits: [
      VOTE_ASSERTION,
      {
        file: MACHINE,
        find: '      this.standTimes.failedBallots++;\n',
        replace: `      this.standTimes.failedBallots++;
      this.context.record.forgetVote();
`,
      },
      {
        file: NODE_RECORD,
        find: '  /** Loses the vote: this directory may not know what it promised. */',
        replace: `  forgetVote(): number {
    this.votedFor = MEMBER_NULL;
    return this.write();
  }

  /** Loses the vote: this directory may not know what it promised. */`,
      },
      {
        file: VOTER,
        find: 'if (termId <= ownTermId || hearsLeader) {',
        replace: `const isFree = termId === ownTermId && record.votedForMemberId() === -1;
    if ((termId <= ownTermId && !isFree) || hearsLeader) {`,
      },
    ],
  },
  {
    id: 'B8',
    bug: 'a vote that was seen counts as granted',
    source: 'nebula 2405, databend 16175, openraft 1220',
    breaks: 'a refusal in the own term is counted as a vote',
    judges: ['I-1', 'I-5'],
    edits: [
      {
        file: ELECTION,
        find: '} else if (granted && candidateTermId === candidacy.termId) {',
        replace: '} else if (candidateTermId === candidacy.termId) {',
      },
    ],
  },
  {
    id: 'B14',
    bug: 'log ends are compared by position alone, not by term first',
    source: 'openraft a48a3282',
    breaks: 'a longer log of an older term wins an election',
    judges: ['I-5', 'I-6', 'I-4'],
    edits: [
      {
        file: 'src/consensus/log-end.ts',
        find: `  if (a.termId !== b.termId) {
    return a.termId < b.termId ? -1 : 1;
  }
`,
        replace: '',
      },
    ],
  },
  {
    id: 'B26',
    bug: 'a quorum is half of the members',
    source: 'openraft d60f1e85',
    breaks: 'two halves of four members decide without each other',
    judges: ['I-1', 'I-7'],
    edits: [
      {
        file: 'src/consensus/quorum.ts',
        find: 'return Math.floor(memberCount / 2) + 1;',
        replace: 'return Math.max(1, Math.floor(memberCount / 2));',
      },
    ],
  },
  {
    id: 'B28',
    bug: 'a leader whose disk hangs goes on with its heartbeats, and freezes the cluster',
    source: 'hashicorp raft 503 and 614',
    breaks: 'a leader does not ask whether its own log becomes durable',
    judges: ['liveness'],
    edits: [
      {
        file: LEADER_TERM,
        find: '    return isBehind && nowNs >=',
        replace: '    return isBehind && nowNs < 0 && nowNs >=',
      },
      {
        file: LEADER_TERM,
        find: `      log.appendPosition() > log.durablePosition()
        ? this.diskProgressNs`,
        replace: `      log.appendPosition() < 0
        ? this.diskProgressNs`,
      },
    ],
  },
  {
    id: 'B12',
    bug: 'a member that lost its disk votes as if it had everything',
    source: 'NuRaft 185, RethinkDB 2.1.5',
    breaks: 'a blank directory is born with a vote, and the others do not mind',
    judges: ['I-2', 'I-5', 'I-7', 'I-9'],
    edits: [
      {
        file: 'src/cluster/member.ts',
        find: '        voting: false,\n',
        replace: '        voting: true,\n',
      },
      {
        file: 'src/consensus/membership.ts',
        find: '      peer.isForeign = true;',
        replace: '      peer.isForeign = false;',
      },
    ],
  },
  {
    id: 'B19',
    bug: 'a gap between the records of a member that restarts',
    source: 'RedisRaft 17, 28, 43, 44 and 53',
    breaks: 'a leadership term begins before its entry in the recording log is written',
    judges: ['recovery', 'I-5', 'I-10', 'I-11'],
    edits: [
      {
        file: EFFECTS,
        find: `    this.#run(
      tasks,
      directory.recordingLog.begin(termId, basePosition, clock.wallMs()),
      () => this.#election?.onTermEntryAppended(),
      RECORDING_LOG_QUEUE,
    );`,
        replace: `    tasks.run(
      directory.recordingLog.begin(termId, basePosition, clock.wallMs()),
      () => undefined,
      (error) => this.#member.onFatal(error),
      RECORDING_LOG_QUEUE,
    );
    this.#election?.onTermEntryAppended();`,
      },
    ],
  },
];
