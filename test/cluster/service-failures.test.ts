// service-failures.test.ts: what a member ends with when its service throws.

import test from 'tape';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { ExitCode, exitCodeOf } from '../../src/host/exit-codes.js';
import type { ClusteredService } from '../../src/service/clustered-service.js';
import { SnapshotBytesMap } from '../../src/service/snapshot-bytes-map.js';
import type { SnapshotView } from '../../src/service/snapshot-publication.js';
import { ClusterFixture, messageOf } from './cluster-fixture.js';

const OVERSIZE_LENGTH = 16 * 1024 * 1024;

/** What the only member of a cluster ends with when a client has sent a message. */
function failureOf(threads: 'shared' | 'dedicated', service: ClusteredService): unknown {
  const fixture = new ClusterFixture({
    memberCount: 1,
    member: { threads },
    service: () => service,
  });
  const leader = fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  const errors: unknown[] = [];
  leader.node.onFatal = (_process, error) => errors.push(error);
  fixture.send(client, messageOf(1));
  leader.member?.requestSnapshot();
  fixture.await(() => errors.length > 0, 'the member has ended');
  fixture.close();
  return errors[0];
}

for (const threads of ['shared', 'dedicated'] as const) {
  test(`an entry that is too long and not caught is the service's failure (${threads})`, (t) => {
    const map = new SnapshotBytesMap();
    const error = failureOf(threads, {
      onSessionMessage: () => {
        map.set(messageOf(1), new Uint8Array(OVERSIZE_LENGTH));
      },
    });
    t.equal(exitCodeOf(error), ExitCode.Service);
    t.match(String(error), /the service threw at log position \d+: .* longer than the \d+ bytes/);
    const { cause } = error as PawlError;
    t.ok(cause instanceof PawlError && cause.code === ErrorCode.LimitExceeded, String(cause));
    t.end();
  });

  test(`errors of Pawl's that a service throws itself are the service's (${threads})`, (t) => {
    const thrown = new PawlError(ErrorCode.StorageFailed, 'no such thing');
    const failing = (): never => {
      throw thrown;
    };
    const view: SnapshotView = { next: failing, close: () => undefined };
    const services: Record<string, ClusteredService> = {
      onSessionMessage: { onSessionMessage: failing },
      onTakeSnapshot: { onSessionMessage: () => undefined, onTakeSnapshot: failing },
      'an encoder': {
        onSessionMessage: () => undefined,
        onTakeSnapshot: (snapshot) => snapshot.offerView(view),
      },
    };
    for (const [name, service] of Object.entries(services)) {
      const error = failureOf(threads, service);
      t.equal(exitCodeOf(error), ExitCode.Service, name);
      t.match(String(error), /the service threw at log position [1-9]\d*: .*no such thing/);
      t.equal((error as PawlError).cause, thrown);
    }
    t.end();
  });

  test(`what a service may not do is named as it was (${threads})`, (t) => {
    let schedule: (() => unknown) | undefined;
    const error = failureOf(threads, {
      onStart: (cluster) => {
        schedule = () => cluster.scheduleTimer(1, 2 ** 60);
      },
      onSessionMessage: () => void schedule?.(),
    });
    t.equal(exitCodeOf(error), ExitCode.Service);
    t.match(String(error), /^PawlError: the deadline of a timer is \d+: use an integer/);
    t.end();
  });
}
