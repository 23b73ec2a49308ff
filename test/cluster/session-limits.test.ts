// session-limits.test.ts: limits of sessions, their storms, and clients that come too late.

import test from 'tape';
import { type ClusterConfig, concludeClusterConfig } from '../../src/cluster/cluster-config.js';
import { AppliedSessions } from '../../src/cluster/cluster-session.js';
import type { Egress } from '../../src/cluster/egress.js';
import { LeaderSessions, OpenResult } from '../../src/cluster/leader-sessions.js';
import type { LogPublisher } from '../../src/cluster/log-publisher.js';
import { responseHost } from '../../src/cluster/response-channel.js';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { Mark, markHits } from '../../src/marks.js';
import { Arena } from '../../src/memory/arena.js';
import { CloseReason } from '../../src/protocol/codecs/enumerations.js';
import { SERVICE_THREAD, type SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { ClusterFixture, MS, messageOf, SECOND, type TestClient } from './cluster-fixture.js';

const MIB = 1024 * 1024;
const codeOf = ({ closed }: TestClient): string | undefined =>
  closed instanceof PawlError ? closed.code : undefined;

test('an address counts as one, however it is written', (t) => {
  const of = (endpoint: string) => responseHost(`aeron:udp?endpoint=${endpoint}`);
  t.equal(of('127.0.0.1:9000'), of('127.0.0.1:9001'));
  t.equal(of('127.0.0.1:9000|alias=a:1'), of('127.0.0.1:9000'));
  t.equal(of('[::1]:9000'), of('[0:0::0001]:9001'));
  t.notEqual(of('[::1]:9000'), of('[::2]:9000'));
  t.notEqual(of('127.0.0.1:9000'), of('127.0.0.2:9000'));
  t.end();
});

/** A leader's sessions alone: what they append, and a log that takes it or not. */
function sessionsAlone(settings: Partial<ClusterConfig> = {}) {
  const config = concludeClusterConfig(
    { members: '0,10.0.0.1:1,10.0.0.1:2,10.0.0.1:3,10.0.0.1:4,10.0.0.1:5', sessionCountMax: 8 },
    { memberId: 0, insecure: true },
  );
  const applied = new AppliedSessions();
  const closes: (readonly [id: number, reason: number])[] = [];
  const log = {
    end: 0,
    isFull: false,
    tail: () => log.end,
    appendSessionOpen: () => {
      log.end += 64;
      return log.end;
    },
    appendSessionClose: (_term: number, id: number, _time: number, reason: number) => {
      if (log.isFull) {
        return -1;
      }
      closes.push([id, reason]);
      return log.appendSessionOpen();
    },
  };
  const egress = {
    connect: () => undefined,
    reconnect: () => undefined,
    confirm: () => undefined,
    disconnect: () => undefined,
    hasRoom: () => true,
    connectionCount: 0,
  };
  const sessions = new LeaderSessions(
    Arena.create(16 * MIB),
    { ...config, ...settings },
    applied,
    egress as unknown as Egress,
    log as unknown as LogPublisher,
  );
  const details = (host: string, port: number) => ({
    correlationIdHigh: 0,
    correlationIdLow: port,
    responseStreamId: 102,
    responseChannel: `aeron:udp?endpoint=${host}:${port}`,
    encodedPrincipal: new Uint8Array(0),
  });
  return { applied, closes, details, log, sessions };
}

test('sessions of one address are limited, counted from the log and what is appended', (t) => {
  const { applied, details, sessions } = sessionsAlone({ sessionCountPerAddressMax: 2 });
  sessions.startTerm(0);
  t.equal(sessions.open(details('10.9.0.1', 1), 0), OpenResult.Accepted);
  t.equal(sessions.open(details('10.9.0.1', 2), 0), OpenResult.Accepted);
  t.equal(sessions.open(details('10.9.0.1', 3), 0), OpenResult.AddressLimitReached);
  t.equal(sessions.open(details('10.9.0.2', 4), 0), OpenResult.Accepted, 'others may');
  const opened = { ...details('10.9.0.1', 1), id: 0, openedPosition: 64 };
  applied.open(opened);
  sessions.onOpened(opened, false, 0);
  t.equal(sessions.open(details('10.9.0.1', 3), 0), OpenResult.AddressLimitReached, 'still two');
  applied.close(0);
  t.equal(sessions.open(details('10.9.0.1', 3), 0), OpenResult.Accepted, 'one has ended');
  t.end();
});

test('a leader forgets with its term whom it gave up, and not what services asked for', (t) => {
  const { applied, closes, details, log, sessions } = sessionsAlone({ sessionTimeoutMs: 1_000 });
  for (const id of [1, 2, 3, 4]) {
    applied.open({ ...details('10.9.0.1', id), id, openedPosition: id });
  }
  sessions.startTerm(0);
  sessions.openIngress(0);
  log.isFull = true;
  sessions.giveUp(1);
  sessions.endForService(2);
  sessions.giveUp(2);
  sessions.touch(4, 1_000);
  sessions.doWork(1_500);
  sessions.doWork(1_600);
  sessions.endForService(3);
  t.deepEqual(closes, [], 'the log has had no room, and session 3 has timed out');
  sessions.endTerm();
  log.isFull = false;
  sessions.startTerm(2);
  sessions.openIngress(5_000);
  sessions.doWork(5_100);
  const { ServiceAction, Timeout } = CloseReason;
  const sorted = () => [...closes].sort(([one], [other]) => one - other);
  t.deepEqual(sorted(), [
    [2, ServiceAction],
    [3, ServiceAction],
  ]);
  sessions.endTerm();
  // What was appended is lost with the term.
  sessions.startTerm(4);
  sessions.openIngress(6_000);
  closes.length = 0;
  sessions.doWork(6_100);
  t.deepEqual(
    sorted().map(([id]) => id),
    [2, 3],
    'it is appended again',
  );
  sessions.giveUp(1);
  sessions.doWork(6_200);
  t.deepEqual(closes.at(-1), [1, Timeout]);
  t.end();
});

test('a client that sent nothing since a resumption is not taken for one that was heard', (t) => {
  const { applied, details, sessions } = sessionsAlone({ sessionTimeoutMs: 1_000 });
  applied.open({ ...details('10.9.0.1', 1), id: 1, openedPosition: 1 });
  sessions.startTerm(0);
  sessions.openIngress(0);
  sessions.restartTimes(5_000);
  t.equal(sessions.isHeard(1), false);
  sessions.touch(1, 5_950);
  t.equal(sessions.isHeard(1), true);
  t.end();
});

test('a client that was stopped for longer than its session lives is told that it expired', (t) => {
  const fixture = new ClusterFixture({ cluster: { sessionTimeoutMs: 1_500 } });
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  const id = client.client?.clusterSessionId;
  // Long enough for everything that was said to it meanwhile to be lost.
  fixture.world.network.isolate(client.node);
  fixture.run(8 * SECOND);
  fixture.world.network.heal();
  fixture.await(() => client.closed !== undefined, 'the client was told');
  t.equal(codeOf(client), ErrorCode.SessionExpired);
  t.equal(client.client?.clusterSessionId, id, 'and has opened no other session');
  fixture.close();
  t.end();
});

test('a follower, too, tells a client that the log has closed its session', (t) => {
  const fixture = new ClusterFixture({ cluster: { sessionTimeoutMs: 1_500 } });
  const leader = fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  fixture.world.network.isolate(client.node);
  fixture.run(3 * SECOND);
  // The leader that it knows follows another one now.
  leader.node.process?.pause(2 * SECOND);
  fixture.run(3 * SECOND);
  t.notEqual(fixture.awaitLeader().memberId, leader.memberId);
  fixture.world.network.heal();
  fixture.await(() => client.closed !== undefined, 'the client was told');
  t.equal(codeOf(client), ErrorCode.SessionExpired);
  fixture.close();
  t.end();
});

test('a leader that gave a session up and lost its term leaves it be when it leads anew', (t) => {
  const fixture = new ClusterFixture({ cluster: { sessionTimeoutMs: 1_500 } });
  const leader = fixture.start();
  const [one, other] = fixture.followers() as [SimulatedMember, SimulatedMember];
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  const { network } = fixture.world;
  network.block(client.node, leader.node);
  const before = markHits()[Mark.SessionTimedOut] ?? 0;
  const isGivenUp = () => (markHits()[Mark.SessionTimedOut] ?? 0) > before;
  fixture.await(isGivenUp, 'the leader has not heard the client for too long');
  for (const { node } of [one, other]) {
    network.block(leader.node, node);
    network.block(node, leader.node);
  }
  const isLeader = (member: SimulatedMember) => fixture.status(member).isIngressOpen;
  fixture.await(() => isLeader(one) || isLeader(other), 'another one leads');
  t.ok(
    fixture.status(leader).appendPosition > fixture.status(leader).commitPosition,
    'that the session ends is in the log of the former leader alone',
  );
  network.heal();
  fixture.await(() => client.newLeaders.length === 1, 'the client has found the next leader');
  const next = isLeader(one) ? one : other;
  fixture.await(() => fixture.status(leader).role === 'follower', 'the former one follows it');
  fixture.run(2 * SECOND);
  t.equal(next.member?.transferLeadership(leader.memberId, fixture.world.nowNs), 0);
  fixture.wakeAll();
  fixture.await(() => isLeader(leader), 'the former leader leads again');
  fixture.await(() => client.newLeaders.length === 2 || client.closed !== undefined, 'it is heard');
  t.equal(client.closed, undefined, 'the session lasts: its client was there all the time');
  fixture.send(client, messageOf(1));
  fixture.await(() => client.received.length === 1, 'its message came back');
  fixture.close();
  t.end();
});

test('a pause that is shorter than the session timeout costs no session', (t) => {
  const fixture = new ClusterFixture({ cluster: { sessionTimeoutMs: 3_000 } });
  const leader = fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  client.node.process?.pause(1_500 * MS);
  fixture.run(2 * SECOND);
  leader.node.process?.pause(2 * SECOND);
  fixture.run(4 * SECOND);
  fixture.send(client, messageOf(3));
  fixture.await(() => client.received.length === 1, 'its message came back');
  t.notOk(client.closed);
  fixture.close();
  t.end();
});

test('a storm of sessions that come and go ends no member and no other session', (t) => {
  const fixture = new ClusterFixture({ cluster: { sessionCountMax: 8, sessionTimeoutMs: 2_000 } });
  const leader = fixture.start();
  const live = fixture.connect();
  fixture.await(() => live.isConnected, 'one client is connected');
  for (let wave = 0; wave < 12; wave++) {
    const clients = Array.from({ length: 12 }, () => fixture.connect());
    fixture.run(150 * MS);
    t.ok(fixture.status(leader).sessionCount <= 8, 'never more than are allowed');
    for (const [index, client] of clients.entries()) {
      if (index % 2 === 0) {
        client.client?.close();
      }
      client.node.kill();
    }
  }
  fixture.send(live, messageOf(1));
  fixture.await(() => live.received.length === 1, 'the live session is served');
  t.notOk(live.closed);
  fixture.await(() => fixture.status(leader).sessionCount === 1, 'the others are gone in time');
  fixture.close();
  t.end();
});

test('a leader without memory for one more session says so, and lives on', (t) => {
  const fixture = new ClusterFixture({
    // A session takes nearly two MiB of a simulated member's 24.
    cluster: { sessionCountMax: 100, egressTermLength: 512 * 1024 },
  });
  const leader = fixture.start();
  const live = fixture.connect();
  fixture.await(() => live.isConnected, 'one client is connected');
  const others = Array.from({ length: 16 }, () => fixture.connect({ connectTimeoutMs: 3_000 }));
  fixture.await(
    () => others.every((client) => client.isConnected || client.closed !== undefined),
    'all others have an answer, or none in time',
  );
  t.ok(
    others.some((client) => client.closed !== undefined),
    'not all have found room',
  );
  fixture.send(live, messageOf(1));
  fixture.await(() => live.received.length === 1, 'the live session is served');
  t.ok(fixture.status(leader).isIngressOpen);
  fixture.close();
  t.end();
});

test('a client whose stream finds no memory is told so, with the limit and the remedy', (t) => {
  const fixture = new ClusterFixture();
  fixture.start();
  const live = fixture.connect();
  fixture.await(() => live.isConnected, 'one client is connected');
  // Six MiB each of the 24 that a simulated member has.
  const options = { ingressTermLength: 2 * MIB, connectTimeoutMs: 20_000 };
  const others = Array.from({ length: 5 }, () => fixture.connect(options));
  const beganNs = fixture.world.nowNs;
  fixture.await(
    () => others.every((client) => client.isConnected || client.closed !== undefined),
    'all others have an answer',
  );
  t.ok(fixture.world.nowNs - beganNs < 2 * SECOND, 'long before they give up by themselves');
  const refused = others.filter((client) => client.closed !== undefined);
  t.ok(refused.length > 0 && refused.length < others.length, `${refused.length} of 5 are refused`);
  t.equal(codeOf(refused[0] as TestClient), ErrorCode.SessionRefused);
  const told = String(refused[0]?.closed);
  t.match(
    told,
    /member \d \(.*\) does not take its stream: no memory for a client's stream of 6\d+/,
  );
  t.match(told, /\d+ of memoryLength 25165824 are in use, and \d+ are kept for the log/);
  t.match(told, /Lower the client's ingressTermLength \(2097152\), close sessions, or raise/);
  fixture.send(live, messageOf(1));
  fixture.await(() => live.received.length === 1, 'the live session is served');
  fixture.close();
  t.end();
});

test('a session whose new leader has no memory for it is told why it ends', (t) => {
  const fixture = new ClusterFixture();
  const leader = fixture.start();
  const client = fixture.connect({ ingressTermLength: 2 * MIB, newLeaderTimeoutMs: 2_000 });
  fixture.await(() => client.isConnected, 'the client is connected');
  // What they have left holds the stream, and not the reserve of the log beside it.
  for (const { member } of fixture.followers()) {
    for (const termLength of [4 * MIB, MIB]) {
      member?.transport.addPublication('aeron:ipc', 77, { termLength });
    }
  }
  leader.node.kill();
  fixture.await(() => client.closed !== undefined, 'the client gave up');
  t.match(String(client.closed), /Member \d leads and does not take its stream: no memory for/);
  fixture.close();
  t.end();
});

test('a leader that reads its log again connects to nobody whose session has ended', (t) => {
  const fixture = new ClusterFixture({
    memberCount: 1,
    cluster: { sessionCountMax: 1 },
    member: { threads: 'dedicated' },
  });
  const leader = fixture.start();
  for (let count = 0; count < 3; count++) {
    const client = fixture.connect();
    fixture.await(() => client.isConnected, 'one after the other has a session');
    if (count < 2) {
      client.client?.close();
      fixture.run(5 * MS);
    }
  }
  // Its mark does not know yet that all of this was committed.
  leader.node.kill();
  fixture.cluster.start(leader);
  const service = () => leader.node.process?.threads.find(({ name }) => name === SERVICE_THREAD);
  fixture.await(() => service() !== undefined, 'its service has a thread');
  service()?.stall(SECOND);
  let connectionCount = 0;
  for (let turn = 0; turn < 200; turn++) {
    fixture.run(10 * MS);
    leader.member?.visitLimits((name, used) => {
      connectionCount = Math.max(connectionCount, name === 'egress connections' ? used : 0);
    });
  }
  t.equal(connectionCount, 1, 'while its service has seen nothing yet');
  fixture.await(() => fixture.leader() === leader, 'its ingress opens when the service is there');
  t.equal(fixture.status(leader).sessionCount, 1);
  fixture.close();
  t.end();
});

test('a leader takes all sessions of the log, also more than may be open by now', (t) => {
  const count = 100;
  const { applied, closes, details, sessions } = sessionsAlone({ sessionCountMax: 4 });
  for (let id = 1; id <= count; id++) {
    applied.open({ ...details('10.0.0.9', id), id, openedPosition: id });
  }
  sessions.startTerm(3);
  sessions.openIngress(1_000);
  t.ok(
    [...applied.values()].every(({ id }) => sessions.touch(id, 2_000)),
    'each may send',
  );
  t.ok(sessions.isHeard(1), 'and is heard');
  t.equal(sessions.open(details('10.0.0.9', 101), 2_000), OpenResult.LimitReached);
  sessions.doWork(60_000);
  sessions.doWork(61_000);
  t.equal(closes.length, count, 'who is silent is closed');
  sessions.close();
  t.end();
});
