// connect-exactly-once.test.ts: exactly-once requests on real sockets and disks.

import test, { type Test } from 'tape';
import { ExactlyOnceClient } from '../../src/client/exactly-once-client.js';
import { PawlError } from '../../src/errors.js';
import { bootstrapMember } from '../../src/host/bootstrap.js';
import { connectExactlyOnce } from '../../src/host/connect-exactly-once.js';
import { type RunningMember, runMember } from '../../src/host/node-member.js';
import type { ClusteredService } from '../../src/service/clustered-service.js';
import { findLocalEndpoints } from '../../src/tools/free-ports.js';
import { temporaryDirectory } from '../support/until.js';

const KIB = 1024;

/** Adds what it is asked to add, and answers with the sum. */
function makeSum(): ClusteredService {
  let sum = 0;
  return {
    onSessionMessage: () => undefined,
    onRequest(request, _timestamp, buffer, offset) {
      sum += buffer.getInt32(offset, true);
      const reply = new DataView(new ArrayBuffer(4));
      reply.setInt32(0, sum, true);
      request.reply(reply, 0, 4);
    },
  };
}

function addition(value: number): Uint8Array {
  return new Uint8Array(new Int32Array([value]).buffer);
}

function sumOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer).getInt32(0, true);
}

/** The options of a cluster's only member, whose directory is born. */
async function makeMember(t: Test, members: string) {
  const options = {
    cluster: { members, logTermLength: 64 * KIB, segmentLength: 64 * KIB },
    member: { memberId: 0, memoryLength: 64 * 1024 * KIB },
    directory: temporaryDirectory(t),
  };
  await bootstrapMember(options);
  return options;
}

test('a cluster that stops and starts again answers what was asked meanwhile, once', async (t) => {
  const { ingress, members } = await findLocalEndpoints(1);
  const options = await makeMember(t, members);
  const start = (): RunningMember => runMember({ ...options, serviceFactory: makeSum });
  let member = start();
  const connection = await connectExactlyOnce({
    ingressEndpoints: ingress,
    newLeaderTimeoutMs: 1_000,
    requests: { requestTimeoutNs: 60_000_000_000 },
  });
  const { clientId } = connection;
  const first = await Promise.all([1, 2, 3].map((value) => connection.request(addition(value))));
  t.deepEqual(
    first.map(({ bytes }) => sumOf(bytes)),
    [1, 3, 6],
  );
  await member.stop();
  const asked = [10, 20].map((value) => connection.request(addition(value)));
  member = start();
  const later = await Promise.all(asked);
  t.deepEqual(
    later.map(({ bytes }) => sumOf(bytes)),
    [16, 36],
    'the sum is of all, each once',
  );
  t.equal(connection.clientId, clientId);
  t.equal(connection.pendingCount, 0);
  connection.close();
  const refused: unknown = await connection.request(addition(1)).catch((error: unknown) => error);
  t.ok(refused instanceof PawlError && refused.code === 'CLOSED');
  await member.stop();
  t.end();
});

test('a first session that nobody opens is an error, not a wait for ever', async (t) => {
  const { ingress } = await findLocalEndpoints(1);
  const options = { ingressEndpoints: ingress, connectTimeoutMs: 300 };
  const error: unknown = await connectExactlyOnce(options).catch((reason: unknown) => reason);
  t.ok(error instanceof PawlError && error.code === 'TIMEOUT');
  t.end();
});

/** Lets the client's next duty cycles throw, until the answer is called. */
function breakClient(error: Error): () => void {
  const { doWork } = ExactlyOnceClient.prototype;
  ExactlyOnceClient.prototype.doWork = () => {
    throw error;
  };
  return () => {
    ExactlyOnceClient.prototype.doWork = doWork;
  };
}

test('a request that nobody answers fails in time, a defect fails all that waits', async (t) => {
  const { ingress, members } = await findLocalEndpoints(1);
  const options = await makeMember(t, members);
  const member = runMember({ ...options, serviceFactory: makeSum });
  const fatal: unknown[] = [];
  const connection = await connectExactlyOnce({
    ingressEndpoints: ingress,
    requests: { requestTimeoutNs: 500_000_000, windowMax: 1 },
    onFatal: (error) => fatal.push(error),
  });
  await member.stop();
  const failed = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => 'it was answered',
      (error: unknown) => error,
    );
  const first = failed(connection.request(addition(1)));
  const beyond = await failed(connection.request(addition(1)));
  t.ok(beyond instanceof PawlError && beyond.code === 'LIMIT_EXCEEDED', String(beyond));
  const late = await first;
  t.ok(late instanceof PawlError && late.code === 'TIMEOUT', String(late));
  t.equal(connection.pendingCount, 0);
  const defect = new RangeError('a defect');
  const mend = breakClient(defect);
  const waiting = [failed(connection.request(addition(2))), failed(connection.query(addition(3)))];
  t.deepEqual(await Promise.all(waiting), [defect, defect], 'a request and a query');
  mend();
  t.deepEqual(fatal, [defect], 'it is handed over once');
  const refused = await failed(connection.request(addition(4)));
  t.ok(refused instanceof PawlError && refused.code === 'CLOSED', String(refused));
  t.ok((await failed(connection.query(addition(5)))) instanceof Error, 'nor is there a query');
  t.end();
});

test('a defect before there is a session rejects the connection', async (t) => {
  const { ingress } = await findLocalEndpoints(1);
  const defect = new RangeError('a defect');
  const mend = breakClient(defect);
  const fatal: unknown[] = [];
  const onFatal = (error: unknown) => fatal.push(error);
  const error: unknown = await connectExactlyOnce({ ingressEndpoints: ingress, onFatal }).catch(
    (reason: unknown) => reason,
  );
  mend();
  t.equal(error, defect);
  t.deepEqual(fatal, [], 'and is told once');
  t.end();
});

test('a client that has the ids of members wrong is served by the one that answers', async (t) => {
  const [cluster, nobody] = await Promise.all([findLocalEndpoints(1), findLocalEndpoints(1)]);
  const options = await makeMember(t, cluster.members);
  const member = runMember({ ...options, serviceFactory: makeSum });
  const connection = await connectExactlyOnce({
    ingressEndpoints: `${nobody.ingress},${cluster.ingress.replace('0=', '1=')}`,
  });
  const { bytes } = await connection.request(addition(5));
  t.equal(sumOf(bytes), 5);
  t.equal(connection.sessionCount, 1, 'over its first session');
  connection.close();
  await member.stop();
  t.end();
});
