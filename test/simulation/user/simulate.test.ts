// simulate(): services with the classic faults of determinism are found and named; their correct
// twins pass; and what a user gets wrong is said.

import { randomUUID } from 'node:crypto';
import test from 'tape';
import type {
  ClientSession,
  Cluster,
  ClusteredService,
  Role,
} from '../../../src/service/clustered-service.js';
import { Replier } from '../../../src/service/request.js';
import { SnapshotMap } from '../../../src/service/snapshot-map.js';
import {
  type SimulateFailure,
  type SimulateOptions,
  simulate,
  type WorkloadContext,
} from '../../../src/simulator/index.js';

/** A log of texts: what it keeps of each is up to the services below. */
class Notes implements ClusteredService {
  readonly notes: unknown[] = [];

  onSessionMessage(
    session: ClientSession,
    timestamp: number,
    buffer: DataView,
    offset: number,
    length: number,
  ): void {
    const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length);
    this.note(new TextDecoder().decode(bytes), timestamp, bytes);
    session.offer(new Uint8Array([this.notes.length & 0xff]), 0, 1);
  }

  note(text: string, timestamp: number, _bytes: Uint8Array): unknown {
    return this.notes.push(`${timestamp} ${text}`);
  }
}

const workload = ({ random }: WorkloadContext) => ({
  next: () => `note ${random.below(1_000)}`,
});

/** Short runs, with the faults that make a member replay its log. */
const SHORT = {
  workload,
  seeds: 1,
  seconds: 1.5,
  members: 3,
  faults: ['kill'],
  minimize: false,
} as const;

/** Log time well before the faults of a run of six seconds end; it begins with 2025. */
const FAULTS_END_MS = Date.UTC(2025, 0, 1) + 4_000;

function failureOf<S extends ClusteredService>(
  service: () => S,
  options: Partial<SimulateOptions<S>> = {},
): SimulateFailure {
  const report = simulate<S>({ ...SHORT, seeds: 5, service, ...options });
  return (
    report.failures[0] ?? {
      seed: 0,
      judge: 'none',
      message: `no failure: ${JSON.stringify(report)}`,
      timeMs: 0,
      divergence: undefined,
      replay: '',
      faults: [],
      timeline: [],
      diagram: '',
    }
  );
}

test('a service that depends on the log alone passes, and what was compared is said', (t) => {
  const report = simulate({ ...SHORT, seeds: 2, service: () => new Notes() });
  t.deepEqual(report.failures, []);
  t.deepEqual(report.warnings, []);
  t.deepEqual(report.calls, []);
  t.equal(report.seeds, 2);
  t.ok(report.commands > 20, `${report.commands} commands`);
  t.ok(report.replies > 0, `${report.replies} replies`);
  t.ok(report.comparedStates >= 2 * report.commands, `${report.comparedStates} states compared`);
  t.end();
});

test('the same options give the same report', (t) => {
  const run = (): unknown => simulate({ ...SHORT, service: () => new Notes() });
  t.deepEqual(run(), run());
  t.end();
});

test('a clock or chance in the state is found at its first event, with the place of it', (t) => {
  const cases: [string, () => unknown][] = [
    ['Date.now()', () => Date.now()],
    ['new Date()', () => new Date()],
    ['performance.now()', () => performance.now()],
    ['Math.random()', () => Math.random()],
    ['crypto.randomUUID()', () => randomUUID()],
  ];
  for (const [name, call] of cases) {
    class Spoilt extends Notes {
      override note(text: string, timestamp: number): void {
        this.notes.push(text === 'note 7' || this.notes.length > 20 ? call() : timestamp);
      }
    }
    const { divergence, judge, message, replay, seed } = failureOf(() => new Spoilt());
    t.equal(judge, 'divergence', name);
    t.match(message, /has another state than member/);
    t.ok(message.includes(`the service called ${name} while it handled this`), message);
    t.match(message, /simulate\.test\.ts:\d+:\d+/, 'the place');
    t.match(message, /a message of session \d+ at log time \d+, \d+ bytes: 'note \d+'/);
    t.match(message, /state\.notes\[\d+\]: .* on member \d/, 'the path');
    t.ok((divergence?.position ?? 0) > (divergence?.equalPosition ?? 0), 'equal before');
    t.equal(replay, `simulate({ ...options, firstSeed: ${seed}, seeds: 1 })`);
  }
  t.end();
});

test('what instances share is found, whether in the state or in what they send', (t) => {
  let shared = 0;
  class Shared extends Notes {
    override note(text: string): void {
      this.notes.push(`${shared++} ${text}`);
    }
  }
  const inState = failureOf(() => new Shared());
  t.equal(inState.judge, 'divergence');
  t.match(inState.message, /likely cause: .*variable of the module or a static field/);
  class Sender extends Notes {
    override onSessionMessage(session: ClientSession): void {
      session.offer(new Uint8Array([shared++ & 0xff]), 0, 1);
    }
  }
  const sent = failureOf(() => new Sender());
  t.equal(sent.judge, 'divergence');
  t.match(sent.message, /sends other messages or asks for other things than member/);
  t.match(sent.message, /output 1 of this event: to session \d+: 1 bytes .* on member/);
  const list: string[] = [];
  class Reaching extends Notes {
    readonly list = list;
    override note(text: string): void {
      this.list.push(text);
    }
  }
  t.match(failureOf(() => new Reaching()).message, /likely cause: the state changed between two/);
  t.end();
});

test('timers are events like others, and one that is set by a clock is found', (t) => {
  class Reminders extends Notes {
    cluster: Cluster | undefined;
    fired = 0;
    onStart(cluster: Cluster): void {
      this.cluster = cluster;
    }
    override note(text: string, timestamp: number): void {
      this.notes.push(text);
      this.cluster?.scheduleTimer(this.notes.length, this.now(timestamp) + 50);
      this.cluster?.cancelTimer(this.notes.length - 3);
    }
    now(timestamp: number): number {
      return timestamp;
    }
    onTimerEvent(correlationId: number): void {
      this.fired += correlationId;
    }
  }
  const fired: number[] = [];
  const right = failureOf(() => new Reminders(), {
    check: ({ services }) => {
      fired.push(...services.map((service) => service.fired));
      return undefined;
    },
  });
  t.equal(right.judge, 'none', right.message);
  t.ok(fired.length > 0 && fired.every((sum) => sum > 0), fired.join(' '));
  class Hasty extends Reminders {
    override now(): number {
      return Date.now();
    }
  }
  const wrong = failureOf(() => new Hasty());
  t.match(wrong.message, /sends other messages or asks for other things than member/);
  t.match(wrong.message, /output \d of this event: sets for \d+ timer \d+, with the result true/);
  t.end();
});

test('a view of a message that is kept, or what is local to a member, is found', (t) => {
  class Keeper extends Notes {
    override note(_text: string, _timestamp: number, bytes: Uint8Array): void {
      this.notes.push(bytes);
    }
  }
  const kept = failureOf(() => new Keeper());
  t.equal(kept.judge, 'divergence');
  t.match(kept.message, /a message kept as a view/);
  class Named extends Notes {
    memberId = -1;
    onStart(cluster: Cluster): void {
      this.memberId = cluster.memberId;
    }
  }
  const named = failureOf(() => new Named());
  t.match(named.message, /state\.memberId: (\d) on member \1, (\d) on member \2/);
  t.match(named.message, /the start of the service, before any event/);
  const left = failureOf(() => new Named(), { stateOf: (service) => service.notes });
  t.equal(left.judge, 'none', 'stateOf leaves it out');
  class Ruler extends Notes {
    role: Role = 'follower';
    onRoleChange(role: Role): void {
      this.role = role;
    }
  }
  const ruler = failureOf(() => new Ruler());
  t.match(ruler.message, /a callback that is no event changed the state/);
  t.match(ruler.message, /state\.role: "follower" on member \d before onRoleChange/);
  t.end();
});

test('a session, the cluster and the view of a message may be held', (t) => {
  class Holder extends Notes {
    readonly sessions = new Map<number, ClientSession>();
    cluster: Cluster | undefined;
    view: DataView | undefined;
    onStart(cluster: Cluster): void {
      this.cluster = cluster;
    }
    onSessionOpen(session: ClientSession): void {
      this.sessions.set(session.id, session);
    }
    onSessionClose(session: ClientSession): void {
      this.sessions.delete(session.id);
    }
    override onSessionMessage(...values: Parameters<Notes['onSessionMessage']>): void {
      const [session, , buffer] = values;
      this.view = buffer;
      if (this.cluster?.session(session.id) !== this.sessions.get(session.id)) {
        throw new Error('a session is one object');
      }
      super.onSessionMessage(...values);
    }
  }
  t.equal(failureOf(() => new Holder()).judge, 'none');
  t.end();
});

test('a large state is hashed seldom, and the first event that differs is still found', (t) => {
  class Large extends Notes {
    readonly table = new Float64Array(50_000);
    override note(text: string, timestamp: number): void {
      this.notes.push(text);
      this.table[this.notes.length] = this.notes.length === 30 ? Date.now() : timestamp;
    }
  }
  const { divergence, message } = failureOf(() => new Large(), { commandsPerSecond: 200 });
  t.match(message, /state\.table from byte 224: 32 bytes .* on member/);
  t.match(message, /called Date\.now\(\) while it handled this/);
  const large = simulate({ ...SHORT, service: () => new Large(), stateOf: (s) => s.table.length });
  t.deepEqual(large.failures, [], 'not seen when it is left out');
  const before = divergence?.equalPosition ?? 0;
  const lengths = [32, 64, 96, 128, 160];
  t.ok(lengths.includes((divergence?.position ?? 0) - before), `the event after ${before}`);
  t.end();
});

test('a failing seed says which faults it needs, and tells the run that has only these', (t) => {
  let made = 0;
  let latestMs = 0;
  class Late extends Notes {
    // Three members, a restarted one, and the fresh one that is given the log at the end. Those
    // that are made late are sound: a healed cluster restarts members, too.
    readonly isLate = ++made % 1_000 > 4 && latestMs < FAULTS_END_MS;
    override note(text: string, timestamp: number): void {
      latestMs = Math.max(latestMs, timestamp);
      this.notes.push(this.isLate ? text.toUpperCase() : text);
    }
  }
  // A run begins with the three members' first processes, and so does its every repetition.
  const failure = failureOf(() => new Late(), {
    faults: ['kill', 'pause', 'partition'],
    seconds: 6,
    minimize: true,
    stateOf: (service) => service.notes,
    workload: (context) => {
      made = Math.ceil(made / 1_000) * 1_000;
      latestMs = 0;
      return workload(context);
    },
  });
  t.equal(failure.judge, 'divergence', failure.message);
  t.match(failure.faults[0] ?? '', /it needs 1 of \d+ faults, none of which can be spared/);
  t.equal(failure.faults.length, 2, failure.faults.join('; '));
  t.match(failure.faults[1] ?? '', /ms {2}fault \d+, kill: member \d is killed/);
  t.ok(failure.timeline.some((line) => / is killed$/.test(line)));
  t.ok(failure.timeline.every((line) => !/is paused|splits:/.test(line)));
  t.match(failure.diagram, /^sequenceDiagram\n/);
  t.end();
});

test('private fields are reached by stateHash or stateOf, and missed with a warning', (t) => {
  class Private implements ClusteredService {
    #last: number | undefined;
    get last(): number | undefined {
      return this.#last;
    }
    onSessionMessage(): void {
      this.#last = Math.random();
    }
  }
  class Hashed extends Private {
    stateHash(): string {
      return String(this.last);
    }
  }
  const blind = simulate({ ...SHORT, service: () => new Private() });
  t.deepEqual(blind.failures, [], 'not seen');
  t.match(blind.warnings[0] ?? '', /no state can be seen: private fields/);
  t.match(blind.calls[0]?.name ?? '', /Math\.random/, 'but the call is named');
  t.match(failureOf(() => new Hashed()).message, /state\.stateHash: "0\.\d+" on member/);
  const seen = failureOf(() => new Private(), { stateOf: (service) => service.last });
  t.match(seen.message, /state: 0\.\d+ on member/);
  t.end();
});

test("state in Pawl's own collections is compared, and what shows nothing is named", (t) => {
  class Counts extends Notes {
    readonly counts = new SnapshotMap<string, number>();
    override note(text: string): void {
      this.counts.set(text, Math.random());
    }
  }
  const { message } = failureOf(() => new Counts());
  t.match(message, /state\.counts\.get\("note \d+"\): 0\.\d+ on member/);
  class Tally {
    #sum = 0;
    add(value: number): number {
      this.#sum += value;
      return this.#sum;
    }
  }
  class Tallied extends Notes {
    readonly tally = new Tally();
    override note(text: string): void {
      this.tally.add(text.length);
    }
  }
  const { warnings } = simulate({ ...SHORT, seeds: 2, service: () => new Tallied() });
  t.equal(warnings.length, 1, warnings.join('; '));
  t.match(warnings[0] ?? '', /nothing of state\.tally can be seen, .* class Tally.* stateOf/);
  const closures = simulate({
    ...SHORT,
    service: () => {
      let count = 0;
      return { onSessionMessage: () => void count++ };
    },
  });
  t.match(closures.warnings[0] ?? '', /no state can be seen/);
  t.end();
});

test('a callback that waits, or starts what happens later, fails with the reason', (t) => {
  class Waiting extends Notes {
    override note(): unknown {
      return undefined;
    }
    override onSessionMessage(): Promise<void> {
      return (async () => undefined)();
    }
  }
  const waiting = failureOf(() => new Waiting());
  t.match(waiting.message, /onSessionMessage returned a promise/);
  class Later extends Notes {
    override note(): unknown {
      return setTimeout(() => undefined, 5);
    }
  }
  const later = failureOf(() => new Later());
  t.match(
    later.message,
    /setTimeout\(\) was called within a simulated run, at .*simulate\.test\.ts/,
  );
  t.end();
});

test('without the guard clocks and chance are real, and a replay still differs', (t) => {
  class Spoilt extends Notes {
    override note(): void {
      this.notes.push(Math.random());
    }
  }
  const { judge, message } = failureOf(() => new Spoilt(), { guard: false });
  t.equal(judge, 'divergence');
  t.match(message, /with guard: false also clocks and chance|something outlives an instance/);
  t.end();
});

test("the user's own judges fail a run with what they say", (t) => {
  const service = (): Notes => new Notes();
  const reply = failureOf(service, {
    workload: () => ({ next: () => 'x', onReply: () => 'is not what I asked for' }),
  });
  t.equal(reply.judge, 'workload');
  t.match(reply.message, /onReply\(\) of client \d is not what I asked for/);
  const thrown = failureOf(service, {
    workload: () => ({
      next: () => {
        throw new Error('no idea');
      },
    }),
  });
  t.match(thrown.message, /next\(\) of client \d threw Error: no idea/);
  const long = failureOf(service, { workload: () => ({ next: () => 'x'.repeat(10_000) }) });
  t.match(long.message, /returned 10000 bytes: a command is text or bytes, 1 to 7\d\d\d of them/);
  const chance = failureOf(service, { workload: () => ({ next: () => String(Math.random()) }) });
  t.match(chance.message, /Math\.random\(\) was called within a simulated run/);
  const check = failureOf(service, {
    check: ({ messages, services }) =>
      `${services.length} services, ${messages.length === services[0]?.notes.length} notes`,
  });
  t.equal(check.judge, 'check');
  t.equal(check.message, '3 services, true notes');
  t.ok(check.timeline.length > 5, 'the story is told');
  t.end();
});

test('a service of requests is asked with numbers and its answers come back to them', (t) => {
  class Doubler implements ClusteredService {
    readonly #replier = new Replier();
    onSessionMessage(
      session: ClientSession,
      _timestamp: number,
      buffer: DataView,
      offset: number,
    ): void {
      const value = buffer.getUint32(offset + 8, true);
      this.#replier.reply(session, buffer, offset, new Uint8Array([(2 * value) & 0xff]));
    }
  }
  const asked = new Map<number, number>();
  let answers = 0;
  const report = simulate({
    ...SHORT,
    requests: true,
    clients: 1,
    service: () => new Doubler(),
    workload: ({ random }) => {
      asked.clear();
      return {
        next: () => {
          const value = random.below(100);
          asked.set(asked.size + 1, value);
          return new Uint8Array([value, 0, 0, 0]);
        },
        onReply: (reply, request) => {
          answers++;
          const expected = 2 * (asked.get(request ?? 0) ?? 0);
          return reply[0] === expected ? undefined : `${reply[0]} is not ${expected}`;
        },
      };
    },
  });
  t.deepEqual(report.failures, []);
  t.ok(answers > 10, `${answers} answers`);
  t.end();
});

test('options that make no sense are refused with what would', (t) => {
  const service = (): Notes => new Notes();
  const refuse = (options: unknown, pattern: RegExp): void =>
    t.throws(() => simulate(options as SimulateOptions), pattern, String(pattern));
  refuse(undefined, /simulate\(\) takes an object: simulate\(\{ service, workload \}\)/);
  refuse({ workload }, /service is undefined: give a function, as in/);
  refuse({ service }, /workload is undefined: give a function, as in/);
  refuse({ service, workload, seed: 1 }, /has no option 'seed': use service, workload, seeds/);
  refuse({ service, workload, seeds: 0 }, /seeds is 0: give a number from 1 to/);
  refuse({ service, workload, seeds: 1.5 }, /seeds is 1\.5: give an integer/);
  refuse({ service, workload, members: 8 }, /members is 8: give a number from 1 to 7/);
  refuse({ service, workload, faults: 'calm' }, /faults is 'calm': use swarm, quiet, storm/);
  refuse({ service, workload, faults: ['rain'] }, /faults has 'rain': use of kill, power cut/);
  refuse(
    { service, workload, members: 1, faults: ['lost directory'] },
    /members is 1: a member that loses its log/,
  );
  refuse({ service, workload, stateOf: 1 }, /stateOf is 1: give a function/);
  t.throws(
    () => simulate({ service: () => ({}) as Notes, workload, seeds: 1 }),
    /onSessionMessage/,
  );
  t.end();
});
