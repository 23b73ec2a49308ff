// Services on threads of their own, in real processes: what a callback that takes long costs, and
// how such a member ends.

import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test, { type Test } from 'tape';
import { connect, type RequestSession } from '../../src/host/connect.js';
import { ExitCode } from '../../src/host/exit-codes.js';
import type { NodeMemberStatus } from '../../src/host/node-member.js';
import type { MemberProcess } from './member-process.js';
import { leaderOf, ProcessCluster, pause } from './process-cluster.js';

const SERVICE = fileURLToPath(new URL('./blocking-service.js', import.meta.url));
const Action = { Count: 1, Block: 2, Throw: 3 } as const;
const NOBODY = 0xffff_ffff;
const TICK_MS = 10;
/** Of one callback each; the leader timeout is 600 ms. */
const BLOCKS_MS = [1_000, 1_500, 2_000, 1_200];
/** Bytes of log that the others commit meanwhile at least. */
const PROGRESS_LENGTH = 512;
const END_TIMEOUT_MS = 20_000;

type Threads = 'shared' | 'dedicated';

function message(action: number, memberId = NOBODY, value = 0, length = 12): Uint8Array {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, action, true);
  view.setUint32(4, memberId, true);
  view.setUint32(8, value, true);
  return bytes;
}

function start(threads: Threads): Promise<ProcessCluster> {
  return ProcessCluster.start({ durability: 'fsync', member: { threads }, services: [SERVICE] });
}

/** Sends counts at a steady rate, and knows how many were answered. */
class Ticker {
  readonly #timer: NodeJS.Timeout;
  readonly #pending = new Set<Promise<void>>();
  answered = 0;
  readonly failures: string[] = [];

  constructor(session: RequestSession) {
    this.#timer = setInterval(() => {
      const one: Promise<void> = session
        .request(message(Action.Count))
        .then(
          () => {
            this.answered++;
          },
          (error: Error) => {
            this.failures.push(error.message);
          },
        )
        .finally(() => this.#pending.delete(one));
      this.#pending.add(one);
    }, TICK_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#pending);
  }
}

function others(
  statuses: readonly NodeMemberStatus[],
  leader: MemberProcess,
): readonly NodeMemberStatus[] {
  return statuses.filter((status) => status.memberId !== leader.memberId);
}

/** Blocks the leader's service once. Returns how far the others came meanwhile, in bytes of log. */
async function blockLeader(
  cluster: ProcessCluster,
  session: RequestSession,
  leader: MemberProcess,
  blockMs: number,
): Promise<{ readonly committed: number; readonly applied: number; readonly tookMs: number }> {
  const startedMs = performance.now();
  let isBlocked = true;
  const answer = session.request(message(Action.Block, leader.memberId, blockMs)).then(() => {
    isBlocked = false;
  });
  await pause(blockMs / 4);
  const followers = cluster.members.filter((member) => member !== leader);
  const observe = async () => {
    const statuses = await Promise.all(followers.map((member) => member.status()));
    return statuses.filter((status) => status !== undefined);
  };
  const before = await observe();
  let after = before;
  while (isBlocked) {
    const now = await observe();
    after = isBlocked ? now : after;
    await pause(TICK_MS);
  }
  await answer;
  const least = (of: (status: NodeMemberStatus) => number): number =>
    Math.min(...after.map((status, index) => of(status) - of(before[index] ?? status)));
  return {
    committed: least((status) => status.commitPosition),
    applied: least((status) => status.servicePosition),
    tookMs: performance.now() - startedMs,
  };
}

test('a service that blocks for seconds on a thread of its own costs no election', async (t) => {
  const cluster = await start('dedicated');
  try {
    const leader = await cluster.leader();
    const termId = leaderOf(await cluster.statuses())?.leadershipTermId ?? -1;
    const session = await connect({ ingressEndpoints: cluster.ingress });
    const ticker = new Ticker(session);
    for (const blockMs of BLOCKS_MS) {
      const meanwhile = await blockLeader(cluster, session, leader, blockMs);
      t.ok(meanwhile.tookMs >= blockMs, `the leader's service was held for ${blockMs} ms`);
      t.ok(meanwhile.committed > PROGRESS_LENGTH, `the others committed ${meanwhile.committed}`);
      t.ok(meanwhile.applied > PROGRESS_LENGTH, `and applied ${meanwhile.applied} meanwhile`);
      await session.request(message(Action.Count));
    }
    await ticker.stop();
    t.deepEqual(ticker.failures, [], `all ${ticker.answered} requests were answered`);
    session.close();
    const statuses = await cluster.settle();
    t.deepEqual(
      statuses.map((status) => status.leadershipTermId),
      [termId, termId, termId],
      'the term has not changed',
    );
    t.equal(leaderOf(statuses)?.memberId, leader.memberId, 'nor has the leader');
    t.equal(new Set(statuses.map((status) => status.stateHash)).size, 1, 'states are equal');
    const longestNs = leaderOf(statuses)?.counters.serviceLongestTurnNs ?? 0;
    t.ok(longestNs > 1.9e9, `the longest turn of its service took ${longestNs / 1e6} ms`);
    t.equal(others(statuses, leader).length, 2);
  } finally {
    await cluster.dispose();
  }
});

test('on the thread of everything else the same callback costs the leadership', async (t) => {
  const cluster = await start('shared');
  try {
    const leader = await cluster.leader();
    const termId = leaderOf(await cluster.statuses())?.leadershipTermId ?? -1;
    const session = await connect({ ingressEndpoints: cluster.ingress });
    const held = session.request(message(Action.Block, leader.memberId, 2_000));
    await cluster.waitFor('another leader', (statuses) => {
      const next = leaderOf(others(statuses, leader));
      return next !== undefined && next.leadershipTermId > termId;
    });
    t.pass('another member was elected');
    await held.catch((error: Error) => t.comment(error.message));
    session.close();
  } finally {
    await cluster.dispose();
  }
});

async function endOf(t: Test, member: MemberProcess): Promise<string> {
  const end = await Promise.race([member.expectEnd(), pause(END_TIMEOUT_MS)]);
  if (end === undefined) {
    t.fail(`member ${member.memberId} does not end`);
    return '';
  }
  return end.signal ?? String(end.code);
}

test('a dedicated service that throws ends its process with code 8 and its words', async (t) => {
  const cluster = await start('dedicated');
  try {
    const leader = await cluster.leader();
    const ended = endOf(t, leader);
    const session = await connect({ ingressEndpoints: cluster.ingress });
    session.request(message(Action.Throw, leader.memberId)).catch((error: Error) => {
      t.comment(`the client: ${error.message}`);
    });
    t.equal(await ended, String(ExitCode.Service));
    t.match(leader.errorOutput, /the service threw at log position \d+: Error: told to throw/);
    t.match(leader.errorOutput, /blocking-service\.js/, 'with the place where it happened');
    await cluster.waitFor('another leader', (statuses) => leaderOf(statuses) !== undefined);
    t.pass('the others elect another leader');
    session.close();
  } finally {
    await cluster.dispose();
  }
});

test('members with dedicated threads leave cleanly, and come back with their state', async (t) => {
  const cluster = await start('dedicated');
  try {
    const session = await connect({ ingressEndpoints: cluster.ingress });
    await Promise.all(Array.from({ length: 50 }, () => session.request(message(Action.Count))));
    session.close();
    const before = await cluster.settle();
    for (const member of cluster.members) {
      const left = endOf(t, member);
      await member.leave();
      t.equal(await left, String(ExitCode.Ok), `member ${member.memberId} leaves with code 0`);
    }
    for (const member of cluster.members) {
      member.start();
    }
    const after = await cluster.settle();
    t.deepEqual(
      after.map((status) => status.stateHash),
      before.map((status) => status.stateHash),
    );
  } finally {
    await cluster.dispose();
  }
});

test('a process whose engine has failed ends even while its service blocks', async (t) => {
  const cluster = await start('dedicated');
  try {
    const leader = await cluster.leader();
    const ended = endOf(t, leader);
    const session = await connect({ ingressEndpoints: cluster.ingress });
    const give = (): void => undefined;
    session.request(message(Action.Block, leader.memberId, 60_000)).catch(give);
    // The next segment cannot be made.
    rmSync(leader.directory, { recursive: true });
    const filling = setInterval(() => {
      session.request(message(Action.Count, NOBODY, 0, 8_000)).catch(give);
    }, 2);
    const how = await ended;
    clearInterval(filling);
    t.ok(['SIGKILL', String(ExitCode.Storage)].includes(how), `it ended with ${how}`);
    session.close();
  } finally {
    await cluster.dispose();
  }
});
