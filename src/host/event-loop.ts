// event-loop.ts: calls the agents of one thread.
//
// Input wakes the loop; the wake schedules one `setImmediate`, which Node runs after it has read
// everything that was ready. So one turn sees all input of one pass over the sockets, and what the
// agents send leaves in one batch, with no delay added. With nothing to do the loop sleeps until
// the earliest deadline in a single timer, or without one: an idle process uses no CPU.
//
// Node's timers count whole milliseconds and may fire almost one early, so a timer is set to fire
// never before its deadline and less than 3 ms after it. Only what is due in a few microseconds is
// waited for by turns: a loop that spins through the last millisecond before each of its timers
// spends a tenth of a busy member's processor on it.

import { assert } from '../assert.js';
import type { Agent } from '../ports/agent.js';
import type { Clock } from '../ports/clock.js';
import type { WakeCell } from './wake-cell.js';

const NS_PER_MS = 1e6;
/** Most passes over the agents in one turn; then Node reads its sockets before the next turn. */
export const TURN_PASS_COUNT_MAX = 8;
/** A deadline that is nearer is waited for by turns. */
export const PRECISE_DEADLINE_NS = NS_PER_MS / 20;
/** Longest that Node can sleep in one timer, in milliseconds. */
const TIMER_MS_MAX = 2 ** 31 - 1;
/** How often a loop looks for signals where its runtime cannot wait for them. */
const SIGNAL_POLL_MS = 1;
/** A turn longer than this delays heartbeats noticeably; it is counted as a stall. */
export const STALL_THRESHOLD_NS = 50 * NS_PER_MS;

/** `event` sleeps when idle; `yield` runs a turn in every pass of Node's loop: a whole core. */
export type IdleStrategy = 'event' | 'yield';

export interface EventLoopOptions {
  readonly clock: Clock;
  /** Called once with whatever an agent threw. The loop has stopped, and calls no agent again. */
  readonly onFatal: (error: unknown) => void;
  readonly idleStrategy?: IdleStrategy;
  /** By which other threads wake this one. */
  readonly wakeCell?: WakeCell;
  readonly stallThresholdNs?: number;
}

/** What a loop has done, for counters and reports. */
export interface EventLoopCounters {
  turnCount: number;
  passCount: number;
  /** Turns in which no agent found anything to do. */
  idleTurnCount: number;
  timerCount: number;
  stalledTurnCount: number;
  longestTurnNs: number;
}

/** Runs agents in the order in which they were added. */
export class EventLoop {
  readonly counters: EventLoopCounters = {
    turnCount: 0,
    passCount: 0,
    idleTurnCount: 0,
    timerCount: 0,
    stalledTurnCount: 0,
    longestTurnNs: 0,
  };
  /** Schedules a turn. Cheap when one is scheduled already. May be passed on as a function. */
  readonly wake = (): void => this.#wake();
  readonly #clock: Clock;
  readonly #onFatal: (error: unknown) => void;
  readonly #idleStrategy: IdleStrategy;
  readonly #wakeCell: WakeCell | undefined;
  readonly #stallThresholdNs: number;
  readonly #onTurn = (): void => this.#turn();
  readonly #onTimer = (): void => this.#timerFired();
  #agents: readonly Agent[] = [];
  #isScheduled = false;
  /** A wake from within a turn (a completion, a datagram to ourselves) asks for another turn. */
  #isInTurn = false;
  #isWokenInTurn = false;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;
  #timerDueNs = Infinity;

  constructor(options: EventLoopOptions) {
    this.#clock = options.clock;
    this.#onFatal = options.onFatal;
    this.#idleStrategy = options.idleStrategy ?? 'event';
    this.#wakeCell = options.wakeCell;
    this.#stallThresholdNs = options.stallThresholdNs ?? STALL_THRESHOLD_NS;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Adds an agent and schedules a turn. May be called by an agent. */
  add(agent: Agent): void {
    assert(!this.#isClosed, 'agents are added to a loop that runs');
    assert(!this.#agents.includes(agent), 'an agent is added once');
    this.#agents = [...this.#agents, agent];
    this.#wake();
  }

  /** Takes an agent out without closing it. It is not called again, not even in this turn. */
  remove(agent: Agent): void {
    this.#agents = this.#agents.filter((other) => other !== agent);
  }

  /** Stops the loop and closes its agents, the youngest first. Idempotent. */
  close(): void {
    if (this.#isClosed) {
      return;
    }
    this.#stop();
    for (const agent of [...this.#agents].reverse()) {
      agent.close();
    }
  }

  #wake(): void {
    if (this.#isInTurn) {
      this.#isWokenInTurn = true;
    } else if (!this.#isScheduled && !this.#isClosed) {
      this.#isScheduled = true;
      this.#wakeCell?.wakeUp();
      setImmediate(this.#onTurn);
    }
  }

  #turn(): void {
    this.#isScheduled = false;
    if (this.#isClosed) {
      return;
    }
    try {
      this.#runTurn();
    } catch (error) {
      this.#stop();
      this.#onFatal(error);
    }
  }

  #runTurn(): void {
    const noted = this.#wakeCell?.sequence() ?? 0;
    const startNs = this.#clock.nowNs();
    this.#isInTurn = true;
    this.#isWokenInTurn = false;
    let lastWork = 0;
    try {
      lastWork = this.#passes(startNs);
    } finally {
      this.#isInTurn = false;
    }
    const endNs = this.#clock.nowNs();
    this.#count(endNs - startNs);
    if (this.#isClosed) {
      return;
    }
    if (lastWork > 0 || this.#isWokenInTurn || this.#idleStrategy === 'yield') {
      this.#wake();
    } else {
      this.#sleep(endNs, noted);
    }
  }

  /** Calls the agents until they find nothing more; returns the work of the last pass. */
  #passes(startNs: number): number {
    let nowNs = startNs;
    for (let pass = 1; ; pass++) {
      const work = this.#pass(nowNs);
      if (work === 0 || pass === TURN_PASS_COUNT_MAX || this.#isClosed) {
        this.counters.idleTurnCount += work === 0 && pass === 1 ? 1 : 0;
        return work;
      }
      nowNs = this.#clock.nowNs();
    }
  }

  #pass(nowNs: number): number {
    let work = 0;
    this.counters.passCount += 1;
    const agents = this.#agents;
    for (let i = 0; i < agents.length && !this.#isClosed; i++) {
      const agent = agents[i] as Agent;
      if (agents === this.#agents || this.#agents.includes(agent)) {
        work += agent.doWork(nowNs);
      }
    }
    // An agent that was added meanwhile has not been called yet.
    return agents === this.#agents ? work : work + 1;
  }

  #count(durationNs: number): void {
    const counters = this.counters;
    counters.turnCount += 1;
    counters.longestTurnNs = Math.max(counters.longestTurnNs, durationNs);
    counters.stalledTurnCount += durationNs > this.#stallThresholdNs ? 1 : 0;
  }

  #sleep(nowNs: number, noted: number): void {
    let deadlineNs = Infinity;
    for (const agent of this.#agents) {
      deadlineNs = Math.min(deadlineNs, agent.deadlineNs());
    }
    assert(!Number.isNaN(deadlineNs), 'a deadline is a time or Infinity');
    if (deadlineNs - nowNs < PRECISE_DEADLINE_NS) {
      this.#wake();
      return;
    }
    if (this.#wakeCell?.sleepAsync(noted, this.wake) === false) {
      this.#wake();
      return;
    }
    this.#setTimer(this.#pollDeadline(deadlineNs, nowNs), nowNs);
  }

  /** Without a way to wait for signals the loop looks for them, as long as any can come. */
  #pollDeadline(deadlineNs: number, nowNs: number): number {
    const canSleep = this.#wakeCell === undefined || this.#wakeCell.canWait;
    return canSleep ? deadlineNs : Math.min(deadlineNs, nowNs + SIGNAL_POLL_MS * NS_PER_MS);
  }

  /** A timer that is due earlier is left alone: deadlines move on with every input. */
  #setTimer(deadlineNs: number, nowNs: number): void {
    if (this.#timerDueNs <= deadlineNs) {
      return;
    }
    clearTimeout(this.#timer);
    this.#timerDueNs = deadlineNs;
    const delayMs = Math.ceil((deadlineNs - nowNs) / NS_PER_MS) + 1;
    this.#timer = setTimeout(this.#onTimer, Math.min(delayMs, TIMER_MS_MAX));
  }

  #timerFired(): void {
    this.#timer = undefined;
    this.#timerDueNs = Infinity;
    this.counters.timerCount += 1;
    this.#wake();
  }

  #stop(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // Nothing refers to this loop any more when the pending wait is over.
    this.#wakeCell?.release();
  }
}
