// long-open-events.test.ts: sessions whose opening does not fit one frame of the log.
//
// The consensus module and the services of all members must have the same sessions, whatever the
// length of their datagrams: one that only services have is never closed.

import fc from 'fast-check';
import test from 'tape';
import type { ClusterControl } from '../../src/cluster/cluster-control.js';
import { AppliedSessions } from '../../src/cluster/cluster-session.js';
import type { LeaderSessions } from '../../src/cluster/leader-sessions.js';
import { LogApplier } from '../../src/cluster/log-applier.js';
import type { FragmentHandler, LogPoller } from '../../src/cluster/log-poller.js';
import { MessageAssembler } from '../../src/cluster/message-assembler.js';
import { CHANNEL_LENGTH_MAX } from '../../src/protocol/channel-uri.js';
import { EventCode } from '../../src/protocol/codecs/enumerations.js';
import * as termEvent from '../../src/protocol/codecs/new-leadership-term-event.js';
import { SessionConnectRequestEncoder } from '../../src/protocol/codecs/session-connect-request.js';
import { SessionEventDecoder } from '../../src/protocol/codecs/session-event.js';
import { SessionMessageHeaderEncoder } from '../../src/protocol/codecs/session-message-header.js';
import { SessionOpenEventEncoder } from '../../src/protocol/codecs/session-open-event.js';
import { EGRESS_STREAM_ID_DEFAULT, SESSION_PROTOCOL_VERSION } from '../../src/protocol/streams.js';
import { LogEventReader } from '../../src/service/log-event-reader.js';
import { ServiceContainer } from '../../src/service/service-container.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { ClusterFixture, type FixtureOptions } from './cluster-fixture.js';
import { startRawClient } from './raw-client.js';
import { SecretAuthenticator, secretOf } from './secrets.js';

/** A cluster and what each member's service has of sessions. */
function watched(options: FixtureOptions) {
  const containers = new Map<number, ServiceContainer>();
  const opened = new Map<number, string[]>();
  const fixture = new ClusterFixture({
    ...options,
    container: (memberId) => {
      const names: string[] = [];
      opened.set(memberId, names);
      const container = new ServiceContainer(() => ({
        onSessionOpen: (session) => names.push(new TextDecoder().decode(session.principal)),
        onSessionMessage: () => undefined,
        onTakeSnapshot: () => undefined,
      }));
      containers.set(memberId, container);
      return container;
    },
  });
  /** Ids of the sessions of a member: of its consensus module and of its service. */
  const counts = (one: SimulatedMember): string => {
    const ids = [...(containers.get(one.memberId)?.sessions() ?? [])].map(({ id }) => id);
    return `${fixture.status(one).sessionCount} and ${ids.length}`;
  };
  const areAll = (count: number): boolean =>
    fixture.cluster.members.every((one) => counts(one) === `${count} and ${count}`);
  return { areAll, fixture, opened };
}

/** A connect request whose response channel has a length. */
function connectRequest(endpoint: string, channelLength: number): Uint8Array {
  const bytes = new Uint8Array(8 * 1024);
  const start = `aeron:udp?endpoint=${endpoint}|alias=`;
  const encoder = new SessionConnectRequestEncoder()
    .wrapAndApplyHeader(new DataView(bytes.buffer), 0)
    .correlationId(7n)
    .responseStreamId(EGRESS_STREAM_ID_DEFAULT)
    .version(SESSION_PROTOCOL_VERSION)
    .putResponseChannel(start.padEnd(channelLength, 'a'))
    .putEncodedCredentials(new Uint8Array(0))
    .putClientInfo('');
  return bytes.subarray(0, 8 + encoder.encodedLength());
}

test('a session with a long response channel is opened, answered and closed everywhere', (t) => {
  for (const length of [1_300, 1_400, CHANNEL_LENGTH_MAX]) {
    const { areAll, fixture } = watched({ cluster: { sessionTimeoutMs: 2_000 } });
    const leader = fixture.start();
    const { endpoint, publication, received } = startRawClient(fixture, leader.memberId);
    const request = connectRequest(endpoint, length);
    t.ok(publication.offer(request, 0, request.length) > 0, `a channel of ${length} characters`);
    fixture.await(() => areAll(1), 'every member has it, and so has its service');
    fixture.await(() => received.length > 0, 'the client is answered');
    const [answer = new Uint8Array(0)] = received;
    const view = new DataView(answer.buffer);
    t.ok(SessionEventDecoder.isValid(view, 0, answer.length));
    t.equal(new SessionEventDecoder().wrapAndApplyHeader(view, 0).code(), EventCode.Ok);
    fixture.await(() => areAll(0), 'it times out on all');
    fixture.close();
  }
  t.end();
});

test('the longest principal opens a session at the shortest MTU, and is in snapshots', (t) => {
  for (const leaderMtuLength of [288, 576, 1408]) {
    const { areAll, fixture, opened } = watched({
      member: { snapshotIntervalMs: 500 },
      memberOf: (memberId) => ({ mtuLength: memberId === 0 ? leaderMtuLength : 1408 }),
      security: (memberId) => ({ authenticator: new SecretAuthenticator(`salt ${memberId}`) }),
    });
    const leader = fixture.start();
    t.equal(leader.memberId, 0, `a leader with an MTU of ${leaderMtuLength}`);
    const client = fixture.connect({ credentials: secretOf('p'.repeat(512)) });
    fixture.await(() => client.isConnected, 'the client is connected');
    fixture.await(() => areAll(1), 'every member has its session');
    leader.node.kill();
    fixture.awaitLeader();
    fixture.cluster.start(leader);
    fixture.await(() => client.newLeaders.length === 1, 'the next leader knows the client');
    fixture.await(() => areAll(1), 'and the last one reads the same log');
    const { members } = fixture.cluster;
    const last = fixture.status(leader).servicePosition;
    fixture.await(
      () => members.every((one) => fixture.status(one).snapshotPosition > last),
      'all have a snapshot with the session',
    );
    for (const one of members) {
      one.node.kill();
    }
    fixture.cluster.startAll();
    fixture.awaitLeader();
    fixture.await(() => areAll(1), 'it is there after a restart of all');
    t.deepEqual([...opened.values()], [[], [], []], 'from snapshots alone');
    fixture.close();
  }
  t.end();
});

/** A message of the log, and how much of it the leaders to come have. */
interface Logged {
  readonly kind: 'open' | 'message' | 'term';
  readonly length: number;
  readonly mtuLength: number;
  /** Parts that were lost with their leader; a new term follows. */
  readonly lostCount: number;
}

const logged: fc.Arbitrary<Logged> = fc.record({
  kind: fc.constantFrom('open', 'open', 'message', 'term'),
  length: fc.oneof(fc.nat(300), fc.nat(CHANNEL_LENGTH_MAX)),
  mtuLength: fc.constantFrom(288, 576, 1408),
  lostCount: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 4 })),
});

function encodeLogged(kind: Logged['kind'], id: number, length: number): Uint8Array {
  const bytes = new Uint8Array(8 * 1024);
  const view = new DataView(bytes.buffer);
  if (kind === 'open') {
    const encoder = new SessionOpenEventEncoder()
      .wrapAndApplyHeader(view, 0)
      .clusterSessionId(id)
      .putResponseChannel('c'.repeat(length))
      .putEncodedPrincipal(new Uint8Array(0));
    return bytes.subarray(0, 8 + encoder.encodedLength());
  }
  const encoder =
    kind === 'term'
      ? new termEvent.NewLeadershipTermEventEncoder().wrapAndApplyHeader(view, 0)
      : new SessionMessageHeaderEncoder().wrapAndApplyHeader(view, 0).clusterSessionId(id);
  const bodyLength = kind === 'term' ? 0 : length;
  return bytes.subarray(0, 8 + encoder.encodedLength() + bodyLength);
}

/** Hands out the parts of messages as a log would. */
function readLog(messages: readonly Logged[], handler: FragmentHandler): void {
  let position = 0;
  const put = ({ kind, length, lostCount, mtuLength }: Logged): void => {
    const bytes = encodeLogged(kind, position, length);
    const partLength = mtuLength - 32;
    const count = Math.max(1, Math.ceil(bytes.length / partLength));
    for (let index = 0; index < Math.max(1, count - lostCount); index++) {
      const part = bytes.slice(index * partLength, (index + 1) * partLength);
      const flags = (index === 0 ? 0x80 : 0) | (index === count - 1 ? 0x40 : 0);
      position += Math.ceil((32 + part.length) / 32) * 32;
      handler(new DataView(part.buffer), 0, part.length, flags, position);
    }
    if (lostCount > 0) {
      put({ kind: 'term', length: 0, mtuLength, lostCount: 0 });
    }
  };
  for (const message of messages) {
    put(message);
  }
}

/** Sessions as the consensus module has them. */
function sessionsOfApplier(messages: readonly Logged[], lengthMax: number): string {
  const applied = new AppliedSessions();
  const poller = {
    position: 0,
    pollEvents: (handler: FragmentHandler) => {
      readLog(messages, handler);
      return 0;
    },
  };
  const leader = { onOpened: () => undefined };
  new LogApplier(
    poller as unknown as LogPoller,
    applied,
    leader as unknown as LeaderSessions,
    {} as ClusterControl,
    lengthMax,
    () => undefined,
  ).poll(1, false, 0);
  return [...applied.values()].map((one) => `${one.id} ${one.responseChannel.length}`).join();
}

/** Sessions as services have them. */
function sessionsOfServices(messages: readonly Logged[], lengthMax: number): string {
  const sessions: string[] = [];
  const ignore = (): void => undefined;
  const reader = new LogEventReader({
    onSessionOpen: (one) => sessions.push(`${one.id} ${one.responseChannel.length}`),
    onSessionMessage: ignore,
    onRequest: ignore,
    onSessionClose: ignore,
    onTimer: ignore,
    onServiceMessage: ignore,
    onClusterAction: ignore,
    onNewLeadershipTerm: ignore,
  });
  const assembler = new MessageAssembler((view, offset, length, position) => {
    reader.onMessage(view, offset, length, position);
  }, lengthMax);
  readLog(messages, assembler.onFragment);
  return sessions.join();
}

test('consensus module and services have the same sessions, whatever was cut off', (t) => {
  let count = 0;
  const property = fc.property(
    fc.array(logged, { maxLength: 20 }),
    fc.constantFrom(2_048, 8_192),
    (messages, lengthMax) => {
      const sessions = sessionsOfApplier(messages, lengthMax);
      count += sessions === '' ? 0 : sessions.split(',').length;
      return sessions === sessionsOfServices(messages, lengthMax);
    },
  );
  t.doesNotThrow(() => fc.assert(property, { seed: 20_261_130, numRuns: 300 }));
  t.ok(count > 300, `${count} sessions`);
  t.end();
});
