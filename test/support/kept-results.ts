// kept-results.ts: results of the parts of a long measurement, kept until all parts have run.
//
// A result counts for the very sources and tests that it was made of: a hash of them goes with it.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A hash of the texts in some folders: of all that decides what a part does.
 *
 * @param isCounted leaves files out, by their path from the root.
 */
export function hashSources(
  root: string,
  folders: readonly string[],
  isCounted: (path: string) => boolean = () => true,
): string {
  const hash = createHash('sha256');
  for (const folder of folders) {
    const names = readdirSync(join(root, folder), { encoding: 'utf8', recursive: true });
    const paths = names.map((name) => `${folder}/${name.replaceAll('\\', '/')}`);
    for (const path of paths.filter((one) => /\.(ts|js|txt)$/.test(one)).sort()) {
      if (isCounted(path)) {
        hash.update(`${path}\n`).update(readFileSync(join(root, path)));
      }
    }
  }
  return hash.digest('hex');
}

/** Results by the name of their part, as JSON files in a folder. */
export class KeptResults<T> {
  readonly #folder: string;

  /** @param folder where results are kept; it is made when there is something to keep. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Forgets all results. */
  clear(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** @param sources hash of what the part was made of. */
  keep(part: string, sources: string, result: T): void {
    mkdirSync(this.#folder, { recursive: true });
    writeFileSync(this.#fileOf(part), JSON.stringify({ sources, result }));
  }

  /** The result of a part; undefined when there is none of these sources. */
  get(part: string, sources: string): T | undefined {
    const file = this.#fileOf(part);
    if (!existsSync(file)) {
      return undefined;
    }
    const kept = JSON.parse(readFileSync(file, 'utf8')) as { sources: string; result: T };
    return kept.sources === sources ? kept.result : undefined;
  }

  #fileOf(part: string): string {
    return join(this.#folder, `${part.replaceAll(/[^\w.-]/g, '_')}.json`);
  }
}
