// floor-process.ts: one process of the floor that is not the client: echo, leader or follower.

import { EventLoop, type IdleStrategy } from '../../host/event-loop.js';
import { NodeClock } from '../../host/node-clock.js';
import { NodeNetwork } from '../../host/node-network.js';
import type { Agent } from '../../ports/agent.js';
import { type DatagramSocket, SocketState } from '../../ports/network.js';
import { serveParent } from '../child-process.js';
import { until } from '../load-run.js';
import { EchoAgent, FollowerAgent, LeaderAgent } from './floor-agents.js';
import { type LinkEnds, openLink } from './floor-link.js';
import { FloorRecord } from './floor-record.js';

const OPEN_TIMEOUT_NS = 5e9;

/** What a process of the floor is told to be. */
export interface FloorProcessSpec {
  readonly role: 'echo' | 'leader' | 'follower';
  /** The client or the leader first, then, for a leader, the followers. */
  readonly links: readonly LinkEnds[];
  readonly messageLength: number;
  readonly mtu: number;
  readonly idle: IdleStrategy;
  /** Where a leader or follower writes what it gets; absent where it does not. */
  readonly record?: { readonly directory: string; readonly name: string } | undefined;
}

function agentOf(spec: FloorProcessSpec, sockets: readonly DatagramSocket[]): Agent {
  const [first, ...others] = sockets as [DatagramSocket, ...DatagramSocket[]];
  const { messageLength, mtu } = spec;
  const lengths = { message: messageLength, mtu };
  const record = spec.record && new FloorRecord(spec.record.directory, spec.record.name, lengths);
  switch (spec.role) {
    case 'echo':
      return new EchoAgent(first);
    case 'leader':
      return new LeaderAgent(first, others, messageLength, mtu, record);
    case 'follower':
      return new FollowerAgent(first, messageLength, mtu, record);
  }
}

async function start(spec: FloorProcessSpec): Promise<void> {
  const clock = new NodeClock();
  const loop = new EventLoop({
    clock,
    idleStrategy: spec.idle,
    onFatal: (error) => {
      throw error;
    },
  });
  const network = new NodeNetwork({ onReadable: loop.wake });
  const sockets = spec.links.map((link) => openLink(network, link));
  const isOpen = () => sockets.every((socket) => socket.state === SocketState.Open);
  await until(isOpen, clock, OPEN_TIMEOUT_NS);
  const failed = sockets.find((socket) => socket.state !== SocketState.Open);
  if (failed !== undefined) {
    throw failed.failure ?? new Error('a socket of the floor did not open');
  }
  loop.add(agentOf(spec, sockets));
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

serveParent({ start: (value) => start(value as FloorProcessSpec), cpu: cpuSeconds }, () =>
  process.exit(0),
);
