// read-mutants.ts: famous bugs of reads that are not in the log.

import type { Mutant } from './mutant.js';

const ROUNDS = 'src/consensus/read-rounds.ts';
const READS = 'src/consensus/election-reads.ts';
const MACHINE = 'src/consensus/election-machine.ts';
const LEADER_READS = 'src/cluster/leader-reads.ts';

export const READ_MUTANTS: readonly Mutant[] = [
  {
    id: 'B24a',
    bug: 'a leader answers reads without asking whether it still leads',
    source: 'etcd 20418, RedisRaft 19',
    breaks: 'a round of read probes is confirmed when it begins',
    judges: ['linearizability'],
    profile: 'reads',
    edits: [
      {
        file: ROUNDS,
        find: '    const reached = quorumPosition(this.#answered, this.#scratch);',
        replace:
          '    const answered = quorumPosition(this.#answered, this.#scratch);\n' +
          '    const reached = Math.max(answered, this.#begun);',
      },
    ],
  },
  {
    id: 'B24b',
    bug: 'acknowledgements that left before a read arrived confirm it',
    source: 'tikv 964, and every lease on conflated heartbeats',
    breaks: 'a round is confirmed by the answers to the round before',
    judges: ['linearizability'],
    profile: 'reads',
    edits: [
      {
        file: LEADER_READS,
        find: 'election.reads.confirmed >= this.#round;',
        replace: 'election.reads.confirmed >= this.#round - 1;',
      },
    ],
  },
  {
    id: 'B24c',
    bug: 'a new leader answers reads before it has committed anything in its term',
    source: 'the first version of ReadIndex in several libraries; Raft thesis 6.4',
    breaks: 'ingress opens, and reads begin, with what was known to be committed before the term',
    judges: ['linearizability'],
    profile: 'reads',
    edits: [
      {
        file: MACHINE,
        find: '    const isApplied = this.servicePosition >= leader.eventEndPosition();',
        replace:
          '    const isApplied = this.servicePosition >= this.context.log.committedPosition();',
      },
      {
        file: MACHINE,
        find: '    if (isLeading && leader.isEventCommitted() && isApplied) {',
        replace: '    if (isLeading && isApplied) {',
      },
      {
        file: READS,
        find: 'leader?.isEventCommitted() === true ?',
        replace: 'leader?.isOpen() === true ?',
      },
    ],
  },
];
