// global-traps.ts: takes the globals that a deterministic service must not use out of its reach.
//
// Clocks, chance, timers, promises and the network are replaced by functions that ask a policy what
// a call gives; see simulator/global-guard.ts and host/callback-guard.ts. Calls from inside Node.js
// itself pass through. This is the one file that names those globals.

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
}

type AnyFunction = (...values: unknown[]) => unknown;
/** A function that is on the stack. */
type Frame = (...values: never[]) => unknown;

interface Replaced {
  readonly holder: object;
  readonly key: string;
  readonly descriptor: PropertyDescriptor | undefined;
}

/** Of the module `v8`. */
interface PromiseHooks {
  /** Returns what ends it. */
  onInit(told: () => void): () => void;
}

type ModuleOf = (name: string) => Record<string, unknown> | undefined;

/** What a call gives. */
export interface TrapPolicy {
  /** Whether calls are looked at now; otherwise they do what they always did. */
  isActive(): boolean;
  /**
   * A clock or chance was asked.
   *
   * @param name such as `Date.now()`. @param place file, line and column of the call.
   * @param answer what it gives on a machine.
   * @returns the result of the call.
   */
  onRead(name: string, place: string, answer: (machine: GuardedMachine) => unknown): unknown;
  /** Something was to happen later, or elsewhere. */
  onWait(name: string, place: string): never;
  /**
   * A promise was made, whoever made it: also those of native async functions, which ask no global.
   * It cannot be refused here. Nobody watches for promises where this is left out.
   */
  onPromise?(place: string): void;
}

/** Functions of Node.js that reach the network, by module. */
const NETWORK_FUNCTIONS: Readonly<Record<string, readonly string[]>> = {
  net: ['connect', 'createConnection', 'createServer'],
  dgram: ['createSocket'],
  http: ['request', 'get', 'createServer'],
  https: ['request', 'get', 'createServer'],
  http2: ['connect'],
  tls: ['connect'],
  dns: ['lookup', 'resolve'],
};

/** The replaced globals of one policy. */
export class GlobalTraps {
  readonly #policy: TrapPolicy;
  readonly #replaced: Replaced[] = [];
  #stopPromiseHook: () => void = () => undefined;

  constructor(policy: TrapPolicy) {
    this.#policy = policy;
  }

  /** Replaces them. @param hasNetwork the modules of the network as well. */
  install(hasNetwork = false): void {
    const all = globalThis as unknown as Record<string, object>;
    this.#guardClocks(all);
    this.#guardChance(all);
    this.#guardWaiting(all);
    this.#guardModules(all);
    if (hasNetwork) {
      this.#guardNetwork(all);
    }
    this.#syncModules();
    this.#watchPromises(all);
  }

  /** Puts everything back, in the reverse order. */
  remove(): void {
    this.#stopPromiseHook();
    this.#stopPromiseHook = () => undefined;
    for (const { holder, key, descriptor } of this.#replaced.reverse()) {
      if (descriptor === undefined) {
        Reflect.deleteProperty(holder, key);
      } else {
        Object.defineProperty(holder, key, descriptor);
      }
    }
    this.#replaced.length = 0;
    this.#syncModules();
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
    this.#forbid(all.process, 'process.', 'nextTick');
    this.#forbid(Array, 'Array.', 'fromAsync');
    const statics = [
      'resolve',
      'reject',
      'all',
      'allSettled',
      'any',
      'race',
      'withResolvers',
      'try',
    ];
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
    const timerPromises = moduleOf('node:timers/promises');
    for (const name of ['setTimeout', 'setInterval', 'setImmediate']) {
      this.#forbid(timers, 'timers.', name);
      this.#forbid(timerPromises, 'timers/promises.', name);
    }
  }

  #guardNetwork(all: Record<string, object>): void {
    const moduleOf = builtinModules(all);
    for (const [module, names] of Object.entries(NETWORK_FUNCTIONS)) {
      for (const name of names) {
        this.#forbid(moduleOf(`node:${module}`), `${module}.`, name);
      }
    }
  }

  #watchPromises(all: Record<string, object>): void {
    const policy = this.#policy;
    const hooks = builtinModules(all)('node:v8')?.promiseHooks as PromiseHooks | undefined;
    if (policy.onPromise === undefined || hooks === undefined) {
      return;
    }
    const onInit = (): void => {
      const place = policy.isActive() ? callerOf(onInit) : undefined;
      if (place !== undefined) {
        policy.onPromise?.(place);
      }
    };
    this.#stopPromiseHook = hooks.onInit(onInit);
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
      const place = this.#policy.isActive() ? placeOf(trap ?? guarded) : undefined;
      return place === undefined
        ? original(...values)
        : this.#policy.onRead(name, place, (machine) => answer(machine, ...values));
    };
    return guarded;
  }

  /** @param trap the trap of a proxy that calls it: the place is where that was called. */
  #refusing(name: string, original: AnyFunction, trap?: Frame): AnyFunction {
    const guarded = (...values: unknown[]): unknown => {
      const place = this.#policy.isActive() ? placeOf(trap ?? guarded) : undefined;
      return place === undefined ? original(...values) : this.#policy.onWait(name, place);
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

/** Where a function was called; undefined for a call from inside Node.js. */
function placeOf(callee: Frame): string | undefined {
  const [caller] = framesAbove(callee);
  return caller === undefined || isInside(caller) ? undefined : placeIn(caller);
}

/** The first place above a function that is not inside Node.js; undefined where there is none. */
function callerOf(callee: Frame): string | undefined {
  const caller = framesAbove(callee).find((frame) => !isInside(frame));
  return caller === undefined ? undefined : placeIn(caller);
}

function framesAbove(callee: Frame): string[] {
  const holder: { stack?: string } = {};
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = STACK_LINES;
  Error.captureStackTrace(holder, callee);
  Error.stackTraceLimit = limit;
  return (holder.stack ?? '').split('\n').filter((line) => line.includes(' at '));
}

function isInside(frame: string): boolean {
  return /[( ]node:/.test(frame);
}

function placeIn(frame: string): string {
  const text = frame.trim().replace(/^at (?:async )?/, '');
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
