// query-batches.ts: many queries in one message to a leader, and many answers in one to a client.
//
// Whatever the bytes: nothing is thrown; either all records are handed on, each within the message
// and one behind the other up to its end, or none is and that is counted.

import { EgressAnswers } from '../../../src/client/egress-answers.js';
import type { LeaderReads } from '../../../src/cluster/leader-reads.js';
import { QueryIngress } from '../../../src/cluster/query-ingress.js';
import { QueryQueue } from '../../../src/cluster/query-queue.js';
import { Arena } from '../../../src/memory/arena.js';
import { SessionTableState } from '../../../src/memory/core.js';
import { recordLength, writeRecordHeader } from '../../../src/protocol/query-records.js';
import type { Prng } from '../../../src/simulator/prng.js';
import { evilNumber, type FuzzTarget, hold, joined, randomBytes } from '../fuzz-target.js';
import { encodeMessage, schemaOf } from '../message-bytes.js';

const TERM_ID = 4;
const SESSION_ID = 77;
const VALUES = { leadershipTermId: TERM_ID, clusterSessionId: SESSION_ID, logPosition: 960 };
const NAMES = ['QueryBatch', 'QueryAnswers'];
const RECORD_COUNT_MAX = 6;
const BODY_LENGTH_MAX = 40;
const LIMITS = { countMax: 1_000, bytesMax: 1024 * 1024 };

function encodeRecord(random: Prng): Uint8Array {
  const length = random.below(BODY_LENGTH_MAX);
  const record = randomBytes(random, recordLength(length));
  const view = new DataView(record.buffer);
  writeRecordHeader(view, 0, 1 + random.below(1_000), length, random.below(5));
  if (random.chance(1, 12)) {
    view.setInt32(4 * random.below(4), evilNumber(random), true);
  }
  return record;
}

/** A leader with one open session. */
class Leader {
  readonly queue = new QueryQueue(LIMITS);
  readonly ingress: QueryIngress;
  runLength = 0;

  constructor() {
    const arena = Arena.create(1024 * 1024);
    const table = arena.allocate(arena.core.sessionTableLength(8));
    arena.core.sessionTableInitialize(table, 8);
    arena.core.sessionPut(table, SESSION_ID, SessionTableState.Open, 0);
    const reads = {
      onQueries: (...run: Parameters<QueryQueue['pushRecords']>) => {
        this.runLength = run[4];
        hold(this.queue.pushRecords(...run), 'there is room for a message');
      },
    };
    this.ingress = new QueryIngress(arena, { table }, reads as unknown as LeaderReads);
    this.ingress.beginTurn(TERM_ID, 1);
  }

  hear(message: DataView): string {
    const { ingress, queue } = this;
    const before = ingress.rejectedCount;
    const count = ingress.onBatch(message, 0, message.byteLength);
    const rejected = ingress.rejectedCount - before;
    hold(rejected + queue.count === count, 'each is taken, or all are counted as one');
    let length = 0;
    while (queue.count > 0) {
      hold(Number.isSafeInteger(queue.queryId), 'a query has a number');
      hold(queue.sessionId === SESSION_ID, 'and a session that is open');
      length += recordLength(queue.bodyLength);
      queue.shift();
    }
    hold(rejected === 1 || length === this.runLength, 'records end where the message does');
    return `takes ${count} rejects ${rejected}`;
  }
}

/** What a client is told of a message. */
function tell(message: DataView, templateId: number): string {
  let count = 0;
  let end = 0;
  const client = new EgressAnswers({
    onQueryAnswer: ({ queryId }, view, offset, length) => {
      hold(Number.isSafeInteger(queryId), 'an answer is one to a query');
      hold(offset >= end && offset + length <= view.byteLength, 'a body lies in its message');
      end = offset + length;
      count++;
    },
  });
  client.onMessage(templateId, message, 0, message.byteLength, SESSION_ID);
  return `tells ${count}`;
}

export function queryBatchesTarget(): FuzzTarget {
  const leader = new Leader();
  const schemas = NAMES.map(schemaOf);
  const [, answers] = schemas;
  return {
    name: 'query-batches',
    generate(random) {
      const schema = random.pick(schemas);
      const head = encodeMessage(schema, VALUES, random, random.chance(1, 8) ? 1 : 0);
      const count = random.below(RECORD_COUNT_MAX);
      return joined(head, ...Array.from({ length: count }, () => encodeRecord(random)));
    },
    run(input) {
      const message = new DataView(input.slice().buffer);
      return `${leader.hear(message)}, ${tell(message, answers?.templateId ?? -1)}`;
    },
  };
}
