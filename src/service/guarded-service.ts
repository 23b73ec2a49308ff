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
  const guarded: object = Object.create(service);
  for (const [name, member] of everyMember(service)) {
    // Defined and not assigned: a service may be frozen, or have an accessor of that name.
    Object.defineProperty(guarded, name, { ...member, configurable: true });
  }
  for (const name of LOG_CALLBACKS) {
    const callback = service[name] as Callback | undefined;
    if (callback !== undefined) {
      const value = (...values: unknown[]) =>
        runGuarded(guard, name, () => callback.apply(service, values));
      Object.defineProperty(guarded, name, { value, configurable: true, writable: true });
    }
  }
  return guarded as ClusteredService;
}

/**
 * The functions and accessors of an object and its classes, each to be called on the object: they
 * may use private fields.
 */
function everyMember(service: object): Map<string | symbol, PropertyDescriptor> {
  const members = new Map<string | symbol, PropertyDescriptor>();
  const seen = new Set<string | symbol>(['constructor']);
  for (
    let holder: object | null = service;
    holder !== null && holder !== Object.prototype;
    holder = Object.getPrototypeOf(holder)
  ) {
    for (const name of Reflect.ownKeys(holder)) {
      const own = Object.getOwnPropertyDescriptor(holder, name);
      if (own !== undefined && !seen.has(name)) {
        const member = memberOn(service, own);
        if (member !== undefined) {
          members.set(name, member);
        }
      }
      // What is nearer hides what is further, whatever each of them is.
      seen.add(name);
    }
  }
  return members;
}

/** A function or an accessor as one that is called on the service; undefined for other values. */
function memberOn(service: object, own: PropertyDescriptor): PropertyDescriptor | undefined {
  const { get, set, value } = own;
  if (typeof value === 'function') {
    return { value: (value as Callback).bind(service), writable: true };
  }
  if (get === undefined && set === undefined) {
    return undefined;
  }
  return {
    ...(get === undefined ? {} : { get: get.bind(service) }),
    ...(set === undefined ? {} : { set: set.bind(service) }),
  };
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
