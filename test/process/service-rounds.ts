// service-rounds.ts: two services with state and timers on one log, that send messages to each
// other, on three members that are killed and restarted at random moments.
//
// At the end all members must have the state that a replay of the whole log has, from its first
// byte, without any snapshot; and no message, timer or request may have come twice, too late in its
// order, or not at all.

import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  connectExactlyOnce,
  type ExactlyOnceConnection,
} from '../../src/host/connect-exactly-once.js';
import type { NodeMemberStatus } from '../../src/host/node-member.js';
import type { ServiceFactory } from '../../src/service/clustered-service.js';
import { replayLog } from './log-replay.js';
import { type Durability, ProcessCluster, pause } from './process-cluster.js';
import { SeededRandom } from './random.js';

const KIB = 1024;
const GEOMETRY = { termLength: 64 * KIB, segmentLength: 256 * KIB };
/** By service id. */
const SERVICES = ['paired-service.js', 'paired-second.js'].map((name) =>
  fileURLToPath(new URL(name, import.meta.url)),
);
interface ServiceModule {
  readonly createService: ServiceFactory;
}

/** Snapshots are taken all the time, so that most starts are from one. */
const SNAPSHOT_INTERVAL_LENGTH = 128 * KIB;
/** Nothing here is about how soon a leader is missed, and the machine may be busy. */
const PATIENCE = { leaderTimeoutMs: 2_400, electionTimeoutMs: 1_200 };
/** Each request causes some eight messages: a busy machine has to keep up with them. */
const REQUEST_INTERVAL_MS = 20;
const REQUEST_TIMEOUT_MS = 120_000;
const BEFORE_KILL_MS = 400;
const DOWN_MS = 300;
/** Of a hundred kills so many end all members at once. */
const ALL_PERCENT = 15;
const SETTLE_TIMEOUT_MS = 120_000;
/** Events of each member that are told when a run ends before its end. */
const FAILURE_EVENT_COUNT = 60;

export interface RoundsOptions {
  readonly kills: number;
  readonly seed: number;
  readonly durability: Durability;
  /** Told after each kill. */
  readonly onRound?: (text: string) => void;
}

/** What came of it. */
export interface RoundsVerdict {
  readonly kills: number;
  readonly seed: number;
  readonly logLength: number;
  readonly leadershipTerms: number;
  /** Starts of a member from a snapshot, about: those after the first snapshot. */
  readonly snapshots: number;
  readonly requests: { readonly answered: number; readonly unknown: number };
  readonly serviceMessages: number;
  readonly timersFired: number;
  /** State hashes of the services of the members, and of the replay. */
  readonly states: readonly (readonly string[])[];
  readonly replayed: readonly string[];
  /** What did not hold; empty when all did. */
  readonly problems: readonly string[];
}

/** Requests at a steady pace, of which none may be executed twice. */
class Load {
  answeredCount = 0;
  unknownCount = 0;
  readonly problems: string[] = [];
  readonly #client: ExactlyOnceConnection;
  readonly #orders = new Set<number>();
  #sequence = 0;
  #isStopped = false;
  readonly #done: Promise<void>;

  constructor(client: ExactlyOnceConnection) {
    this.#client = client;
    this.#done = this.#run();
  }

  /** Makes no more requests; resolves when those under way have an outcome. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    const open = new Set<Promise<void>>();
    while (!this.#isStopped) {
      const request = this.#request(++this.#sequence);
      open.add(request);
      void request.then(() => open.delete(request));
      await pause(REQUEST_INTERVAL_MS);
    }
    await Promise.all(open);
  }

  async #request(sequence: number): Promise<void> {
    try {
      const { bytes } = await this.#client.request(new Uint8Array(Uint32Array.of(sequence).buffer));
      const order = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
      if (this.#orders.has(order)) {
        this.problems.push(`two requests were answered as number ${order}`);
      }
      this.#orders.add(order);
      this.answeredCount++;
    } catch (error) {
      const code = (error as { code?: string }).code ?? String(error);
      // More than may be under way at a time, while nobody leads: it was not sent.
      if (code === 'OUTCOME_UNKNOWN') {
        this.unknownCount++;
      } else if (code !== 'LIMIT_EXCEEDED' && code !== 'TIMEOUT') {
        this.problems.push(`request ${sequence} ended in ${String(error)}`);
      }
    }
  }
}

/** Kills one member or all, and starts them again. */
async function killOnce(cluster: ProcessCluster, random: SeededRandom): Promise<string> {
  await pause(random.between(0, BEFORE_KILL_MS));
  const victims = random.chance(ALL_PERCENT)
    ? random.shuffled(cluster.members)
    : [random.pick(cluster.members)];
  await Promise.all(victims.map((member) => member.kill()));
  await pause(random.between(0, DOWN_MS));
  for (const victim of victims) {
    victim.start();
  }
  return `killed ${victims.map((member) => member.memberId).join(', ')}`;
}

/** Plays the rounds. */
export async function playServiceRounds(options: RoundsOptions): Promise<RoundsVerdict> {
  const { durability, kills, onRound, seed } = options;
  const random = new SeededRandom(seed);
  const cluster = await ProcessCluster.start({
    durability,
    geometry: GEOMETRY,
    services: SERVICES,
    cluster: PATIENCE,
    member: { snapshotIntervalLength: SNAPSHOT_INTERVAL_LENGTH },
  });
  try {
    const client = await connectExactlyOnce({
      ingressEndpoints: cluster.ingress,
      requests: { requestTimeoutNs: REQUEST_TIMEOUT_MS * 1e6 },
    });
    const load = new Load(client);
    for (let round = 1; round <= kills; round++) {
      const before = load.answeredCount;
      const text = await killOnce(cluster, random);
      await cluster.waitFor('more answers', () => load.answeredCount > before, SETTLE_TIMEOUT_MS);
      onRound?.(`${round} of ${kills}: ${text}; ${load.answeredCount} requests answered`);
    }
    await load.stop();
    client.close();
    return await judge(cluster, load, options);
  } catch (error) {
    for (const { events, memberId } of cluster.members) {
      for (const event of events.slice(-FAILURE_EVENT_COUNT)) {
        onRound?.(`member ${memberId}: ${JSON.stringify(event)}`);
      }
    }
    throw error;
  } finally {
    await cluster.dispose();
  }
}

/** Waits until nothing moves any more, and compares the members with the log. */
async function judge(
  cluster: ProcessCluster,
  load: Load,
  { kills, seed }: RoundsOptions,
): Promise<RoundsVerdict> {
  const statuses = await settled(cluster);
  const modules = await Promise.all(SERVICES.map((path) => import(path) as Promise<ServiceModule>));
  const [first] = statuses;
  const limit = first?.commitPosition ?? 0;
  const directory = cluster.memberOf(0).directory;
  const replayed = replayLog(
    directory,
    GEOMETRY,
    limit,
    modules.map(({ createService }) => createService),
  );
  const states = statuses.map((status) => status.services.map((one) => one.stateHash ?? ''));
  const [, requestCount = 0, , fromFirst = 0, fromSecond = 0] = numbersOf(replayed[0]);
  const problems = [...load.problems];
  for (const [memberId, state] of states.entries()) {
    if (state.join() !== replayed.join()) {
      problems.push(`member ${memberId} has ${state.join()}, and the log makes ${replayed.join()}`);
    }
  }
  for (const [serviceId, state] of replayed.entries()) {
    const [, , sent, ...received] = numbersOf(state);
    if (numbersOf(state).at(-1) !== 0) {
      problems.push(`service ${serviceId} saw what came twice, in another order or not at all`);
    }
    if (sent !== received[serviceId]) {
      problems.push(`service ${serviceId} sent ${sent} messages, and ${received[serviceId]} came`);
    }
  }
  if (load.answeredCount > requestCount) {
    problems.push(`${load.answeredCount} requests were answered, and ${requestCount} executed`);
  }
  return {
    kills,
    seed,
    logLength: limit,
    leadershipTerms: first?.leadershipTermId ?? 0,
    snapshots: cluster.memberOf(0).events.filter(({ event }) => event === 'snapshot').length,
    requests: { answered: load.answeredCount, unknown: load.unknownCount },
    serviceMessages: fromFirst + fromSecond,
    timersFired: replayed.reduce((sum, state) => sum + (numbersOf(state).at(-2) ?? 0), 0),
    states,
    replayed,
    problems,
  };
}

/** All members have all of the log, and nothing is on its way or due any more. */
async function settled(cluster: ProcessCluster): Promise<readonly NodeMemberStatus[]> {
  const isAtRest = (status: NodeMemberStatus): boolean =>
    status.services.every((one) => one.pendingMessageCount === 0 && one.pendingTimerCount === 0);
  for (const endMs = Date.now() + SETTLE_TIMEOUT_MS; ; await sleep(50)) {
    const statuses = await cluster.settle(SETTLE_TIMEOUT_MS);
    if (statuses.every(isAtRest) || Date.now() > endMs) {
      return statuses;
    }
  }
}

/** The numbers behind the hash of a state. */
function numbersOf(state: string | undefined): number[] {
  return (state ?? '').split('-').map(Number);
}
