// simulate() with queries: answers are what a replay of the log says at their position; what else
// decides them, and what they leave behind, is found and named.

import test from 'tape';
import { QueryClient } from '../../../src/client/query-client.js';
import type {
  ClientQuery,
  ClientSession,
  Cluster,
  ClusteredService,
} from '../../../src/service/clustered-service.js';
import {
  type SimulateFailure,
  type SimulateOptions,
  type SimulateReport,
  simulate,
  type WorkloadClient,
  type WorkloadContext,
} from '../../../src/simulator/index.js';
import { textOf } from '../../support/text.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Counts words; a query names a word, and is answered with its count. */
class Words implements ClusteredService {
  readonly counts = new Map<string, number>();
  cluster: Cluster | undefined;

  onStart(cluster: Cluster): void {
    this.cluster = cluster;
  }

  onSessionMessage(
    session: ClientSession,
    _timestamp: number,
    buffer: DataView,
    offset: number,
    length: number,
  ): void {
    const word = textOf(buffer, offset, length);
    this.counts.set(word, (this.counts.get(word) ?? 0) + 1);
    session.offer(buffer, offset, length);
  }

  onQuery(query: ClientQuery, buffer: DataView, offset: number, length: number): void {
    const bytes = encoder.encode(this.answer(textOf(buffer, offset, length), query));
    query.reply(bytes, 0, bytes.length);
  }

  answer(word: string, _query: ClientQuery): string {
    return `${word} ${this.counts.get(word) ?? 0}`;
  }
}

const WORDS = ['one', 'two', 'three'];

const workload = ({ random }: WorkloadContext): WorkloadClient => ({
  next: () => random.pick(WORDS),
  nextQuery: () => random.pick(WORDS),
});

const SHORT = {
  workload,
  seeds: 1,
  seconds: 2,
  members: 3,
  faults: ['kill', 'partition', 'pause'],
  queriesPerSecond: 40,
  minimize: false,
} as const;

function run<S extends ClusteredService>(
  service: () => S,
  options: Partial<SimulateOptions<S>> = {},
): SimulateReport {
  return simulate<S>({ ...SHORT, service, ...options });
}

function failureOf(
  service: () => ClusteredService,
  options: Partial<SimulateOptions> = {},
): SimulateFailure | undefined {
  return run(service, { seeds: 5, ...options }).failures[0];
}

test('queries of a workload reach the service, and their answers are judged by a replay', (t) => {
  const positions: number[] = [];
  const counts = new Map<string, number>();
  const report = run(() => new Words(), {
    seeds: 3,
    clients: 1,
    workload: (context) => {
      counts.clear();
      return {
        ...workload(context),
        onAnswer: (answer, { logPosition, query }) => {
          positions.push(logPosition);
          const [word, count] = decoder.decode(answer).split(' ');
          if (word !== decoder.decode(query)) {
            return `is not for '${decoder.decode(query)}' but '${word}'`;
          }
          const before = counts.get(word) ?? 0;
          counts.set(word, Number(count));
          // Words are only added, and this client asks of a state that only grows.
          return Number(count) < before - 64 ? `goes back from ${before} to ${count}` : undefined;
        },
      };
    },
  });
  t.deepEqual(report.failures, []);
  t.deepEqual(report.warnings, []);
  t.ok(report.queries > 100, `${report.queries} queries`);
  t.equal(positions.length, report.queries, 'each answer is told to the workload');
  t.ok(Math.max(...positions) > 1_000, 'with the position of its state');
  const { comparedAnswers, queries } = report;
  t.ok(comparedAnswers >= 2 * queries, `${comparedAnswers} answers of the replay for ${queries}`);
  t.end();
});

test('the same options give the same report, queries included', (t) => {
  t.deepEqual(
    run(() => new Words()),
    run(() => new Words()),
  );
  t.end();
});

test('an answer that depends on a clock or on chance is found, with the place of the call', (t) => {
  const cases: [string, () => unknown][] = [
    ['Date.now()', () => Date.now()],
    ['Math.random()', () => Math.random()],
  ];
  for (const [name, call] of cases) {
    class Spoilt extends Words {
      override answer(word: string, query: ClientQuery): string {
        return `${super.answer(word, query)} ${call()}`;
      }
    }
    const failure = failureOf(() => new Spoilt());
    const message = failure?.message ?? '';
    t.equal(failure?.judge, 'divergence', name);
    t.equal(failure?.divergence?.kind, 'answer');
    t.match(message, /at log position \d+, a fresh replay of the log answers a query in another/);
    t.match(message, /the query: of session \d+, \d bytes: '(one|two|three)'/);
    t.match(message, /the answer: '\w+ \d+ [\d.]+' on member \d.*, '\w+ \d+ [\d.]+' on a fresh/);
    t.ok(message.includes(`the service called ${name} while it handled this`), message);
    t.match(message, /queries\.test\.ts:\d+:\d+/, 'the place');
  }
  t.end();
});

test('a query that changes the state is found at once, with what it changed', (t) => {
  class Counting extends Words {
    asked = 0;
    override answer(word: string, query: ClientQuery): string {
      this.asked++;
      return super.answer(word, query);
    }
  }
  const failure = failureOf(() => new Counting());
  const message = failure?.message ?? '';
  t.equal(failure?.divergence?.kind, 'query', message);
  t.match(message, /a query changed the state, at log position \d+: member \d/);
  t.match(message, /state\.asked: 0 on member \d.* before the query, 1 on member \d.* after it/);
  t.match(message, /likely cause: onQuery counts or caches something/);
  const left = run(() => new Counting(), { stateOf: ({ counts }) => counts });
  t.deepEqual(left.failures, [], 'stateOf leaves out what decides nothing');
  t.end();
});

test('a large state that queries change is found too, though it is hashed seldom', (t) => {
  class Large extends Words {
    readonly table = new Float64Array(20_000);
    override answer(word: string, query: ClientQuery): string {
      this.table[7] = this.counts.size + (this.table[7] ?? 0);
      return super.answer(word, query);
    }
  }
  const message = failureOf(() => new Large())?.message ?? '';
  t.match(message, /a query changed the state|has another state than/);
  t.match(message, /state\.table from byte 32: 32 bytes/);
  t.end();
});

test('what queries leave where no judge can see it is found by its answers', (t) => {
  class Hidden extends Words {
    #asked = 0;
    override answer(word: string, query: ClientQuery): string {
      this.#asked++;
      return `${super.answer(word, query)} ${this.#asked}`;
    }
  }
  const failure = failureOf(() => new Hidden());
  t.equal(failure?.divergence?.kind, 'answer', failure?.message);
  t.match(failure?.message ?? '', /likely cause: the answer comes from more than the replicated/);
  let shared = 0;
  class Shared extends Words {
    override answer(word: string, query: ClientQuery): string {
      return `${super.answer(word, query)} ${shared++}`;
    }
  }
  t.equal(failureOf(() => new Shared())?.divergence?.kind, 'answer');
  class Named extends Words {
    override answer(word: string): string {
      return `${word} of member ${this.cluster?.memberId}`;
    }
  }
  // Each replay says that it is member 0.
  t.equal(failureOf(() => new Named())?.divergence?.kind, 'answer');
  class Keeper extends Words {
    #kept: DataView | undefined;
    #offset = 0;
    keep(buffer: DataView, offset: number): void {
      this.#kept = buffer;
      this.#offset = offset;
    }
    override onQuery(query: ClientQuery, ..._bytes: [DataView, number, number]): void {
      query.reply(new Uint8Array([this.#kept?.getUint8(this.#offset) ?? 0]), 0, 1);
    }
  }
  class MessageKeeper extends Keeper {
    override onSessionMessage(...values: Parameters<Words['onSessionMessage']>): void {
      this.keep(values[2], values[3]);
      super.onSessionMessage(...values);
    }
  }
  class QueryKeeper extends Keeper {
    override onQuery(query: ClientQuery, ...bytes: [DataView, number, number]): void {
      super.onQuery(query, ...bytes);
      this.keep(bytes[0], bytes[1]);
    }
  }
  t.equal(failureOf(() => new MessageKeeper())?.divergence?.kind, 'answer');
  t.equal(failureOf(() => new QueryKeeper())?.divergence?.kind, 'answer');
  t.end();
});

test('a refused query fails the run, unless the workload takes it', (t) => {
  class Throwing extends Words {
    override answer(word: string, query: ClientQuery): string {
      if (word === 'three') {
        throw new RangeError('three is too many');
      }
      return super.answer(word, query);
    }
  }
  const failure = failureOf(() => new Throwing());
  t.equal(failure?.judge, 'workload');
  t.match(failure?.message ?? '', /a query of client \d .* threw RangeError: three is too many/);
  const refused: string[] = [];
  const report = run(() => new Throwing(), {
    workload: (context) => ({
      ...workload(context),
      onRefused: ({ code }, query) => {
        refused.push(`${code} ${decoder.decode(query)}`);
        return undefined;
      },
    }),
  });
  t.deepEqual(report.failures, []);
  t.deepEqual([...new Set(refused)], ['REQUEST_REFUSED three']);
  class Silent extends Words {
    override onQuery(): void {
      // Says nothing.
    }
  }
  t.match(failureOf(() => new Silent())?.message ?? '', /let onQuery call reply/);
  const mute = (): ClusteredService => ({ onSessionMessage: () => undefined });
  t.match(failureOf(mute)?.message ?? '', /the service has no onQuery/);
  t.end();
});

test('onQuery that waits, offers or answers twice ends the run, whoever takes refusals', (t) => {
  const patient = (context: WorkloadContext): WorkloadClient => ({
    ...workload(context),
    onRefused: () => undefined,
  });
  const cases: [RegExp, (query: ClientQuery, cluster: Cluster) => unknown][] = [
    [/onQuery returned a promise/, () => (async () => undefined)()],
    [/setTimeout\(\) was called within a simulated run/, () => setTimeout(() => undefined, 1)],
    [/offer/, (query) => query.session.offer(new Uint8Array(1), 0, 1)],
    [/scheduleTimer/, (_query, cluster) => cluster.scheduleTimer(1, 1)],
    [
      /a query is answered twice/,
      (query) => [1, 2].map(() => query.reply(new Uint8Array(1), 0, 1)),
    ],
  ];
  for (const [pattern, act] of cases) {
    class Acting extends Words {
      override readonly onQuery = (query: ClientQuery): void =>
        act(query, this.cluster as Cluster) as undefined;
    }
    const failure = failureOf(() => new Acting(), { workload: patient });
    t.equal(failure?.judge, 'fatal', String(pattern));
    t.match(failure?.message ?? '', pattern);
  }
  t.end();
});

test("the workload's own judge of answers, and what is no query, end a run", (t) => {
  const wrong = failureOf(() => new Words(), {
    workload: (context) => ({ ...workload(context), onAnswer: () => 'is not what I asked for' }),
  });
  t.match(wrong?.message ?? '', /onAnswer\(\) of client \d is not what I asked for/);
  const none = failureOf(() => new Words(), {
    workload: (context) => ({ ...workload(context), nextQuery: () => 7 as unknown as string }),
  });
  t.match(none?.message ?? '', /nextQuery\(\) of client \d returned 7: a query is text or bytes/);
  const long = failureOf(() => new Words(), {
    workload: (context) => ({ ...workload(context), nextQuery: () => 'x'.repeat(1_000_000) }),
  });
  t.match(long?.message ?? '', /the query has 1000000 bytes: at most \d+ fit/);
  t.throws(() => run(() => new Words(), { queriesPerSecond: 0 }), /queriesPerSecond is 0/);
  t.end();
});

test('a workload that never asks a service with onQuery is told so', (t) => {
  const { failures, queries, warnings } = run(() => new Words(), {
    workload: () => ({ next: () => 'one' }),
  });
  t.deepEqual([failures.length, queries], [0, 0]);
  t.match(warnings[0] ?? '', /has an onQuery, and the workload never asks it/);
  t.end();
});

/** Runs with a client that is given other answers than those that were sent. */
function withAnswers(change: (logPosition: number, view: DataView, offset: number) => number) {
  const original = QueryClient.prototype.onAnswer;
  QueryClient.prototype.onAnswer = function (answer, view, offset, length) {
    const logPosition = change(answer.logPosition, view, offset);
    original.call(this, { ...answer, logPosition }, view, offset, length);
  };
  try {
    return failureOf(() => new Words());
  } finally {
    QueryClient.prototype.onAnswer = original;
  }
}

test('an answer that is older than it may be, or that nobody gave, is seen', (t) => {
  const stale = withAnswers(() => 0);
  t.equal(stale?.judge, 'linearizability');
  t.match(
    stale?.message ?? '',
    /asked of session .* when position \d+ was applied, and is answered from position 0$/,
  );
  const unknown = withAnswers((logPosition, view, offset) => {
    view.setUint8(offset, 0x78);
    return logPosition;
  });
  t.equal(unknown?.judge, 'linearizability');
  t.match(unknown?.message ?? '', /has an answer for position \d+ that no instance gave there/);
  t.end();
});
