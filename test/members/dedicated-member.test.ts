// A member of two services with dedicated threads and the guard of callbacks: an operator's orders,
// and the end when a service looks at a clock.

import test from 'tape';
import { PawlError } from '../../src/errors.js';
import { bootstrapMember } from '../../src/host/bootstrap.js';
import { connect } from '../../src/host/connect.js';
import { runMember } from '../../src/host/node-member.js';
import type { ClusteredService } from '../../src/service/clustered-service.js';
import { findLocalEndpoints } from '../../src/tools/free-ports.js';
import { temporaryDirectory, until } from '../support/until.js';

const FORBIDDEN = 13;

/** Echoes, and looks at the clock when it is told to. */
function makeService(): ClusteredService {
  return {
    onSessionMessage(session, _timestamp, buffer, offset, length) {
      if (buffer.getUint8(offset + length - 1) === FORBIDDEN) {
        Date.now();
      }
      session.offer(buffer, offset, length);
    },
    onTakeSnapshot: (snapshot) => snapshot.offer(Uint8Array.of(1), 0, 1),
  };
}

test('two services with dedicated threads are ordered about, and guarded', async (t) => {
  const { ingress, members } = await findLocalEndpoints(1);
  const options = {
    cluster: { members, serviceCount: 2 },
    member: { memberId: 0, threads: 'dedicated' as const, guard: true },
    directory: temporaryDirectory(t),
  };
  await bootstrapMember(options);
  const member = runMember({ ...options, serviceFactory: [makeService, makeService] });
  const client = await connect({ ingressEndpoints: ingress });
  const answer = await client.request(Uint8Array.of(1));
  t.deepEqual([...answer.bytes], [1]);

  const snapshotPosition = await member.takeSnapshot();
  await until(() => member.status().snapshotPosition === snapshotPosition, 'it is complete');
  const suspendedFrom = await member.suspend();
  t.ok(suspendedFrom > snapshotPosition);
  t.ok((await member.freshStatus()).isSuspended);
  const refused = await member.suspend().catch((error: unknown) => error);
  t.equal(refused instanceof PawlError && refused.code, 'ORDER_REFUSED', 'a refusal crosses too');
  t.ok((await member.resume()) > suspendedFrom);
  const { counters, services, threads } = await member.freshStatus();
  t.equal(threads, 'dedicated');
  t.deepEqual(
    services.map(({ messageCount, serviceId }) => [serviceId, messageCount]),
    [
      [0, 1],
      [1, 1],
    ],
  );
  t.ok((counters.snapshotPauseNs ?? 0) > 0, 'how long they stood still is counted');

  t.ok(Date.now() > 0, 'outside callbacks there is a clock');
  const last = client.request(Uint8Array.of(FORBIDDEN)).catch((error: unknown) => error);
  const end = await member.closed;
  t.match(String(end), /Date\.now\(\) was called inside onSessionMessage/);
  t.equal(end instanceof PawlError && end.code, 'SERVICE_FAILED');
  client.close();
  t.ok((await last) instanceof PawlError, 'nobody was told that it was applied');
});
