// leaving.test.ts: a process whose services throw when its member leaves.

import { join } from 'node:path';
import test from 'tape';
import { PawlError } from '../../src/errors.js';
import { bootstrapMember } from '../../src/host/bootstrap.js';
import type { MemberEvent } from '../../src/host/member-engine.js';
import { runMember } from '../../src/host/node-member.js';
import { findLocalEndpoints } from '../../src/tools/free-ports.js';
import { temporaryDirectory, until } from '../support/until.js';

for (const threads of ['shared', 'dedicated'] as const) {
  test(`a service that throws at the end is what its member ends with (${threads})`, async (t) => {
    const { members } = await findLocalEndpoints(1);
    const told: string[] = [];
    const states: string[] = [];
    const serviceOf = (name: string, isThrowing: boolean) => () => ({
      onSessionMessage: () => undefined,
      onTerminate: () => {
        told.push(name);
        if (isThrowing) {
          throw new Error(`not now, says the ${name}`);
        }
      },
    });
    const options = {
      cluster: { members, logTermLength: 64 * 1024, segmentLength: 64 * 1024, serviceCount: 3 },
      member: { memberId: 0, threads },
      directory: join(temporaryDirectory(t), 'data'),
      serviceFactory: [
        serviceOf('first', true),
        serviceOf('second', true),
        serviceOf('third', false),
      ],
      onEvent: (event: MemberEvent) => {
        if (event.event === 'state') {
          states.push(event.state);
        }
      },
    };
    await bootstrapMember(options);
    const running = runMember(options);
    await until(() => running.status().isIngressOpen, 'the member leads');
    await running.stop();
    const error = await running.closed;
    t.ok(error instanceof PawlError && error.code === 'SERVICE_FAILED', String(error));
    t.match(String(error), /not now, says the first/);
    t.deepEqual(told, ['first', 'second', 'third'], 'all are told');
    t.equal(states.at(-1), 'LEFT', 'and the member has left');
    t.end();
  });
}
