// snapshot-mutants.ts: famous bugs of snapshots, and of members that take one from another.

import type { Mutant } from './mutant.js';

const INSTALL_TARGET = 'src/cluster/install-target.ts';
const SNAPSHOT_INSTALL = 'src/archive/snapshot-install.ts';
const LEADER_SESSIONS = 'src/cluster/leader-sessions.ts';

export const SNAPSHOT_MUTANTS: readonly Mutant[] = [
  {
    id: 'B16',
    bug: 'a snapshot from another member that is older than the own log cuts that log',
    source: 'camunda 6092, etcd 1763',
    breaks: 'a snapshot is taken whatever the log has, and the log begins anew at its position',
    judges: ['I-4', 'I-5', 'I-7', 'I-9', 'I-11'],
    edits: [
      {
        file: INSTALL_TARGET,
        find: '      entry.logPosition > durablePosition();\n',
        replace: '      durablePosition() >= 0;\n',
      },
      {
        file: INSTALL_TARGET,
        find: '    if (!sealLogBelow(entry.logPosition)) {\n',
        replace: '    if (entry.logPosition < 0) {\n',
      },
      {
        file: SNAPSHOT_INSTALL,
        find: 'isInstalled && durablePosition < logStartPosition;',
        replace: 'isInstalled && durablePosition >= 0;',
      },
    ],
  },
  {
    id: 'B17',
    bug: 'what conflicts with a snapshot stays at its position, and it is taken again and again',
    source: 'hashicorp raft 704',
    breaks: 'a member that has taken a snapshot keeps the terms of the log that it had before',
    judges: ['liveness', 'recovery', 'I-4'],
    edits: [
      {
        file: SNAPSHOT_INSTALL,
        find: `  const recordingLog = yield* RecordingLog.open(storage, terms);
  yield* recordingLog.close();
`,
        replace: '  void RecordingLog;\n',
      },
    ],
  },
  {
    id: 'B31',
    bug: 'the snapshot of a leader holds what it has in mind and has not committed',
    source: 'Aeron 1739',
    breaks: 'a session is open, for its leader, as soon as its open event is appended',
    judges: ['I-10', 'states'],
    edits: [
      {
        file: LEADER_SESSIONS,
        find: '    this.#opening.set(key, id);\n',
        replace: `    this.#opening.set(key, id);
    this.#applied.open({ ...details, id, openedPosition: end });
`,
      },
      {
        file: 'src/cluster/cluster-session.ts',
        find: "    assert(!this.#sessions.has(session.id), 'the log opens a session once');\n",
        replace: '',
      },
    ],
  },
];
