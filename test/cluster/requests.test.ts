// requests.test.ts: exactly-once requests over a cluster whose leaders die and whose clients retry.

import test from 'tape';
import {
  ExactlyOnceClient,
  type ExactlyOnceHandlers,
  type ExactlyOnceOptions,
} from '../../src/client/exactly-once-client.js';
import type { PawlError } from '../../src/errors.js';
import type { ClusteredService } from '../../src/service/clustered-service.js';
import { REPLY_LIMITS, type ReplyLimits } from '../../src/service/reply-cache.js';
import { ServiceContainer } from '../../src/service/service-container.js';
import { ArenaPool } from '../../src/simulator/simulated-cluster.js';
import { startSimulatedRequester } from '../../src/simulator/simulated-requester.js';
import type { VirtualNode } from '../../src/simulator/virtual-node.js';
import { ClusterFixture, MS, messageOf, SECOND } from './cluster-fixture.js';

const arenas = new ArenaPool();

/** Counts how often it has executed each request, and answers with the order of execution. */
class CountingService implements ClusteredService {
  readonly executed: string[] = [];

  onSessionMessage(): void {
    // Only requests are of interest.
  }

  onRequest: NonNullable<ClusteredService['onRequest']> = (
    request,
    timestamp,
    buffer,
    offset,
    length,
  ) => {
    this.executed.push(`${request.clientId}:${request.requestId}`);
    const reply = new DataView(new ArrayBuffer(length + 16));
    reply.setInt32(0, this.executed.length, true);
    reply.setFloat64(4, timestamp, true);
    new Uint8Array(reply.buffer).set(new Uint8Array(buffer.buffer, offset, length), 16);
    request.reply(reply, 0, length + 16);
  };
}

interface Outcome {
  readonly logPosition: number;
  readonly timestamp: number;
  readonly bytes: Uint8Array;
}

/** A client on a machine of its own, with the outcomes of its requests. */
interface Requester {
  client: ExactlyOnceClient | undefined;
  readonly outcomes: Map<number, Outcome | PawlError>;
  readonly outbox: Uint8Array[];
  readonly node: VirtualNode;
}

interface Stage {
  readonly fixture: ClusterFixture;
  readonly services: Map<number, CountingService>;
  readonly containers: Map<number, ServiceContainer>;
  requester(options?: ExactlyOnceOptions): Requester;
  send(requester: Requester, count: number, length?: number): void;
  awaitOutcomes(requester: Requester, count: number): void;
}

function stageOf(seed: number, limits?: ReplyLimits, service?: () => ClusteredService): Stage {
  const services = new Map<number, CountingService>();
  const containers = new Map<number, ServiceContainer>();
  const fixture = new ClusterFixture({
    seed,
    cluster: { sessionTimeoutMs: 2_000 },
    container: (memberId) => {
      const counting = new CountingService();
      services.set(memberId, counting);
      const container = new ServiceContainer(service ?? (() => counting), { replyLimits: limits });
      containers.set(memberId, container);
      return container;
    },
  });
  return {
    fixture,
    services,
    containers,
    requester: (options) => startRequester(fixture, options ?? {}),
    send: (to, messages, length) => {
      for (let index = 0; index < messages; index++) {
        to.outbox.push(messageOf(index, length));
      }
      for (const thread of to.node.process?.threads ?? []) {
        thread.wake();
      }
    },
    awaitOutcomes: (of, outcomes) =>
      fixture.await(() => of.outcomes.size >= outcomes, `${outcomes} outcomes`),
  };
}

function startRequester(fixture: ClusterFixture, options: ExactlyOnceOptions): Requester {
  const node = fixture.world.addNode({ name: 'requester' });
  fixture.setDelays();
  const made: Requester = { client: undefined, outcomes: new Map(), outbox: [], node };
  const { ingressEndpoints } = fixture.cluster;
  const times = { connectTimeoutMs: 2_000, newLeaderTimeoutMs: 2_000 };
  const handlers: ExactlyOnceHandlers = {
    onAnswer: ({ logPosition, requestId, timestamp }, view, offset, length) => {
      const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, length).slice();
      made.outcomes.set(requestId, { logPosition, timestamp, bytes });
    },
    onFailed: (requestId, error) => made.outcomes.set(requestId, error),
  };
  startSimulatedRequester(
    node,
    arenas,
    { ingressEndpoints, ...times },
    {
      make: (open) => {
        const timeout = { requestTimeoutNs: 25 * SECOND, ...options };
        made.client = new ExactlyOnceClient(open, handlers, timeout);
        return made.client;
      },
      onTurn: (client, nowNs) => sendAll(client, made.outbox, nowNs),
      nextTurnNs: () => Number.POSITIVE_INFINITY,
    },
  );
  return made;
}

function sendAll(client: ExactlyOnceClient, outbox: Uint8Array[], nowNs: number): number {
  let work = 0;
  for (let next = outbox[0]; next !== undefined; next = outbox[0]) {
    if (client.request(next, nowNs) < 0) {
      return work;
    }
    outbox.shift();
    work++;
  }
  return work;
}

/** Every request was executed once on every member, and in the same order. */
function checkExecutions(t: test.Test, stage: Stage, count: number): void {
  const { fixture, services } = stage;
  const isEverywhere = (): boolean =>
    [0, 1, 2].every((id) => services.get(id)?.executed.length === count);
  fixture.await(isEverywhere, `every member has executed ${count} requests`);
  const first = services.get(0)?.executed ?? [];
  t.equal(new Set(first).size, count, 'each was executed once');
  t.deepEqual(services.get(1)?.executed, first);
  t.deepEqual(services.get(2)?.executed, first);
}

test('requests are executed once, in order, and answered', (t) => {
  const stage = stageOf(1);
  stage.fixture.start();
  const requester = stage.requester();
  stage.send(requester, 20);
  stage.send(requester, 1, 5_000);
  stage.awaitOutcomes(requester, 21);
  for (const [requestId, outcome] of requester.outcomes) {
    if (
      outcome instanceof Error ||
      new DataView(outcome.bytes.buffer).getInt32(0, true) !== requestId
    ) {
      t.fail(`request ${requestId} ends in ${String(outcome)}`);
    }
  }
  const long = requester.outcomes.get(21) as Outcome;
  t.deepEqual(long.bytes.subarray(16), messageOf(0, 5_000), 'also one that needs many datagrams');
  checkExecutions(t, stage, 21);
  stage.fixture.close();
  t.end();
});

test('requests in flight when the leader dies are answered by the next, executed once', (t) => {
  for (let seed = 1; seed <= 12; seed++) {
    const stage = stageOf(seed);
    const { fixture } = stage;
    const leader = fixture.start();
    const requester = stage.requester();
    stage.send(requester, 1);
    stage.awaitOutcomes(requester, 1);
    stage.send(requester, 30);
    // Each seed kills it at another stage: before the log has them, before they are committed,
    // before they are answered.
    fixture.run(seed * 60_000);
    leader.node.kill();
    stage.awaitOutcomes(requester, 31);
    const failed = [...requester.outcomes.values()].filter((one) => one instanceof Error);
    t.equal(failed.length, 0, `seed ${seed}: all are answered`);
    fixture.cluster.start(leader);
    checkExecutions(t, stage, 31);
    fixture.close();
  }
  t.end();
});

test('a retry gets the first answer, byte for byte, over sessions and leaders', (t) => {
  const stage = stageOf(3);
  const { fixture, containers } = stage;
  const leader = fixture.start();
  const requester = stage.requester({ retryIntervalNs: 300 * MS });
  stage.send(requester, 1);
  stage.awaitOutcomes(requester, 1);
  // The client hears nothing of what it is answered, and its session is lost.
  for (const { node } of fixture.cluster.members) {
    fixture.world.network.block(node, requester.node);
  }
  stage.send(requester, 5);
  const others = fixture.followers().map((one) => one.memberId);
  const other = others[0] as number;
  fixture.await(() => stage.services.get(other)?.executed.length === 6, 'they are executed');
  const first = [2, 3, 4, 5, 6].map((id) => replyOf(containers.get(other), id));
  leader.node.kill();
  fixture.run(3 * SECOND);
  fixture.world.network.heal();
  stage.awaitOutcomes(requester, 6);
  const { sessionCount } = requester.client as ExactlyOnceClient;
  t.ok(sessionCount > 1, `it took ${sessionCount} sessions`);
  for (let id = 2; id <= 6; id++) {
    t.deepEqual(requester.outcomes.get(id), first[id - 2], `request ${id}`);
  }
  fixture.cluster.start(leader);
  checkExecutions(t, stage, 6);
  fixture.close();
  t.end();
});

function replyOf(container: ServiceContainer | undefined, requestId: number): Outcome | undefined {
  for (const { replies } of container?.requests.replies.values() ?? []) {
    for (const reply of replies) {
      if (reply.requestId === requestId) {
        const { bytes, logPosition, timestamp } = reply;
        return { logPosition, timestamp, bytes };
      }
    }
  }
  return undefined;
}

test('a client comes back by itself after all members were restarted', (t) => {
  const stage = stageOf(4);
  const { fixture } = stage;
  fixture.start();
  const requester = stage.requester();
  stage.send(requester, 3);
  stage.awaitOutcomes(requester, 3);
  const { client } = requester;
  const { clientId } = client as ExactlyOnceClient;
  for (const { node } of fixture.cluster.members) {
    node.kill();
  }
  stage.send(requester, 4);
  fixture.run(6 * SECOND);
  fixture.cluster.startAll();
  stage.awaitOutcomes(requester, 7);
  t.ok([...requester.outcomes.values()].every((one) => !(one instanceof Error)));
  t.equal(client?.clientId, clientId, 'it is the same client');
  t.ok((client?.sessionCount ?? 0) > 1, 'over a new session');
  checkExecutions(t, stage, 7);
  fixture.close();
  t.end();
});

test('a request that no majority answers is unknown by its deadline, or was never sent', (t) => {
  const stage = stageOf(5);
  const { fixture } = stage;
  fixture.start();
  const requester = stage.requester({ requestTimeoutNs: 3 * SECOND });
  stage.send(requester, 1);
  stage.awaitOutcomes(requester, 1);
  for (const one of fixture.followers()) {
    one.node.kill();
  }
  stage.send(requester, 1);
  fixture.run(1 * SECOND);
  for (const { node } of fixture.cluster.members) {
    node.kill();
  }
  fixture.run(5 * SECOND);
  stage.send(requester, 1);
  const startNs = fixture.world.nowNs;
  stage.awaitOutcomes(requester, 3);
  t.equal((requester.outcomes.get(2) as PawlError).code, 'OUTCOME_UNKNOWN');
  t.equal((requester.outcomes.get(3) as PawlError).code, 'TIMEOUT');
  t.ok(fixture.world.nowNs - startNs <= 3.1 * SECOND, 'by its deadline');
  fixture.close();
  t.end();
});

test('a client that was idle for longer than clients are known goes on under a new id', (t) => {
  const stage = stageOf(6, { ...REPLY_LIMITS, clientAgeMaxMs: 1_000 });
  const { fixture } = stage;
  fixture.start();
  const requester = stage.requester();
  stage.send(requester, 2);
  stage.awaitOutcomes(requester, 2);
  const { client } = requester;
  const before = client?.clientId ?? 0;
  fixture.run(3 * SECOND);
  stage.send(requester, 5);
  stage.awaitOutcomes(requester, 7);
  t.ok([...requester.outcomes.values()].every((one) => !(one instanceof Error)));
  t.ok((client?.clientId ?? 0) > before, 'its id is that of a later session');
  checkExecutions(t, stage, 7);
  fixture.close();
  t.end();
});

test('a service without onRequest refuses requests, and one that gives no answer is told', (t) => {
  const plain = stageOf(7, undefined, () => ({ onSessionMessage: () => undefined }));
  plain.fixture.start();
  const refused = plain.requester();
  plain.send(refused, 1);
  plain.awaitOutcomes(refused, 1);
  t.match((refused.outcomes.get(1) as PawlError).message, /the service has no onRequest/);
  plain.fixture.close();
  const silent = stageOf(8, undefined, () => ({
    onSessionMessage: () => undefined,
    onRequest: () => undefined,
  }));
  silent.fixture.start();
  const unanswered = silent.requester();
  silent.send(unanswered, 1);
  silent.awaitOutcomes(unanswered, 1);
  t.match((unanswered.outcomes.get(1) as PawlError).message, /the service gave no answer/);
  silent.fixture.close();
  t.end();
});
