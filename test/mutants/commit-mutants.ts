// commit-mutants.ts: famous bugs of the commit rule and of reconciliation.

import type { Mutant } from './mutant.js';

const COMMIT_TRACKER = 'src/consensus/commit-tracker.ts';
const LEADER_TERM = 'src/consensus/leader-term.ts';
const FOLLOWER_TERM = 'src/consensus/follower-term.ts';
const OWN_LOG = 'src/consensus/own-log.ts';
const TRUNCATE = 'src/archive/truncate.ts';

/** The assertions that keep a cut from what is committed: they would notice before any judge. */
const NO_CUT_ASSERTIONS = [
  {
    file: OWN_LOG,
    find: `    assert(
      position >= this.committed,
      \`a cut to \${position} keeps the committed \${this.committed}\`,
    );
`,
    replace: '',
  },
  {
    file: TRUNCATE,
    find: '    position >= options.knownCommitPosition,',
    replace: '    position >= 0,',
  },
  {
    file: TRUNCATE,
    find: 'assert(mark.commitPosition <= position,',
    replace: 'assert(position >= 0,',
  },
];

export const COMMIT_MUTANTS: readonly Mutant[] = [
  {
    id: 'B4',
    bug: 'the leader counts what it has appended, not what is durable',
    source: 'etcd 14370',
    breaks: 'a commit position counts bytes of the leader that no disk holds',
    judges: ['I-7', 'I-9'],
    edits: [
      {
        file: LEADER_TERM,
        find: 'tracker.onOwnDurablePosition(this.context.log.durablePosition());',
        replace: 'tracker.onOwnDurablePosition(this.context.log.appendPosition());',
      },
      {
        file: OWN_LOG,
        find: 'Math.max(this.committed, Math.min(position, this.durable))',
        replace: 'Math.max(this.committed, Math.min(position, this.appended))',
      },
    ],
  },
  {
    id: 'B9',
    bug: 'frames of an older term are committed by counting their copies',
    source: 'LogCabin 44, figure 8 of the Raft paper',
    breaks: 'the commit position moves below the end of the event of the own term',
    judges: ['I-7', 'I-5', 'I-6'],
    edits: [
      {
        file: COMMIT_TRACKER,
        find: 'if (reached < this.eventEndPosition || reached <= this.committed) {',
        replace: 'if (reached <= this.committed) {',
      },
    ],
  },
  {
    id: 'B10',
    bug: 'positions that belong to another leadership term count for the quorum',
    source: 'Aeron 2147',
    breaks: 'the log end of a member that canvasses counts as its acknowledgement',
    judges: ['I-7', 'I-5', 'I-6'],
    edits: [
      {
        file: LEADER_TERM,
        find: `    this.logTermIds.set(memberId, end.termId);
    if (this.isOpen()) {`,
        replace: `    this.logTermIds.set(memberId, end.termId);
    this.tracker?.onAppendPosition(memberId, this.termId, end.position, this.startedNs);
    if (this.isOpen()) {`,
      },
    ],
  },
  {
    id: 'B11',
    bug: 'the quorum position is taken from a list that is not sorted any more',
    source: 'openraft 1802',
    breaks: 'one member decides what is committed',
    judges: ['I-7'],
    edits: [
      {
        file: 'src/consensus/quorum.ts',
        find: '  scratch.sort();\n',
        replace: '',
      },
    ],
  },
  {
    id: 'B13',
    bug: 'what follows the point where logs were compared is deleted, conflict or not',
    source: 'openraft, from async-raft (9540c904)',
    breaks: 'a follower that joins the log again in one term first cuts what it has of that term',
    judges: ['I-8', 'I-9', 'I-5', 'I-7', 'I-11'],
    edits: [
      {
        file: 'src/consensus/reconcile.ts',
        find:
          '    return { action: ReconcileAction.Live, termId: ownTermId, ' +
          'position: POSITION_NULL };',
        replace: `    const basePosition = ownEntries.basePositionOf(ownTermId);
    return position > basePosition
      ? { action: ReconcileAction.Truncate, termId: ownTermId, position: basePosition }
      : { action: ReconcileAction.Live, termId: ownTermId, position: POSITION_NULL };`,
      },
      {
        file: FOLLOWER_TERM,
        find: 'assert(!this.isReconciled, ',
        replace: 'assert(this !== undefined, ',
      },
      ...NO_CUT_ASSERTIONS,
    ],
  },
  {
    id: 'B33',
    bug: 'a member applies its whole recorded log when it starts',
    source: 'Aeron 1898',
    breaks: 'the recovered log counts as committed up to its end',
    judges: ['I-7', 'I-6'],
    edits: [
      {
        file: OWN_LOG,
        find: 'this.committed = recovered.commitPosition;',
        replace: 'this.committed = recovered.durablePosition;',
      },
    ],
  },
];
