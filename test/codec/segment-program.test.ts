// segment-program.test.ts: the WASI program, run under node:wasi on segments that are built here.

import test from 'tape';
import { LogCodec } from '../../src/codec/index.js';
import { TemplateId } from '../../src/protocol/codecs/template-ids.js';
import {
  GOLDEN_SEGMENT_LENGTH,
  GOLDEN_TERM_LENGTH,
  goldenSegment,
  pattern,
} from './golden-segment.js';
import { runProgram } from './run-program.js';
import { SegmentBuilder } from './segment-builder.js';

const codec = LogCodec.create();

/** Runs the program on one file below `/log`. */
function runOn(bytes: Uint8Array, parameters: readonly string[] = [], name = '0-0.rec') {
  return runProgram({ parameters: [...parameters, `/log/${name}`], files: { [name]: bytes } });
}

/** The facts of a summary by their names. */
function factsOf(output: string): Record<string, string> {
  const lines = [...output.matchAll(/^ {2}([a-z][a-z ]{15}) {2}(\S.*)$/gm)];
  return Object.fromEntries(lines.map((m) => [m[1]?.trim() ?? '', m[2] ?? '']));
}

test('the program prints the facts of a good segment', (t) => {
  const builder = goldenSegment();
  const { exitCode, output, complaints } = runOn(builder.bytes, ['--hash']);
  t.equal(exitCode, 0);
  t.equal(complaints, '');
  t.ok(output.startsWith('/log/0-0.rec: good\n'));
  const hasher = codec.hasher();
  hasher.update(builder.bytes, 0);
  const data = builder.facts.filter((fact) => !fact.isPadding);
  t.deepEqual(factsOf(output), {
    positions: `0 to ${builder.position}`,
    length: `${builder.position} bytes`,
    frames: `${data.length} data, 1 padding`,
    payload: `${data.reduce((sum, fact) => sum + fact.payload.length, 0)} bytes`,
    padding: `${builder.facts.find((fact) => fact.isPadding)?.frameLength} bytes`,
    'leadership terms': '0 to 1',
    'term length': `${GOLDEN_TERM_LENGTH} (learnt from the frames)`,
    hash: hasher.digest(),
    'ends with': 'frame of length zero; what follows was not read',
  });
  t.end();
});

test('the program prints a line for each frame', (t) => {
  const builder = goldenSegment();
  const { exitCode, output } = runOn(builder.bytes, ['--frames']);
  t.equal(exitCode, 0);
  const lines = output.split('\n').filter((line) => /^ +\d+ {2}(data|pad)/.test(line));
  const columns = lines.map((line) => line.trim().split(/ +/));
  const expected = builder.facts.map((fact) => [
    String(fact.position),
    fact.isPadding ? 'pad' : 'data',
    `${fact.flags & 0x80 ? 'B' : '-'}${fact.flags & 0x40 ? 'E' : '-'}--`,
    String(fact.frameLength),
    String(fact.leadershipTermId),
  ]);
  t.deepEqual(
    columns.map((column) => column.slice(0, 5)),
    expected,
  );
  const names = columns.map((column) => column[5] ?? '');
  t.deepEqual(names.slice(0, 3), [
    'NewLeadershipTermEvent',
    'SessionOpenEvent',
    'SessionMessageHeader',
  ]);
  t.equal(names.at(-1), 'SessionCloseEvent');
  t.equal(names.filter((name) => name === '(continued)').length, 2);
  t.end();
});

test('the program names every message of the cluster as the table does', (t) => {
  const builder = new SegmentBuilder({ termLength: GOLDEN_TERM_LENGTH, length: 65_536 });
  for (const templateId of Object.values(TemplateId)) {
    builder.appendMessage(templateId, 8);
  }
  builder.appendMessage(999, 8).append(new Uint8Array(3)).append(new Uint8Array(8).fill(1));
  const { output } = runOn(builder.bytes, ['--frames']);
  const names = [...output.matchAll(/ data {2}BE-- +\d+ +0 {2}(.*)$/gm)].map((match) => match[1]);
  const others = ['template 999', '(no message header)', '(schema 257)'];
  t.deepEqual(names, [...Object.keys(TemplateId), ...others]);
  t.end();
});

test('the program names the first bad frame and where it is', (t) => {
  const builder = goldenSegment();
  const { position, frameLength } = builder.facts[250] ?? { position: 0, frameLength: 0 };
  const damage = (at: number, bytes: readonly number[]) => {
    const damaged = builder.bytes.slice();
    damaged.set(bytes, position + at);
    return damaged;
  };
  const cases: [RegExp, Uint8Array][] = [
    [/checksum is 0x[0-9a-f]{8}, but the bytes have 0x[0-9a-f]{8}$/, damage(40, [1, 2, 3])],
    [/version is 9, not 0$/, damage(4, [9])],
    [/type is 7, neither padding \(0\) nor data \(1\)$/, damage(6, [7, 0])],
    [/frame length is -1, which no frame has$/, damage(0, [255, 255, 255, 255])],
    [/frame length is 0, but the rest of the header is not$/, damage(0, [0, 0, 0, 0])],
    [/term offset is 32, but the position asks for \d+$/, damage(8, [32, 0, 0, 0])],
    [/term id is 5, but the position asks for 1$/, damage(20, [5, 0, 0, 0])],
    [/frame length is \d+, but its term has room for \d+$/, damage(0, [0, 0, 1, 0])],
  ];
  for (const [expected, bytes] of cases) {
    const { exitCode, output } = runOn(bytes, ['--term-length', String(GOLDEN_TERM_LENGTH)]);
    const facts = factsOf(output);
    t.equal(exitCode, 1);
    t.ok(output.startsWith('/log/0-0.rec: BAD\n'));
    t.ok(expected.test(facts['bad frame'] ?? ''), facts['bad frame']);
    t.ok(facts['bad frame']?.startsWith(`position ${position}: `));
    t.equal(facts.frames, '249 data, 1 padding');
  }
  const cut = runOn(builder.bytes.subarray(0, position + frameLength - 40));
  t.equal(cut.exitCode, 1);
  t.ok(/but the file ends before$/.test(factsOf(cut.output)['bad frame'] ?? ''));
  t.end();
});

test('the program finds a frame of an older leadership term', (t) => {
  const builder = new SegmentBuilder({ termLength: GOLDEN_TERM_LENGTH, length: 65_536 });
  builder.leadershipTermId = 5;
  builder.append(pattern(10, 1));
  builder.leadershipTermId = 4;
  builder.append(pattern(10, 2));
  const { exitCode, output } = runOn(builder.bytes);
  t.equal(exitCode, 1);
  const found = factsOf(output)['bad frame'];
  t.equal(found, 'position 64: leadership term is 4, but the frame before has 5');
  t.end();
});

test('the program and the library agree on any damage', (t) => {
  const builder = new SegmentBuilder({ termLength: GOLDEN_TERM_LENGTH, length: 512 });
  builder.appendMessage(24, 48).append(pattern(33, 1)).append(pattern(0, 2));
  for (let offset = 0; offset < builder.position; offset += 5) {
    const bytes = builder.bytes.slice();
    bytes[offset] = (bytes[offset] ?? 0) ^ 0x90;
    const verdict = codec.verify(bytes, { termLength: GOLDEN_TERM_LENGTH });
    const { exitCode, output } = runOn(bytes, ['--term-length', String(GOLDEN_TERM_LENGTH)]);
    const end = factsOf(output).positions;
    if (exitCode !== (verdict.isGood ? 0 : 1) || end !== `0 to ${verdict.position}`) {
      t.fail(`byte ${offset}: ${verdict.reason} at ${verdict.position}, but ${output}`);
    }
  }
  t.end();
});

test('the position is taken from the name of the segment', (t) => {
  const position = 6 * GOLDEN_TERM_LENGTH;
  const builder = new SegmentBuilder({
    termLength: GOLDEN_TERM_LENGTH,
    length: GOLDEN_SEGMENT_LENGTH,
    position,
  });
  builder.appendMessage(1, 24, 100).pad().appendMessage(1, 24, 100);
  const { exitCode, output } = runOn(builder.bytes, [], `0-${position}.rec`);
  t.equal(exitCode, 0);
  t.equal(factsOf(output).positions, `${position} to ${builder.position}`);
  t.equal(factsOf(output)['term length'], `${GOLDEN_TERM_LENGTH} (learnt from the frames)`);
  const given = runOn(builder.bytes, ['--position', String(position)], 'segment.bin');
  t.equal(given.exitCode, 0);
  const wrong = runOn(builder.bytes, ['--term-length', '131072'], `0-${position}.rec`);
  t.equal(wrong.exitCode, 1);
  t.end();
});

test('a sparse segment of 128 MiB is read to its first frame of length zero', (t) => {
  const length = 128 * 1024 * 1024;
  const bytes = new Uint8Array(length);
  bytes.set(goldenSegment().bytes);
  const { exitCode, output } = runOn(bytes);
  t.equal(exitCode, 0);
  t.equal(factsOf(output)['ends with'], 'frame of length zero; what follows was not read');
  t.end();
});

test('a long padding frame is stepped over, and a full segment ends with its file', (t) => {
  const termLength = 1024 * 1024;
  const builder = new SegmentBuilder({ termLength, length: 2 * termLength });
  builder.append(pattern(600_000, 1)).pad().append(pattern(500, 1)).pad();
  const { exitCode, output } = runOn(builder.bytes);
  t.equal(exitCode, 0);
  const facts = factsOf(output);
  t.equal(facts.positions, `0 to ${2 * termLength}`);
  t.equal(facts.frames, '2 data, 2 padding');
  t.equal(facts['ends with'], 'end of the file');
  t.end();
});

test('the program reads standard input, and several files', (t) => {
  const { bytes } = goldenSegment();
  const summary = runOn(bytes, ['--hash']).output;
  const piped = runProgram({ parameters: ['--hash', '-'], stdin: bytes });
  t.equal(piped.exitCode, 0);
  t.equal(piped.output, summary.replace('/log/0-0.rec', '-'));
  const files = { 'a.rec': bytes, 'b.rec': bytes.slice(0, 100), 'c.rec': new Uint8Array(0) };
  const parameters = ['/log/a.rec', '/log/b.rec', '/log/c.rec'];
  const several = runProgram({ parameters, files });
  t.equal(several.exitCode, 1, 'one of them is cut short');
  const heads = several.output.split('\n').filter((line) => line.startsWith('/log'));
  t.deepEqual(heads, ['/log/a.rec: good', '/log/b.rec: BAD', '/log/c.rec: good']);
  t.end();
});

test('a wrong call is refused with the remedy', (t) => {
  const refused = (parameters: readonly string[], expected: RegExp) => {
    const { exitCode, output, complaints } = runProgram({ parameters });
    t.equal(exitCode, 2, parameters.join(' '));
    t.equal(output, '');
    t.ok(expected.test(complaints), complaints.trim());
  };
  refused([], /no file was named: name a segment, or - for the standard input/);
  refused(['--fast', 'x'], /unknown option --fast: --help lists all/);
  refused(['--term-length', '1000', 'x'], /--term-length is 1000: use a power of two/);
  refused(['--term-length'], /--term-length is : use a power of two/);
  refused(['--position', '33', 'x'], /--position is 33: use a multiple of 32/);
  refused(['--position', 'abc', 'x'], /--position is abc/);
  refused(['--initial-term-id', '9999999999', 'x'], /use an integer of 32 bits/);
  refused(['/log/none.rec'], /\/log\/none.rec: it cannot be opened: NOENT/);
  refused(['/elsewhere/0-0.rec'], /no directory that the host has opened/);
  t.equal(runProgram({ parameters: ['--help'] }).exitCode, 0);
  t.end();
});
