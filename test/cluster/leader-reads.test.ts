// leader-reads.test.ts: when a leader asks whether it still leads, and whom it answers then.

import test from 'tape';
import { LeaderReads, QUERIES_PER_TURN_MAX } from '../../src/cluster/leader-reads.js';
import type { EgressSink, ServiceHost } from '../../src/cluster/service-host.js';

const SESSION = 7;
const BODY = new DataView(new ArrayBuffer(8));

/** Reads of a leader whose rounds are confirmed when the test says so. */
function leaderReads() {
  const answered: number[] = [];
  const service = {
    position: 0,
    query: (_session: number, queryId: number) => answered.push(queryId),
  };
  const rounds = { begun: 0, confirmed: 0 };
  const election = {
    commitPosition: () => 320,
    reads: {
      begin: () => ++rounds.begun,
      get confirmed() {
        return rounds.confirmed;
      },
    },
  };
  const reads = new LeaderReads(service as unknown as ServiceHost, {} as EgressSink, {
    countMax: 100_000,
    bytesMax: 1e9,
  });
  let nextId = 1;
  const ask = (count: number): void => {
    for (let index = 0; index < count; index++) {
      reads.onQuery(SESSION, nextId++, BODY, 0, 8);
    }
  };
  /** A duty cycle. Returns how many queries were answered. */
  const turn = (): number => {
    reads.advance(election as never);
    reads.begin(election as never, 0);
    return reads.answer();
  };
  return { answered, ask, reads, rounds, service, turn };
}

test('queries that come while a round is under way share the next one', (t) => {
  const { answered, ask, rounds, service, turn } = leaderReads();
  service.position = 320;
  ask(3);
  t.equal(turn(), 0, 'nobody is answered before the round is confirmed');
  ask(2);
  turn();
  t.equal(rounds.begun, 1, 'one round at a time');
  rounds.confirmed = 1;
  t.equal(turn(), 3, 'those who came before it');
  t.equal(rounds.begun, 2);
  rounds.confirmed = 2;
  t.equal(turn(), 2, 'and the others');
  t.deepEqual(answered, [1, 2, 3, 4, 5], 'in their order');
  turn();
  t.equal(rounds.begun, 2, 'nobody waits: nobody is asked');
  t.end();
});

test('while there is much to answer no round begins, and more share the next one', (t) => {
  const { ask, rounds, service, turn } = leaderReads();
  service.position = 320;
  const turnCount = 4;
  ask(turnCount * QUERIES_PER_TURN_MAX);
  turn();
  rounds.confirmed = 1;
  for (let left = turnCount - 1; left > 0; left--) {
    t.equal(turn(), QUERIES_PER_TURN_MAX);
    ask(100);
    t.equal(rounds.begun, 1, `${left * QUERIES_PER_TURN_MAX} are left to answer`);
  }
  t.equal(turn(), QUERIES_PER_TURN_MAX);
  t.equal(rounds.begun, 2, 'the next round is under way while the last of them are answered');
  rounds.confirmed = 2;
  t.equal(turn(), 100 * (turnCount - 1), 'all that came meanwhile shared it');
  t.end();
});

test('a query waits for the service to reach what was committed when its round began', (t) => {
  const { ask, reads, rounds, service, turn } = leaderReads();
  service.position = 288;
  ask(1);
  turn();
  rounds.confirmed = 1;
  t.equal(turn(), 0);
  service.position = 320;
  t.equal(turn(), 1);
  ask(1);
  turn();
  reads.endTerm();
  rounds.confirmed = 2;
  t.equal(turn(), 0, 'nothing of a term is answered behind it');
  t.equal(reads.droppedCount, 1);
  t.end();
});
