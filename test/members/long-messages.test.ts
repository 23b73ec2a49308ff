// Messages of megabytes through three members with two services on real sockets: through ingress,
// log, service and egress; and one byte more is refused in each place.

import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type Test } from 'tape';
import { bootstrapMember } from '../../src/host/bootstrap.js';
import { connectClient, type NodeClient } from '../../src/host/node-client.js';
import { type RunningMember, runMember } from '../../src/host/node-member.js';
import type { Cluster, ClusteredService } from '../../src/service/clustered-service.js';
import { EgressResult, ServiceMessageResult } from '../../src/service/clustered-service.js';
import { findLocalEndpoints } from '../../src/tools/free-ports.js';
import { atEnd } from '../support/at-end.js';
import { until as untilWithin } from '../support/until.js';

const MIB = 1024 * 1024;
const MEMBER_COUNT = 3;
const LOG_TERM_LENGTH = 32 * MIB;
const EGRESS_TERM_LENGTH = 32 * MIB;
const INGRESS_TERM_LENGTH = 64 * MIB;
const CLUSTER = {
  durability: 'page-cache',
  logTermLength: LOG_TERM_LENGTH,
  segmentLength: LOG_TERM_LENGTH,
  egressTermLength: EGRESS_TERM_LENGTH,
  egressBufferLengthMax: 64 * MIB,
  // Nothing of this is about elections, and the machine may be slow.
  leaderTimeoutMs: 3_000,
} as const;
/** An eighth of a term, less the header of a session's message. */
const MESSAGE_LENGTH_MAX = LOG_TERM_LENGTH / 8 - 32;
const SERVICE_MESSAGE_LENGTH_MAX = LOG_TERM_LENGTH / 8 - 48;
/** More than the buffers of the client hold. */
const MESSAGE_COUNT = 24;

/** Keeps a hash of everything that a service was given. */
class Witness {
  readonly #hash = createHash('sha256');
  count = 0;
  readonly lengths: number[] = [];

  add(buffer: DataView, offset: number, length: number): void {
    this.#hash.update(new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length));
    this.count++;
    this.lengths.push(length);
  }

  toString(): string {
    return `${this.count} ${this.#hash.copy().digest('hex')}`;
  }
}

/** What the services answered when they sent too much, in the order of the log. */
interface Answers {
  readonly service: number[];
  readonly egress: number[];
}

/** Sends what it is given back to the client, and as its own message into the log. */
function relayService(answers: Answers): ClusteredService {
  const witness = new Witness();
  let cluster: Cluster | undefined;
  return {
    onStart(started) {
      cluster = started;
    },
    onSessionMessage(session, _timestamp, buffer, offset, length) {
      witness.add(buffer, offset, length);
      const serviceLength = Math.min(length, cluster?.serviceMessageLengthMax ?? 0);
      cluster?.offer(buffer, offset, serviceLength);
      if (length === MESSAGE_LENGTH_MAX) {
        answers.service.push(cluster?.offer(buffer, offset, serviceLength + 1) ?? 0);
        const tooLong = new Uint8Array((cluster?.egressMessageLengthMax ?? 0) + 1);
        answers.egress.push(session.offer(tooLong, 0, tooLong.length));
      }
      session.offer(buffer, offset, length);
    },
    stateHash: () => witness.toString(),
  };
}

/** Keeps what other services send. */
function keepingService(): ClusteredService {
  const witness = new Witness();
  return {
    onSessionMessage: () => undefined,
    onServiceMessage(_serviceId, _timestamp, buffer, offset, length) {
      witness.add(buffer, offset, length);
    },
    stateHash: () => witness.toString(),
  };
}

function bodyOf(number: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const words = new Uint32Array(bytes.buffer, 0, length >> 2);
  for (let index = 0; index < words.length; index++) {
    words[index] = Math.imul(index + 1, 0x9e3779b1 + number);
  }
  return bytes;
}

/** Sends, as soon as there is room; returns how often there was none. */
async function send(client: NodeClient, bytes: Uint8Array): Promise<number> {
  let refusedCount = 0;
  await until(() => {
    const isTaken = client.client.offer(bytes, 0, bytes.length) >= 0;
    client.wake();
    refusedCount += isTaken ? 0 : 1;
    return isTaken;
  }, 'the client has room');
  return refusedCount;
}

/** A hundred megabytes go to three disks, on a machine that may do other things as well. */
const LIMIT_MS = 180_000;

function until(condition: () => boolean, what: string): Promise<void> {
  return untilWithin(condition, what, LIMIT_MS);
}

interface Stage {
  readonly running: RunningMember[];
  /** By member. */
  readonly answers: Answers[];
  /** Hashes of what came back, in order. */
  readonly received: string[];
  readonly leaderId: number;
  readonly client: NodeClient;
}

/** Three members with two services, and a client of the one that leads. */
async function startStage(t: Test): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), 'pawl-long-'));
  const { ingress, members } = await findLocalEndpoints(MEMBER_COUNT);
  const answers: Answers[] = [];
  const running: RunningMember[] = [];
  atEnd(t, async () => {
    await Promise.all(running.map((member) => member.stop()));
    rmSync(directory, { recursive: true, force: true });
  });
  for (let memberId = 0; memberId < MEMBER_COUNT; memberId++) {
    const own: Answers = { service: [], egress: [] };
    answers.push(own);
    const options = {
      cluster: { ...CLUSTER, members },
      member: { memberId, memoryLength: 1024 * MIB, mtuLength: 61_440, windowLength: 4 * MIB },
      directory: join(directory, `member-${memberId}`),
    };
    await bootstrapMember(options);
    const serviceFactory = [() => relayService(own), keepingService];
    running.push(runMember({ ...options, serviceFactory }));
  }
  await until(() => running.some((one) => one.status().isIngressOpen), 'a leader takes ingress');
  const leaderId = running.findIndex((one) => one.status().isIngressOpen);
  const received: string[] = [];
  const client = await connectClient(
    {
      // A stream to one member alone: three of this size would not fit into a client's memory.
      ingressEndpoints: ingress.split(',')[leaderId] ?? '',
      mtuLength: 61_440,
      ingressTermLength: INGRESS_TERM_LENGTH,
      windowLength: 4 * MIB,
    },
    {
      onMessage: (view, offset, length) => {
        received.push(hashOf(new Uint8Array(view.buffer, view.byteOffset + offset, length)));
      },
    },
  );
  atEnd(t, () => client.close());
  return { running, answers, received, leaderId, client };
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

test('messages of megabytes pass ingress, log, services and egress, no longer ones', async (t) => {
  const { answers, client, leaderId, received, running } = await startStage(t);
  const bodies = Array.from({ length: MESSAGE_COUNT }, (_, number) =>
    bodyOf(number, number === 0 ? MESSAGE_LENGTH_MAX : 2 * MIB + 1_000 * number),
  );
  // One that the client may send, and no log of this cluster can hold: dropped where it comes in.
  await send(client, bodyOf(99, MESSAGE_LENGTH_MAX + 1));
  let refusedCount = 0;
  for (const body of bodies) {
    refusedCount += await send(client, body);
  }
  t.ok(refusedCount > 0, `the client was told to wait ${refusedCount} times`);
  await until(() => received.length === MESSAGE_COUNT, 'all have come back');
  t.deepEqual(received, bodies.map(hashOf), 'byte by byte, in order');
  await until(
    () => running.every((one) => one.status().services[1]?.serviceMessageCount === MESSAGE_COUNT),
    'the other service has what the first one sent',
  );
  const sent = createHash('sha256');
  for (const body of bodies) {
    sent.update(body.subarray(0, SERVICE_MESSAGE_LENGTH_MAX));
  }
  const expected = `${MESSAGE_COUNT} ${sent.digest('hex')}`;
  for (const member of running) {
    const { memberId, services } = member.status();
    t.equal(services[1]?.stateHash, expected, `messages of service 0 at member ${memberId}`);
  }
  await until(
    () => running.every((one) => one.status().stateHash === running[0]?.status().stateHash),
    'the first services are equal',
  );
  for (const { egress, service } of answers) {
    t.deepEqual(service, [ServiceMessageResult.TooLong], 'one byte more for the log is refused');
    t.deepEqual(egress, [EgressResult.TooLong], 'and one byte more for a client');
  }
  t.equal(running[leaderId]?.status().counters.ingressRejected, 1, 'what was too long is counted');
  const lengthMax = INGRESS_TERM_LENGTH / 8 - 32;
  const beyond = new Uint8Array(lengthMax + 1);
  t.throws(
    () => client.client.offer(beyond, 0, beyond.length),
    new RegExp(`at most ${lengthMax} fit; split it, or raise ingressTermLength`),
    'and the client refuses what its own stream cannot hold',
  );
});
