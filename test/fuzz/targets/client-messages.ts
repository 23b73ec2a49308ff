// client-messages.ts: what a client may send to members, and members to a client, in a cluster that
// runs in the simulator.
//
// Whatever arrives: no process ends, what is not understood is counted, and a client that behaves
// keeps its session and gets its answers.

import { Arena } from '../../../src/memory/arena.js';
import type { MessageSchema } from '../../../src/protocol/schema-types.js';
import { EGRESS_STREAM_ID_DEFAULT, INGRESS_STREAM_ID } from '../../../src/protocol/streams.js';
import type { ExclusivePublication } from '../../../src/transport/exclusive-publication.js';
import { Transport } from '../../../src/transport/transport.js';
import { ClusterFixture, MS, messageOf, type TestClient } from '../../cluster/cluster-fixture.js';
import { type FuzzTarget, hold, joined } from '../fuzz-target.js';
import { encodeMessage, type FieldValues, schemaOf } from '../message-bytes.js';

const INGRESS_NAMES = [
  'SessionMessageHeader',
  'SessionConnectRequest',
  'SessionCloseRequest',
  'SessionKeepAlive',
  'AdminRequest',
  'ChallengeResponse',
  'RequestHeader',
  'Query',
  'QueryBatch',
];
const EGRESS_NAMES = [
  'SessionMessageHeader',
  'SessionEvent',
  'NewLeaderEvent',
  'ReplyHeader',
  'QueryAnswers',
];
const TERM_LENGTH = 64 * 1024;
const ARENA_LENGTH = 16 * 1024 * 1024;
/** Inputs between two checks that a well-behaved client is still served. */
const INPUTS_PER_CHECK = 64;
const CHANNELS = [
  'aeron:udp?endpoint=10.0.99.99:9000',
  'aeron:ipc',
  'aeron:udp?endpoint=localhost:1',
  '',
  'aeron:udp?endpoint=[::1]:99999|mtu=7',
] as const;

/** A machine that sends whole messages of any content to the members and to a client. */
class Hostile {
  readonly fixture = new ClusterFixture({ cluster: { sessionCountMax: 64 } });
  readonly good: TestClient;
  #victim: TestClient;
  readonly #publications: ExclusivePublication[] = [];
  #transport: Transport | undefined;
  #sent = 0;
  #echoes = 0;
  #rejectedBefore = 0;

  constructor() {
    const { fixture } = this;
    fixture.start();
    this.good = fixture.connect();
    fixture.await(() => this.good.isConnected, 'the good client is connected');
    this.#victim = this.#connectVictim();
    this.#start();
    this.#rejectedBefore = this.rejected();
  }

  get values(): FieldValues {
    const { client } = this.#victim;
    return {
      leadershipTermId: client?.leadershipTermId ?? 0,
      // The good client's session is nobody else's to name. The victim's is open, so what names it
      // passes for its own.
      clusterSessionId: client?.clusterSessionId ?? 0,
      leaderMemberId: client?.leaderMemberId ?? 0,
      responseStreamId: EGRESS_STREAM_ID_DEFAULT,
      version: 0x000300,
    };
  }

  rejected(): number {
    return this.fixture.cluster.members
      .map((one) => this.fixture.status(one).counters)
      .map(({ ingressRejected = 0, queriesRejected = 0 }) => ingressRejected + queriesRejected)
      .reduce((sum, count) => sum + count, 0);
  }

  /** A client in whose name the messages are sent. */
  #connectVictim(): TestClient {
    const { fixture } = this;
    const victim = fixture.connect();
    fixture.await(() => victim.isConnected, 'the client that is lied to is connected');
    return victim;
  }

  #start(): void {
    const { fixture } = this;
    const node = fixture.world.addNode({ name: 'hostile' });
    node.start((process) => {
      process.spawn('main', (ports) => {
        const transport = new Transport({
          arena: Arena.create(ARENA_LENGTH),
          network: ports.network,
          entropy: ports.entropy,
          config: { termLength: TERM_LENGTH, mtuLength: 1408 },
        });
        this.#transport = transport;
        for (const endpoint of fixture.cluster.ingressEndpoints.split(',')) {
          const channel = `aeron:udp?endpoint=${endpoint.slice(endpoint.indexOf('=') + 1)}`;
          this.#publications.push(transport.addPublication(channel, INGRESS_STREAM_ID));
        }
        return [
          {
            roleName: 'hostile',
            doWork: (nowNs) => transport.doWork(nowNs),
            deadlineNs: () => transport.deadlineNs(),
            close: () => transport.close(),
          },
        ];
      });
    });
    fixture.await(() => this.#publications.every((one) => one.isConnected), 'all are connected');
  }

  /** Sends a message; answers what became of it. */
  send(to: number, message: Uint8Array): string {
    const { fixture } = this;
    const publication = this.#publications[to % this.#publications.length];
    hold(publication !== undefined && !publication.isClosed, 'the members listen');
    const bytes = message.subarray(0, publication.maxMessageLength);
    const before = this.rejected();
    const result = publication.offer(bytes, 0, bytes.length);
    fixture.run(MS);
    hold(this.good.closed === undefined, `the good client keeps its session`);
    if (this.#victim.closed !== undefined) {
      this.#victim.node.kill();
      this.#victim = this.#connectVictim();
    }
    if (++this.#sent % INPUTS_PER_CHECK === 0) {
      this.#check();
    }
    const rejected = this.rejected() - before;
    return `${result > 0} rejected ${rejected}`;
  }

  /** The good client gets an answer, whatever the others said. */
  #check(): void {
    const { fixture, good } = this;
    this.#echoes++;
    fixture.send(good, messageOf(this.#echoes));
    fixture.await(() => good.received.length === this.#echoes, 'the good client is answered');
    hold(fixture.leader() !== undefined, 'a leader takes ingress');
    for (const one of fixture.cluster.members) {
      fixture.status(one);
    }
    hold(this.#transport !== undefined, 'the hostile client goes on');
  }

  close(): void {
    this.#check();
    hold(this.rejected() > this.#rejectedBefore, 'something was counted');
    this.fixture.close();
  }
}

export function clientMessagesTarget(): FuzzTarget {
  const hostile = new Hostile();
  const schemas = [...INGRESS_NAMES, ...EGRESS_NAMES].map(schemaOf);
  return {
    name: 'client-messages',
    generate(random) {
      const schema = random.pick(schemas) as MessageSchema;
      const texts = { responseChannel: random.pick(CHANNELS), detail: 'x', clientInfo: 'name=x' };
      const evilCount = random.below(3);
      const message = encodeMessage(schema, hostile.values, random, evilCount, texts);
      return joined(Uint8Array.of(random.below(3)), message);
    },
    run(input) {
      const template = input.length > 4 ? input[3] : -1;
      return `${template} ${hostile.send(input[0] ?? 0, input.subarray(1))}`;
    },
    close: () => hostile.close(),
  };
}
