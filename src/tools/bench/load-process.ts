// load-process.ts: the client of a bench, in a process of its own.

import { EventLoop, type IdleStrategy } from '../../host/event-loop.js';
import { connectClient, type NodeClientOptions } from '../../host/node-client.js';
import { NodeClock } from '../../host/node-clock.js';
import { NodeNetwork } from '../../host/node-network.js';
import { SocketState } from '../../ports/network.js';
import { serveParent } from '../child-process.js';
import type { LoadTarget } from '../load.js';
import { LoadRunner, type RunSpec, until } from '../load-run.js';
import { FloorClient } from './floor-agents.js';
import { type LinkEnds, openLink } from './floor-link.js';

const OPEN_TIMEOUT_NS = 5e9;

/** What the client talks to. */
export type LoadTargetSpec =
  | { readonly kind: 'cluster'; readonly options: NodeClientOptions }
  | {
      readonly kind: 'floor';
      readonly link: LinkEnds;
      readonly messageLength: number;
      readonly mtu: number;
      readonly idle: IdleStrategy;
    };

let runner: LoadRunner | undefined;

function onEcho(view: DataView, offset: number, length: number): void {
  runner?.onEcho(view, offset, length);
}

function failProcess(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

async function connectToCluster(options: NodeClientOptions): Promise<void> {
  const session = await connectClient(
    { ...options, onFatal: failProcess },
    {
      onMessage: onEcho,
      onClosed: (error) => {
        if (error !== undefined) {
          failProcess(error);
        }
      },
    },
  );
  const target: LoadTarget = {
    offer: (buffer, offset, length) => session.client.offer(buffer, offset, length),
    wake: () => session.wake(),
  };
  runner = new LoadRunner(target, session.clock);
}

async function connectToFloor(spec: LoadTargetSpec & { kind: 'floor' }): Promise<void> {
  const clock = new NodeClock();
  const loop = new EventLoop({ clock, idleStrategy: spec.idle, onFatal: failProcess });
  const network = new NodeNetwork({ onReadable: loop.wake });
  const socket = openLink(network, spec.link);
  await until(() => socket.state === SocketState.Open, clock, OPEN_TIMEOUT_NS);
  const { messageLength, mtu } = spec;
  const target = new FloorClient({
    socket,
    messageLength,
    mtu,
    onMessage: onEcho,
    wake: loop.wake,
  });
  loop.add(target);
  runner = new LoadRunner(target, clock);
}

function connect(value: unknown): Promise<void> {
  const spec = value as LoadTargetSpec;
  return spec.kind === 'cluster' ? connectToCluster(spec.options) : connectToFloor(spec);
}

function run(value: unknown): unknown {
  if (runner === undefined) {
    throw new Error('connect comes before run');
  }
  return runner.run(value as RunSpec);
}

serveParent({ connect, run }, () => process.exit(0));
