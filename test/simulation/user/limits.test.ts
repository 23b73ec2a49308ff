// simulate() with clients, workloads and errors of all kinds: what is legal fails no seed, and what
// escapes a run fails that seed alone.

import test from 'tape';
import type { ClientSession, ClusteredService } from '../../../src/service/clustered-service.js';
import { runSeeds, type SimulateOptions, simulate } from '../../../src/simulator/index.js';
import { Prng } from '../../../src/simulator/prng.js';
import { LastingTrouble } from '../../../src/simulator/swarm.js';
import { drawSwarm } from '../../../src/simulator/swarm-profiles.js';

/** Counts messages, and answers each with how many there were. */
class Counter implements ClusteredService {
  count = 0;

  onSessionMessage(session: ClientSession): void {
    this.count++;
    session.offer(new Uint8Array([this.count & 0xff]), 0, 1);
  }
}

const workload: SimulateOptions['workload'] = ({ random }) => ({
  next: () => `add ${random.below(100)}`,
});

/** The first seed in which a cluster has room for as many sessions as the seed has clients. */
function tightSeed(): number {
  for (let seed = 1; ; seed++) {
    const { sessionCountMax } = drawSwarm(new Prng(seed, 'swarm'), 'swarm');
    if (sessionCountMax < 3) {
      return seed;
    }
  }
}

test('there is room for the sessions of as many clients as are asked for', (t) => {
  const { failures } = simulate({
    service: () => new Counter(),
    workload,
    clients: 6,
    firstSeed: tightSeed(),
    seeds: 1,
    seconds: 1,
    faults: ['kill'],
    minimize: false,
  });
  t.deepEqual(failures, []);
  t.end();
});

test('what escapes the run of a seed fails it as thread, and no other seed is run', (t) => {
  const seeds: string[] = [];
  let isChecked = false;
  const report = simulate({
    // The last that is looked at before seeds are run.
    service: () => {
      isChecked = true;
      return new Counter();
    },
    workload,
    seeds: 3,
    seconds: 1,
    failures: 3,
    onSeed: (seed, failure) => {
      seeds.push(`${seed} ${failure}`);
    },
    get faults(): string[] {
      if (isChecked) {
        throw new Error('the options broke');
      }
      return ['kill'];
    },
  });
  t.equal(report.failures.length, 1);
  t.equal(report.failures[0]?.judge, 'thread');
  t.match(seeds.join('; '), /^1 Error: the options broke at /);
  t.equal(seeds.length, 1);
  t.end();
});

test('seeds on one thread fail as on several when an error escapes one of them', (t) => {
  const broken = Object.assign([LastingTrouble.Links], {
    includes: () => {
      throw new Error('the list broke');
    },
  });
  const told: string[] = [];
  const { failures, seeds } = runSeeds({
    seeds: 3,
    seconds: 1,
    without: broken,
    onSeed: (ended, failed) => {
      told.push(`${ended} ended, ${failed} failed`);
    },
  });
  t.equal(seeds, 1);
  t.equal(failures[0]?.invariant, 'thread');
  t.match(failures[0]?.message ?? '', /Error: the list broke at /);
  t.deepEqual(told, ['1 ended, 1 failed']);
  t.end();
});
