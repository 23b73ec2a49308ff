// Threads of a member that fail: its engine, which ends it, and its shadow, which costs a snapshot;
// and errors on their way from one thread to another.

import test, { type Test } from 'tape';
import { InvariantError } from '../../src/assert.js';
import type { MemberSettings } from '../../src/cluster/cluster-config.js';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { bootstrapMember } from '../../src/host/bootstrap.js';
import { toError, toErrorText } from '../../src/host/engine-messages.js';
import { exitCodeOf, PoisonedError } from '../../src/host/exit-codes.js';
import type { MemberEvent } from '../../src/host/member-engine.js';
import { type NodeMemberOptions, runMember } from '../../src/host/node-member.js';
import type { ClusteredService } from '../../src/service/clustered-service.js';
import { findLocalEndpoints } from '../../src/tools/free-ports.js';
import { temporaryDirectory, until } from '../support/until.js';

test('an error that crosses threads keeps its class, code, words and stack', (t) => {
  const errors = [
    new PawlError(ErrorCode.StorageFull, 'no space: free some', 'environment'),
    new InvariantError('a promise was broken'),
    new PoisonedError('recorder', 9),
    new RangeError('a defect'),
  ];
  for (const error of errors) {
    const text = structuredClone(toErrorText(error));
    const again = toError(text);
    t.equal(again.message, error.message, text.kind);
    t.equal(again.stack, error.stack);
    t.equal(exitCodeOf(again), exitCodeOf(error), 'a process ends with the same code');
  }
  const { code, category } = toError(toErrorText(errors[0])) as PawlError;
  t.deepEqual([code, category], [ErrorCode.StorageFull, 'environment']);
  t.equal(toError(toErrorText('no error at all')).message, 'no error at all');
  t.end();
});

function makeService(): ClusteredService {
  return {
    onSessionMessage: () => undefined,
    onTakeSnapshot: (snapshot) => snapshot.offer(Uint8Array.of(1), 0, 1),
  };
}

/** A member alone, with a module of which one of its threads is made. */
async function memberWith(
  t: Test,
  settings: Partial<MemberSettings>,
  other: Partial<NodeMemberOptions>,
) {
  const { members } = await findLocalEndpoints(1);
  const options = {
    cluster: { members },
    member: { memberId: 0, ...settings },
    directory: temporaryDirectory(t),
  };
  await bootstrapMember(options);
  return runMember({ ...options, serviceFactory: makeService, ...other });
}

function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'it was carried out',
    (error: unknown) => (error instanceof PawlError ? error.code : String(error)),
  );
}

test('an engine that cannot start ends the member, and all that is asked of it', async (t) => {
  const member = await memberWith(
    t,
    { threads: 'dedicated' },
    { authenticatorModule: 'data:text/javascript,throw new RangeError("no authenticator")' },
  );
  const waiting = codeOf(member.suspend());
  t.match(String(await member.closed), /no authenticator/);
  t.equal(await waiting, ErrorCode.Closed, 'what waited');
  t.equal(await codeOf(member.resume()), ErrorCode.Closed, 'what is asked later');
  t.equal((await member.freshStatus()).memberId, 0, 'the status is what was known');
  await member.stop();
});

test('a shadow that fails costs its snapshot, and the member goes on and says why', async (t) => {
  const failing: [string, RegExp][] = [
    ['throw new RangeError("in the making")', /: in the making$/],
    ['throw { toString() { throw new TypeError("beyond words") } }', /: TypeError: beyond words$/],
    ['process.exit()', /: its thread ended by itself$/],
  ];
  for (const [statement, expected] of failing) {
    const source = `export function createService() { ${statement} }`;
    const warnings: string[] = [];
    const member = await memberWith(
      t,
      { snapshotBy: 'shadow' },
      {
        serviceModule: `data:text/javascript,${encodeURIComponent(source)}`,
        onEvent: (event: MemberEvent) => {
          if (event.event === 'warning') {
            warnings.push(event.message);
          }
        },
      },
    );
    await until(() => member.status().isIngressOpen, 'it leads');
    for (let round = 1; round <= 2; round++) {
      await member.takeSnapshot();
      await until(() => warnings.length === round, 'the snapshot is given up');
      const warning = warnings.at(-1) ?? '';
      t.match(warning, /the snapshot at position \d+ was given up: its shadow has failed: /);
      t.match(warning, expected, statement);
    }
    t.equal(member.status().snapshotPosition, 0);
    t.ok(member.status().isIngressOpen, 'it leads on');
    await member.stop();
  }
});
