// harness.ts: small nodes for the tests of the simulated world.

import type { Agent } from '../../src/ports/agent.js';
import type { DatagramOptions, DatagramSocket } from '../../src/ports/network.js';
import type { Completion, Storage, Ticket } from '../../src/ports/storage.js';
import type { VirtualDisk } from '../../src/simulator/virtual-disk.js';
import type { NodeOptions, VirtualNode } from '../../src/simulator/virtual-node.js';
import type { VirtualPorts, VirtualThread } from '../../src/simulator/virtual-thread.js';
import { World } from '../../src/simulator/world.js';

export const MICROSECOND = 1_000;
export const MILLISECOND = 1_000_000;
export const SECOND = 1_000_000_000;

/** An agent of plain functions. */
export function agentOf(parts: Partial<Agent>): Agent {
  return {
    roleName: 'test',
    doWork: () => 0,
    deadlineNs: () => Number.POSITIVE_INFINITY,
    close: () => undefined,
    ...parts,
  };
}

/** A node whose single thread does nothing; a test uses its ports from outside. */
export interface PassiveNode {
  readonly node: VirtualNode;
  readonly ports: VirtualPorts;
  readonly thread: VirtualThread;
}

/** Starts a process that does nothing on a node. */
export function startPassive(node: VirtualNode): PassiveNode {
  let ports: VirtualPorts | undefined;
  let thread: VirtualThread | undefined;
  node.start((process) => {
    thread = process.spawn('main', (given) => {
      ports = given;
      return [agentOf({})];
    });
  });
  return { node, ports: ports as VirtualPorts, thread: thread as VirtualThread };
}

export function addPassive(
  world: World,
  name: string,
  options?: Partial<NodeOptions>,
): PassiveNode {
  return startPassive(world.addNode({ name, ...options }));
}

export function socketOptions(host: string, port: number): DatagramOptions {
  return {
    host,
    port,
    sendBufferLength: 1 << 20,
    receiveBufferLength: 1 << 20,
    inboxLengthMax: 1 << 20,
  };
}

/** An open socket on the node's first address. */
export function openSocket(
  passive: PassiveNode,
  port: number,
  options: Partial<DatagramOptions> = {},
): DatagramSocket {
  const host = passive.node.hosts[0] as string;
  const socket = passive.ports.network.open({ ...socketOptions(host, port), ...options });
  passive.node.world.runFor(0);
  return socket;
}

/** Sends numbers as one-byte datagrams, or as given. */
export function sendBytes(socket: DatagramSocket, key: number, ...bytes: number[]): number {
  return socket.sendTo(Uint8Array.from(bytes), 0, bytes.length, key);
}

/** Everything in the inbox, copied. */
export function received(socket: DatagramSocket): number[][] {
  const datagrams: number[][] = [];
  socket.poll((buffer, offset, length) => {
    datagrams.push([...buffer.subarray(offset, offset + length)]);
  }, 1_000_000);
  return datagrams;
}

/** A storage that a test drives one operation at a time. */
export class Disk {
  readonly world: World;
  readonly node: VirtualNode;
  storage: Storage;

  constructor(seed: number, options?: Partial<NodeOptions>) {
    this.world = new World(seed);
    const passive = addPassive(this.world, 'disk', options);
    this.node = passive.node;
    this.storage = passive.ports.storage;
  }

  get disk(): VirtualDisk {
    return this.node.disk;
  }

  /** Completions that are ready, copied. */
  poll(): Completion[] {
    const completions: Completion[] = [];
    this.storage.poll((completion) => completions.push({ ...completion }), 1_000_000);
    return completions;
  }

  /** Runs until an operation has completed, and returns its completion. */
  done(ticket: Ticket): Completion {
    let found: Completion | undefined;
    for (;;) {
      found = this.poll().find((completion) => completion.ticket === ticket) ?? found;
      if (found !== undefined) {
        return found;
      }
      if (!this.world.step()) {
        throw new Error(`operation ${ticket} never completes`);
      }
    }
  }

  /** Opens a file and returns its handle. */
  open(path: string, mode: 0 | 1 | 2 | 3 = 3): number {
    return this.done(this.storage.open(path, mode)).value;
  }

  write(file: number, position: number, bytes: Uint8Array): Completion {
    return this.done(this.storage.write(file, position, bytes, 0, bytes.length));
  }

  read(file: number, position: number, length: number): Uint8Array {
    const buffer = new Uint8Array(length);
    const { value } = this.done(this.storage.read(file, position, buffer, 0, length));
    return buffer.subarray(0, value);
  }

  /** Ends the process by the power or by a signal, and starts the next one. */
  restart(end: 'kill' | 'power'): void {
    if (end === 'kill') {
      this.node.kill();
    } else {
      this.node.powerCut();
    }
    this.storage = startPassive(this.node).ports.storage;
  }
}

export function filled(length: number, value: number): Uint8Array {
  return new Uint8Array(length).fill(value);
}
