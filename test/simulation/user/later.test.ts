// simulate() with services and workloads that start what happens later: an async function that is
// not waited for never goes on within a run, so that it is started at all has to be found.

import { promises } from 'node:fs';
import test from 'tape';
import type { ClientSession, ClusteredService } from '../../../src/service/clustered-service.js';
import {
  type SimulateFailure,
  type SimulateOptions,
  simulate,
} from '../../../src/simulator/index.js';

/** Counts messages; what else it does is up to those below. */
class Counter implements ClusteredService {
  count = 0;

  onSessionMessage(_session: ClientSession): void {
    this.count++;
    this.act();
  }

  act(): unknown {
    return undefined;
  }

  async addLater(): Promise<void> {
    await null;
    this.count += 100;
  }
}

function failureOf(
  service: () => ClusteredService,
  options: Partial<SimulateOptions<ClusteredService>> = {},
): SimulateFailure | undefined {
  return simulate({
    service,
    workload: () => ({ next: () => 'add' }),
    seeds: 1,
    seconds: 1,
    members: 1,
    faults: 'quiet',
    minimize: false,
    ...options,
  }).failures[0];
}

const PLACE = /at .*later\.test\.ts:\d+:\d+/;

test('an async function that a callback does not wait for fails the run, with its place', (t) => {
  class Later extends Counter {
    override act(): unknown {
      void this.addLater();
      return undefined;
    }
  }
  const { judge, message } = failureOf(() => new Later()) ?? {};
  t.equal(judge, 'fatal');
  t.match(message ?? '', /onSessionMessage called an async function, or made a promise/);
  t.match(message ?? '', PLACE);
  t.equal(
    failureOf(() => new Counter()),
    undefined,
    'one that only has it does not',
  );
  t.end();
});

test('so do promises that Node.js makes for it, and work for the next tick', (t) => {
  class Reader extends Counter {
    override act(): unknown {
      return promises.readFile('/dev/null').then(
        () => undefined,
        () => undefined,
      );
    }
  }
  t.match(failureOf(() => new Reader())?.message ?? '', /made a promise in another way, at /);
  class Ticker extends Counter {
    override act(): unknown {
      return process.nextTick(() => {
        this.count++;
      });
    }
  }
  const { message } = failureOf(() => new Ticker()) ?? {};
  t.match(message ?? '', /process\.nextTick\(\) was called within a simulated run, at /);
  t.end();
});

test('a factory, a query and a workload are watched as well', (t) => {
  class Loading extends Counter {
    constructor() {
      super();
      void this.addLater();
    }
  }
  t.match(failureOf(() => new Loading())?.message ?? '', /service\(\) called an async function/);
  class Asked extends Counter {
    onQuery(): void {
      void this.addLater();
    }
  }
  const asked = failureOf(() => new Asked(), {
    workload: () => ({ next: () => 'add', nextQuery: () => 'count' }),
  });
  t.equal(asked?.judge, 'fatal');
  t.match(asked?.message ?? '', /onQuery called an async function/);
  const workload = () => ({
    next: () => 'add',
    onReply: () => {
      void new Counter().addLater();
      return undefined;
    },
  });
  class Answering extends Counter {
    override onSessionMessage(session: ClientSession): void {
      session.offer(new Uint8Array(1), 0, 1);
    }
  }
  const answered = failureOf(() => new Answering(), { workload });
  t.equal(answered?.judge, 'workload');
  t.match(answered?.message ?? '', /onReply\(\) of client 0 called an async function/);
  const check = (async () => 'never heard') as unknown as () => string;
  const checked = failureOf(() => new Counter(), { check });
  t.equal(checked?.judge, 'check');
  t.match(checked?.message ?? '', /returned a promise/);
  t.end();
});
