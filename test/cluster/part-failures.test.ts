// What single parts of a member do when something fails that a whole member seldom sees fail.

import test from 'tape';
import type { SnapshotReader } from '../../src/archive/snapshot-reader.js';
import { StorageTasks } from '../../src/archive/storage-task.js';
import type { Authenticator, SessionProxy } from '../../src/cluster/authenticator.js';
import { concludeClusterConfig } from '../../src/cluster/cluster-config.js';
import { ClusterControl, ControlResult } from '../../src/cluster/cluster-control.js';
import { DiskWatch } from '../../src/cluster/disk-watch.js';
import { Egress } from '../../src/cluster/egress.js';
import type { LeaderReads } from '../../src/cluster/leader-reads.js';
import { type LeaderSessions, OpenResult } from '../../src/cluster/leader-sessions.js';
import type { LogPublisher } from '../../src/cluster/log-publisher.js';
import { QueryIngress } from '../../src/cluster/query-ingress.js';
import type { Responder } from '../../src/cluster/responder.js';
import type { ServiceHost } from '../../src/cluster/service-host.js';
import { Services } from '../../src/cluster/services.js';
import { REJECTION_DELAY_MS, SessionAdmission } from '../../src/cluster/session-admission.js';
import { SnapshotLoader } from '../../src/cluster/snapshot-loader.js';
import { SnapshotSchedule } from '../../src/cluster/snapshot-schedule.js';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { Arena } from '../../src/memory/arena.js';
import { SessionTableState } from '../../src/memory/core.js';
import { StorageResult } from '../../src/ports/storage.js';
import { ClusterAction, EventCode, QueryCode } from '../../src/protocol/codecs/enumerations.js';
import { QueryEncoder } from '../../src/protocol/codecs/query.js';
import { MESSAGE_HEADER_LENGTH } from '../../src/protocol/message-header.js';
import { CREDENTIALS_LENGTH_MAX } from '../../src/protocol/streams.js';
import type { Transport } from '../../src/transport/transport.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { MS } from './cluster-fixture.js';

const KIB = 1024;
const CONFIG = concludeClusterConfig(
  { members: '0,127.0.0.1:9001,127.0.0.1:9002,127.0.0.1:9003,127.0.0.1:9004,127.0.0.1:9005' },
  { memberId: 0, lowSpaceLength: KIB, spaceCheckIntervalMs: 100 },
);

/** A log that has no room, until it has. */
class FullLog {
  isFull = true;
  readonly actions: number[] = [];

  appendClusterAction(_termId: number, _nowMs: number, action: number): number {
    if (this.isFull) {
      return -2;
    }
    this.actions.push(action);
    return this.actions.length * 96;
  }
}

test('an order that the log has no room for is kept, and appended when it has', (t) => {
  const log = new FullLog();
  const control = new ClusterControl(log as unknown as LogPublisher);
  control.startTerm(4);
  t.equal(control.order(ClusterAction.Suspend), ControlResult.Ordered);
  t.equal(control.doWork(0), 0, 'there is no room');
  t.ok(control.isHeld, 'ingress is held back all the same');
  t.equal(control.order(ClusterAction.Suspend), ControlResult.UnderWay);
  log.isFull = false;
  t.equal(control.doWork(0), 1);
  t.equal(control.doWork(0), 0, 'once');
  t.deepEqual(log.actions, [ClusterAction.Suspend]);
  control.onEvent(ClusterAction.Suspend, 96);
  t.ok(control.isSuspended);
  t.equal(control.order(ClusterAction.Suspend), ControlResult.AlreadySo);
  t.end();
});

test('a snapshot that the log has no room for is asked for again', (t) => {
  const log = new FullLog();
  const state = { isBusy: () => false, canTake: () => true };
  const schedule = new SnapshotSchedule(CONFIG, log as unknown as LogPublisher, state, 0, 0);
  schedule.startTerm(4, 0);
  schedule.request();
  t.equal(schedule.doWork(0, 0), 0);
  t.equal(schedule.servedCount, 0, 'it is not taken for served');
  log.isFull = false;
  t.equal(schedule.doWork(0, 0), 1);
  t.deepEqual([schedule.servedCount, schedule.servedPosition], [1, 96]);
  t.equal(schedule.doWork(0, 96), 0, 'once');
  t.end();
});

test('a member with another number of services than its cluster is refused with both', (t) => {
  t.throws(() => new Services([], 2), /cluster.serviceCount is 2, and the member is given 0/);
  t.end();
});

test('a defect at the end of a service is thrown on, an error of Pawl is answered', (t) => {
  const ends = (failure: unknown): PawlError | undefined => {
    const host = {
      serviceId: 0,
      terminate: () => {
        throw failure;
      },
    } as unknown as ServiceHost;
    return new Services([host], 1).terminate();
  };
  const known = new PawlError(ErrorCode.ServiceFailed, 'the service threw', 'usage');
  t.equal(ends(known), known);
  t.throws(() => ends(new TypeError('a defect')), /a defect/);
  t.end();
});

test('a disk that does not tell its room is asked again, and complained about once', (t) => {
  const storage = new MemoryStorage();
  let isFailing = true;
  storage.failure = (kind) =>
    kind === 'freeSpace' && isFailing ? StorageResult.Denied : StorageResult.Ok;
  const tasks = new StorageTasks(storage);
  const warnings: string[] = [];
  const watch = new DiskWatch({ config: CONFIG, tasks, onWarning: (text) => warnings.push(text) });
  for (let turn = 0; turn < 3; turn++) {
    t.equal(watch.doWork(turn * 100 * MS), 1, `it is asked at ${turn * 100} ms`);
    tasks.poll();
    t.equal(watch.freeLength, undefined);
  }
  t.deepEqual(
    warnings.map((text) => text.replace(/: could not .*/, '')),
    ['the room on the disk is not known'],
  );
  isFailing = false;
  watch.doWork(300 * MS);
  tasks.poll();
  t.equal(watch.freeLength, 2 ** 40, 'what it says later counts');
  t.notOk(watch.isLow);
  t.end();
});

test('a snapshot that was whole at the start, and is not when loaded, ends the member', (t) => {
  const load = (reader: Partial<SnapshotReader>): string[] => {
    const errors: PawlError[] = [];
    const loader = new SnapshotLoader({
      reader: { poll: () => 0, close: () => undefined, ...reader } as SnapshotReader,
      services: { hosts: [{}], canLoad: true } as unknown as Services,
      onSession: () => undefined,
      onSuspended: () => undefined,
      onFatal: (error) => errors.push(error),
    });
    loader.doWork();
    return errors.map(({ code, message }) => `${code} ${message}`);
  };
  t.match(
    load({ failure: '3-0.rec is missing', isDone: false }).join(),
    /^SNAPSHOT_INVALID the snapshot cannot be loaded: 3-0.rec is missing. Start the member again/,
  );
  t.match(
    load({ failure: undefined, isDone: true }).join(),
    /^SNAPSHOT_INVALID the snapshot cannot be loaded: it ends before its sections do/,
  );
  t.end();
});

test('a query of no open session, or of another term, is counted and handed to nobody', (t) => {
  const arena = Arena.create(1024 * KIB);
  const table = arena.allocate(arena.core.sessionTableLength(8));
  arena.core.sessionTableInitialize(table, 8);
  arena.core.sessionPut(table, 77, SessionTableState.Open, 0);
  const taken: number[] = [];
  const reads = { onQuery: (_sessionId: number, queryId: number) => taken.push(queryId) };
  const ingress = new QueryIngress(arena, { table }, reads as unknown as LeaderReads);
  ingress.beginTurn(4, 1);
  const ask = (termId: number, sessionId: number, queryId: number): void => {
    const view = new DataView(new ArrayBuffer(64));
    const length = new QueryEncoder()
      .wrapAndApplyHeader(view, 0)
      .leadershipTermId(termId)
      .clusterSessionId(sessionId)
      .queryId(queryId)
      .encodedLength();
    ingress.onQuery(view, 0, MESSAGE_HEADER_LENGTH + length);
  };
  ask(4, 77, 1);
  ask(4, 78, 2);
  ask(3, 77, 3);
  ask(4, 77, 4);
  t.deepEqual(taken, [1, 4]);
  t.equal(ingress.rejectedCount, 2);
  t.end();
});

test('an answer to a query beyond the share of its client is dropped and counted', (t) => {
  const transport = {
    arena: Arena.create(4 * KIB * KIB),
    addPublication: () => ({ isConnected: false, isClosed: false, close: () => undefined }),
    canAddPublication: () => true,
  };
  const egress = new Egress(transport as unknown as Transport, CONFIG, {
    onOverflow: () => t.fail('what the log says is not touched'),
    onCloseRequest: () => undefined,
    isHeard: () => true,
  });
  egress.startTerm(4, '0=127.0.0.1:9001');
  egress.open();
  egress.connect({
    id: 77,
    correlationIdHigh: 1,
    correlationIdLow: 2,
    responseStreamId: 102,
    responseChannel: 'aeron:udp?endpoint=127.0.0.1:7000',
  });
  egress.doWork(0);
  const answer = new Uint8Array(CONFIG.egressBufferLengthMax / 4);
  for (let queryId = 1; queryId <= 3; queryId++) {
    egress.offerAnswer(77, queryId, 960, QueryCode.Ok, answer, 0, answer.length);
  }
  t.equal(egress.droppedAnswerCount, 2, 'half of the buffer is for what the log says');
  egress.offerAnswer(99, 1, 960, QueryCode.Ok, answer, 0, 1);
  t.equal(egress.droppedAnswerCount, 2, 'a session that is gone needs no answer');
  t.end();
});

/** Decides as a test says. */
class ScriptedAuthenticator implements Authenticator {
  decide: (session: SessionProxy) => void = () => undefined;
  isEndFailing = false;

  readonly onConnectRequest = (): void => undefined;
  readonly onChallengeResponse = (): void => undefined;

  onProcessConnectedSession(session: SessionProxy): void {
    this.decide(session);
  }
  onProcessChallengedSession(session: SessionProxy): void {
    this.decide(session);
  }
  onHandshakeEnd(): void {
    if (this.isEndFailing) {
      throw new TypeError('at the end');
    }
  }
}

/** A leader's handshakes with one client, whose answers are noted. */
function admissionWith(authenticator: Authenticator) {
  const answers: string[] = [];
  const warnings: string[] = [];
  const details = {
    correlationIdHigh: 1,
    correlationIdLow: 2,
    responseStreamId: 102,
    responseChannel: 'aeron:udp?endpoint=127.0.0.1:7000',
    encodedPrincipal: new Uint8Array(0),
  };
  const admission = new SessionAdmission({
    config: CONFIG,
    authenticator,
    sessions: {
      isKnown: () => false,
      open: () => OpenResult.Accepted,
      count: 0,
    } as unknown as LeaderSessions,
    responder: {
      challenge: () => answers.push('challenge'),
      answer: (_details: unknown, code: number) => answers.push(`answer ${code}`),
    } as unknown as Responder,
    onWarning: (text) => warnings.push(text),
  });
  admission.startTerm(4);
  const connect = () => admission.onConnect(details, new Uint8Array(0), 1, MS);
  const later = () => admission.doWork(2 + REJECTION_DELAY_MS, 2 * REJECTION_DELAY_MS * MS);
  return { admission, answers, warnings, connect, later };
}

test('an authenticator that asks or tells too much rejects its client, and is told so', (t) => {
  const tooMuch: [string, (session: SessionProxy) => void, RegExp][] = [
    [
      'a challenge that is too long',
      (session) => session.challenge(new Uint8Array(CREDENTIALS_LENGTH_MAX + 1)),
      /the challenge has \d+ bytes, of \d+/,
    ],
    [
      'a second challenge',
      (session) => {
        session.challenge(new Uint8Array(8));
        session.challenge(new Uint8Array(8));
      },
      /a client is challenged once/,
    ],
    [
      'a principal that is too long',
      (session) => session.accept(new Uint8Array(513)),
      /the principal has 513 bytes, of 512/,
    ],
  ];
  for (const [what, decide, expected] of tooMuch) {
    const authenticator = new ScriptedAuthenticator();
    let told = '';
    authenticator.decide = (session) => {
      try {
        decide(session);
      } catch (error) {
        told = String(error);
        throw error;
      }
    };
    const { admission, answers, warnings, connect, later } = admissionWith(authenticator);
    connect();
    t.match(told, expected, what);
    later();
    t.deepEqual(answers, [`answer ${EventCode.AuthenticationRejected}`], 'the client is rejected');
    t.equal(admission.failedCount, 1);
    t.match(warnings.join(), /the authenticator threw RangeError/);
  }
  t.end();
});

test('an authenticator that fails when a handshake ends changes nothing for the client', (t) => {
  const authenticator = new ScriptedAuthenticator();
  authenticator.isEndFailing = true;
  authenticator.decide = (session) => session.accept(new Uint8Array(3));
  const { admission, answers, warnings, connect } = admissionWith(authenticator);
  connect();
  t.deepEqual([admission.acceptedCount, admission.failedCount, admission.count], [1, 1, 0]);
  t.deepEqual(answers, []);
  t.match(warnings.join(), /the authenticator threw TypeError/);
  t.end();
});
