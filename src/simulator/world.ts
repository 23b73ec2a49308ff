// world.ts: a cluster, its clients and its hardware on one thread, in virtual time.
//
// A world pops the earliest event from a heap, moves the time there and runs it; nothing else moves
// time. Chance comes from streams split off one seed, so a seed and a program give one run, event
// by event, and its trace hash proves it.
//
// At one instant everything that arrives (datagrams, storage completions) is handled before any
// duty cycle: a node that several things reach at once takes one turn for all of them.

import { assert, InvariantError } from '../assert.js';
import {
  type EventAction,
  EventHeap,
  EventKind,
  type EventOwner,
  NODE_NONE,
  WORLD_TIME_NS_MAX,
  WorldEvent,
} from './event-heap.js';
import { Prng } from './prng.js';
import { TraceHash } from './trace-hash.js';
import type { TimeSource } from './virtual-clock.js';
import { VirtualNetwork } from './virtual-network.js';
import { type NodeOptions, VirtualNode } from './virtual-node.js';

/** Turns sort behind everything else of their instant by a sequence number from here on. */
const TURN_SEQUENCE_BASE = 2 ** 52;
/** Sees each event after it has run: invariants are checked here. */
export type EventObserver = (event: WorldEvent) => void;

/** Runs a function that was given to `schedule`. */
const CALL_ACTION: EventAction = {
  runEvent(event: WorldEvent): void {
    (event.subject as () => void)();
  },
};

/** Stands in for a call that was cancelled while it waited for its owner. */
const IGNORE_EVENT = (): undefined => undefined;

/** Everything that a run consists of. */
export class World implements TimeSource {
  readonly seed: number;
  readonly random: Prng;
  readonly trace = new TraceHash();
  readonly network: VirtualNetwork;
  readonly nodes: VirtualNode[] = [];
  /** Nanoseconds since the world began. */
  nowNs = 0;
  /** Events that have run. */
  eventCount = 0;
  /** Called after each event. */
  onEvent: EventObserver | undefined = undefined;
  readonly #heap = new EventHeap();
  #sequence = 0;

  /** @param seed any integer from 0 to 2^53 - 1. */
  constructor(seed: number) {
    this.seed = seed;
    this.random = new Prng(seed);
    this.network = new VirtualNetwork(this);
  }

  /** Adds a machine. It does nothing before `start`. */
  addNode(options: NodeOptions): VirtualNode {
    assert(
      this.nodes.every((other) => other.name !== options.name),
      `node name ${options.name} is used once`,
    );
    const node = new VirtualNode(this, this.nodes.length, options);
    this.nodes.push(node);
    this.network.addNode(node);
    return node;
  }

  /** Events that have not run yet, duty cycles of sleeping nodes among them. */
  get pendingCount(): number {
    return this.#heap.size;
  }

  /**
   * Calls a function at a time.
   *
   * @param node when given, the call belongs to the node's running process: it waits while the
   * process is paused and is dropped when the process has ended.
   * @returns the event, for `cancel`.
   */
  schedule(timeNs: number, node: VirtualNode | undefined, action: () => void): WorldEvent {
    let owner: EventOwner | undefined;
    if (node !== undefined) {
      assert(node.process !== undefined, `node ${node.name} runs when an event is given to it`);
      owner = node.process;
    }
    const event = new WorldEvent(
      EventKind.Call,
      CALL_ACTION,
      action,
      node === undefined ? NODE_NONE : node.id,
      owner,
    );
    this.push(event, timeNs);
    return event;
  }

  /** Takes an event back; false when it has run already. */
  cancel(event: WorldEvent): boolean {
    if (event.isDeferred) {
      event.owner = undefined;
      event.subject = IGNORE_EVENT;
      return true;
    }
    return this.#heap.remove(event);
  }

  /** Puts an event into the heap; events of one instant run in the order of these calls. */
  push(event: WorldEvent, timeNs: number): void {
    this.#checkTime(timeNs);
    this.#heap.push(event, timeNs, this.#sequence++);
  }

  /** Puts a duty cycle into the heap, behind everything else of its instant. */
  pushTurn(event: WorldEvent, timeNs: number): void {
    this.#checkTime(timeNs);
    this.#heap.push(event, timeNs, TURN_SEQUENCE_BASE + this.#sequence++);
  }

  #checkTime(timeNs: number): void {
    // Not a plain assert: its message would be built for every event.
    if (!(timeNs >= this.nowNs && timeNs <= WORLD_TIME_NS_MAX)) {
      throw new InvariantError(`an event at ${timeNs} ns is not before ${this.nowNs} ns, nor late`);
    }
  }

  /** Runs the next event; false when there is none. */
  step(): boolean {
    const event = this.#heap.pop();
    if (event === undefined) {
      return false;
    }
    this.nowNs = event.timeNs;
    const owner = event.owner;
    if (owner !== undefined && !owner.isRunning) {
      if (!owner.isEnded) {
        owner.defer(event);
      }
      return true;
    }
    this.eventCount++;
    this.trace.addWord((event.kind << 16) ^ event.nodeId);
    this.trace.addInteger(event.timeNs);
    event.action.runEvent(event);
    if (this.onEvent !== undefined) {
      this.onEvent(event);
    }
    return true;
  }

  /** Runs everything up to a time, included, and moves the time there. Returns the events run. */
  runUntil(timeNs: number): number {
    const before = this.eventCount;
    while (this.#heap.firstTimeNs <= timeNs) {
      this.step();
    }
    if (this.nowNs < timeNs) {
      this.nowNs = timeNs;
    }
    return this.eventCount - before;
  }

  /** Runs for a duration from now. */
  runFor(durationNs: number): number {
    return this.runUntil(this.nowNs + durationNs);
  }

  /**
   * Runs until a condition holds, checked after each event.
   *
   * @returns whether it held before the time was over.
   */
  runUntilTrue(condition: () => boolean, limitNs: number): boolean {
    while (!condition()) {
      if (this.#heap.firstTimeNs > limitNs) {
        return false;
      }
      this.step();
    }
    return true;
  }
}
