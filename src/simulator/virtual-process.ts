// virtual-process.ts: one incarnation of a member or a client.
//
// A process has threads, a clock that starts with it, and an end: by a signal, by the power, by its
// own will, or between two effects of one duty cycle.

import { assert } from '../assert.js';
import { type EventAction, EventKind, type EventOwner, WorldEvent } from './event-heap.js';
import type { Prng } from './prng.js';
import { VirtualClock } from './virtual-clock.js';
import type { VirtualNode } from './virtual-node.js';
import { type AgentFactory, VirtualThread } from './virtual-thread.js';

export const ProcessState = { Running: 0, Paused: 1, Ended: 2 } as const;
export type ProcessState = (typeof ProcessState)[keyof typeof ProcessState];

/** How a process ends. */
export const EndKind = {
  /** As by `kill -9`: the page cache survives. */
  Kill: 1,
  /** The machine loses power: what was not synced may be lost or torn. */
  PowerCut: 2,
  /** The process leaves by itself, its agents closed. */
  Stop: 3,
} as const;
export type EndKind = (typeof EndKind)[keyof typeof EndKind];

/**
 * Thrown through an agent by a port when its process ends between two effects of one duty cycle.
 * Only the world catches it.
 */
export class ProcessEndedSignal extends Error {
  constructor() {
    super('the simulated process has ended');
    this.name = 'ProcessEndedSignal';
  }
}

export class VirtualProcess implements EventOwner {
  readonly node: VirtualNode;
  readonly nodeId: number;
  /** 1 for the first process of the node. */
  readonly incarnation: number;
  readonly clock: VirtualClock;
  readonly threads: VirtualThread[] = [];
  readonly random: Prng;
  /** Called once, when the process has ended, whichever way. */
  onEnd: (() => void) | undefined = undefined;
  #state: ProcessState = ProcessState.Running;
  #resumeTimeNs = 0;
  #deferred: WorldEvent[] = [];
  #effectsLeft = Number.POSITIVE_INFINITY;
  #endKind: EndKind = EndKind.Kill;
  #onEffectEnd: (() => void) | undefined;

  constructor(node: VirtualNode, incarnation: number) {
    this.node = node;
    this.nodeId = node.id;
    this.incarnation = incarnation;
    this.clock = new VirtualClock(node.oscillator);
    this.random = node.world.random.fork(`process ${node.name} ${incarnation}`);
  }

  get state(): ProcessState {
    return this.#state;
  }

  get isRunning(): boolean {
    return this.#state === ProcessState.Running;
  }

  get isEnded(): boolean {
    return this.#state === ProcessState.Ended;
  }

  /** Starts a thread. Its first turn comes at this instant. */
  spawn(name: string, factory: AgentFactory): VirtualThread {
    assert(
      this.threads.every((other) => other.name !== name),
      `thread name ${name} is used once in a process`,
    );
    const thread = new VirtualThread(this, name);
    this.threads.push(thread);
    this.guard(() => thread.begin(factory));
    return thread;
  }

  /**
   * Stops the process for a while, as SIGSTOP and SIGCONT do: its clock goes on, datagrams wait in
   * the system's buffer, storage operations complete but nobody looks.
   */
  pause(durationNs: number): void {
    if (this.isEnded) {
      return;
    }
    this.#state = ProcessState.Paused;
    const world = this.node.world;
    const timeNs = world.nowNs + durationNs;
    if (timeNs > this.#resumeTimeNs) {
      this.#resumeTimeNs = timeNs;
      world.push(
        new WorldEvent(EventKind.Resume, RESUME_ACTION, this, this.nodeId, undefined),
        timeNs,
      );
    }
  }

  /** Ends a pause, however long it was meant to be. */
  resume(): void {
    if (this.#state !== ProcessState.Paused) {
      return;
    }
    this.#state = ProcessState.Running;
    this.#resumeTimeNs = 0;
    const deferred = this.#deferred;
    this.#deferred = [];
    const world = this.node.world;
    for (const event of deferred) {
      event.isDeferred = false;
      if (event.kind === EventKind.Turn) {
        world.pushTurn(event, world.nowNs);
      } else {
        world.push(event, world.nowNs);
      }
    }
  }

  /** Resumes when the last pause is over. */
  resumeWhenDue(): void {
    if (this.node.world.nowNs >= this.#resumeTimeNs) {
      this.resume();
    }
  }

  defer(event: WorldEvent): void {
    event.isDeferred = true;
    this.#deferred.push(event);
  }

  /**
   * Ends the process just before its effect number `count` from now (1 is the next one). An effect
   * is a datagram sent or a storage operation submitted: this is a crash between two effects.
   *
   * @param onEnd is told when it has come to that.
   */
  endBeforeEffect(count: number, kind: EndKind, onEnd?: () => void): void {
    assert(count >= 1, `an effect number, ${count}, counts from 1`);
    this.#effectsLeft = count;
    this.#endKind = kind;
    this.#onEffectEnd = onEnd;
  }

  /** Lets the process live that was going to end before an effect, and its threads go on. */
  recover(): void {
    this.#effectsLeft = Number.POSITIVE_INFINITY;
    this.resume();
    for (const thread of this.threads) {
      thread.resume();
    }
  }

  /** Called by the ports before each effect. Throws the signal when the process ends here. */
  beforeEffect(): void {
    if (this.#state === ProcessState.Ended) {
      throw new ProcessEndedSignal();
    }
    this.#effectsLeft--;
    if (this.#effectsLeft <= 0) {
      this.#onEffectEnd?.();
      this.node.end(this.#endKind);
      throw new ProcessEndedSignal();
    }
  }

  /** Runs code of the process: a failure ends the process and is reported to the node. */
  guard(code: () => void): void {
    try {
      code();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Ends the process because its code threw; the signal of its own end is no failure. */
  fail(error: unknown): void {
    if (this.isEnded && isEndSignal(error)) {
      return;
    }
    if (!this.isEnded) {
      this.node.end(EndKind.Kill);
    }
    if (this.node.onFatal === undefined) {
      throw error;
    }
    this.node.onFatal(this, error);
  }

  /** Closes all agents, the last one first. */
  closeAgents(): void {
    for (const thread of [...this.threads].reverse()) {
      this.guard(() => thread.closeAgents());
    }
  }

  /** Recomputes all wake-ups, after the clock's rate has changed. */
  rearm(): void {
    for (const thread of this.threads) {
      thread.rearm();
    }
  }

  /** Drops everything that was going to happen. Called by the node when the process ends. */
  release(): void {
    this.#state = ProcessState.Ended;
    this.#deferred = [];
    for (const thread of this.threads) {
      thread.release();
    }
    this.onEnd?.();
  }
}

const RESUME_ACTION: EventAction = {
  runEvent(event: WorldEvent): void {
    (event.subject as VirtualProcess).resumeWhenDue();
  },
};

/** Whoever is between an effect and the world may have wrapped the signal in an error. */
function isEndSignal(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ProcessEndedSignal) {
      return true;
    }
  }
  return false;
}
