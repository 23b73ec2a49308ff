// Prints the trace hash of some seeds, one line each: what determinism.test.ts compares between
// processes and versions of Node.js. Arguments: first seed, seeds, simulated seconds.

import { ArenaPool, Simulation } from '../../src/simulator/index.js';

const NS_PER_SECOND = 1_000_000_000;
const [first = 1, count = 1, seconds = 1] = process.argv.slice(2).map(Number);
const arenas = new ArenaPool();
for (let seed = first; seed < first + count; seed++) {
  const options = { seed, arenas, safetyNs: seconds * NS_PER_SECOND };
  const { counts, events, traceHash, violation } = new Simulation(options).run();
  console.log(
    `${seed} ${traceHash} ${events} ${violation?.invariant ?? 'ok'} ${JSON.stringify(counts)}`,
  );
}
