// Queries over real sockets, by both clients, and the example clients as a reader would run them.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'tape';
import { ErrorCode, type PawlError } from '../../src/errors.js';
import { bootstrapMember } from '../../src/host/bootstrap.js';
import { connect } from '../../src/host/connect.js';
import { connectExactlyOnce } from '../../src/host/connect-exactly-once.js';
import { type RunningMember, runMember } from '../../src/host/node-member.js';
import type { ServiceFactory } from '../../src/service/clustered-service.js';
import { findLocalEndpoints } from '../../src/tools/free-ports.js';
import { createService as createEcho } from '../../src/tools/services/echo-service.js';
import {
  decodeAnswer,
  encodeRequest,
  KeyValueOperation,
} from '../../src/tools/services/key-value-messages.js';
import { createService as createKeyValue } from '../../src/tools/services/key-value-service.js';
import { until } from '../support/until.js';

const KIB = 1024;
const MEMBER_COUNT = 3;

/** Three members in this process. */
class Members {
  readonly running: RunningMember[] = [];
  readonly #directory = mkdtempSync(join(tmpdir(), 'pawl-queries-'));

  static async start(serviceFactory: ServiceFactory) {
    const members = new Members();
    const { ingress, members: list } = await findLocalEndpoints(MEMBER_COUNT);
    for (let memberId = 0; memberId < MEMBER_COUNT; memberId++) {
      const options = {
        cluster: { members: list, logTermLength: 64 * KIB, segmentLength: 64 * KIB },
        member: { memberId, memoryLength: 64 * 1024 * KIB },
        directory: join(members.#directory, `member-${memberId}`),
      };
      await bootstrapMember(options);
      members.running.push(runMember({ ...options, serviceFactory }));
    }
    await until(() => members.leader() !== undefined, 'a leader takes ingress');
    return { members, ingress };
  }

  leader(): RunningMember | undefined {
    return this.running.find((member) => member.status().isIngressOpen);
  }

  async close(): Promise<void> {
    await Promise.all(this.running.map((member) => member.stop()));
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** What a script prints. */
function runExample(script: string, ingress: string): Promise<string[]> {
  return new Promise((done) => {
    const child = spawn(process.execPath, [script, ingress], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.on('close', () => done(output.trim().split('\n')));
  });
}

const put = (key: string, text: string) =>
  encodeRequest({
    operation: KeyValueOperation.Put,
    key,
    value: new TextEncoder().encode(text),
  });
const get = (key: string) => encodeRequest({ operation: KeyValueOperation.Get, key });

test('both clients read by query what was written, and each promise ends', async (t) => {
  const { ingress, members } = await Members.start(createKeyValue);
  const once = await connectExactlyOnce({ ingressEndpoints: ingress });
  const session = await connect({ ingressEndpoints: ingress });
  const written = await once.request(put('key', 'one'));
  for (const client of [once, session]) {
    const { bytes, logPosition } = await client.query(get('key'), { deadlineMs: 20_000 });
    t.equal(new TextDecoder().decode(decodeAnswer(bytes).value), 'one');
    t.ok(logPosition >= written.logPosition, 'at the write or behind it');
  }
  const all = await Promise.all(Array.from({ length: 500 }, () => once.query(get('key'))));
  t.equal(all.length, 500, 'many at once');
  t.equal(once.pendingQueryCount, 0);
  const rounds = members.leader()?.status().counters.readRounds ?? 0;
  t.ok(rounds > 0 && rounds < 250, `${rounds} rounds for 502 queries`);
  await t.test('misuse and ends', async (st) => {
    const codeOf = (promise: Promise<unknown>) =>
      promise.then(
        () => 'answered',
        (error: PawlError) => error.code,
      );
    st.equal(await codeOf(once.query(get('key'), { deadlineMs: 0 })), ErrorCode.ArgumentOutOfRange);
    const pending = codeOf(session.query(get('key')));
    session.close();
    st.equal(await pending, ErrorCode.SessionClosed);
    once.close();
    st.equal(await codeOf(once.query(get('key'))), ErrorCode.Closed);
  });
  await members.close();
});

test('queries go on when the leader stops, and end without a quorum', async (t) => {
  const { ingress, members } = await Members.start(createKeyValue);
  const client = await connectExactlyOnce({ ingressEndpoints: ingress });
  await client.request(put('key', 'two'));
  const first = members.leader() as RunningMember;
  await first.stop();
  const { bytes } = await client.query(get('key'), { deadlineMs: 60_000 });
  t.equal(new TextDecoder().decode(decodeAnswer(bytes).value), 'two', 'the next leader answers');
  await (members.leader() ?? members.running.find((one) => one !== first))?.stop();
  const error = await client.query(get('key'), { deadlineMs: 300 }).catch((reason) => reason);
  t.equal((error as PawlError).code, ErrorCode.Timeout, 'one member of three answers nothing');
  client.close();
  await members.close();
});

test('the key/value client writes exactly once, and reads what it wrote by query', async (t) => {
  const { ingress, members } = await Members.start(createKeyValue);
  t.deepEqual(await runExample('examples/key-value-client.mjs', ingress), [
    'put greeting: ok',
    'get greeting: hello',
    'read behind the write: true',
    'compare-and-set: ok',
    'compare-and-set again, as another request: another value',
    'get greeting: good morning',
  ]);
  await members.close();
});

test('the echo client hears what it said', async (t) => {
  const { ingress, members } = await Members.start(createEcho);
  const lines = await runExample('examples/echo-client.mjs', ingress);
  t.equal(lines.length, 1);
  t.match(lines[0] ?? '', /^'hello' is in the log since \d{4}-\d\d-\d\dT/);
  await members.close();
});
