// command-archive.ts: `pawl archive`: lists, describes, verifies and replays recordings from files.
//
// Nothing is changed and no lock is taken, so that it also works beside a member that runs; what
// changes an archive is in archive/purge-commands.ts.

import { resolve } from 'node:path';
import type { Command } from 'commander';
import { describeEvent, type EventValue, FrameType, type LogFrame } from '../codec/index.js';
import { ErrorCode, PawlError } from '../errors.js';
import { ExitCode } from '../host/exit-codes.js';
import type { Position } from '../position.js';
import { readFrames } from './archive/archive-frames.js';
import {
  type ArchiveVerdict,
  describeTerms,
  listRecordings,
  type ReadableLog,
  readableLog,
  type TermTotals,
  verifyArchive,
} from './archive/archive-report.js';
import { followFrames } from './archive/follow-frames.js';
import { addPurgeCommands } from './archive/purge-commands.js';
import { readDescription } from './command-describe.js';
import { integerOption } from './options.js';
import { grouped, printJson, printLine, tableText } from './output.js';

interface JsonFlag {
  readonly json?: boolean;
}

interface ReplayFlags extends JsonFlag {
  readonly from?: Position;
  readonly to?: Position;
  readonly limit?: number;
  readonly follow?: boolean;
}

const POSITION_MAX = Number.MAX_SAFE_INTEGER;

function open(path: string): ReadableLog {
  return readableLog(resolve(path), readDescription(path));
}

function list(path: string, flags: JsonFlag): void {
  const recordings = listRecordings(open(path));
  if (flags.json === true) {
    printJson({ directory: resolve(path), recordings });
    return;
  }
  const heading = [
    'recording',
    'content',
    'stream',
    'start',
    'stop',
    'terms',
    'segments',
    'health',
  ];
  const rows = recordings.map((one) => [
    String(one.recordingId),
    one.logPosition === undefined ? one.content : `snapshot of ${grouped(one.logPosition)}`,
    String(one.streamId),
    grouped(one.startPosition),
    grouped(one.stopPosition),
    String(one.termCount),
    `${one.segmentCount} (${grouped(one.fileBytes)} bytes)`,
    one.health,
  ]);
  printLine(tableText([heading, ...rows]));
}

function termText(term: TermTotals): readonly string[] {
  const messages = Object.entries(term.messages)
    .map(([name, number]) => `${grouped(number)} ${name === '' ? 'unknown' : name}`)
    .join(', ');
  return [
    `term ${term.leadershipTermId} from ${grouped(term.from)} to ${grouped(term.to)}: ` +
      `${grouped(term.dataFrames)} frames, ${grouped(term.paddingFrames)} of padding, ` +
      `${grouped(term.bytes)} bytes`,
    `  ${messages === '' ? 'no message' : messages}`,
  ];
}

function describe(path: string, flags: JsonFlag): void {
  const log = open(path);
  const terms = describeTerms(resolve(path), log);
  const [recording] = listRecordings(log);
  const { geometry } = log;
  const { segments, snapshots } = log.description;
  if (flags.json === true) {
    printJson({ directory: resolve(path), recording, geometry, segments, snapshots, terms });
    return;
  }
  printLine(
    `recording 0, the log, from ${grouped(log.from)}${log.from > 0 ? ' (purged before)' : ''} ` +
      `to ${grouped(log.to)}: ` +
      `term buffers of ${grouped(geometry.termLength)} bytes, ` +
      `segments of ${grouped(geometry.segmentLength)} bytes`,
  );
  for (const { name, base, length } of segments) {
    printLine(`segment ${name} from ${grouped(base)}, ${grouped(length)} bytes`);
  }
  for (const { length, logPosition, problem, recordingId } of snapshots) {
    const health = problem === undefined ? 'sound' : `UNUSABLE: ${problem}`;
    printLine(
      `recording ${recordingId}, a snapshot of position ${grouped(logPosition)}, ` +
        `${grouped(length)} bytes, ${health}`,
    );
  }
  for (const term of terms) {
    printLine(termText(term).join('\n'));
  }
}

function verdictText(verdict: ArchiveVerdict): string {
  const { damaged, dataFrames, from, paddingFrames, problems, notes, to, torn } = verdict;
  return [
    `${verdict.isSound ? 'sound' : 'DAMAGED'}: ${grouped(dataFrames)} frames and ` +
      `${grouped(paddingFrames)} of padding are whole and in place, ` +
      `from ${grouped(from)} to ${grouped(to)}`,
    ...damaged.map((range) => `damaged from ${grouped(range.from)} to ${grouped(range.to)}`),
    ...(torn === undefined
      ? []
      : [
          `torn tail from ${grouped(torn.from)} to ${grouped(torn.to)}: no promised frame is in it`,
        ]),
    ...problems.map((problem) => `problem: ${problem}`),
    ...notes.map((note) => `note: ${note}`),
  ].join('\n');
}

function verify(path: string, flags: JsonFlag): void {
  const verdict = verifyArchive(resolve(path), open(path));
  if (flags.json === true) {
    printJson({ directory: resolve(path), ...verdict });
  } else {
    printLine(verdictText(verdict));
  }
  process.exitCode = verdict.isSound ? ExitCode.Ok : ExitCode.Corrupt;
}

/** Values that JSON does not have: opaque numbers as text, bytes as hexadecimal digits. */
function plainValue(value: EventValue): unknown {
  if (typeof value === 'bigint') {
    return value.toString();
  }
  if (value instanceof Uint8Array) {
    return Buffer.from(value).toString('hex');
  }
  if (typeof value === 'object') {
    return value.map((fields) => plainFields(fields));
  }
  return value;
}

function plainFields(fields: { readonly [name: string]: EventValue }): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, plainValue(value)]),
  );
}

/** A frame as one line of JSON has it. */
function frameRecord(frame: LogFrame): Record<string, unknown> {
  const { flags, frameLength, leadershipTermLow, payload, position, type } = frame;
  const place = { position, frameLength, leadershipTermId: leadershipTermLow };
  if (type === FrameType.Padding) {
    return { ...place, name: 'padding' };
  }
  const event = describeEvent(payload);
  if (event === undefined || event.name === '') {
    return { ...place, name: '', flags, bytes: Buffer.from(payload).toString('hex') };
  }
  const { name, fields, rest } = event;
  return {
    ...place,
    name,
    flags,
    fields: plainFields(fields),
    ...(rest.length === 0 ? {} : { bytes: Buffer.from(rest).toString('hex') }),
  };
}

function frameText(frame: LogFrame): string {
  const { position, leadershipTermId, name, fields, bytes } = frameRecord(frame);
  const words = Object.entries((fields as Record<string, unknown>) ?? {})
    .map(([field, value]) => `${field}=${JSON.stringify(value)}`)
    .join(' ');
  const payload = typeof bytes === 'string' ? ` [${bytes.length / 2} bytes]` : '';
  const title = name === '' ? 'fragment' : String(name);
  return `${position} term ${leadershipTermId} ${title} ${words}${payload}`.replaceAll('  ', ' ');
}

function printFrame(frame: LogFrame, flags: JsonFlag): void {
  if (flags.json === true) {
    printJson(frameRecord(frame));
  } else {
    printLine(frameText(frame));
  }
}

async function replay(path: string, flags: ReplayFlags): Promise<void> {
  const log = open(path);
  const from = flags.from ?? log.from;
  const isFollowing = flags.follow === true;
  if (from < log.from || (from > log.to && !isFollowing)) {
    throw new PawlError(
      ErrorCode.ArgumentOutOfRange,
      `--from is ${from}: the archive in ${resolve(path)} holds ${log.from} to ${log.to}`,
    );
  }
  const to = flags.to ?? (isFollowing ? Number.POSITIVE_INFINITY : log.to);
  const range = { directory: resolve(path), ...log, from, to };
  let left = flags.limit ?? Number.POSITIVE_INFINITY;
  // A frame that begins before `from` is looked at, too: padding may be long.
  const frames = isFollowing
    ? followFrames({ range, stop: stopOnSignal() })
    : readFrames({ ...range, to: Math.min(to, log.to), end: log.to });
  for await (const frame of frames) {
    printFrame(frame, flags);
    if (--left <= 0) {
      return;
    }
  }
}

/** Aborted by a signal, or when nobody reads what is printed any more. */
function stopOnSignal(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => stop.abort());
  }
  process.stdout.once('error', () => stop.abort());
  return stop.signal;
}

export function addArchiveCommand(program: Command): void {
  const archive = program
    .command('archive')
    .summary('list, describe, verify, replay, purge or truncate what a member has recorded')
    .description(
      "Look at the recordings in a member's data directory, also beside a member that runs. Only " +
        '`purge`, `truncate` and `delete` change anything, and only while it does not.',
    );
  archive
    .command('list')
    .description('List the recordings: where they begin and end, and whether they are sound.')
    .argument('<dir>', "a member's data directory")
    .option('--json', 'print it as JSON')
    .action(list);
  archive
    .command('describe')
    .description('Tell segments, and the frames and messages of each leadership term.')
    .argument('<dir>', "a member's data directory")
    .option('--json', 'print it as JSON')
    .action(describe);
  archive
    .command('verify')
    .description(
      'Check every frame: length, place, leadership term and checksum, by two readers. Prints ' +
        'each damaged range. Exit code 0 when it is sound or has a torn tail, 5 when damaged.',
    )
    .argument('<dir>', "a member's data directory")
    .option('--json', 'print it as JSON')
    .action(verify);
  archive
    .command('replay')
    .description(
      'Print the frames in order, one on a line, damaged ranges left out. With --follow only ' +
        'those that are committed: what is recorded beyond may still be cut.',
    )
    .argument('<dir>', "a member's data directory")
    .option('--from <position>', 'first position (default: start)', integerOption(0, POSITION_MAX))
    .option('--to <position>', 'end, not included (default: end)', integerOption(0, POSITION_MAX))
    .option('--follow', 'go on with what a running member commits, until --to, --limit or a signal')
    .option('--limit <n>', 'most frames to print', integerOption(1, POSITION_MAX))
    .option('--json', 'print one JSON object on a line, with the bytes in hexadecimal digits')
    .action(replay);
  addPurgeCommands(archive);
}
