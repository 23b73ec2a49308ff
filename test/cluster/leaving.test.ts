// leaving.test.ts: what services are told when their member leaves, and what becomes of the member.

import test from 'tape';
import { readDurableMark } from '../../src/archive/durable-mark.js';
import { completeTask, StorageTasks } from '../../src/archive/storage-task.js';
import { ErrorCode, PawlError } from '../../src/errors.js';
import type { ClusteredService } from '../../src/service/clustered-service.js';
import { ServiceContainer } from '../../src/service/service-container.js';
import { SnapshotStorage } from '../../src/simulator/invariants/snapshot-storage.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { ClusterFixture, echoService, MS, messageOf, SECOND } from './cluster-fixture.js';

const THREADS = ['shared', 'dedicated'] as const;

function leave(one: SimulatedMember): void {
  const process = one.node.process;
  process?.guard(() => one.member?.leave(process.clock.nowNs()));
}

/** Writes down its first and last callbacks, and throws in the last where that is wanted. */
function noting(calls: string[], isThrowing: () => boolean): ClusteredService {
  return {
    ...echoService(),
    onStart: () => calls.push('start'),
    onTerminate: () => {
      calls.push('terminate');
      if (isThrowing()) {
        throw new Error('not now');
      }
    },
  };
}

for (const threads of THREADS) {
  test(`a member that leaves while it recovers starts no service (${threads})`, (t) => {
    const calls: string[][] = [[], [], []];
    const fixture = new ClusterFixture({
      member: { threads },
      service: (memberId) => noting(calls[memberId] as string[], () => false),
    });
    fixture.start();
    fixture.await(() => calls.every((one) => one.length === 1), 'all services are started');
    const one = fixture.followers()[0] as SimulatedMember;
    const told = calls[one.memberId] as string[];
    one.node.kill();
    told.length = 0;
    fixture.cluster.start(one);
    fixture.await(() => one.member !== undefined, 'it runs again');
    t.equal(fixture.status(one).state, 'OPENING', 'and recovers');
    leave(one);
    t.equal(one.member?.hasLeft, true);
    fixture.run(SECOND);
    t.deepEqual(told, [], 'its service is told nothing, whatever ends later');
    t.equal(one.member?.hasLeft, true);
    fixture.close();
    t.end();
  });
}

for (const threads of THREADS) {
  test(`a leader whose service throws at its end leaves and ends with that (${threads})`, (t) => {
    const calls: string[][] = [[], [], []];
    let isThrowing = false;
    const fixture = new ClusterFixture({
      member: { threads },
      service: (memberId) => noting(calls[memberId] as string[], () => isThrowing),
    });
    const leader = fixture.start();
    const client = fixture.connect();
    fixture.await(() => client.isConnected, 'the client is connected');
    const errors: unknown[] = [];
    leader.node.onFatal = (_process, error) => errors.push(error);
    isThrowing = true;
    leave(leader);
    const leftNs = fixture.world.nowNs;
    const states: string[] = [];
    fixture.await(() => {
      states.push(leader.member?.status().state ?? 'ended');
      return errors.length > 0;
    }, 'the member has ended');
    t.equal(
      states.findLast((state) => state !== 'ended'),
      'LEFT',
    );
    t.ok(fixture.world.nowNs - leftNs < 500 * MS, 'as soon as it has left');
    const [error] = errors;
    t.ok(error instanceof PawlError && error.code === ErrorCode.ServiceFailed, String(error));
    t.match(String(error), /not now/);
    t.deepEqual(calls[leader.memberId], ['start', 'terminate']);
    fixture.await(() => fixture.leader() !== undefined, 'another member leads');
    t.notEqual(fixture.leader(), leader);
    fixture.await(() => client.newLeaders.length > 0, 'which the client knows');
    fixture.send(client, messageOf(1, 100));
    fixture.await(() => client.received.length === 1, 'and answers');
    fixture.close();
    t.end();
  });

  test(`all services are told of the end, and the first that throws is heard (${threads})`, (t) => {
    const calls: string[][] = [[], [], []];
    const makeService = (memberId: number, serviceId: number): ServiceContainer =>
      new ServiceContainer(
        () => ({
          onSessionMessage: () => undefined,
          onTerminate: () => {
            calls[memberId]?.push(`service ${serviceId}`);
            if (serviceId < 2) {
              throw new Error(`not now, says service ${serviceId}`);
            }
          },
        }),
        { serviceId },
      );
    const fixture = new ClusterFixture({
      cluster: { serviceCount: 3 },
      member: { threads },
      container: (memberId) => [0, 1, 2].map((serviceId) => makeService(memberId, serviceId)),
    });
    const leader = fixture.start();
    const errors: unknown[] = [];
    leader.node.onFatal = (_process, error) => errors.push(error);
    leave(leader);
    fixture.await(() => errors.length > 0, 'the member has ended');
    t.deepEqual(calls[leader.memberId], ['service 0', 'service 1', 'service 2']);
    t.match(String(errors[0]), /not now, says service 0/);
    const tasks = new StorageTasks(new SnapshotStorage(leader.node.disk));
    t.equal(
      completeTask(tasks, readDurableMark(tasks.storage)).kind,
      'found',
      'it left a last mark',
    );
    fixture.close();
    t.end();
  });
}

for (const memberCount of [1, 3]) {
  test(`a leader of ${memberCount} that leaves knows to its end what it has answered`, (t) => {
    const fixture = new ClusterFixture({ memberCount });
    const leader = fixture.start();
    const client = fixture.connect();
    fixture.await(() => client.isConnected, 'the client is connected');
    fixture.send(client, messageOf(1, 100));
    const before = fixture.status(leader).appendPosition;
    fixture.await(() => client.received.length === 1, 'the message is answered');
    const answered = fixture.status(leader).servicePosition;
    t.ok(answered > before);
    leave(leader);
    fixture.await(() => leader.member?.hasLeft === true, 'the leader has left');
    const tasks = new StorageTasks(new SnapshotStorage(leader.node.disk));
    const reading = completeTask(tasks, readDurableMark(tasks.storage));
    t.equal(reading.kind === 'found' ? reading.mark.commitPosition : -1, answered);
    fixture.close();
    t.end();
  });
}
