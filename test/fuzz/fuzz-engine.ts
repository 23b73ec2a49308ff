// fuzz-engine.ts: feeds a target with inputs until its time or its count of executions is over.
//
// Inputs are generated, taken from the corpus, or mutated from either. What leads to an outcome
// that was not seen before joins the corpus in memory, so that later inputs go deeper. The sequence
// depends on the seed, the corpus on disk and the target alone. An input that breaks a property is
// written into the corpus, where it stays as a test.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Prng } from '../../src/simulator/prng.js';
import { type FuzzTarget, mutate } from './fuzz-target.js';

export const CORPUS_FOLDER = 'test/fuzz/corpus';
/** Inputs that a run keeps in memory because their outcome was new. */
const KEPT_COUNT_MAX = 500;
const HEX_LINE_LENGTH = 96;

export interface FuzzLimits {
  readonly seed: number;
  /** Ends the run when this many inputs have run ... */
  readonly executionCountMax: number;
  /** ... or when this says so; asked now and then. */
  readonly isOver: () => boolean;
}

export interface FuzzReport {
  readonly executions: number;
  /** Different outcomes that were seen. */
  readonly outcomes: number;
  /** Inputs that came from disk. */
  readonly corpusCount: number;
  /** What broke, if anything did: the run ends there. */
  readonly crash?: { readonly input: Uint8Array; readonly error: unknown };
}

/** The inputs on disk, by file name. */
export function readCorpus(target: string, folder = CORPUS_FOLDER): Map<string, Uint8Array> {
  const path = join(folder, target);
  const names = existsSync(path) ? readdirSync(path).filter((n) => n.endsWith('.hex')) : [];
  return new Map(
    names.sort().map((name) => {
      const text = readFileSync(join(path, name), 'utf8').replaceAll(/\s/g, '');
      return [name, new Uint8Array(Buffer.from(text, 'hex'))];
    }),
  );
}

/** Writes an input to the corpus; answers its path. */
export function writeToCorpus(
  target: string,
  kind: string,
  input: Uint8Array,
  folder = CORPUS_FOLDER,
): string {
  const path = join(folder, target);
  mkdirSync(path, { recursive: true });
  const digest = createHash('sha256').update(input).digest('hex').slice(0, 12);
  const lines = Buffer.from(input)
    .toString('hex')
    .match(new RegExp(`.{1,${HEX_LINE_LENGTH}}`, 'g'));
  const file = join(path, `${kind}-${digest}.hex`);
  writeFileSync(file, `${(lines ?? []).join('\n')}\n`);
  return file;
}

/** Runs one target. Ends at the first input that breaks a property. */
export function fuzz(target: FuzzTarget, limits: FuzzLimits): FuzzReport {
  const random = new Prng(limits.seed, target.name);
  const kept = [...readCorpus(target.name).values()];
  const corpusCount = kept.length;
  const outcomes = new Set<string>();
  let executions = 0;
  const execute = (input: Uint8Array): { error: unknown } | undefined => {
    executions++;
    try {
      const outcome = target.run(input);
      if (!outcomes.has(outcome)) {
        outcomes.add(outcome);
        if (kept.length < KEPT_COUNT_MAX + corpusCount) {
          kept.push(input);
        }
      }
      return undefined;
    } catch (error) {
      return { error };
    }
  };
  const seeds = [...kept];
  while (executions < limits.executionCountMax && !(executions % 16 === 0 && limits.isOver())) {
    const input = seeds[executions] ?? nextInput(target, random, kept);
    const failure = execute(input);
    if (failure !== undefined) {
      const crash = { input, error: failure.error };
      return { executions, outcomes: outcomes.size, corpusCount, crash };
    }
  }
  return { executions, outcomes: outcomes.size, corpusCount };
}

function nextInput(target: FuzzTarget, random: Prng, kept: readonly Uint8Array[]): Uint8Array {
  const isFresh = kept.length === 0 || random.chance(2, 5);
  const base = isFresh ? target.generate(random) : random.pick(kept);
  return isFresh && random.chance(1, 4) ? base : mutate(base, random, kept);
}
