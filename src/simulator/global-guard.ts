// global-guard.ts: takes away the globals that would make a run depend on anything but its seed.
//
// Clocks, chance and timers are replaced for the length of a run. While code of a user's service
// runs, clocks and chance give what another machine's would give, another value on each member but
// the same for the same seed, and the place of the call is noted: so what depends on them is seen
// to differ. Everywhere else, and for timers and promises always, the call throws. Calls from
// inside Node.js itself pass through.
//
// This is the one file of the simulator that names those globals.

import { ErrorCode, PawlError } from '../errors.js';

const NS_PER_MS = 1_000_000;
const NS_PER_SECOND = 1_000_000_000;
const TWO_POW_32 = 0x1_0000_0000;
const STACK_LINES = 12;

/** The machine on which a user's code is said to run. */
export interface GuardedMachine {
  wallMs(): number;
  /** Nanoseconds since its process started. */
  elapsedNs(): number;
  nextUint32(): number;
  /** Told what was called, and where. */
  onCall(name: string, place: string): void;
}

type AnyFunction = (...values: unknown[]) => unknown;
/** A function that is on the stack. */
type Frame = (...values: never[]) => unknown;

interface Replaced {
  readonly holder: object;
  readonly key: string;
  readonly descriptor: PropertyDescriptor | undefined;
}

type ModuleOf = (name: string) => Record<string, unknown> | undefined;

/** Installed around a run. One at a time. */
export class GlobalGuard {
  static #installed: GlobalGuard | undefined;
  /** Whose code runs now; undefined for the simulator's own. */
  machine: GuardedMachine | undefined;
  readonly #replaced: Replaced[] = [];

  /** Whether a guard is in place. */
  static get isInstalled(): boolean {
    return GlobalGuard.#installed !== undefined;
  }

  /** @throws PawlError ARGUMENT_OUT_OF_RANGE when a run is started from within a run. */
  install(): void {
    if (GlobalGuard.#installed !== undefined) {
      throw new PawlError(
        ErrorCode.ArgumentOutOfRange,
        'a simulated run was started from within another one: start it after the other has ended',
      );
    }
    GlobalGuard.#installed = this;
    const all = globalThis as unknown as Record<string, object>;
    this.#guardClocks(all);
    this.#guardChance(all);
    this.#guardWaiting(all);
    this.#guardModules(all);
  }

  /** Puts everything back, in the reverse order. */
  remove(): void {
    for (const { holder, key, descriptor } of this.#replaced.reverse()) {
      if (descriptor === undefined) {
        Reflect.deleteProperty(holder, key);
      } else {
        Object.defineProperty(holder, key, descriptor);
      }
    }
    this.#replaced.length = 0;
    this.#syncModules();
    GlobalGuard.#installed = undefined;
  }

  /** Runs code under the guard. */
  run<T>(code: () => T): T {
    this.install();
    try {
      return code();
    } finally {
      this.remove();
    }
  }

  // --- what is replaced ---

  #guardClocks(all: Record<string, object>): void {
    const wallMs = (machine: GuardedMachine): number => machine.wallMs();
    const original = Date;
    const now = this.#answering('Date.now()', original.now, wallMs);
    const traps = {
      construct: (target: typeof Date, values: unknown[], newTarget: AnyFunction): object =>
        Reflect.construct(target, values.length === 0 ? [make()] : values, newTarget),
      apply: (): string => new original(text() as number).toString(),
      get: (target: typeof Date, key: string | symbol): unknown =>
        key === 'now' ? now : Reflect.get(target, key),
    };
    const make = this.#answering('new Date()', original.now, wallMs, traps.construct as Frame);
    const text = this.#answering('Date()', original.now, wallMs, traps.apply);
    this.#put(globalThis, 'Date', { value: new Proxy(original, traps) });
    this.#answer(all.performance, 'performance', 'now', (m) => m.elapsedNs() / NS_PER_MS);
    const { process } = globalThis;
    if (process !== undefined) {
      const { hrtime } = process;
      const pair = this.#answering('process.hrtime()', hrtime as AnyFunction, (m) => [
        Math.floor(m.elapsedNs() / NS_PER_SECOND),
        m.elapsedNs() % NS_PER_SECOND,
      ]);
      const bigint = this.#answering('process.hrtime.bigint()', hrtime.bigint, (m) =>
        BigInt(m.elapsedNs()),
      );
      this.#put(process, 'hrtime', { value: Object.assign(pair, { bigint }) });
    }
  }

  #guardChance(all: Record<string, object>): void {
    this.#answer(Math, 'Math', 'random', (m) => m.nextUint32() / TWO_POW_32);
    this.#answer(all.crypto, 'crypto', 'getRandomValues', fillRandom);
    this.#answer(all.crypto, 'crypto', 'randomUUID', uuidOf);
  }

  #guardWaiting(all: Record<string, object>): void {
    const names = ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'fetch'];
    for (const name of names) {
      this.#forbid(all, '', name);
    }
    const statics = ['resolve', 'reject', 'all', 'allSettled', 'any', 'race', 'withResolvers'];
    const original = Promise;
    const traps = {
      construct: (_target: object, values: unknown[]): object => make(...values) as object,
      get: (target: object, key: string | symbol): unknown => {
        const value: unknown = Reflect.get(target, key);
        return statics.includes(String(key))
          ? this.#refusing(`Promise.${String(key)}()`, (value as AnyFunction).bind(target))
          : value;
      },
    };
    const make = this.#refusing(
      'new Promise()',
      (executor) => new original(executor as () => void),
      traps.construct as Frame,
    );
    this.#put(globalThis, 'Promise', { value: new Proxy(original, traps) });
  }

  /** The same functions again, as modules of Node.js export them. */
  #guardModules(all: Record<string, object>): void {
    const moduleOf = builtinModules(all);
    const crypto = moduleOf('node:crypto');
    const random = (m: GuardedMachine, length: unknown): unknown => {
      const buffer = all.Buffer as unknown as { alloc(length: number): Uint8Array };
      return fillRandom(m, buffer.alloc(Number(length)));
    };
    this.#answer(crypto, 'crypto', 'randomBytes', random);
    this.#answer(crypto, 'crypto', 'randomFillSync', fillRandom);
    this.#answer(crypto, 'crypto', 'getRandomValues', fillRandom);
    this.#answer(crypto, 'crypto', 'randomUUID', uuidOf);
    this.#answer(crypto, 'crypto', 'randomInt', randomInt);
    const timers = moduleOf('node:timers');
    for (const name of ['setTimeout', 'setInterval', 'setImmediate']) {
      this.#forbid(timers, 'timers.', name);
    }
    this.#syncModules();
  }

  /** Tells Node.js that what ES modules import from its own has changed. */
  #syncModules(): void {
    const all = globalThis as unknown as Record<string, object>;
    const sync = builtinModules(all)('node:module')?.syncBuiltinESMExports;
    if (typeof sync === 'function') {
      sync();
    }
  }

  // --- how ---

  /** Replaces a function by one that answers for the machine. */
  #answer(
    holder: object | undefined,
    prefix: string,
    key: string,
    answer: (machine: GuardedMachine, ...values: unknown[]) => unknown,
  ): void {
    const original = (holder as Record<string, unknown> | undefined)?.[key];
    if (holder !== undefined && typeof original === 'function') {
      const value = this.#answering(`${prefix}.${key}()`, original.bind(holder), answer);
      this.#put(holder, key, { value });
    }
  }

  #forbid(holder: object | undefined, prefix: string, key: string): void {
    const original = (holder as Record<string, unknown> | undefined)?.[key];
    if (holder !== undefined && typeof original === 'function') {
      const value = this.#refusing(`${prefix}${key}()`, original.bind(holder));
      this.#put(holder, key, { value });
    }
  }

  #answering(
    name: string,
    original: AnyFunction,
    answer: (machine: GuardedMachine, ...values: unknown[]) => unknown,
    trap?: Frame,
  ): AnyFunction {
    const guarded = (...values: unknown[]): unknown => {
      const place = placeOf(trap ?? guarded);
      if (place === undefined) {
        return original(...values);
      }
      if (this.machine === undefined) {
        throw forbidden(name, place);
      }
      this.machine.onCall(name, place);
      return answer(this.machine, ...values);
    };
    return guarded;
  }

  /** @param trap the trap of a proxy that calls it: the place is where that was called. */
  #refusing(name: string, original: AnyFunction, trap?: Frame): AnyFunction {
    const guarded = (...values: unknown[]): unknown => {
      const place = placeOf(trap ?? guarded);
      if (place === undefined) {
        return original(...values);
      }
      this.machine?.onCall(name, place);
      throw forbidden(name, place);
    };
    return guarded;
  }

  #put(holder: object, key: string, descriptor: PropertyDescriptor): void {
    const before = Object.getOwnPropertyDescriptor(holder, key);
    if (before?.configurable === false && before.writable !== true) {
      return;
    }
    this.#replaced.push({ holder, key, descriptor: before });
    const isEnumerable = before?.enumerable ?? true;
    const kept = { configurable: true, writable: true, enumerable: isEnumerable };
    Object.defineProperty(holder, key, { ...kept, ...descriptor });
  }
}

function forbidden(name: string, place: string): PawlError {
  return new PawlError(
    ErrorCode.ServiceFailed,
    `${name} was called within a simulated run, at ${place}: what happens in a run depends on ` +
      'its seed alone. A service takes time from its events and waits with ' +
      'cluster.scheduleTimer(); a workload draws from the stream that it is given',
  );
}

/** Where a function was called; undefined for a call from inside Node.js. */
function placeOf(callee: Frame): string | undefined {
  const holder: { stack?: string } = {};
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = STACK_LINES;
  Error.captureStackTrace(holder, callee);
  Error.stackTraceLimit = limit;
  const caller = (holder.stack ?? '').split('\n').find((line) => line.includes(' at '));
  if (caller === undefined || /[( ]node:/.test(caller)) {
    return undefined;
  }
  const text = caller.trim().replace(/^at (?:async )?/, '');
  return (/\((.*)\)$/.exec(text)?.[1] ?? text).replace('file://', '');
}

/** Modules of Node.js without an import: this room imports none. */
function builtinModules(all: Record<string, object>): ModuleOf {
  const host = all.process as { getBuiltinModule?: ModuleOf } | undefined;
  return (name) => host?.getBuiltinModule?.(name);
}

function fillRandom(machine: GuardedMachine, target: unknown): unknown {
  const view = target as ArrayBufferView;
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = machine.nextUint32() & 0xff;
  }
  return target;
}

function uuidOf(machine: GuardedMachine): string {
  const word = (): string => machine.nextUint32().toString(16).padStart(8, '0');
  const digits = word() + word() + word() + word();
  return (
    `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-` +
    `a${digits.slice(17, 20)}-${digits.slice(20)}`
  );
}

function randomInt(machine: GuardedMachine, first: unknown, second: unknown): number {
  const [min, max] = typeof second === 'number' ? [Number(first), second] : [0, Number(first)];
  return min + (machine.nextUint32() % Math.max(1, max - min));
}
