// guarded-service.ts: tells a guard when code of a service runs because of an event of the log.
//
// Only a service that is to be guarded is wrapped: without a guard there is nothing in between.

import { ErrorCode, PawlError } from '../errors.js';
import type { ClusteredService, ServiceFactory } from './clustered-service.js';

/** Told when a callback begins and ends. Callbacks do not nest. */
export interface CallbackGuard {
  enter(callback: string): void;
  leave(): void;
}

/** Callbacks whose results must depend on the log alone; the others are local to the member. */
const LOG_CALLBACKS = [
  'onSessionOpen',
  'onSessionClose',
  'onSessionMessage',
  'onRequest',
  'onServiceMessage',
  'onTimerEvent',
  'onNewLeadershipTermEvent',
  'onTakeSnapshot',
] as const;

type Callback = (...values: unknown[]) => unknown;

/** A factory whose instances run their callbacks under a guard. */
export function guardedFactory(factory: ServiceFactory, guard: CallbackGuard): ServiceFactory {
  return () => guardCallbacks(factory(), guard);
}

/** The same service: what is not a callback of the log is its own. */
function guardCallbacks(service: ClusteredService, guard: CallbackGuard): ClusteredService {
  if (typeof service?.onSessionMessage !== 'function') {
    return service;
  }
  const guarded = Object.create(service) as Record<string, unknown>;
  for (const [name, value] of everyFunction(service)) {
    guarded[name] = value.bind(service);
  }
  for (const name of LOG_CALLBACKS) {
    const callback = service[name] as Callback | undefined;
    if (callback !== undefined) {
      guarded[name] = (...values: unknown[]) =>
        runGuarded(guard, name, () => callback.apply(service, values));
    }
  }
  return guarded as unknown as ClusteredService;
}

/** The functions of an object and its class, which may use private fields. */
function everyFunction(service: object): Map<string, Callback> {
  const functions = new Map<string, Callback>();
  for (
    let holder: object | null = service;
    holder !== null && holder !== Object.prototype;
    holder = Object.getPrototypeOf(holder)
  ) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(holder))) {
      if (typeof value === 'function' && name !== 'constructor' && !functions.has(name)) {
        functions.set(name, value as Callback);
      }
    }
  }
  return functions;
}

function runGuarded(guard: CallbackGuard, name: string, callback: () => unknown): void {
  guard.enter(name);
  try {
    const result = callback();
    if (typeof (result as { then?: unknown } | undefined)?.then === 'function') {
      throw new PawlError(
        ErrorCode.ServiceFailed,
        `${name} returned a promise: what happens after it has returned is in no order with the ` +
          'log. Do all work before it returns; what has to wait is a message or a timer',
      );
    }
  } finally {
    guard.leave();
  }
}
