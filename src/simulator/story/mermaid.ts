// mermaid.ts: the end of a run as a sequence diagram, for the pages and tools that draw Mermaid.

import type { TimelineEntry } from '../timeline.js';

/** Entries that a diagram shows: more cannot be read. */
export const DIAGRAM_ENTRIES_MAX = 90;
/** Characters of one text in a diagram. */
export const DIAGRAM_TEXT_MAX = 90;
const NS_PER_MS = 1_000_000;

export interface DiagramOptions {
  /** The diagram ends here; by default with the last entry. */
  readonly untilNs?: number;
  readonly entriesMax?: number;
  /** Said at the end, such as the invariant that broke. */
  readonly ending?: string;
}

/**
 * Draws the last entries before a time.
 *
 * @returns Mermaid text: `sequenceDiagram`, participants, messages as arrows (a cross for a lost
 *   one), everything else as notes.
 */
export function sequenceDiagram(
  entries: readonly TimelineEntry[],
  options: DiagramOptions = {},
): string {
  const untilNs = options.untilNs ?? Number.POSITIVE_INFINITY;
  const shown = select(
    entries.filter((entry) => entry.timeNs <= untilNs && entry.who !== 'run'),
    options.entriesMax ?? DIAGRAM_ENTRIES_MAX,
  );
  const names = participantsOf(shown);
  const ids = new Map(names.map((name) => [name, idOf(name)]));
  const lines = ['sequenceDiagram'];
  for (const name of names) {
    lines.push(`  participant ${ids.get(name)} as ${name}`);
  }
  for (const entry of shown) {
    lines.push(`  ${drawn(entry, ids)}`);
  }
  if (options.ending !== undefined) {
    lines.push(`  ${noteOverAll(ids, escaped(options.ending))}`);
  }
  return `${lines.join('\n')}\n`;
}

/** What is said often and explains little goes first when there is too much. */
function select(entries: readonly TimelineEntry[], max: number): readonly TimelineEntry[] {
  const important = entries.filter(
    ({ isLost, to, what }) => to === undefined || isLost || !/position/.test(what),
  );
  return (entries.length <= max ? entries : important).slice(-max);
}

/** Members first, then clients, each in the order of their numbers. */
function participantsOf(entries: readonly TimelineEntry[]): string[] {
  const names = new Set<string>();
  for (const { to, who } of entries) {
    for (const name of [who, to]) {
      if (name !== undefined && isNode(name)) {
        names.add(name);
      }
    }
  }
  const sorted = [...names].sort((left, right) => rankOf(left) - rankOf(right));
  return sorted.length > 0 ? sorted : ['member 0'];
}

function isNode(name: string): boolean {
  return /^(?:member|client) \d+$/.test(name);
}

function rankOf(name: string): number {
  return Number(/\d+/.exec(name)?.[0] ?? 0) + (name.startsWith('member') ? 0 : 1_000);
}

function idOf(name: string): string {
  return `${name.startsWith('member') ? 'M' : 'C'}${/\d+/.exec(name)?.[0] ?? 0}`;
}

function drawn(entry: TimelineEntry, ids: ReadonlyMap<string, string>): string {
  const { isLost, timeNs, to, what, who } = entry;
  const text = escaped(`${(timeNs / NS_PER_MS).toFixed(1)} ms ${what}`);
  const from = ids.get(who);
  if (from === undefined) {
    return noteOverAll(ids, escaped(`${(timeNs / NS_PER_MS).toFixed(1)} ms ${who} ${what}`));
  }
  const target = to === undefined ? undefined : ids.get(to);
  return target === undefined
    ? `Note over ${from}: ${text}`
    : `${from}${isLost ? '-x' : '->>'}${target}: ${text}`;
}

function noteOverAll(ids: ReadonlyMap<string, string>, text: string): string {
  const all = [...ids.values()];
  const first = all[0] as string;
  const last = all.at(-1) as string;
  return `Note over ${first === last ? first : `${first},${last}`}: ${text}`;
}

/** A semicolon ends a statement and a hash begins a code of a character. */
function escaped(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  const short = line.length > DIAGRAM_TEXT_MAX ? `${line.slice(0, DIAGRAM_TEXT_MAX)}…` : line;
  return short
    .replaceAll('#', '#35;')
    .replaceAll(/;(?<!#35;)/g, ',')
    .replaceAll('%%', '% %');
}
