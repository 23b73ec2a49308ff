// simulate() demands of a healed cluster that it serves what clients have to say, and nothing else:
// workloads that run out, wait or seldom speak fail no seed, and a cluster that serves nobody does.

import test from 'tape';
import type { ClientSession, ClusteredService } from '../../../src/service/clustered-service.js';
import {
  ArenaPool,
  type SimulateOptions,
  type SimulateReport,
  Simulation,
  simulate,
  type WorkloadClient,
} from '../../../src/simulator/index.js';
import { UserApplication } from '../../../src/simulator/user/user-application.js';

const SECOND = 1_000_000_000;
/** Longer than anything that a client sends beside its commands. */
const COMMAND_LENGTH = 600;
/** In which what a session says is carried, and how long that is for a command at least. */
const MESSAGE_LENGTH_MIN = COMMAND_LENGTH;

/** Counts messages, and answers each with how many there were. */
class Counter implements ClusteredService {
  count = 0;

  onSessionMessage(session: ClientSession): void {
    this.count++;
    session.offer(new Uint8Array([this.count & 0xff]), 0, 1);
  }
}

function run(options: Partial<SimulateOptions<ClusteredService>>): SimulateReport {
  return simulate({
    service: () => new Counter(),
    workload: () => ({ next: () => 'add' }),
    seeds: 8,
    failures: 8,
    seconds: 3,
    faults: ['kill', 'partition', 'client kill'],
    minimize: false,
    ...options,
  });
}

function messagesOf({ failures }: SimulateReport): string[] {
  return failures.map(({ message, seed }) => `${seed}: ${message.slice(0, 200)}`);
}

/** Says one thing at a time, and the next one when that was answered. */
function patientClient(text: string): WorkloadClient {
  let isWaiting = false;
  return {
    next: () => {
      const said = isWaiting ? undefined : text;
      isWaiting = true;
      return said;
    },
    onReply: () => {
      isWaiting = false;
      return undefined;
    },
  };
}

test('workloads whose commands run out, or that have none, fail no seed', (t) => {
  const workload = (): WorkloadClient => {
    let left = 3;
    return { next: () => (left-- > 0 ? 'add' : undefined) };
  };
  const report = run({ workload });
  t.deepEqual(messagesOf(report), []);
  t.ok(report.commands > 8, `${report.commands} commands`);
  t.deepEqual(messagesOf(run({ seeds: 3, workload: () => ({ next: () => undefined }) })), []);
  t.end();
});

test('a client that waits for an answer that was lost fails no seed', (t) => {
  const report = run({ workload: () => patientClient('add') });
  t.deepEqual(messagesOf(report), []);
  t.ok(report.replies > 8, `${report.replies} replies`);
  t.end();
});

test('a client that speaks once in a hundred seconds is asked when the cluster is healed', (t) => {
  const report = run({ commandsPerSecond: 0.01, clients: 2 });
  t.deepEqual(messagesOf(report), []);
  // Once when its first moment has come, if it has, by a core, and by all.
  t.ok(report.commands >= 2 * 2 * report.seeds, `${report.commands} commands`);
  t.end();
});

test('a service that ends a session at each command fails no seed', (t) => {
  class Closing extends Counter {
    close: (id: number) => void = () => undefined;
    onStart(cluster: { closeSession(id: number): void }): void {
      this.close = (id) => cluster.closeSession(id);
    }
    override onSessionMessage(session: ClientSession): void {
      this.count++;
      this.close(session.id);
    }
  }
  const options = { service: () => new Closing(), stateOf: (one: ClusteredService) => one };
  t.deepEqual(messagesOf(run({ ...options, seeds: 4 })), []);
  t.deepEqual(messagesOf(run({ ...options, seeds: 4, workload: () => patientClient('add') })), []);
  t.end();
});

/** A run in which nothing of a kind reaches a member any more when the faults are over. */
function runSpoilt(
  seed: number,
  workload: () => WorkloadClient,
  isLost: (length: number) => boolean,
): string {
  const arenas = new ArenaPool();
  const options = { service: () => new Counter(), workload };
  const simulation = new Simulation({
    seed,
    arenas,
    profile: 'quiet',
    safetyNs: SECOND,
    makeApplication: (world, judge) =>
      new UserApplication({ options, world, judge, arenas, guard: undefined, focus: undefined }),
    guard: false,
  });
  let isSpoilt = false;
  const judge = simulation.liveness.run.bind(simulation.liveness);
  simulation.liveness.run = () => {
    isSpoilt = true;
    judge();
  };
  const memberCount = simulation.cluster.members.length;
  simulation.world.network.addFilter((source, _destination, _buffer, _offset, length) => {
    const isClient = source.id >= memberCount;
    return !(isSpoilt && isClient && isLost(length));
  });
  return simulation.run().violation?.message ?? 'no violation';
}

test('a cluster that takes no command any more is found, also by clients that wait', (t) => {
  const isCommand = (length: number): boolean => length > MESSAGE_LENGTH_MIN;
  const text = 'x'.repeat(COMMAND_LENGTH);
  for (const workload of [() => ({ next: () => text }), () => patientClient(text)]) {
    const message = runSpoilt(1, workload, isCommand);
    t.match(message, /not within 10 s: the healed cluster serves every client/);
  }
  t.end();
});

test('a client with nothing to say needs a session all the same', (t) => {
  const workload = (): WorkloadClient => ({ next: () => undefined });
  const message = runSpoilt(1, workload, () => true);
  t.match(message, /not within 10 s: the healed cluster serves every client/);
  t.equal(
    runSpoilt(1, workload, () => false),
    'no violation',
  );
  t.end();
});
