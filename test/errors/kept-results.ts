// kept-results.ts: what each job of the measurement executed, kept until all of them have run.
//
// A result counts for the very sources and tests that it was made of: a hash of them goes with it.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ErrorBranch } from './error-branches.js';

/** What one job executed. */
export interface JobResult {
  readonly job: string;
  readonly ok: boolean;
  readonly seconds: number;
  /** Places of branches, see placeOf. */
  readonly executed: readonly string[];
}

/** A name for a branch that is unique as long as the sources stay the same. */
export function placeOf({ file, line, column }: ErrorBranch): string {
  return `${file}:${line + 1}:${column + 1}`;
}

/** A hash of all that decides what a job executes. */
export function hashSources(root: string): string {
  const hash = createHash('sha256');
  for (const folder of ['src', 'test', 'assembly']) {
    const names = readdirSync(join(root, folder), { encoding: 'utf8', recursive: true });
    for (const name of names.filter((name) => /\.(ts|js|txt)$/.test(name)).sort()) {
      hash.update(`${folder} ${name}\n`).update(readFileSync(join(root, folder, name)));
    }
  }
  return hash.digest('hex');
}

/** Results by job in a folder. */
export class KeptResults {
  readonly #folder: string;
  readonly #sources: string;

  /**
   * @param folder where results are kept; it is made when there is something to keep.
   * @param sources hash of the sources: results of other ones do not count.
   */
  constructor(folder: string, sources: string) {
    this.#folder = folder;
    this.#sources = sources;
  }

  /** Forgets all results. */
  clear(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  keep(result: JobResult): void {
    mkdirSync(this.#folder, { recursive: true });
    const text = JSON.stringify({ sources: this.#sources, result });
    writeFileSync(this.#fileOf(result.job), text);
  }

  /** The result of a job; undefined when there is none of the sources as they are. */
  get(job: string): JobResult | undefined {
    const file = this.#fileOf(job);
    if (!existsSync(file)) {
      return undefined;
    }
    const kept = JSON.parse(readFileSync(file, 'utf8')) as { sources: string; result: JobResult };
    return kept.sources === this.#sources ? kept.result : undefined;
  }

  #fileOf(job: string): string {
    return join(this.#folder, `${job.replaceAll(/[^\w.-]/g, '_')}.json`);
  }
}
