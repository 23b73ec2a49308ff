// divergence-text.ts: a divergence in words that the author of a service understands.

import { REQUEST_HEADER_LENGTH } from '../../service/request.js';
import type { Divergence } from './divergence-judge.js';
import { messageText } from './event-outputs.js';
import type { ForbiddenCall, ForbiddenCalls } from './forbidden-calls.js';
import type { WatchedEvent } from './watched-service.js';

/** Calls that are named at most. */
const CALLS_NAMED_MAX = 4;

/** An event of the log. */
export function eventText(event: WatchedEvent, isRequest: boolean): string {
  const { bytes, kind, sessionId, timestamp } = event;
  switch (kind) {
    case 'start':
      return 'the start of the service, before any event';
    case 'message':
      return (
        `a message of session ${sessionId} at log time ${timestamp}, ${bytes?.length} bytes: ` +
        bodyText(bytes ?? new Uint8Array(0), isRequest)
      );
    case 'request':
      return (
        `a request of session ${sessionId} at log time ${timestamp}, ${bytes?.length} bytes: ` +
        messageText(bytes ?? new Uint8Array(0))
      );
    case 'snapshot':
      return `a snapshot that is taken, at log time ${timestamp}`;
    case 'load':
      return `the start from a snapshot of this position, taken at log time ${timestamp}`;
    case 'timer':
      return `timer ${event.timerId}, which fired at log time ${timestamp}`;
    case 'service message':
      return (
        `a message of a service at log time ${timestamp}, ${bytes?.length} bytes: ` +
        messageText(bytes ?? new Uint8Array(0))
      );
    case 'leadership term':
      return `the beginning of a leadership term at log time ${timestamp}`;
    default:
      return `the ${kind} of session ${sessionId} at log time ${timestamp}`;
  }
}

/** What may be wrong where a snapshot is written or read; undefined for other events. */
function snapshotGuess(eventKind: string): string | undefined {
  switch (eventKind) {
    case 'load':
      return (
        'onTakeSnapshot leaves a part of the state out, or onStart reads back something else: ' +
        'another type, another order of entries, defaults instead of values'
      );
    case 'snapshot':
      return (
        'onTakeSnapshot writes what is not replicated state: the records must be equal on all ' +
        'members'
      );
    default:
      return undefined;
  }
}

/** A query of a client. */
export function queryText(sessionId: number, bytes: Uint8Array): string {
  return `of session ${sessionId}, ${bytes.length} bytes: ${messageText(bytes)}`;
}

function bodyText(bytes: Uint8Array, isRequest: boolean): string {
  if (!isRequest || bytes.length < REQUEST_HEADER_LENGTH) {
    return messageText(bytes);
  }
  const number = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return `request ${number}, ${messageText(bytes.subarray(REQUEST_HEADER_LENGTH))}`;
}

/** What differs, where it began, and what the cause may be. */
export function divergenceText(divergence: Divergence, calls: ForbiddenCalls): string {
  const { differences, equalPosition, event, firstInstance, position, secondInstance } = divergence;
  const isQuery = divergence.kind === 'query' || divergence.kind === 'answer';
  const lines = [headline(divergence)];
  if (isQuery) {
    lines.push(`  the query: ${event}`);
  } else {
    lines.push(
      divergence.kind === 'local'
        ? `  the last event before it: ${event}`
        : `  the event: ${event}`,
      equalPosition < 0
        ? '  they were never seen to be equal'
        : `  their states were equal at position ${equalPosition}`,
    );
  }
  for (const { first, path, second } of differences) {
    lines.push(
      `  ${path}: ${first ?? 'missing'} on ${firstInstance}, ${second ?? 'missing'} on ` +
        secondInstance,
    );
  }
  // A query is handled after the last event, at the position of that; and where outputs differ the
  // states of this very event may be equal.
  const fromPosition = isQuery ? equalPosition - 1 : Math.min(equalPosition, position - 1);
  const causes = causesOf(divergence, calls.between(fromPosition, position), calls.all());
  lines.push(...causes.map((cause) => `  ${cause}`));
  return lines.join('\n');
}

function headline(divergence: Divergence): string {
  const { firstInstance: first, kind, position, secondInstance: second } = divergence;
  switch (kind) {
    case 'local':
      return (
        `a callback that is no event changed the state, after log position ${position}: ` +
        `${first} and ${second} differ`
      );
    case 'query':
      return (
        `a query changed the state, at log position ${position}: ${first} and ${second} differ. ` +
        'Only the leader is asked, so the members are no longer equal'
      );
    case 'answer':
      return `at log position ${position}, ${second} answers a query in another way than ${first}`;
    case 'output':
      if (divergence.eventKind === 'snapshot') {
        return `at log position ${position}, ${second} writes another snapshot than ${first}`;
      }
      return (
        `at log position ${position}, ${second} sends other messages or asks for other things ` +
        `than ${first}`
      );
    default:
      return `at log position ${position}, ${second} has another state than ${first}`;
  }
}

const ADVICE: readonly [RegExp, string][] = [
  [
    /Date|performance|hrtime/,
    'take the time from the event (its timestamp, or cluster.time()): it is the same on all ' +
      'members',
  ],
  [
    /random|UUID/i,
    'make ids from what the log gives (cluster.logPosition(), session.id, a counter in the ' +
      'state), and chance from a generator whose seed is in the state',
  ],
];

function causesOf(
  divergence: Divergence,
  near: readonly ForbiddenCall[],
  all: readonly ForbiddenCall[],
): string[] {
  const calls = near.length > 0 ? near : all;
  if (calls.length > 0) {
    const when = near.length > 0 ? 'while it handled this' : 'earlier';
    const named = calls.slice(0, CALLS_NAMED_MAX);
    return [
      ...named.map(({ name, place }) => `cause: the service called ${name} ${when}, at ${place}`),
      ...ADVICE.filter(([names]) => named.some(({ name }) => names.test(name))).map(
        ([, advice]) => `remedy: ${advice}`,
      ),
    ];
  }
  return [`likely cause: ${guess(divergence)}`];
}

/** No clock and no chance was called that the guard knows of. */
function guess(divergence: Divergence): string {
  const { differences, eventKind, isFromBetween, kind, secondInstance } = divergence;
  if (kind === 'local') {
    return (
      'onRoleChange and onTerminate are local to a member: what they keep has to stay out of ' +
      'the state (leave it out with stateOf when it decides nothing), and onTakeSnapshot must ' +
      'change nothing'
    );
  }
  const ofSnapshot = snapshotGuess(eventKind);
  if (ofSnapshot !== undefined && !isFromBetween) {
    return ofSnapshot;
  }
  if (kind === 'query') {
    return (
      'onQuery counts or caches something: it has to leave the state as it is (leave what ' +
      'decides nothing out with stateOf)'
    );
  }
  if (kind === 'answer') {
    return (
      'the answer comes from more than the replicated state: a variable of the module or a ' +
      'static field that instances share, a private field or closure that queries change, a ' +
      'message or query kept as a view of its buffer, or cluster.memberId or cluster.role'
    );
  }
  if (isFromBetween) {
    return (
      'the state changed between two events. Something other than the log changes it: a variable ' +
      'of the module or a static field that instances share, or a callback that runs later'
    );
  }
  if (eventKind === 'start') {
    return (
      'the factory does not make equal instances, or the state holds what is local to a member, ' +
      'such as cluster.memberId or cluster.role (leave it out with stateOf when it decides nothing)'
    );
  }
  if (differences.length > 0 && differences.every(({ path }) => path.endsWith('(order)'))) {
    return (
      'the same entries in another order: something was added in an order that the log does not ' +
      'decide, or sorted by a comparison that does not decide every pair'
    );
  }
  const shared =
    'a variable of the module or a static field that instances share, a message kept as a view ' +
    'of its buffer (valid during the call only), or a decision by cluster.memberId or cluster.role';
  return secondInstance.startsWith('member')
    ? `${shared}; with guard: false also clocks and chance`
    : `something outlives an instance and decides what the next one does: ${shared}`;
}
