// free-ports.ts: UDP ports of the loopback interface that nobody uses right now.

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

const LOOPBACK = '127.0.0.1';

/**
 * Finds ports that are free. They are all held at once while looking, so they differ; between this
 * call and their use another process could take one, which then shows as ADDRESS_IN_USE.
 */
export async function findFreePorts(count: number): Promise<readonly number[]> {
  const sockets: Socket[] = [];
  try {
    for (let index = 0; index < count; index++) {
      const socket = createSocket('udp4');
      sockets.push(socket);
      socket.bind({ address: LOOPBACK, port: 0, exclusive: true });
      await once(socket, 'listening');
    }
    return sockets.map((socket) => socket.address().port);
  } finally {
    for (const socket of sockets) {
      socket.close();
    }
  }
}

/** A member list and the ingress list of its clients. */
export interface LocalEndpoints {
  readonly members: string;
  readonly ingress: string;
}

const ENDPOINT_COUNT = 5;

/** Endpoints for members 0 to count - 1 on free ports of the loopback interface. */
export async function findLocalEndpoints(memberCount: number): Promise<LocalEndpoints> {
  const ports = await findFreePorts(memberCount * ENDPOINT_COUNT);
  const memberIds = Array.from({ length: memberCount }, (_, memberId) => memberId);
  const addresses = memberIds.map((memberId) =>
    ports
      .slice(memberId * ENDPOINT_COUNT, (memberId + 1) * ENDPOINT_COUNT)
      .map((port) => `${LOOPBACK}:${port}`),
  );
  return {
    members: addresses.map((own, memberId) => [memberId, ...own].join(',')).join('|'),
    ingress: addresses.map((own, memberId) => `${memberId}=${own[0]}`).join(','),
  };
}
