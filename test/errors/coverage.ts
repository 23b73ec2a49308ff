// coverage.ts: which places of the sources were executed, from what V8 writes at a process's end.
//
// V8 counts how often each block of the generated code ran; the source map of the loader says where
// a place of the source lies in it. Every process and thread of a run writes a file of its own.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ErrorBranch } from './error-branches.js';
import { decodeMappings, type Segment, segmentWithin } from './source-map.js';

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

interface CoverageFile {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly { readonly ranges: readonly Range[] }[];
  }[];
  readonly 'source-map-cache'?: Record<
    string,
    { readonly lineLengths: readonly number[]; readonly data: { readonly mappings: string } | null }
  >;
}

/**
 * How a source file became code. A loader makes different code of one file for `import` and for
 * `require`; the length of the code tells which a process ran.
 */
interface CodeMap {
  readonly segments: readonly Segment[];
  readonly lineStarts: readonly number[];
}

/** One process's counts of one file. */
interface Run {
  readonly codeLength: number;
  readonly ranges: readonly Range[];
}

/** Collects coverage until every file was read; then tells what ran. */
export class Coverage {
  readonly #root: string;
  readonly #maps = new Map<string, CodeMap>();
  readonly #runs = new Map<string, Run[]>();

  /** @param root folder to which the files of branches are relative. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Takes every file of a folder that V8 wrote coverage to; answers how many there were. */
  addFolder(folder: string, isWanted: (url: string) => boolean): number {
    const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
    for (const name of names) {
      this.#add(JSON.parse(readFileSync(join(folder, name), 'utf8')) as CoverageFile, isWanted);
    }
    return names.length;
  }

  /** Did a branch run in any process? */
  isExecuted(branch: ErrorBranch): boolean {
    const url = pathToFileURL(join(this.#root, branch.file)).href;
    const runs = this.#runs.get(url) ?? [];
    return runs.some((run) => {
      const map = this.#maps.get(keyOf(url, run.codeLength));
      return map !== undefined && countAt(run.ranges, offsetOf(map, branch)) > 0;
    });
  }

  #add(file: CoverageFile, isWanted: (url: string) => boolean): void {
    for (const [url, { data, lineLengths }] of Object.entries(file['source-map-cache'] ?? {})) {
      const lineStarts: number[] = [0];
      for (const length of lineLengths) {
        lineStarts.push((lineStarts[lineStarts.length - 1] ?? 0) + length + 1);
      }
      const codeLength = (lineStarts[lineStarts.length - 1] ?? 1) - 1;
      const key = keyOf(url, codeLength);
      if (isWanted(url) && data !== null && !this.#maps.has(key)) {
        this.#maps.set(key, { segments: decodeMappings(data.mappings), lineStarts });
      }
    }
    for (const { url, functions } of file.result) {
      if (isWanted(url)) {
        const ranges = functions.flatMap((f) => f.ranges);
        const codeLength = Math.max(...ranges.map((range) => range.endOffset));
        const runs = this.#runs.get(url) ?? [];
        this.#runs.set(url, runs);
        runs.push({ codeLength, ranges });
      }
    }
  }
}

function keyOf(url: string, codeLength: number): string {
  return `${url} ${codeLength}`;
}

/** Where the code of a branch begins. */
function offsetOf(map: CodeMap, branch: ErrorBranch): number {
  const end = { line: branch.endLine, column: branch.endColumn };
  const segment = segmentWithin(map.segments, branch, end);
  if (segment === undefined) {
    throw new Error(`no code was made of ${branch.file}:${branch.line + 1}`);
  }
  return (map.lineStarts[segment.generatedLine] ?? 0) + segment.generatedColumn;
}

/** The count of the innermost range around an offset; 0 where there is none. */
export function countAt(ranges: readonly Range[], offset: number): number {
  let count = 0;
  let length = Infinity;
  for (const range of ranges) {
    const isAround = range.startOffset <= offset && offset < range.endOffset;
    const rangeLength = range.endOffset - range.startOffset;
    if (isAround && rangeLength <= length) {
      count = range.count;
      length = rangeLength;
    }
  }
  return count;
}
