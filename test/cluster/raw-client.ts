// raw-client.ts: a machine that sends a member whatever a test gives it.

import { Arena } from '../../src/memory/arena.js';
import { EGRESS_STREAM_ID_DEFAULT, INGRESS_STREAM_ID } from '../../src/protocol/streams.js';
import type { ExclusivePublication } from '../../src/transport/exclusive-publication.js';
import { Transport } from '../../src/transport/transport.js';
import type { ClusterFixture } from './cluster-fixture.js';

const ARENA_LENGTH = 8 * 1024 * 1024;
const EGRESS_PORT = 9_000;

export interface RawClient {
  /** To the member's ingress. */
  readonly publication: ExclusivePublication;
  /** Where it listens: `host:port`. */
  readonly endpoint: string;
  /** Whole messages that it was sent. */
  readonly received: Uint8Array[];
}

/** Connects to a member. No message leaves by itself. */
export function startRawClient(fixture: ClusterFixture, memberId: number): RawClient {
  const endpoints = fixture.cluster.ingressEndpoints.split(',');
  const ingress = endpoints.find((one) => one.startsWith(`${memberId}=`)) ?? '';
  const node = fixture.world.addNode({ name: 'raw client' });
  fixture.setDelays();
  const endpoint = `${node.hosts[0]}:${EGRESS_PORT}`;
  const received: Uint8Array[] = [];
  let publication: ExclusivePublication | undefined;
  node.start((process) => {
    process.spawn('main', ({ entropy, network }) => {
      const transport = new Transport({
        arena: Arena.create(ARENA_LENGTH),
        network,
        entropy,
        config: { termLength: 64 * 1024, mtuLength: 1408 },
      });
      const channel = `aeron:udp?endpoint=${ingress.slice(ingress.indexOf('=') + 1)}`;
      publication = transport.addPublication(channel, INGRESS_STREAM_ID);
      const egress = transport.addSubscription(
        `aeron:udp?endpoint=${endpoint}`,
        EGRESS_STREAM_ID_DEFAULT,
      );
      const onFragment = (view: DataView, offset: number, length: number): void => {
        received.push(new Uint8Array(view.buffer, view.byteOffset + offset, length).slice());
      };
      return [
        {
          roleName: 'raw client',
          doWork: (nowNs) => transport.doWork(nowNs) + egress.poll(onFragment, 16),
          deadlineNs: () => transport.deadlineNs(),
          close: () => transport.close(),
        },
      ];
    });
  });
  fixture.await(() => publication?.isConnected === true, 'the raw client is connected');
  return { publication: publication as ExclusivePublication, endpoint, received };
}
