// reads-fixture.ts: a register on a simulated cluster, and clients that ask for it.

import type { ClientOptions } from '../../src/client/client-options.js';
import { ExactlyOnceClient } from '../../src/client/exactly-once-client.js';
import { QueryClient, type QueryOptions } from '../../src/client/query-client.js';
import type { PawlError } from '../../src/errors.js';
import type { ClusteredService } from '../../src/service/clustered-service.js';
import { ArenaPool } from '../../src/simulator/simulated-cluster.js';
import { startSimulatedRequester } from '../../src/simulator/simulated-requester.js';
import type { VirtualNode } from '../../src/simulator/virtual-node.js';
import { ClusterFixture, type FixtureOptions, SECOND } from './cluster-fixture.js';

const arenas = new ArenaPool();

/** A register: a request sets it, a query says what it holds. */
export class RegisterService implements ClusteredService {
  value = 0;
  queryCount = 0;
  readonly #answer = new DataView(new ArrayBuffer(4));

  onSessionMessage(): void {
    // Only requests and queries are of interest.
  }

  onRequest: NonNullable<ClusteredService['onRequest']> = (request, _timestamp, buffer, offset) => {
    this.value = buffer.getInt32(offset, true);
    request.reply(buffer, offset, 4);
  };

  onQuery: NonNullable<ClusteredService['onQuery']> = (query) => {
    this.queryCount++;
    this.#answer.setInt32(0, this.value, true);
    query.reply(this.#answer, 0, 4);
  };
}

/** What became of a query or a request. */
export interface Found {
  readonly value: number;
  readonly logPosition: number;
}

/** A client on a machine of its own. */
export interface Reader {
  readonly node: VirtualNode;
  client: ExactlyOnceClient | undefined;
  readonly queries: QueryClient;
  /** Outcomes by the number of the query, and by the number of the request. */
  readonly answers: Map<number, Found | PawlError>;
  readonly replies: Map<number, Found | PawlError>;
}

export class ReadsFixture extends ClusterFixture {
  readonly services = new Map<number, ClusteredService>();

  constructor(
    make: () => ClusteredService = () => new RegisterService(),
    options?: FixtureOptions,
  ) {
    const services = new Map<number, ClusteredService>();
    super({
      cluster: { sessionTimeoutMs: 5_000 },
      ...options,
      service: (memberId) => {
        const service = make();
        services.set(memberId, service);
        return service;
      },
    });
    this.services = services;
  }

  reader(options: QueryOptions = {}, clientOptions: Partial<ClientOptions> = {}): Reader {
    const node = this.world.addNode({ name: `reader ${this.world.nodes.length}` });
    this.setDelays();
    const answers = new Map<number, Found | PawlError>();
    const replies = new Map<number, Found | PawlError>();
    const queries = new QueryClient(
      {
        onAnswer: ({ logPosition, queryId }, view, offset) => {
          answers.set(queryId, { value: view.getInt32(offset, true), logPosition });
        },
        onFailed: (queryId, error) => answers.set(queryId, error),
      },
      options,
    );
    const reader: Reader = { node, client: undefined, queries, answers, replies };
    const { ingressEndpoints } = this.cluster;
    startSimulatedRequester(
      node,
      arenas,
      { ingressEndpoints, connectTimeoutMs: 2_000, newLeaderTimeoutMs: 2_000, ...clientOptions },
      {
        make: (open) => {
          reader.client = new ExactlyOnceClient(
            open,
            {
              onAnswer: ({ logPosition, requestId }, view, offset) => {
                replies.set(requestId, { value: view.getInt32(offset, true), logPosition });
              },
              onFailed: (requestId, error) => replies.set(requestId, error),
            },
            { requestTimeoutNs: 25 * SECOND },
            {},
            queries,
          );
          return reader.client;
        },
        onTurn: () => 0,
        nextTurnNs: () => Number.POSITIVE_INFINITY,
      },
    );
    this.await(() => reader.client?.session?.state === 'connected', 'a reader has its session');
    return reader;
  }

  /** Asks so many times at once; returns the numbers of the queries. */
  ask(reader: Reader, count = 1, timeoutNs?: number): number[] {
    const body = new Uint8Array(4);
    const nowNs = reader.node.process?.clock.nowNs() ?? 0;
    const ids = Array.from({ length: count }, () => reader.queries.query(body, nowNs, timeoutNs));
    wake(reader.node);
    return ids;
  }

  /** Sets the register, and waits until that is confirmed. */
  write(reader: Reader, value: number): Found {
    const body = new Uint8Array(4);
    new DataView(body.buffer).setInt32(0, value, true);
    const nowNs = reader.node.process?.clock.nowNs() ?? 0;
    const requestId = reader.client?.request(body, nowNs) ?? -1;
    wake(reader.node);
    this.await(() => reader.replies.has(requestId), `the register holds ${value}`);
    return reader.replies.get(requestId) as Found;
  }

  /** Asks, and waits for the answer. */
  read(reader: Reader): Found | PawlError {
    const [id = -1] = this.ask(reader);
    this.await(() => reader.answers.has(id), 'a query is answered');
    return reader.answers.get(id) as Found | PawlError;
  }

  /** Cuts machines off from all others, both ways. */
  cutOff(group: readonly VirtualNode[]): void {
    const rest = this.world.nodes.filter((node) => !group.includes(node));
    this.world.network.partition([group, rest]);
  }

  /** Joins everything again. */
  heal(): void {
    this.world.network.heal();
  }
}

export function wake(node: VirtualNode): void {
  for (const thread of node.process?.threads ?? []) {
    thread.wake();
  }
}
