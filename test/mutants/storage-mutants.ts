// storage-mutants.ts: famous bugs of disks, syncs and recovery.

import type { Mutant } from './mutant.js';

const RECORDER = 'src/archive/recorder.ts';
const LOG_RECOVERY = 'src/archive/log-recovery.ts';

export const STORAGE_MUTANTS: readonly Mutant[] = [
  {
    id: 'B5',
    bug: 'log counts as durable while its write is in flight',
    source: 'openraft 2118',
    breaks: 'the recorder publishes what it has submitted',
    judges: ['I-11', 'I-7', 'I-9'],
    edits: [
      {
        file: RECORDER,
        find: 'core.counterSet(this.#control + RECORDER_DURABLE_OFFSET, this.#durable);',
        replace: 'core.counterSet(this.#control + RECORDER_DURABLE_OFFSET, this.#submitted);',
      },
    ],
  },
  {
    id: 'B6',
    bug: 'writes that complete out of order leave a hole below the position',
    source: 'openraft 1964',
    breaks: 'a completed write moves the position over one that is missing',
    judges: ['I-11', 'I-7', 'I-9'],
    edits: [
      {
        file: 'src/archive/recorder-writes.ts',
        find: `    while (this.#head < this.#tail) {
      const write = this.#slot(this.#head);
      if (!write.isDone || write.result !== StorageResult.Ok) {
        break;
      }
      end = write.end;
      this.#head++;
    }
    return end;`,
        replace: `    for (let index = this.#head; index < this.#tail; index++) {
      const write = this.#slot(index);
      if (write.isDone && write.result === StorageResult.Ok) {
        end = Math.max(end, write.end);
      }
    }
    while (this.#head < this.#tail && this.#slot(this.#head).isDone) {
      this.#head++;
    }
    return end;`,
      },
    ],
  },
  {
    id: 'B15',
    bug: 'log that was cut rises again behind what was written over it',
    source: 'etcd 22442',
    breaks: 'a cut leaves the bytes where they are, and no frame is asked for its term',
    judges: ['I-4', 'I-5', 'I-6', 'I-7', 'I-9', 'I-11'],
    profile: 'figure-8',
    edits: [
      {
        file: 'src/archive/truncate.ts',
        find: '  yield* zeroSegmentBehind(storage, position, geometry);\n',
        replace: '  void zeroSegmentBehind;\n',
      },
      {
        file: 'assembly/logbuffer/verify.ts',
        find: 'load<i32>(frame, DATA_LEADERSHIP_TERM_OFFSET) == leadershipTermLow &&',
        replace: 'load<i32>(frame, DATA_LEADERSHIP_TERM_OFFSET) <= leadershipTermLow &&',
      },
    ],
  },
  {
    id: 'B37',
    bug: 'after a crash the archive refuses a log whose last fragment is torn',
    source: 'Aeron Archive 1812 and 1900',
    breaks: 'a torn tail is taken for corruption',
    judges: ['recovery'],
    edits: [
      {
        file: LOG_RECOVERY,
        find: '  const isTorn = tail.to > walk.end;\n',
        replace: `  const isTorn = tail.to > walk.end;
  if (isTorn) {
    const torn = corruption([{ from: walk.end, to: tail.to }], false, bases, geometry);
    return { appendPosition: walk.end, health: torn, warnings: ['torn'], isCutNeeded: true };
  }
`,
      },
    ],
  },
  {
    id: 'B38',
    bug: 'the directory is not synced after a file was made in it',
    source: 'etcd 6368, 6378 and 6379; ALICE, OSDI 2014',
    breaks: 'a new segment of the log may vanish with its name',
    judges: ['I-11', 'I-7', 'I-9'],
    edits: [
      {
        file: 'src/archive/segment-writer.ts',
        find: '    yield* syncNames(storage);\n',
        replace: '    void syncNames;\n',
      },
    ],
  },
  {
    id: 'B39',
    bug: 'a sync that failed is tried again and believed',
    source: 'PostgreSQL, fsyncgate; Rebello et al., ATC 2020',
    breaks: 'the recorder retries a failed sync of the log',
    judges: ['I-11', 'I-7', 'I-9'],
    edits: [
      {
        file: RECORDER,
        find: `      this.#fail(storageError(StorageResult.InputOutput, 'sync the log'));
      return;
    }
    this.#syncCount--;`,
        replace: `      const file = this.#segments.fileOf(this.#syncTarget - 1);
      if (file !== undefined) {
        this.#tasks.expect(this.#tasks.storage.sync(file.handle), this.#onSynced);
        return;
      }
    }
    this.#syncCount--;`,
      },
    ],
  },
  {
    id: 'B40',
    bug: 'log is acknowledged before it is synced',
    source: 'Redpanda "why fsync", NATS 2.12.1 by Jepsen',
    breaks: 'at level fsync a completed write counts as durable',
    judges: ['I-11', 'I-7', 'I-9'],
    edits: [
      {
        file: RECORDER,
        find: `    if (!this.#isFsync) {
      this.#durable = this.#written;
    }`,
        replace: '    this.#durable = this.#written;',
      },
    ],
  },
  {
    id: 'B41',
    bug: 'corruption is cut away like a torn tail',
    source: 'protocol-aware recovery, FAST 2018',
    breaks: 'a bad frame below the durable mark ends the log, and the member keeps its vote',
    judges: ['I-11', 'I-5', 'I-7'],
    edits: [
      {
        file: LOG_RECOVERY,
        find: `  const isCutNeeded = isTorn || tail.isShort;
  const appendPosition = walk.end;
`,
        replace: `  const isCutNeeded = isTorn || tail.isShort || ranges.length > 0;
  const appendPosition = ranges[0]?.from ?? walk.end;
`,
      },
      {
        file: LOG_RECOVERY,
        find: '  if (ranges.length > 0) {\n    hit(Mark.RecoveryDamagedBelowMark);',
        replace: '  if (ranges.length < 0) {\n    hit(Mark.RecoveryDamagedBelowMark);',
      },
    ],
  },
];
