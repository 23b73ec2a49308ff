// channel-model.ts: both sides of a service channel on one thread, interleaved at every step.
//
// A step is what one side does between two accesses to what publishes: atomic operations of
// core.wasm and of TypeScript. After any of them the other side may have a whole turn, as if it had
// been that much faster. A schedule decides where; its number is its seed. A side that is not woken
// sleeps, so that a wake which nobody gives is found as well.

import { type ClusterConfig, concludeClusterConfig } from '../../../src/cluster/cluster-config.js';
import { allocateServiceChannel } from '../../../src/cluster/service-channel.js';
import { Arena, type ArenaRange } from '../../../src/memory/arena.js';
import { ServiceAgent } from '../../../src/service/service-agent.js';
import { Prng } from '../../../src/simulator/prng.js';
import { interleavedCore } from '../../memory/interleaved-core.js';
import { type ChannelJudge, ChannelViolation, judge, STARTS } from './story.js';
import { ToldEngine } from './told-engine.js';
import { ToldService } from './told-service.js';

const KIB = 1024;
const MEMORY_LENGTH = 4 * 1024 * KIB;
const TURN_COUNT_MAX = 200_000;
/** Of a schedule whose switches are drawn: one in so many steps. */
const SWITCH_RARITIES = [2, 5, 20, 100, 500] as const;
const TURN_NS = 100_000;
/** Steps of a turn behind which other schedules switch. */
const FIXED_STEPS = 70;

/** How a run went. */
export interface ChannelRun {
  readonly judge: ChannelJudge | undefined;
  readonly message: string;
  readonly stepCount: number;
  readonly switchCount: number;
  readonly snapshotCount: number;
  readonly answerCount: number;
}

type Side = 'engine' | 'service';

/** What the channel is made for: as little of everything as may be. */
export function channelConfig(): ClusterConfig {
  return concludeClusterConfig(
    {
      members: `0,${[1, 2, 3, 4, 5].map((port) => `127.0.0.1:${9_000 + port}`).join(',')}`,
      logTermLength: 64 * KIB,
      segmentLength: 64 * KIB,
      egressTermLength: 64 * KIB,
      egressBufferLengthMax: 64 * 1024 * KIB,
    },
    { memberId: 0, threads: 'dedicated' },
  );
}

/** The one thread that plays both, and where it changes sides. */
class Stage {
  readonly random: Prng;
  readonly #rarity: number;
  readonly #fixed: { readonly side: Side; readonly step: number } | undefined;
  /** The side whose turn it is; undefined between turns. */
  #side: Side | undefined;
  #isNested = false;
  #turnStep = 0;
  stepCount = 0;
  switchCount = 0;
  other: (side: Side) => void = () => undefined;

  constructor(schedule: number) {
    this.random = new Prng(schedule, 'channel');
    // Every other schedule switches in each turn of one side, behind a step of its own.
    const isFixed = schedule % 2 === 1;
    const number = schedule >> 1;
    const side = number % 3 === 0 ? 'engine' : 'service';
    this.#fixed = isFixed ? { side, step: 1 + (number % FIXED_STEPS) } : undefined;
    this.#rarity = isFixed ? 0 : this.random.pick(SWITCH_RARITIES);
  }

  run(side: Side, turn: () => number): number {
    this.#side = side;
    this.#turnStep = 0;
    try {
      return turn();
    } finally {
      this.#side = undefined;
    }
  }

  /** Behind every step. */
  readonly pause = (): void => {
    const side = this.#side;
    if (side === undefined || this.#isNested) {
      return;
    }
    this.stepCount++;
    this.#turnStep++;
    const isDrawn = this.#rarity > 0 && this.random.below(this.#rarity) === 0;
    const isFixed = side === this.#fixed?.side && this.#turnStep === this.#fixed.step;
    if (isDrawn || isFixed) {
      this.switchCount++;
      this.#isNested = true;
      try {
        this.other(side === 'engine' ? 'service' : 'engine');
      } finally {
        this.#isNested = false;
      }
    }
  };
}

/** An arena whose atomic operations are steps. */
function interleaved(arena: Arena, pause: () => void): Arena {
  return Object.assign(arena, { core: interleavedCore(arena.memory, pause) });
}

/** Has `pause` called behind every atomic operation while `action` runs. */
function withPauses<T>(pause: () => void, action: () => T): T {
  const { add, load, store } = Atomics;
  const { attach } = Arena;
  const paused =
    <A extends unknown[], R>(operation: (...values: A) => R) =>
    (...values: A): R => {
      const result = operation(...values);
      pause();
      return result;
    };
  Object.assign(Atomics, { add: paused(add), load: paused(load), store: paused(store) });
  Arena.attach = (memory: WebAssembly.Memory, range?: ArenaRange) =>
    interleaved(attach(memory, range), pause);
  try {
    return action();
  } finally {
    Object.assign(Atomics, { add, load, store });
    Arena.attach = attach;
  }
}

const arenas: Arena[] = [];

/** Runs one schedule. */
export function runChannel(schedule: number): ChannelRun {
  const arena = arenas.pop() ?? Arena.create(MEMORY_LENGTH);
  arena.reset();
  const stage = new Stage(schedule);
  try {
    return withPauses(stage.pause, () => new ChannelModel(arena, stage).run());
  } finally {
    arenas.push(arena);
  }
}

/** The two sides, and who of them is awake. */
class ChannelModel {
  readonly #stage: Stage;
  readonly #engine: ToldEngine;
  readonly #agent: ServiceAgent;
  readonly #isAwake = { engine: true, service: true };
  #nowNs = 0;

  constructor(arena: Arena, stage: Stage) {
    this.#stage = stage;
    const config = channelConfig();
    const place = allocateServiceChannel(arena, config);
    const start = stage.random.pick(STARTS);
    const engineArena = interleaved(Arena.adopt(arena.memory, arena.untouchedStart), stage.pause);
    this.#engine = new ToldEngine(engineArena, config, place, stage.random, start, () => {
      this.#isAwake.service = true;
    });
    const service = new ToldService(start, this.#engine.isEven, this.#engine.ends);
    this.#agent = new ServiceAgent({
      ...{ config, place, service, memory: arena.memory },
      wakeEngine: () => {
        this.#isAwake.engine = true;
      },
    });
    stage.other = (side) => this.#turn(side);
  }

  run(): ChannelRun {
    try {
      for (let turn = 0; !this.#engine.isDone; turn++) {
        judge(turn < TURN_COUNT_MAX, 'awake', () => `no end: ${this.#engine.describe()}`);
        this.#next();
      }
      return this.#result(undefined, '');
    } catch (error) {
      if (error instanceof ChannelViolation) {
        return this.#result(error.judge, error.message);
      }
      throw error;
    }
  }

  /** One side after the other, each for some turns; the other one sleeps or is stopped. */
  #next(): void {
    const { engine, service } = this.#isAwake;
    const deadlineNs = this.#agent.deadlineNs();
    const isDue = service || Number.isFinite(deadlineNs);
    const isEngineDue = engine || this.#engine.isBusy;
    judge(isDue || isEngineDue, 'awake', () => `both sleep: ${this.#engine.describe()}`);
    const side = isDue && (!isEngineDue || this.#stage.random.chance(1, 2)) ? 'service' : 'engine';
    if (side === 'service' && !service) {
      this.#nowNs = Math.max(this.#nowNs, deadlineNs);
    }
    const turns = this.#stage.random.pick([1, 1, 1, 2, 8]);
    for (let turn = 0; turn < turns && !this.#engine.isDone; turn++) {
      this.#stage.run(side, () => this.#turn(side));
    }
  }

  #turn(side: Side): number {
    this.#nowNs += TURN_NS;
    // Whoever is woken from now on has another turn.
    this.#isAwake[side] = false;
    const work = side === 'engine' ? this.#engine.turn() : this.#agent.doWork(this.#nowNs);
    this.#isAwake[side] ||= work > 0;
    return work;
  }

  #result(found: ChannelJudge | undefined, message: string): ChannelRun {
    const { stepCount, switchCount } = this.#stage;
    const { answerCount, snapshotCount } = this.#engine;
    return { judge: found, message, stepCount, switchCount, answerCount, snapshotCount };
  }
}
