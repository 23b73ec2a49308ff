// virtual-node.ts: a machine: addresses, a clock, a disk, and at most one process at a time.
//
// The disk and the clock survive the process. Each start is a new incarnation: nothing that
// belonged to an earlier one (events, sockets, tickets) reaches it, except datagrams still in the
// network.

import { assert } from '../assert.js';
import type { SocketAddress } from '../ports/network.js';
import type { Delay } from './delay.js';
import { HeldSends } from './held-sends.js';
import { VirtualOscillator } from './virtual-clock.js';
import { VirtualDisk } from './virtual-disk.js';
import { EndKind, VirtualProcess } from './virtual-process.js';
import { PERFECT_SEND, type SendOptions } from './virtual-socket.js';
import type { World } from './world.js';

/** Builds what runs in a process: calls `process.spawn` for each thread. Called at every start. */
export type Program = (process: VirtualProcess) => void;

export interface NodeOptions {
  /** Names the node in reports and its streams of chance. */
  readonly name: string;
  /** Numeric addresses, the first being the source of what it sends; by default 10.0.x.y. */
  readonly hosts?: readonly string[];
  readonly program?: Program;
  /** Disk to use; by default a new, empty one. */
  readonly disk?: VirtualDisk;
  /** Bytes of the default disk. */
  readonly diskCapacityBytes?: number;
  /** Virtual time that a turn keeps its thread busy; 0 by default. */
  readonly turnCostNs?: number;
  /** Time from `open` of a socket until it is bound. */
  readonly socketOpenDelay?: Delay;
}

export class VirtualNode {
  readonly world: World;
  readonly id: number;
  readonly name: string;
  readonly hosts: readonly string[];
  readonly oscillator: VirtualOscillator;
  readonly disk: VirtualDisk;
  readonly heldSends: HeldSends;
  readonly socketOpenDelay: Delay | undefined;
  /** Faults of this node's sockets when they send. */
  sendOptions: SendOptions = PERFECT_SEND;
  /** Asked when a connected socket is opened: why the system cannot. */
  connectProblem: ((remote: SocketAddress) => string | undefined) | undefined = undefined;
  /** Virtual time that a turn keeps its thread busy. */
  turnCostNs: number;
  /** The running or paused process. */
  process: VirtualProcess | undefined = undefined;
  /** How many processes were started here. */
  incarnationCount = 0;
  /**
   * Told when an agent throws; the process has been killed by then. Without a handler the error is
   * thrown out of the world's run: an unexpected error ends a simulation.
   */
  onFatal: ((process: VirtualProcess, error: unknown) => void) | undefined = undefined;
  #program: Program | undefined;

  constructor(world: World, id: number, options: NodeOptions) {
    this.world = world;
    this.id = id;
    this.name = options.name;
    this.hosts = options.hosts ?? [`10.0.${id >>> 8}.${(id & 0xff) + 1}`];
    assert(this.hosts.length > 0, `node ${options.name} has an address`);
    this.oscillator = new VirtualOscillator(world);
    this.disk =
      options.disk ??
      new VirtualDisk(
        world.random.fork(`disk ${options.name}`),
        world.trace,
        options.diskCapacityBytes,
      );
    this.heldSends = new HeldSends(world, world.network.pool);
    this.socketOpenDelay = options.socketOpenDelay;
    this.turnCostNs = options.turnCostNs ?? 0;
    this.#program = options.program;
  }

  /** Starts a process. Without a program, the last one is started again. */
  start(program?: Program): VirtualProcess {
    assert(this.process === undefined, `node ${this.name} runs one process at a time`);
    const chosen = program ?? this.#program;
    assert(chosen !== undefined, `node ${this.name} has a program`);
    this.#program = chosen;
    this.incarnationCount++;
    const process = new VirtualProcess(this, this.incarnationCount);
    this.process = process;
    process.guard(() => chosen(process));
    return process;
  }

  /** Ends the process as `kill -9` does. Nothing happens when none runs. */
  kill(): void {
    this.end(EndKind.Kill);
  }

  /** Cuts the power: ends the process, and the disk loses by chance what was not synced. */
  powerCut(): void {
    this.end(EndKind.PowerCut);
  }

  /** Lets the process leave cleanly: its agents are closed first. */
  stop(): void {
    this.process?.closeAgents();
    this.end(EndKind.Stop);
  }

  /** Ends the process, whichever way. */
  end(kind: EndKind): void {
    const process = this.process;
    if (process !== undefined) {
      this.process = undefined;
      process.release();
      this.world.network.releaseSockets(process);
      this.disk.endProcess(process);
    }
    if (kind === EndKind.PowerCut) {
      this.disk.powerCut();
    }
    this.world.trace.addWord((kind << 16) ^ this.id);
  }

  /** Changes the rate of the monotonic and the wall clock; see VirtualOscillator. */
  setClockRate(numerator: number, denominator: number): void {
    this.oscillator.setRate(numerator, denominator);
    this.process?.rearm();
  }
}
