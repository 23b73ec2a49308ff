// Three members of a key/value store on real sockets and disks. Their services share the thread of
// the engine; snapshot-layouts.test.ts has the other layouts.

import test from 'tape';
import { connect } from '../../src/host/connect.js';
import {
  decodeAnswer,
  KeyValueOperation,
  KeyValueResult,
} from '../../src/tools/services/key-value-messages.js';
import { ask, live, Members } from '../support/snapshot-members.js';
import { until } from '../support/until.js';

test('real members take snapshots, purge their log, restart and install', async (t) => {
  await live(t, { threads: 'shared' });
});

test('the key/value store compares and sets, deletes, and says what it cannot read', async (t) => {
  const { members, ingress } = await Members.start({ threads: 'shared' });
  await until(() => members.leader() !== undefined, 'a leader opens its ingress');
  const session = await connect({ ingressEndpoints: ingress });
  const { CompareAndSet, Delete, Get, Put } = KeyValueOperation;
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const results = [
    await ask(session, { operation: Get, key: 'a' }),
    await ask(session, { operation: CompareAndSet, key: 'a', value: bytes('1') }),
    await ask(session, { operation: CompareAndSet, key: 'a', value: bytes('2') }),
    await ask(session, {
      operation: CompareAndSet,
      key: 'a',
      value: bytes('2'),
      expected: bytes('1'),
    }),
    await ask(session, {
      operation: CompareAndSet,
      key: 'a',
      value: bytes('3'),
      expected: bytes('1'),
    }),
    await ask(session, { operation: Put, key: 'ä', value: bytes('4') }),
    await ask(session, { operation: Get, key: 'ä' }),
    await ask(session, { operation: Delete, key: 'a' }),
    await ask(session, { operation: Delete, key: 'a' }),
    decodeAnswer((await session.request(new Uint8Array(3))).bytes),
  ];
  const { Invalid, Mismatch, NotFound, Ok } = KeyValueResult;
  t.deepEqual(
    results.map((answer) => answer.result),
    [NotFound, Ok, Mismatch, Ok, Mismatch, Ok, Ok, Ok, NotFound, Invalid],
  );
  t.equal(new TextDecoder().decode(results[4]?.value), '2', 'a mismatch tells the value');
  t.equal(new TextDecoder().decode(results[6]?.value), '4');
  session.close();
  await members.close();
  t.end();
});
