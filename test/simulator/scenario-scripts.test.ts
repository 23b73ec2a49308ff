// The scripts of test/scenarios: what each has to say, and how they are read and written. They are
// played by a suite of their own.

import { readFileSync } from 'node:fs';
import test from 'tape';
import { readScenario, scenarioNames } from '../scenarios/run-script.js';
import {
  expandRange,
  foldTexts,
  formatScript,
  parseDurationNs,
  parseScript,
} from '../scenarios/script.js';

/** The scenarios that are wanted at least. */
const SCENARIO_COUNT_MIN = 60;
/** Letters of a head comment. */
const HEAD_LENGTH_MIN = 120;

const names = scenarioNames();

test('there are scenarios, and each says what it shows', (t) => {
  t.ok(names.length >= SCENARIO_COUNT_MIN, `${names.length} scenarios`);
  const terse = names.filter((name) => readScenario(name).head.join(' ').length < HEAD_LENGTH_MIN);
  t.deepEqual(terse, [], 'every head comment says what is shown, and why it matters');
  const careless = names.filter((name) =>
    readScenario(name).blocks.every(({ commands }) =>
      commands.every((command) => !/^(expect|run until)/.test(command)),
    ),
  );
  t.deepEqual(careless, [], 'every scenario expects something, whatever is written down');
  const readme = readFileSync(new URL('../scenarios/README.md', import.meta.url), 'utf8');
  const unlisted = names.filter((name) => !readme.includes(`[${name}](${name}.txt)`));
  t.deepEqual(unlisted, [], 'the README lists every scenario');
  t.end();
});

test('a script that is read and written again is the same', (t) => {
  const text = '# one\n# two\n\ncluster members=3\n----\n  1.0  member 0  leads\n\nrun 5ms\n';
  t.equal(formatScript(parseScript(text)), text);
  t.throws(() => parseScript('cluster members=3\n'), /begins with comment/, 'a head is needed');
  t.end();
});

test('runs of numbered texts are folded, and unfolded', (t) => {
  t.equal(foldTexts(['a', 'm1', 'm2', 'm3', 'b', 'm4', 'm5']), 'a m1..m3 b m4 m5');
  t.deepEqual(expandRange('m9..m11'), ['m9', 'm10', 'm11']);
  t.deepEqual(expandRange('m9'), ['m9']);
  t.equal(parseDurationNs('1.5ms'), 1_500_000);
  t.throws(() => parseDurationNs('5'), /is no duration/);
  t.end();
});
