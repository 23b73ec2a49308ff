// Clients and their sessions while leaders die: requests that are executed exactly once whoever
// leads, sessions that end by an event of the log alone, and a storm of sessions that takes none
// from anybody.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'tape';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { connectExactlyOnce } from '../../src/host/connect-exactly-once.js';
import { connectClient, type NodeClient } from '../../src/host/node-client.js';
import { Exercise, ledgerCounts } from './exercise.js';
import { expect, playRows, type RowCase } from './matrix.js';
import { LEADER_TIMEOUT_MS, leaderOf, pause } from './process-cluster.js';
import { runSeed, type SeededRandom } from './random.js';

const REQUEST_COUNT = 400;
const REQUEST_GAP_MS = 8;
const KILL_COUNT = 3;
const CLIENT_NUMBER = 77;
const REPLY_LENGTH = 12;

function requestBytes(sequence: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, CLIENT_NUMBER, true);
  view.setUint32(4, sequence, true);
  return bytes;
}

/** Requests go on while one leader after another dies; each is executed once and answered once. */
async function retryAcrossLeaders(exercise: Exercise, random: SeededRandom): Promise<string> {
  const { cluster } = exercise;
  const client = await connectExactlyOnce({ ingressEndpoints: cluster.ingress });
  const orders = new Map<number, number>();
  const failures: string[] = [];
  const makeRequests = async (): Promise<void> => {
    const replies: Promise<void>[] = [];
    for (let sequence = 1; sequence <= REQUEST_COUNT; sequence++) {
      const answered = client.request(requestBytes(sequence)).then(
        ({ bytes }) => {
          const view = new DataView(bytes.buffer, bytes.byteOffset, REPLY_LENGTH);
          expect(view.getUint32(4, true) === sequence, `another reply than to ${sequence}`);
          orders.set(sequence, view.getUint32(8, true));
        },
        (error: unknown) => failures.push(`request ${sequence}: ${String(error)}`),
      );
      replies.push(answered.then(() => undefined));
      await pause(REQUEST_GAP_MS);
    }
    await Promise.all(replies);
  };
  const made = makeRequests();
  for (let count = 0; count < KILL_COUNT; count++) {
    await pause(random.between(200, 900));
    const leader = await cluster.leader();
    const before = leaderOf(await cluster.statuses())?.leadershipTermId ?? -1;
    await leader.kill();
    await cluster.waitFor('the next leader', (all) => {
      return (leaderOf(all)?.leadershipTermId ?? -1) > before;
    });
    leader.start();
    await exercise.acknowledgeMore(10);
  }
  await made;
  client.close();
  expect(failures.length === 0, failures.slice(0, 3).join('; '));
  expect(orders.size === REQUEST_COUNT, `${orders.size} of ${REQUEST_COUNT} were answered`);
  expect(new Set(orders.values()).size === REQUEST_COUNT, 'two requests have one place');
  await exercise.balance();
  const { repeated, requests } = ledgerCounts((await cluster.statuses())[0]);
  expect(requests === REQUEST_COUNT && repeated === 0, `executed ${requests}, again ${repeated}`);
  return `${requests} requests over ${client.sessionCount} sessions, ${KILL_COUNT} leaders killed`;
}

const SESSION_TIMEOUT_MS = 1_500;
const HOLDER = fileURLToPath(new URL('./session-holder.ts', import.meta.url));
const HOLDER_TIMEOUT_MS = 15_000;

/** A client in a process of its own. */
class Holder {
  output = '';
  readonly process: ChildProcess;

  constructor(ingress: string) {
    const stdio = ['ignore', 'pipe', 'inherit', 'ipc'] as const;
    const args = ['--import', 'tsx', HOLDER, ingress];
    this.process = spawn(process.execPath, args, { stdio: [...stdio] });
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
    });
  }

  async says(word: string): Promise<void> {
    const endMs = Date.now() + HOLDER_TIMEOUT_MS;
    while (!this.output.includes(word)) {
      expect(Date.now() < endMs, `the client did not say '${word}' but '${this.output}'`);
      await pause(10);
    }
  }
}

/** A client that sleeps too long is told so; one that does not, and all others, keep theirs. */
async function sleepTooLong(exercise: Exercise, random: SeededRandom): Promise<string> {
  const { cluster } = exercise;
  const holder = new Holder(cluster.ingress);
  try {
    await holder.says('open');
    holder.process.kill('SIGSTOP');
    await pause(SESSION_TIMEOUT_MS / 3);
    holder.process.kill('SIGCONT');
    await pause(SESSION_TIMEOUT_MS);
    expect(!holder.output.includes('closed'), 'a short sleep ends no session');
    // The leader sleeps as long as a session may be silent: no client is to blame for that.
    const leader = await cluster.leader();
    leader.freeze();
    await pause(SESSION_TIMEOUT_MS + random.between(0, LEADER_TIMEOUT_MS));
    leader.thaw();
    await exercise.acknowledgeMore(20);
    await cluster.settle();
    expect(!holder.output.includes('closed'), 'a leader that sleeps ends no session');
    const before = (await cluster.statuses())[0]?.sessionCount ?? 0;
    holder.process.kill('SIGSTOP');
    await cluster.waitFor('every member to have closed the session', (all) =>
      all.every(({ sessionCount }) => sessionCount === before - 1),
    );
    holder.process.kill('SIGCONT');
    await holder.says('closed');
    expect(exercise.sessions.length === exercise.clients.length, 'nobody else lost a session');
    return `it said: ${holder.output.trim().split('\n').at(-1)}`;
  } finally {
    holder.process.kill('SIGKILL');
  }
}

const SESSION_COUNT_MAX = 12;
const STORM_WIDTH = 24;
const STORM_ROUNDS = 2;
const STORM_TIMEOUT_MS = 15_000;

/** More clients than there is room for: those beyond are refused, and nobody is put out. */
async function stormOfSessions(exercise: Exercise): Promise<string> {
  const { cluster } = exercise;
  const counts = { opened: 0, refused: 0 };
  const open = async (): Promise<NodeClient | undefined> => {
    try {
      const client = await connectClient(
        { ingressEndpoints: cluster.ingress, connectTimeoutMs: STORM_TIMEOUT_MS },
        { onMessage: () => undefined },
      );
      counts.opened++;
      return client;
    } catch (error) {
      const code = error instanceof PawlError ? error.code : undefined;
      // A machine that is busy may have no time for all of them.
      expect(code === ErrorCode.SessionRefused || code === ErrorCode.Timeout, String(error));
      counts.refused += code === ErrorCode.SessionRefused ? 1 : 0;
      return undefined;
    }
  };
  for (let round = 0; round < STORM_ROUNDS; round++) {
    const clients = await Promise.all(Array.from({ length: STORM_WIDTH }, open));
    const statuses = await cluster.statuses();
    expect(
      statuses.every(({ sessionCount }) => sessionCount <= SESSION_COUNT_MAX),
      'no member has more sessions than are allowed',
    );
    for (const client of clients) {
      client?.close();
    }
    await cluster.waitFor('the sessions to be closed', (all) =>
      all.every(({ sessionCount }) => sessionCount <= exercise.clients.length),
    );
  }
  expect(counts.opened > 0 && counts.refused > 0, JSON.stringify(counts));
  expect(exercise.sessions.length === exercise.clients.length, 'a live session was put out');
  return `${counts.opened} sessions opened, ${counts.refused} refused`;
}

const ROWS: readonly RowCase[] = [
  { id: 'X1', name: 'requests are retried across killed leaders', play: retryAcrossLeaders },
];
const SESSION_ROWS: readonly RowCase[] = [
  { id: 'X2', name: 'a client sleeps for longer than its session lives', play: sleepTooLong },
  { id: 'X3', name: 'more sessions are opened than there is room for', play: stormOfSessions },
];
const seed = runSeed();

test('requests are executed once, whoever leads', async (t) => {
  t.comment(`seed ${seed}: run again with PAWL_SEED=${seed}`);
  const exercise = await Exercise.start({ durability: 'fsync' });
  await playRows(t, exercise, ROWS, seed);
});

test('sessions end by the log alone', async (t) => {
  t.comment(`seed ${seed}: run again with PAWL_SEED=${seed}`);
  const exercise = await Exercise.start({
    durability: 'page-cache',
    cluster: { sessionTimeoutMs: SESSION_TIMEOUT_MS, sessionCountMax: SESSION_COUNT_MAX },
  });
  await playRows(t, exercise, SESSION_ROWS, seed);
});
