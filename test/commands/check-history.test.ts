// `pawl check-history` as a user runs it: both formats, every verdict with its exit code, and
// errors with the line and the remedy.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type Test } from 'tape';
import { cliArguments, runCli, temporaryDirectory } from './cli.js';

const HISTORIES = 'test/simulator/linearizability/histories';

function historyFile(t: Test, lines: readonly string[]): string {
  const path = join(temporaryDirectory(t), 'history');
  writeFileSync(path, lines.join('\n'));
  return path;
}

test('a linearizable history has exit code 0, in both formats', async (t) => {
  for (const ending of ['jsonl', 'log']) {
    const file = `${HISTORIES}/unknown-write-late.${ending}`;
    const { code, stdout } = await runCli('check-history', file);
    t.equal(code, 0, ending);
    t.match(stdout, /^LINEARIZABLE: 1 key, 0 not linearizable, 0 unknown/m);
    t.match(stdout, /5 operations \(1 of unknown outcome\)/);
  }
});

test('a history that is not linearizable has exit code 11 and is explained', async (t) => {
  for (const ending of ['jsonl', 'log']) {
    const file = `${HISTORIES}/stale-read.${ending}`;
    const { code, stdout } = await runCli('check-history', file);
    t.equal(code, 11, ending);
    t.match(stdout, /the register is not linearizable: up to line 6/);
    t.match(stdout, /cannot be placed: process 1 read gave 1 \(lines 5 to 6\)/);
    t.match(stdout, /2\. process 0 write 2 \(lines 3 to 4\): the value is 2/);
    t.match(stdout, /^VIOLATION: /m);
  }
});

test('a limit that comes first has exit code 12', async (t) => {
  const file = `${HISTORIES}/three-writes-read-in-turn.jsonl`;
  const { code, stdout } = await runCli('check-history', file, '--operations-max', '2');
  t.equal(code, 12);
  t.match(stdout, /the register was not judged: it has 6 operations, the limit is 2/);
  t.match(stdout, /^UNKNOWN: /m);
});

test('with --json it prints one object', async (t) => {
  const { code, stdout } = await runCli(
    'check-history',
    `${HISTORIES}/one-bad-key.jsonl`,
    '--json',
  );
  t.equal(code, 11);
  const result = JSON.parse(stdout);
  t.equal(result.verdict, 'violation');
  t.equal(result.model, 'key-value');
  t.equal(result.operations, 6);
  t.equal(result.keys, 3);
  const [violation] = result.violations;
  t.equal(violation.key, 'b');
  t.equal(violation.prefixEvents, 10);
  t.equal(violation.operation.returnLine, 10);
  t.equal(violation.valueAfterLongestOrder, 2);
  t.equal(violation.longestOrder.length, 2);
  t.match(violation.explanation[0], /key "b" is not linearizable/);
});

test('a history comes from the standard input when the file is -', (t) => {
  const input = [
    'WARN  jepsen.core - something else in the log',
    'INFO  jepsen.util - :nemesis :info :start nil',
    'INFO  jepsen.util - 0 :invoke :write 1',
    'INFO  jepsen.util - 1 :invoke :read nil',
    'INFO  jepsen.util - 0 :info :write :timed-out',
    'INFO  jepsen.util - 1 :ok :read 1',
    'INFO  jepsen.util - 2 :invoke :cas [1 2]',
    'INFO  jepsen.util - 2 :fail :cas [1 2]',
  ].join('\n');
  const args = cliArguments('check-history', '-', '--json');
  const { status, stdout } = spawnSync(process.execPath, args, { input, encoding: 'utf8' });
  t.equal(status, 0);
  const result = JSON.parse(stdout);
  t.equal(result.format, 'jepsen');
  t.equal(result.events, 6);
  t.equal(result.operations, 2);
  t.equal(result.unknownOutcomes, 1);
  t.equal(result.dropped, 1, 'the comparison that failed');
  t.equal(result.otherLines, 2);
  t.end();
});

test('options say what a register holds at first and what a failed comparison means', async (t) => {
  const zero = `${HISTORIES}/begins-with-zero.jsonl`;
  t.equal((await runCli('check-history', zero)).code, 11);
  t.equal((await runCli('check-history', zero, '--initial', '0')).code, 0);
  const failed = `${HISTORIES}/mismatch-unexplained.log`;
  t.equal((await runCli('check-history', failed)).code, 0);
  t.equal((await runCli('check-history', failed, '--failed-cas', 'mismatch')).code, 11);
});

const INVOKE = '{"process":0,"type":"invoke","operation":"write","key":"a","value":1}';

const REFUSED: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['no JSON', [INVOKE, '{"process":'], /line 2: it is no JSON .*: write one JSON object/],
  ['a list', ['[1]'], /line 1: it is \[1\]: write one JSON object in each line/],
  ['no process', ['{"type":"ok"}'], /line 1: process is missing: write a number or a name/],
  ['a wrong type', ['{"process":0,"type":"done","operation":"read"}'], /line 1: type is "done": w/],
  ['a wrong operation', [INVOKE.replace('write', 'swap')], /'swap' is none of model register/],
  ['two at once', [INVOKE, '', INVOKE], /line 3: process 0 invokes write while its write of line/],
  ['an end alone', [INVOKE.replace('invoke', 'ok')], /line 1: process 0 ends a write that it has/],
  ['no pair', [INVOKE.replace('write', 'cas')], /has the value 1: write \[expected, new\]/],
  ['an object', [INVOKE.replace(':1}', ':{}}')], /line 1: value is \{\}: write null, a number/],
  ['another end', [INVOKE, INVOKE.replace('invoke', 'ok').replace(':1', ':2')], /with the value 2/],
  ['a key changed', [INVOKE, INVOKE.replace('invoke', 'ok').replace('"a"', '"b"')], /key "b" and/],
  ['nothing', ['', ''], /the history has no operation in its 2 lines: write JSON lines/],
  ['a broken value', ['0 :invoke :write x7'], /line 1: value 'x7' cannot be read: it must be nil/],
];

test('what cannot be read is refused with line, value and remedy, and exit code 2', async (t) => {
  for (const [name, lines, message] of REFUSED) {
    const { code, stderr } = await runCli('check-history', historyFile(t, lines));
    t.equal(code, 2, name);
    t.match(stderr, message);
    t.equal(stderr.trim().split('\n').length, 1, 'one line');
  }
  const keyless = historyFile(t, ['{"process":0,"type":"invoke","operation":"get"}']);
  t.match((await runCli('check-history', keyless)).stderr, /get has no key: name the key/);
  const missing = await runCli('check-history', 'nowhere.jsonl');
  t.equal(missing.code, 2);
  t.match(missing.stderr, /history nowhere\.jsonl cannot be read \(ENOENT\): name a file/);
  const option = await runCli('check-history', missing.stderr, '--initial', '[1]');
  t.equal(option.code, 2);
  t.match(option.stderr, /It must be null, a number, a "text", true or false/);
});
