// wire-faults.ts: what befalls chosen datagrams: they are dropped, held back, copied or damaged.

import type { VirtualNode } from '../../src/simulator/virtual-node.js';
import type { VirtualSocket } from '../../src/simulator/virtual-socket.js';
import type { World } from '../../src/simulator/world.js';
import { type Carried, carriedBy } from './wire-kinds.js';

export const WireAction = {
  Drop: 'drop',
  /** Kept until they are released. */
  Hold: 'hold',
  /** They arrive, and are kept to arrive again. */
  Copy: 'copy',
  /** They arrive with one byte changed. */
  Damage: 'damage',
} as const;
export type WireAction = (typeof WireAction)[keyof typeof WireAction];

/** Which datagrams, and what becomes of them. */
export interface WireRule {
  readonly action: WireAction;
  readonly kind: string;
  /** Undefined stands for any node. */
  readonly from: VirtualNode | undefined;
  readonly to: VirtualNode | undefined;
  /** So many are let pass first. */
  skip: number;
  /** Then so many are concerned. */
  count: number;
  /** Byte that is damaged, and the bits that are turned. */
  readonly at: number;
  readonly xor: number;
}

interface Kept {
  readonly rule: WireRule;
  readonly socket: VirtualSocket;
  readonly destinationId: number;
  readonly bytes: Uint8Array;
}

/** Told of each datagram that leaves a node, before anything befalls it. */
export type WireObserver = (
  from: VirtualNode,
  to: VirtualNode,
  carried: readonly Carried[],
) => void;

export class WireFaults {
  readonly #world: World;
  readonly #rules: WireRule[] = [];
  readonly #kept: Kept[] = [];
  observer: WireObserver | undefined;

  constructor(world: World) {
    this.#world = world;
    world.network.addFilter((from, to, buffer, offset, length, socket, destinationId) => {
      if (this.#rules.length === 0 && this.observer === undefined) {
        return true;
      }
      const carried = carriedBy(buffer, offset, length);
      this.observer?.(from, to, carried);
      const rule = this.#ruleFor(from, to, carried);
      if (rule === undefined) {
        return true;
      }
      return this.#apply(rule, {
        rule,
        socket,
        destinationId,
        bytes: buffer.slice(offset, offset + length),
      });
    });
  }

  add(rule: WireRule): void {
    this.#rules.push(rule);
  }

  /** Ends all rules of a kind, or all of them. What is held stays held. */
  end(kind: string | undefined): void {
    const kept = this.#rules.filter((rule) => kind !== undefined && rule.kind !== kind);
    this.#rules.splice(0, this.#rules.length, ...kept);
  }

  /** Sends everything that was held or copied of a kind; the rules for it end. Returns how many. */
  release(kind: string): number {
    this.end(kind);
    const released = this.#kept.filter((each) => each.rule.kind === kind);
    for (const { bytes, destinationId, socket } of released) {
      this.#world.network.resend(socket, destinationId, bytes);
    }
    const left = this.#kept.filter((each) => each.rule.kind !== kind);
    this.#kept.splice(0, this.#kept.length, ...left);
    return released.length;
  }

  keptCount(kind: string): number {
    return this.#kept.filter((each) => each.rule.kind === kind).length;
  }

  #ruleFor(from: VirtualNode, to: VirtualNode, carried: readonly Carried[]): WireRule | undefined {
    const rule = this.#rules.find(
      (each) =>
        each.count > 0 &&
        (each.from ?? from) === from &&
        (each.to ?? to) === to &&
        (each.kind === 'any' || carried.some(({ kind }) => kind === each.kind)),
    );
    if (rule !== undefined && rule.skip > 0) {
      rule.skip--;
      return undefined;
    }
    return rule;
  }

  #apply(rule: WireRule, kept: Kept): boolean {
    rule.count--;
    switch (rule.action) {
      case WireAction.Hold:
        this.#kept.push(kept);
        return false;
      case WireAction.Copy:
        this.#kept.push(kept);
        return true;
      case WireAction.Damage: {
        const { at, xor } = rule;
        kept.bytes[at] = (kept.bytes[at] ?? 0) ^ xor;
        this.#world.network.resend(kept.socket, kept.destinationId, kept.bytes);
        return false;
      }
      default:
        return false;
    }
  }
}
