// floor-chain.ts: starts the processes of the floor and of its ping-pong, and asks them to run.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IdleStrategy } from '../../host/event-loop.js';
import type { SocketAddress } from '../../ports/network.js';
import { Child } from '../child-process.js';
import { findFreePorts } from '../free-ports.js';
import type { RunResult, RunSpec } from '../load-run.js';
import type { LinkEnds } from './floor-link.js';
import type { FloorProcessSpec } from './floor-process.js';
import { frameLengthOf } from './floor-record.js';
import type { LoadTargetSpec } from './load-process.js';

const HOST = '127.0.0.1';

export interface FloorOptions {
  readonly payload: number;
  readonly mtu: number;
  readonly idle: IdleStrategy;
}

/** Processes that a load runs over. */
export interface LoadChain {
  run(spec: RunSpec): Promise<RunResult>;
  close(): Promise<void>;
}

function addressOf(port: number): SocketAddress {
  return { host: HOST, port };
}

/** Both ends of as many connections as asked for. */
async function findLinks(count: number): Promise<readonly [LinkEnds, LinkEnds][]> {
  const ports = await findFreePorts(2 * count);
  return Array.from({ length: count }, (_, index) => {
    const a = addressOf(ports[2 * index] ?? 0);
    const b = addressOf(ports[2 * index + 1] ?? 0);
    return [
      { local: a, remote: b },
      { local: b, remote: a },
    ];
  });
}

async function startChain(
  processes: readonly FloorProcessSpec[],
  client: LoadTargetSpec,
): Promise<LoadChain> {
  const entry = new URL('./floor-process.ts', import.meta.url);
  const children = processes.map(({ role }) => new Child(`floor ${role}`, entry));
  await Promise.all(children.map((child, index) => child.ask('start', processes[index])));
  const load = new Child('floor client', new URL('./load-process.ts', import.meta.url));
  await load.ask('connect', client);
  return {
    run: (spec) => load.ask<RunResult>('run', spec),
    close: async () => {
      await Promise.all([load, ...children].map((child) => child.release()));
    },
  };
}

/** Two processes: every datagram comes straight back. */
export async function startPingPong({ payload, mtu, idle }: FloorOptions): Promise<LoadChain> {
  const [[client, echo]] = (await findLinks(1)) as [[LinkEnds, LinkEnds]];
  const lengths = { messageLength: payload, mtu, idle };
  return startChain([{ role: 'echo', links: [echo], ...lengths }], {
    kind: 'floor',
    link: client,
    ...lengths,
  });
}

/**
 * Four processes: client, leader, two followers.
 *
 * @param recordDirectory where leader and followers write what they get; none when not given.
 */
export async function startFloor(
  { payload, mtu, idle }: FloorOptions,
  recordDirectory?: string,
): Promise<LoadChain> {
  const links = await findLinks(3);
  const [client, first, second] = links as [
    [LinkEnds, LinkEnds],
    [LinkEnds, LinkEnds],
    [LinkEnds, LinkEnds],
  ];
  const lengths = { messageLength: payload, mtu, idle };
  const recordOf = (name: string) =>
    recordDirectory === undefined ? undefined : { directory: recordDirectory, name };
  const processes: readonly FloorProcessSpec[] = [
    {
      role: 'leader',
      links: [client[1], first[0], second[0]],
      record: recordOf('leader'),
      ...lengths,
    },
    { role: 'follower', links: [first[1]], record: recordOf('first'), ...lengths },
    { role: 'follower', links: [second[1]], record: recordOf('second'), ...lengths },
  ];
  return startChain(processes, { kind: 'floor', link: client[0], ...lengths });
}

/**
 * The floor of a program that keeps a log: each message is as long as its frame in the log is, and
 * leader and followers check them and write them to files of a temporary directory, which goes
 * with the chain.
 */
export async function startRecordedFloor(options: FloorOptions): Promise<LoadChain> {
  const payload = frameLengthOf(options.payload);
  const directory = mkdtempSync(join(tmpdir(), 'pawl-floor-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  try {
    const chain = await startFloor({ ...options, payload }, directory);
    return {
      run: (spec) => chain.run({ ...spec, payloadLength: payload }),
      close: async () => {
        await chain.close();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}
