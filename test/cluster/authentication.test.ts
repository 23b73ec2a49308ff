// authentication.test.ts: who is let in, who is not, and what a handshake may cost the others.

import test from 'tape';
import type { AuthorisationService } from '../../src/cluster/authenticator.js';
import { ControlResult, type SuspensionAction } from '../../src/cluster/cluster-control.js';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { AdminResponseCode, ClusterAction } from '../../src/protocol/codecs/enumerations.js';
import type { ClusteredService } from '../../src/service/clustered-service.js';
import { ClusterFixture, type FixtureOptions, MS, messageOf, SECOND } from './cluster-fixture.js';
import { SecretAuthenticator, secretOf, silentAbout } from './secrets.js';

interface Guarded {
  readonly fixture: ClusterFixture;
  readonly authenticators: Map<number, SecretAuthenticator>;
  /** Principals as the services saw them, by member. */
  readonly seen: Map<number, string[]>;
}

function guarded(options: FixtureOptions = {}, authorisation?: AuthorisationService): Guarded {
  const authenticators = new Map<number, SecretAuthenticator>();
  const seen = new Map<number, string[]>();
  const service = (memberId: number): ClusteredService => {
    const names: string[] = [];
    seen.set(memberId, names);
    return {
      onSessionOpen: (session) => names.push(new TextDecoder().decode(session.principal)),
      onSessionMessage(session, _timestamp, buffer, offset, length) {
        names.push(`message of ${new TextDecoder().decode(session.principal)}`);
        session.offer(buffer, offset, length);
      },
      onTakeSnapshot: () => undefined,
    };
  };
  const fixture = new ClusterFixture({
    service,
    ...options,
    security: (memberId) => {
      const authenticator = new SecretAuthenticator(`salt ${memberId}`);
      authenticators.set(memberId, authenticator);
      return authorisation === undefined ? { authenticator } : { authenticator, authorisation };
    },
  });
  return { fixture, authenticators, seen };
}

const codeOf = (closed: unknown): string | undefined =>
  closed instanceof PawlError ? closed.code : undefined;

test('a client that answers its challenge is let in, and every service knows who it is', (t) => {
  const { authenticators, fixture, seen } = guarded();
  const leader = fixture.start();
  const client = fixture.connect({ credentials: secretOf('anna') });
  fixture.await(() => client.isConnected, 'the client is connected');
  fixture.send(client, messageOf(1));
  fixture.await(() => client.received.length === 1, 'its message came back');
  fixture.await(
    () => [...seen.values()].every((names) => names.length === 2),
    'all services have seen it',
  );
  for (const names of seen.values()) {
    t.deepEqual(names, ['anna', 'message of anna']);
  }
  t.equal(authenticators.get(leader.memberId)?.challengeCount, 1, 'it was challenged once');
  t.equal(authenticators.get(leader.memberId)?.pendingCount, 0, 'and the handshake is forgotten');
  t.equal(fixture.status(leader).counters.sessionsAuthenticated, 1);
  fixture.close();
  t.end();
});

test('credentials alone may be enough', (t) => {
  const { authenticators, fixture, seen } = guarded();
  const leader = fixture.start();
  const client = fixture.connect({ credentials: secretOf('known') });
  fixture.await(() => client.isConnected, 'the client is connected');
  t.equal(authenticators.get(leader.memberId)?.challengeCount, 0);
  t.deepEqual(seen.get(leader.memberId), ['known']);
  fixture.close();
  t.end();
});

test('a client with the wrong secret is refused after a delay, and opens nothing', (t) => {
  const { fixture, seen } = guarded();
  const leader = fixture.start();
  const beganNs = fixture.world.nowNs;
  const client = fixture.connect({ credentials: secretOf('anna', 'a guess') });
  fixture.await(() => client.closed !== undefined, 'the client is refused');
  t.equal(codeOf(client.closed), ErrorCode.AuthenticationRejected);
  t.match(String((client.closed as Error).message), /credentials were rejected/);
  t.ok(fixture.world.nowNs - beganNs >= SECOND, 'whoever guesses has one guess a second');
  t.equal(fixture.status(leader).sessionCount, 0);
  t.deepEqual(seen.get(leader.memberId), []);
  fixture.close();
  t.end();
});

test('a client without credentials is told so, at once where it is challenged', (t) => {
  const { fixture } = guarded();
  fixture.start();
  const nobody = fixture.connect();
  const mute = fixture.connect({ credentials: silentAbout('anna') });
  fixture.await(() => nobody.closed !== undefined && mute.closed !== undefined, 'both are refused');
  t.equal(codeOf(nobody.closed), ErrorCode.AuthenticationRejected);
  t.equal(codeOf(mute.closed), ErrorCode.AuthenticationRejected);
  t.match(String((mute.closed as Error).message), /give it credentials/);
  fixture.close();
  t.end();
});

test('an authenticator that throws rejects that client, and the member lives', (t) => {
  const { fixture } = guarded();
  const leader = fixture.start();
  const client = fixture.connect({ credentials: secretOf('throws') });
  fixture.await(() => client.closed !== undefined, 'the client is refused');
  t.equal(codeOf(client.closed), ErrorCode.AuthenticationRejected);
  t.equal(fixture.status(leader).counters.authenticatorFailures, 1);
  t.ok(fixture.warnings.some((text) => text.includes('authenticator threw Error')));
  t.notOk(
    [...fixture.warnings, String(client.closed)].some((text) => text.includes('nobody may see')),
    'and nothing of what it was told is repeated',
  );
  fixture.close();
  t.end();
});

test('a handshake that is not brought to an end is given up, and the client hears why', (t) => {
  const { authenticators, fixture } = guarded({ cluster: { handshakeTimeoutMs: 1_000 } });
  const leader = fixture.start();
  const authenticator = authenticators.get(leader.memberId) as SecretAuthenticator;
  authenticator.isSlow = true;
  const client = fixture.connect({ credentials: secretOf('anna') });
  fixture.await(() => client.closed !== undefined, 'the client is refused');
  t.match(String((client.closed as Error).message), /not authenticated within 1000 ms/);
  t.equal(fixture.status(leader).counters.handshakesTimedOut, 1);
  t.equal(authenticator.pendingCount, 0);
  fixture.close();
  t.end();
});

test('a suspension that is longer than a handshake may be rejects nobody who has answered', (t) => {
  const { authenticators, fixture } = guarded({ cluster: { handshakeTimeoutMs: 1_000 } });
  const leader = fixture.start();
  const orderOf = (action: SuspensionAction) => {
    t.equal(leader.member?.orderSuspension(action), ControlResult.Ordered);
    fixture.wakeAll();
  };
  const anna = secretOf('anna');
  const client = fixture.connect({
    credentials: {
      encodedCredentials: () => anna.encodedCredentials(),
      onChallenge: (challenge) => {
        // Its answer comes to a leader that takes nothing any more.
        orderOf(ClusterAction.Suspend);
        return anna.onChallenge(challenge);
      },
    },
  });
  fixture.await(() => fixture.status(leader).isSuspended, 'the cluster is suspended');
  fixture.run(3 * SECOND);
  t.notOk(client.isConnected, 'the answer waits in its stream');
  t.equal(authenticators.get(leader.memberId)?.pendingCount, 1, 'and the handshake for it');
  orderOf(ClusterAction.Resume);
  fixture.await(() => client.isConnected || client.closed !== undefined, 'there is a verdict');
  t.equal(client.closed, undefined);
  t.ok(client.isConnected, 'the client is let in');
  t.equal(fixture.status(leader).counters.handshakesTimedOut, 0);
  fixture.close();
  t.end();
});

test('a handshake that nobody ends is given up after a suspension, in its own time', (t) => {
  const { authenticators, fixture } = guarded({ cluster: { handshakeTimeoutMs: 1_000 } });
  const leader = fixture.start();
  const client = fixture.connect({
    credentials: {
      encodedCredentials: () => new TextEncoder().encode('anna'),
      onChallenge: () => {
        client.node.kill();
        return undefined;
      },
    },
  });
  const pendingCount = () => authenticators.get(leader.memberId)?.pendingCount;
  fixture.await(() => client.node.process === undefined, 'the client is challenged, and gone');
  for (const action of [ClusterAction.Suspend, ClusterAction.Resume]) {
    leader.member?.orderSuspension(action);
    fixture.wakeAll();
    const isSuspended = action === ClusterAction.Suspend;
    fixture.await(() => fixture.status(leader).isSuspended === isSuspended, 'the order is applied');
    fixture.run(isSuspended ? 3 * SECOND : 900 * MS);
    t.equal(pendingCount(), 1, 'the handshake is under way');
  }
  fixture.run(300 * MS);
  t.equal(pendingCount(), 0, 'and is not any more');
  fixture.close();
  t.end();
});

test('a leader that dies between challenge and answer is followed by one that asks anew', (t) => {
  const { authenticators, fixture, seen } = guarded();
  const leader = fixture.start();
  let isHeld = true;
  const anna = secretOf('anna');
  const client = fixture.connect({
    credentials: {
      encodedCredentials: () => anna.encodedCredentials(),
      onChallenge: (challenge) => {
        if (isHeld) {
          isHeld = false;
          leader.node.kill();
        }
        return anna.onChallenge(challenge);
      },
    },
  });
  fixture.await(() => client.isConnected, 'the client is connected to the next leader');
  const next = fixture.awaitLeader();
  t.notEqual(next.memberId, leader.memberId);
  t.equal(authenticators.get(next.memberId)?.challengeCount, 1, 'which challenged it itself');
  t.deepEqual(seen.get(next.memberId), ['anna'], 'and one session was opened');
  fixture.close();
  t.end();
});

test('a flood of handshakes that nobody ends keeps no client with credentials out', (t) => {
  const { authenticators, fixture } = guarded({
    cluster: { handshakeCountMax: 16, sessionCountMax: 4 },
  });
  const leader = fixture.start();
  const live = fixture.connect({ credentials: secretOf('live') });
  fixture.await(() => live.isConnected, 'one client is connected');
  let challenged = 0;
  for (let index = 0; index < 12; index++) {
    const client = fixture.connect({
      credentials: {
        encodedCredentials: () => new TextEncoder().encode(`flood ${index}`),
        onChallenge: () => {
          // It is gone as soon as it has made the leader wait for it.
          challenged++;
          client.node.kill();
          return undefined;
        },
      },
    });
  }
  fixture.run(400 * MS);
  t.equal(challenged, 12, 'each was challenged');
  const { handshakesDropped } = fixture.status(leader).counters;
  t.equal(authenticators.get(leader.memberId)?.pendingCount, 12);
  t.equal(handshakesDropped, 0, 'clients of many addresses');
  t.equal(fixture.status(leader).sessionCount, 1, 'none of them has taken a session');
  const late = fixture.connect({ credentials: secretOf('late') });
  fixture.await(() => late.isConnected, 'a client that can answer is let in');
  fixture.send(live, messageOf(5));
  fixture.await(() => live.received.length === 1, 'and the live session is served');
  t.notOk(live.closed);
  fixture.run(6 * SECOND);
  t.equal(authenticators.get(leader.memberId)?.pendingCount, 0, 'all of it is over in time');
  fixture.close();
  t.end();
});

test('beyond the limit of handshakes a client is let in when it asks again', (t) => {
  const { authenticators, fixture } = guarded({ cluster: { handshakeCountMax: 1 } });
  const leader = fixture.start();
  const authenticator = authenticators.get(leader.memberId) as SecretAuthenticator;
  authenticator.isSlow = true;
  const clients = ['anna', 'bert', 'carl'].map((name) =>
    fixture.connect({ credentials: secretOf(name) }),
  );
  fixture.run(600 * MS);
  t.equal(authenticator.pendingCount, 1, 'one at a time');
  t.ok((fixture.status(leader).counters.handshakesDropped ?? 0) > 2);
  authenticator.isSlow = false;
  fixture.await(() => clients.every((client) => client.isConnected), 'all are let in');
  fixture.close();
  t.end();
});

test('a member that starts from a snapshot knows who its clients are', (t) => {
  const { fixture, seen } = guarded({ member: { logRetention: 'snapshots' } });
  const leader = fixture.start();
  const client = fixture.connect({ credentials: secretOf('anna') });
  fixture.await(() => client.isConnected, 'the client is connected');
  leader.member?.requestSnapshot();
  fixture.wakeAll();
  fixture.await(
    () => fixture.cluster.members.every((one) => fixture.status(one).snapshotPosition > 0),
    'all members have a snapshot',
  );
  for (const one of fixture.cluster.members) {
    one.node.kill();
  }
  fixture.cluster.startAll();
  fixture.await(() => client.newLeaders.length === 1, 'a leader presents itself');
  fixture.send(client, messageOf(9));
  fixture.await(() => client.received.length === 1, 'the message came back');
  const next = fixture.awaitLeader();
  t.deepEqual(seen.get(next.memberId), ['message of anna'], 'the open event was not replayed');
  fixture.close();
  t.end();
});

test('orders of clients are denied, unless somebody says who may give them', (t) => {
  const { fixture } = guarded();
  const leader = fixture.start();
  const client = fixture.connect({ credentials: secretOf('anna') });
  fixture.await(() => client.isConnected, 'the client is connected');
  t.ok((client.client?.orderSnapshot(41) ?? -1) > 0);
  fixture.await(() => client.adminResponses.length === 1, 'the order is answered');
  t.equal(client.adminResponses[0]?.correlationId, 41);
  t.equal(client.adminResponses[0]?.code, AdminResponseCode.UnauthorisedAccess);
  t.match(client.adminResponses[0]?.message ?? '', /denies it/);
  fixture.run(500 * MS);
  t.equal(fixture.status(leader).snapshotPosition, 0, 'and not carried out');
  fixture.close();
  t.end();
});

test('an operator among the clients has a snapshot taken, and nobody else has', (t) => {
  const authorisation: AuthorisationService = {
    isAuthorised: (_protocolId, _actionId, _type, principal) =>
      new TextDecoder().decode(principal) === 'operator',
  };
  const { fixture } = guarded({}, authorisation);
  fixture.start();
  const operator = fixture.connect({ credentials: secretOf('operator') });
  const anna = fixture.connect({ credentials: secretOf('anna') });
  fixture.await(() => operator.isConnected && anna.isConnected, 'both are connected');
  t.ok((anna.client?.orderSnapshot(1) ?? -1) > 0);
  t.ok((operator.client?.orderSnapshot(2 ** 40) ?? -1) > 0);
  fixture.await(() => operator.adminResponses.length === 1, 'the operator is answered');
  t.deepEqual(operator.adminResponses, [
    { correlationId: 2 ** 40, code: AdminResponseCode.Ok, message: '' },
  ]);
  fixture.await(() => anna.adminResponses.length === 1, 'the other is answered');
  t.equal(anna.adminResponses[0]?.code, AdminResponseCode.UnauthorisedAccess);
  fixture.await(
    () => fixture.cluster.members.every((one) => fixture.status(one).snapshotPosition > 0),
    'all members have a snapshot',
  );
  fixture.close();
  t.end();
});

test('a member with an authenticator and a cluster without one do not go together', (t) => {
  t.throws(
    () => guarded({ cluster: { authentication: 'none' } }).fixture.start(),
    /cluster.authentication is none: set it to required/,
  );
  t.throws(
    () => new ClusterFixture({ cluster: { authentication: 'required' } }).start(),
    /required, and this member has no authenticator/,
  );
  t.end();
});
