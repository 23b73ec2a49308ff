// snapshot-members.ts: three members of a key/value store on real sockets and disks, and their
// life: snapshots, a log that is purged, a restart, and a member whose directory is gone.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tape';
import { bootstrapMember } from '../../src/host/bootstrap.js';
import { connect, type RequestSession } from '../../src/host/connect.js';
import { type MemberEvent, type RunningMember, runMember } from '../../src/host/node-member.js';
import { findLocalEndpoints } from '../../src/tools/free-ports.js';
import {
  decodeAnswer,
  encodeRequest,
  type KeyValueAnswer,
  KeyValueOperation,
  type KeyValueRequest,
  KeyValueResult,
} from '../../src/tools/services/key-value-messages.js';
import { createService } from '../../src/tools/services/key-value-service.js';
import { until } from './until.js';

const KIB = 1024;
const MEMBER_COUNT = 3;

const SERVICE_MODULE = new URL('../../src/tools/services/key-value-service.ts', import.meta.url);

/** Where the services run, and who writes the snapshots of all members but the first. */
export interface Layout {
  readonly threads: 'shared' | 'dedicated';
  readonly snapshotBy?: 'service' | 'shadow';
}

/** Members in this process, in directories of their own. */
export class Members {
  readonly directory = mkdtempSync(join(tmpdir(), 'pawl-snapshots-'));
  readonly running: RunningMember[] = [];
  readonly events: MemberEvent[][] = [];
  readonly #settings: { members: string };
  readonly #layout: Layout;

  private constructor(members: string, layout: Layout) {
    this.#settings = { members };
    this.#layout = layout;
  }

  static async start(layout: Layout): Promise<{ members: Members; ingress: string }> {
    const { ingress, members } = await findLocalEndpoints(MEMBER_COUNT);
    const made = new Members(members, layout);
    for (let memberId = 0; memberId < MEMBER_COUNT; memberId++) {
      await bootstrapMember(made.#optionsOf(memberId));
      made.startMember(memberId);
    }
    return { members: made, ingress };
  }

  startMember(memberId: number): void {
    const events: MemberEvent[] = [];
    this.events[memberId] = events;
    this.running[memberId] = runMember({
      ...this.#optionsOf(memberId),
      serviceFactory: createService,
      serviceModule: SERVICE_MODULE.href,
      onEvent: (event) => events.push(event),
    });
  }

  pathOf(memberId: number): string {
    return join(this.directory, `member-${memberId}`);
  }

  leader(): RunningMember | undefined {
    return this.running.find((member) => member.status().isIngressOpen);
  }

  async close(): Promise<void> {
    await Promise.all(this.running.map((member) => member.stop()));
    rmSync(this.directory, { recursive: true, force: true });
  }

  #optionsOf(memberId: number) {
    return {
      cluster: {
        ...this.#settings,
        durability: 'fsync' as const,
        logTermLength: 64 * KIB,
        segmentLength: 64 * KIB,
      },
      member: {
        memberId,
        memoryLength: 64 * 1024 * KIB,
        logRetention: 'snapshots' as const,
        threads: this.#layout.threads,
        snapshotBy: memberId === 0 ? ('service' as const) : (this.#layout.snapshotBy ?? 'service'),
      },
      directory: this.pathOf(memberId),
    };
  }
}

export async function ask(
  session: RequestSession,
  request: KeyValueRequest,
): Promise<KeyValueAnswer> {
  return decodeAnswer((await session.request(encodeRequest(request))).bytes);
}

async function putMany(session: RequestSession, from: number, count: number): Promise<void> {
  for (let start = from; start < from + count; start += 50) {
    const puts: Promise<KeyValueAnswer>[] = [];
    for (let number = start; number < Math.min(start + 50, from + count); number++) {
      const value = new Uint8Array(500).fill(number & 0xff);
      puts.push(ask(session, { operation: KeyValueOperation.Put, key: `key ${number}`, value }));
    }
    await Promise.all(puts);
  }
}

/** Has a snapshot taken and waits until all that run have it. */
async function takeSnapshot(members: Members, running: readonly RunningMember[]): Promise<void> {
  const before = Math.max(...running.map((one) => one.status().snapshotPosition));
  members.leader()?.requestSnapshot();
  await until(
    () => running.every((one) => one.status().snapshotPosition > before),
    'all have a snapshot',
  );
}

function firstSegment(path: string): number {
  const bases = readdirSync(path).map((name) => /^0-(\d+)\.rec$/.exec(name)?.[1]);
  return Math.min(...bases.filter((base) => base !== undefined).map(Number));
}

/** All bytes of the recording with the greatest number. */
function newestSnapshot(path: string): Buffer {
  const files = readdirSync(path).flatMap((name) => {
    const match = /^([1-9]\d*)-(\d+)\.rec$/.exec(name);
    return match === null ? [] : [{ name, id: Number(match[1]), base: Number(match[2]) }];
  });
  const newest = Math.max(...files.map((file) => file.id));
  const parts = files.filter((file) => file.id === newest).sort((a, b) => a.base - b.base);
  return Buffer.concat(parts.map((file) => readFileSync(join(path, file.name))));
}

/** Snapshots, purging, a restart and the loss of a directory, one after another. */
export async function live(t: Test, layout: Layout): Promise<void> {
  const { members, ingress } = await Members.start(layout);
  await until(() => members.leader() !== undefined, 'a leader opens its ingress');
  const session = await connect({ ingressEndpoints: ingress });
  await putMany(session, 0, 400);
  await takeSnapshot(members, members.running);
  await putMany(session, 400, 400);
  await takeSnapshot(members, members.running);
  const states = members.running.map((one) => one.status().stateHash);
  await until(
    () => members.running.every((one) => one.status().stateHash === states[0]),
    'states are equal',
  );
  const written = members.running.map((_, memberId) => newestSnapshot(members.pathOf(memberId)));
  t.ok((written[0]?.length ?? 0) > 100 * KIB, `a snapshot has ${written[0]?.length} bytes`);
  t.ok(
    written.every((bytes) => written[0]?.equals(bytes)),
    'it is equal byte by byte on all members, whoever wrote it',
  );
  if (layout.snapshotBy === 'shadow') {
    const shadowed = members.running.map((one) => one.status().counters.snapshotsByShadow ?? 0);
    t.deepEqual(shadowed, [0, 2, 2], 'shadows wrote those of the second and third');
    const paused = members.running.map((one) => one.status().counters.snapshotPauseNs ?? 0);
    t.ok((paused[0] ?? 0) > 0, `the first service stood still for ${paused[0]} ns`);
    t.deepEqual(paused.slice(1), [0, 0], 'the others never did');
  }
  const follower = members.running.findIndex((one) => !one.status().isIngressOpen);
  await until(() => firstSegment(members.pathOf(follower)) > 0, 'the follower has purged');
  t.pass('the follower purged the beginning of its log');

  await members.running[follower]?.stop();
  members.startMember(follower);
  await until(
    () => members.running[follower]?.status().stateHash === states[0],
    'it has its state',
  );
  t.ok((members.running[follower]?.status().messageCount ?? 1_000) < 400, 'it replayed the rest');

  await members.running[follower]?.stop();
  rmSync(members.pathOf(follower), { recursive: true });
  // A follower that left is not waited for when the log is purged.
  const others = members.running.filter((_, memberId) => memberId !== follower);
  await putMany(session, 800, 300);
  await takeSnapshot(members, others);
  await putMany(session, 1_100, 300);
  await takeSnapshot(members, others);
  members.startMember(follower);
  const expected = members.leader()?.status().stateHash;
  await until(() => members.running[follower]?.status().stateHash === expected, 'it has the state');
  const texts = (members.events[follower] ?? []).map((event) => JSON.stringify(event));
  t.ok(
    texts.some((text) => text.includes('was taken from the leader')),
    'the member with the empty directory took a snapshot and started again from it',
  );
  const got = await ask(session, { operation: KeyValueOperation.Get, key: 'key 7' });
  t.deepEqual([got.result, got.value[0], got.value.length], [KeyValueResult.Ok, 7, 500]);
  t.ok(got.logPosition > 0, `the answer holds at ${got.logPosition}`);
  session.close();
  await members.close();
}
