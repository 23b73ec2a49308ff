// client-memory.test.ts: what clients use leaves room for the log, and who finds none is told.

import test from 'tape';
import { ErrorCode, PawlError } from '../../src/errors.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { logLength } from '../../src/transport/log-memory.js';
import { ClusterFixture, MS, messageOf, SECOND, type TestClient } from './cluster-fixture.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const LOG_TERM_LENGTH = MIB;
/** A client takes a megabyte of a simulated member's 24. */
const CLUSTER = {
  logTermLength: LOG_TERM_LENGTH,
  segmentLength: LOG_TERM_LENGTH,
  egressTermLength: 256 * KIB,
  sessionCountMax: 200,
  sessionCountPerAddressMax: 200,
  sessionTimeoutMs: 60_000,
};

/** Members that could not open two more logs. */
function membersWithoutReserve(fixture: ClusterFixture): number[] {
  return fixture.cluster.members
    .filter(({ member }) => {
      const arena = member?.transport.arena;
      return arena !== undefined && !arena.canAllocate(2 * logLength(LOG_TERM_LENGTH));
    })
    .map(({ memberId }) => memberId);
}

/** Many clients at once, until each has a session or has been refused. */
function storm(fixture: ClusterFixture, count: number): TestClient[] {
  const clients = Array.from({ length: count }, () =>
    fixture.connect({ connectTimeoutMs: 20_000, newLeaderTimeoutMs: 20_000 }),
  );
  fixture.await(
    () => clients.every((client) => client.isConnected || client.closed !== undefined),
    'all clients have an answer',
  );
  return clients;
}

test('many clients at once leave the log its memory, and who finds none is told', (t) => {
  const fixture = new ClusterFixture({ cluster: CLUSTER });
  fixture.start();
  const clients: TestClient[] = [];
  const beganNs = fixture.world.nowNs;
  for (let count = 0; count < 40; count++) {
    clients.push(fixture.connect({ connectTimeoutMs: 20_000 }));
  }
  while (!clients.every((client) => client.isConnected || client.closed !== undefined)) {
    fixture.run(MS);
    const without = membersWithoutReserve(fixture);
    if (without.length > 0 || fixture.world.nowNs - beganNs > 20 * SECOND) {
      t.deepEqual(without, [], 'no member is without the reserve of the log');
      break;
    }
  }
  for (const member of fixture.cluster.members) {
    const { counters } = fixture.status(member);
    t.equal(counters.sessionlessAnswersDropped, 0, 'no answer finds no room');
  }
  const refused = clients.filter(({ closed }) => closed !== undefined);
  const served = clients.filter(({ isConnected }) => isConnected);
  t.equal(refused.length + served.length, 40);
  t.ok(served.length >= 8, `${served.length} of 40 clients are served`);
  t.ok(refused.length > 0, 'the others are not');
  t.ok(fixture.world.nowNs - beganNs < 2 * SECOND, 'all know long before they would give up');
  for (const { closed } of refused) {
    const isTold =
      closed instanceof PawlError &&
      closed.code === ErrorCode.SessionRefused &&
      /no memory for a (client's )?stream of \d+ bytes.* \d+.*kept for the log/.test(
        closed.message,
      ) &&
      /memoryLength/.test(closed.message);
    if (!isTold) {
      t.fail(String(closed));
    }
  }
  for (const client of served) {
    fixture.send(client, messageOf(1));
  }
  fixture.await(() => served.every(({ received }) => received.length === 1), 'all are served');
  fixture.close();
  t.end();
});

test('a leader full of clients that leads again before its old log is gone lives on', (t) => {
  const fixture = new ClusterFixture({ cluster: CLUSTER });
  const leader = fixture.start();
  const served = storm(fixture, 40).filter(({ isConnected }) => isConnected);
  let turnCount = 0;
  // Whoever leads is cut off for a moment, until the first one leads again.
  for (let current = leader; turnCount === 0 || current !== leader; turnCount++) {
    fixture.world.network.isolate(current.node);
    const former = current;
    fixture.await(() => [undefined, former].indexOf(fixture.leader()) < 0, 'another one leads');
    current = fixture.leader() as SimulatedMember;
    fixture.world.network.heal();
  }
  fixture.run(10 * SECOND);
  t.ok(
    fixture.cluster.members.every(({ member }) => member !== undefined),
    `no process ended in ${turnCount} changes of leader`,
  );
  t.deepEqual(
    served.filter(({ closed }) => closed !== undefined),
    [],
    'every client has kept its session',
  );
  for (const client of served) {
    fixture.send(client, messageOf(2));
  }
  fixture.await(() => served.every(({ received }) => received.length > 0), 'and is served');
  fixture.close();
  t.end();
});
