// intruder.ts: clients that begin handshakes and do not end them as they should.
//
// Some guess an answer, some say nothing about themselves, and some are gone as soon as they are
// challenged. None may ever have a session, and none may keep others from theirs.

import type { CredentialsSupplier } from '../client/credentials.js';
import type { Judge } from './invariants/judge.js';
import type { Prng } from './prng.js';
import { type ArenaPool, startSimulatedClient } from './simulated-cluster.js';
import type { VirtualNode } from './virtual-node.js';
import type { World } from './world.js';

const NS_PER_MS = 1_000_000;
const RESTART_DELAY_MAX_NS = 400 * NS_PER_MS;
const CONNECT_TIMEOUT_MS = 3_000;

export interface IntruderParts {
  readonly world: World;
  readonly arenas: ArenaPool;
  readonly ingressEndpoints: string;
  readonly judge: Judge;
}

/** One machine from which strangers try. */
export class Intruder {
  readonly node: VirtualNode;
  readonly #parts: IntruderParts;
  readonly #random: Prng;
  #isStopped = false;
  /** Handshakes that it began. */
  attemptCount = 0;

  constructor(id: number, parts: IntruderParts) {
    this.#parts = parts;
    this.#random = parts.world.random.fork(`intruder ${id}`);
    this.node = parts.world.addNode({ name: `intruder ${id}` });
  }

  start(): void {
    if (this.#isStopped || this.node.process !== undefined) {
      return;
    }
    this.attemptCount++;
    const { arenas, ingressEndpoints, judge, world } = this.#parts;
    const leaveSoon = (): void => {
      world.schedule(world.nowNs, undefined, () => this.node.kill());
    };
    startSimulatedClient(
      this.node,
      arenas,
      { connectTimeoutMs: CONNECT_TIMEOUT_MS, ingressEndpoints, credentials: this.#credentials() },
      {
        onMessage: () => undefined,
        onConnected: (id) => judge.report('I-15', `an intruder has session ${id}`),
        onClosed: leaveSoon,
      },
      () => 0,
      () => Number.POSITIVE_INFINITY,
      () => {
        const delayNs = this.#random.below(RESTART_DELAY_MAX_NS);
        world.schedule(world.nowNs + delayNs, undefined, () => this.start());
      },
    );
  }

  /** Leaves for good. */
  stop(): void {
    this.#isStopped = true;
    this.node.kill();
  }

  #credentials(): CredentialsSupplier {
    const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
    const name = this.#random.chance(1, 4) ? '' : `intruder ${this.attemptCount}`;
    const { world } = this.#parts;
    const isGoneThen = this.#random.chance(1, 2);
    return {
      encodedCredentials: () => encode(name),
      onChallenge: () => {
        if (isGoneThen) {
          world.schedule(world.nowNs, undefined, () => this.node.kill());
          return undefined;
        }
        return encode('a guess');
      },
    };
  }
}
