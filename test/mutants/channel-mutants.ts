// channel-mutants.ts: what can go wrong where an engine and its service hand over to each other.
//
// In a simulated run a turn of either side is one step, so that most of this could not happen
// there. These are hunted where both sides are interleaved at every step.

import type { Mutant } from './mutant.js';

const COPY = 'assembly/logbuffer/copy.ts';
const RING = 'assembly/ring/many-to-one.ts';
const SHARED_LOG = 'src/service/shared-log.ts';
const SERVICE_AGENT = 'src/service/service-agent.ts';
const SERVICE_CHANNEL = 'src/cluster/service-channel.ts';
const REMOTE_SERVICE = 'src/cluster/remote-service.ts';

const MUTANTS: readonly Omit<Mutant, 'source' | 'stage'>[] = [
  {
    id: 'H1',
    bug: 'a torn copy is taken for whole',
    breaks: 'nobody looks, behind the copy, whether the bytes were cleaned meanwhile',
    judges: ['order'],
    edits: [
      {
        file: COPY,
        find: 'isWhole = position >= atomic.load<i64>(meta, LOG_CLEANING_POSITION_OFFSET);',
        replace: 'isWhole = true;',
      },
    ],
  },
  {
    id: 'H2',
    bug: 'a copy out of memory that was given to another log counts',
    breaks: 'the generation of the live log is not looked at',
    judges: ['order'],
    edits: [
      {
        file: SHARED_LOG,
        find: 'copied <= 0 || channel.generation !== generation',
        replace: 'copied <= 0 || generation < 0',
      },
    ],
  },
  {
    id: 'H3',
    bug: 'a position is published before what was said on the way to it',
    breaks: 'the service does not mind that some of it still waits for room in the ring',
    judges: ['said'],
    edits: [
      {
        file: SERVICE_AGENT,
        find: 'if (this.#outbox.isEmpty && position !== this.#publishedPosition) {',
        replace: 'if (position !== this.#publishedPosition) {',
      },
    ],
  },
  {
    id: 'H4',
    bug: 'a position is read after what was said before it',
    breaks: 'the engine takes what is in the ring, and the position of a moment later',
    judges: ['said'],
    edits: [
      {
        file: REMOTE_SERVICE,
        find: '        this.#position = position;\n        this.timers',
        replace: '        this.#position = this.#channel.position.get();\n        this.timers',
      },
    ],
  },
  {
    id: 'H5',
    bug: 'a position is published before its time',
    breaks: 'timers that the service has fired are proposed once more',
    judges: ['said'],
    edits: [
      {
        file: SERVICE_AGENT,
        find: `      this.#channel.timeMs.set(this.#service.time());
      this.#channel.position.set(position);
`,
        replace: `      this.#channel.position.set(position);
      this.#channel.timeMs.set(this.#service.time());
`,
      },
    ],
  },
  {
    id: 'H6',
    bug: 'an answer is published before where it lies',
    breaks: 'the service reads the length of the answer before',
    judges: ['order', 'awake'],
    edits: [
      {
        file: SERVICE_CHANNEL,
        find: `    this.#i32[(this.#control + ANSWER_ADDRESS_OFFSET) >> 2] = address;
    this.#i32[(this.#control + ANSWER_LENGTH_OFFSET) >> 2] = length;
    this.#store(ANSWERED_OFFSET, request);
`,
        replace: `    this.#store(ANSWERED_OFFSET, request);
    this.#i32[(this.#control + ANSWER_ADDRESS_OFFSET) >> 2] = address;
    this.#i32[(this.#control + ANSWER_LENGTH_OFFSET) >> 2] = length;
`,
      },
    ],
  },
  {
    id: 'H7',
    bug: 'the limit is published before the snapshot that is wanted below it',
    breaks: 'the service passes the event, and its section never comes',
    judges: ['awake'],
    edits: [
      {
        file: REMOTE_SERVICE,
        find: '    this.#publishWanted(this.#context.snapshots.wantedPosition);\n',
        replace: '',
      },
      {
        file: REMOTE_SERVICE,
        find: '      this.#channel.limit.set(limit);\n      this.#hasNews = true;\n    }\n',
        replace: `      this.#channel.limit.set(limit);
      this.#hasNews = true;
    }
    this.#publishWanted(this.#context.snapshots.wantedPosition);
`,
      },
    ],
  },
  {
    id: 'H8',
    bug: 'the limit does not wait for the snapshot',
    breaks: 'pieces that the ring had no room for come behind log that follows them',
    judges: ['snapshot'],
    edits: [
      {
        file: REMOTE_SERVICE,
        find: '    if (this.canLoad && limit > this.#limit) {\n',
        replace: '    if (limit > this.#limit) {\n',
      },
    ],
  },
  {
    id: 'H9',
    bug: 'a record is published before its bytes',
    breaks: 'the length of a record turns positive before its payload is copied',
    judges: ['said', 'snapshot'],
    edits: [
      {
        file: RING,
        find: `  memory.copy(record + RECORD_HEADER_LENGTH, source, <usize>length);
  // Fails`,
        replace: '  // Fails',
      },
      {
        file: RING,
        find: '  return <i32>(found == -recordLength);\n',
        replace: `  memory.copy(record + RECORD_HEADER_LENGTH, source, <usize>length);
  return <i32>(found == -recordLength);
`,
      },
    ],
  },
  {
    id: 'H10',
    bug: 'the log is read before the ring is empty',
    breaks: 'one look at the ring takes a part of the snapshot, and the log goes on behind it',
    judges: ['snapshot'],
    edits: [
      {
        file: SERVICE_AGENT,
        find: '    this.#isLoaded ||= limit > this.#service.position && count < RING_READ_LIMIT;\n',
        replace: '    this.#isLoaded = true;\n',
      },
    ],
  },
];

/** Hunted by schedules of the two sides. */
export const CHANNEL_MUTANTS: readonly Mutant[] = MUTANTS.map((mutant) => ({
  ...mutant,
  source: 'the hand-over between threads',
  stage: 'channel',
}));
