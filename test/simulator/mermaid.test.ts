// The diagram: every line is one that Mermaid's grammar of sequence diagrams knows, whatever the
// texts hold, and it stays small.

import test from 'tape';
import { ArenaPool, Simulation } from '../../src/simulator/index.js';
import { DIAGRAM_ENTRIES_MAX, sequenceDiagram } from '../../src/simulator/story/mermaid.js';
import type { TimelineEntry } from '../../src/simulator/timeline.js';

const ID = '[MC]\\d+';
const TEXT = '(?:[^;#]|#35;)+';
/** The statements that a diagram may have, and nothing else. */
const STATEMENTS = [
  /^sequenceDiagram$/,
  new RegExp(`^ {2}participant ${ID} as (?:member|client) \\d+$`),
  new RegExp(`^ {2}${ID}(?:->>|-x)${ID}: ${TEXT}$`),
  new RegExp(`^ {2}Note over ${ID}(?:,${ID})?: ${TEXT}$`),
];

/** Lines that are no statement, or that name a participant who was not introduced. */
function wrongLines(diagram: string): string[] {
  const lines = diagram.trimEnd().split('\n');
  const known = new Set(lines.flatMap((line) => /participant (\w+) as/.exec(line)?.[1] ?? []));
  return lines.filter((line) => {
    const isKnown = STATEMENTS.some((statement) => statement.test(line));
    const head = line.trim().split(':')[0] ?? '';
    const ids = head.startsWith('participant') ? [] : (head.match(/\b[MC]\d+\b/g) ?? []);
    return !isKnown || ids.some((id) => !known.has(id));
  });
}

function entry(who: string, what: string, to?: string, isLost = false): TimelineEntry {
  return { timeNs: 1_500_000, who, what, to, isLost };
}

test('messages are arrows, lost ones crosses, and everything else is a note', (t) => {
  const diagram = sequenceDiagram(
    [
      entry('client 0', 'has session 96'),
      entry('member 1', 'votes for 0', 'member 0'),
      entry('member 0', 'new term 1', 'member 1', true),
      entry('network', 'heals'),
    ],
    { ending: 'I-1: two leaders' },
  );
  t.deepEqual(diagram.trimEnd().split('\n'), [
    'sequenceDiagram',
    '  participant M0 as member 0',
    '  participant M1 as member 1',
    '  participant C0 as client 0',
    '  Note over C0: 1.5 ms has session 96',
    '  M1->>M0: 1.5 ms votes for 0',
    '  M0-xM1: 1.5 ms new term 1',
    '  Note over M0,C0: 1.5 ms network heals',
    '  Note over M0,C0: I-1: two leaders',
  ]);
  t.end();
});

test('texts cannot break the grammar', (t) => {
  const nasty = ['a; b', 'end', '#;', 'line\nbreak', '%% comment', 'x'.repeat(500), 'M0->>M1: hi'];
  const entries = nasty.flatMap((text) => [
    entry('member 0', text),
    entry('member 0', text, 'member 1'),
    entry('nemesis', text),
  ]);
  t.deepEqual(wrongLines(sequenceDiagram(entries, { ending: nasty.join(';#') })), []);
  t.deepEqual(wrongLines(sequenceDiagram([])), [], 'nothing happened');
  t.end();
});

test('the diagram of a run is well formed and bounded', (t) => {
  const arenas = new ArenaPool();
  const run = (seed: number, profile: 'quiet' | 'storm'): readonly TimelineEntry[] =>
    new Simulation({ seed, profile, arenas, safetyNs: 5_000_000_000, isTraced: true }).run()
      .entries;
  for (const seed of [1, 2]) {
    const stormy = run(seed, 'storm');
    t.ok(stormy.length > DIAGRAM_ENTRIES_MAX, `${stormy.length} entries`);
    const diagram = sequenceDiagram(stormy, { ending: 'here it ends' });
    t.deepEqual(wrongLines(diagram), []);
    t.ok(diagram.split('\n').length <= DIAGRAM_ENTRIES_MAX + 20, `${diagram.length} characters`);
  }
  const entries = run(3, 'quiet');
  const halves = sequenceDiagram(entries, { untilNs: 1_000_000_000 });
  t.match(halves, /LEADS term 0/);
  t.match(halves, /M\d->>M\d: [\d.]+ ms votes for \d in term 0/);
  t.end();
});
