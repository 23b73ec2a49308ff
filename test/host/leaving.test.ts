// leaving.test.ts: a process whose service throws when its member leaves.

import { join } from 'node:path';
import test from 'tape';
import { PawlError } from '../../src/errors.js';
import { bootstrapMember } from '../../src/host/bootstrap.js';
import { runMember } from '../../src/host/node-member.js';
import { findLocalEndpoints } from '../../src/tools/free-ports.js';
import { temporaryDirectory, until } from './until.js';

for (const threads of ['shared', 'dedicated'] as const) {
  test(`a service that throws at the end is what its member ends with (${threads})`, async (t) => {
    const { members } = await findLocalEndpoints(1);
    const options = {
      cluster: { members, logTermLength: 64 * 1024, segmentLength: 64 * 1024 },
      member: { memberId: 0, threads },
      directory: join(temporaryDirectory(t), 'data'),
      serviceFactory: () => ({
        onSessionMessage: () => undefined,
        onTerminate: () => {
          throw new Error('not now');
        },
      }),
    };
    await bootstrapMember(options);
    const running = runMember(options);
    await until(() => running.status().isIngressOpen, 'the member leads');
    await running.stop();
    const error = await running.closed;
    t.ok(error instanceof PawlError && error.code === 'SERVICE_FAILED', String(error));
    t.match(String(error), /not now/);
    t.end();
  });
}
