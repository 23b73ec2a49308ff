// Every input that once broke something, and some fresh ones: the same in every run.

import test from 'tape';
import { fuzz, readCorpus } from './fuzz-engine.js';
import { TARGETS } from './targets.js';

const SEED = 20_261_122;
const FRESH_EXECUTIONS = 400;

for (const [name, factory] of TARGETS) {
  test(`${name} holds for its corpus and for ${FRESH_EXECUTIONS} fresh inputs`, async (t) => {
    const target = await factory();
    const corpus = readCorpus(name);
    t.ok(corpus.size > 0, `the corpus has ${corpus.size} inputs`);
    for (const [file, input] of corpus) {
      t.doesNotThrow(() => target.run(input), `${file} breaks nothing`);
    }
    const limits = { seed: SEED, executionCountMax: corpus.size + FRESH_EXECUTIONS };
    const report = fuzz(target, { ...limits, isOver: () => false });
    t.equal(report.crash?.error, undefined, `seed ${SEED}: nothing breaks`);
    t.ok(report.outcomes > 1, `${report.outcomes} different outcomes`);
    target.close?.();
    t.end();
  });
}
