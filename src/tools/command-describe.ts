// command-describe.ts: `pawl describe` tells what a data directory holds, in words.

import { existsSync, realpathSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Opaque64 } from '../archive/birth.js';
import type { DamagedRange } from '../archive/damage-list.js';
import { type DirectoryDescription, describeDirectory } from '../archive/describe.js';
import { completeTask, StorageTasks } from '../archive/storage-task.js';
import { ErrorCode, PawlError } from '../errors.js';
import { ExitCode } from '../host/exit-codes.js';
import { NodeStorage } from '../host/node-storage.js';
import { Arena } from '../memory/arena.js';
import { grouped, printJson, printLine } from './output.js';

const ARENA_LENGTH = 16 * 1024 * 1024;
const MIB = 1024 * 1024;

function checkDirectory(path: string): string {
  const full = resolve(path);
  if (!existsSync(full)) {
    throw new PawlError(
      ErrorCode.DirectoryNotBorn,
      `data directory ${full} does not exist: name the directory of a member`,
    );
  }
  if (!statSync(full).isDirectory()) {
    throw new PawlError(
      ErrorCode.DirectoryNotBorn,
      `${full} is a file: name the data directory of a member`,
    );
  }
  return realpathSync(full);
}

/** Reads a data directory without changing it, also while a member runs on it. */
export function readDescription(path: string): DirectoryDescription {
  const storage = new NodeStorage(checkDirectory(path));
  try {
    const arena = Arena.create(ARENA_LENGTH);
    return completeTask(new StorageTasks(storage), describeDirectory(storage, arena));
  } finally {
    storage.end();
  }
}

function hexadecimal({ high, low }: Opaque64): string {
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
}

function birthText({ birth, nodeState }: DirectoryDescription): readonly string[] {
  if (birth === undefined) {
    return ['birth           none: this directory was not born by `pawl bootstrap`'];
  }
  const lines = [
    `birth           member ${birth.memberId} of cluster ${birth.clusterId}, ` +
      `born ${birth.voting ? 'voting' : 'non-voting'}, ` +
      `incarnation ${hexadecimal(birth.incarnation)}`,
    `configuration   hash ${hexadecimal(birth.configurationHash)}, egress terms of ` +
      `${grouped(birth.egressTermLength)} bytes`,
  ];
  if (nodeState === undefined) {
    return [...lines, 'vote            lost: the member starts without a vote'];
  }
  const { candidateTermId, votedForMemberId, voting, incarnations } = nodeState;
  const vote =
    candidateTermId < 0
      ? 'no election seen yet'
      : votedForMemberId < 0
        ? `no vote given in term ${candidateTermId}`
        : `given to member ${votedForMemberId} in term ${candidateTermId}`;
  const known = incarnations
    .map(({ memberId, incarnation }) => `${memberId} (${hexadecimal(incarnation)})`)
    .join(', ');
  return [
    ...lines,
    `vote            ${vote}; the member is ${voting ? 'voting' : 'NOT voting'}`,
    `knows           ${known === '' ? 'no other member' : `members ${known}`}`,
  ];
}

function termTexts({ terms }: DirectoryDescription): readonly string[] {
  if (terms.length === 0) {
    return ['terms           none: nobody has led yet'];
  }
  return terms.map((term, index) => {
    const { leadershipTermId, logPosition, termBaseLogPosition, timestampMs } = term;
    const end = logPosition < 0 ? 'open' : `to ${grouped(logPosition)}`;
    const since = new Date(timestampMs).toISOString();
    const heading = index === 0 ? 'terms           ' : '                ';
    const range = `from ${grouped(termBaseLogPosition)} ${end}`;
    return `${heading}${leadershipTermId} ${range}, since ${since}`;
  });
}

function segmentTexts({
  segments,
  catalog,
  logStartPosition,
}: DirectoryDescription): readonly string[] {
  const geometry =
    catalog === undefined
      ? []
      : [
          `catalog         term buffers of ${catalog.geometry.termLength / MIB} MiB, segments of ` +
            `${catalog.geometry.segmentLength / MIB} MiB, MTU ${catalog.mtuLength}`,
        ];
  const files = segments.map(({ name, base, length }, index) => {
    const heading = index === 0 ? 'segments        ' : '                ';
    return `${heading}${name} from ${grouped(base)}, ${length / MIB} MiB`;
  });
  const purged =
    logStartPosition === 0
      ? []
      : [`log start       ${grouped(logStartPosition)}: what was before has been purged`];
  return [...geometry, ...purged, ...(files.length === 0 ? ['segments        none'] : files)];
}

function snapshotTexts({ snapshots }: DirectoryDescription): readonly string[] {
  return snapshots.map(({ length, logPosition, problem, recordingId, timestampMs }, index) => {
    const heading = index === 0 ? 'snapshots       ' : '                ';
    const health = problem === undefined ? 'sound' : `UNUSABLE: ${problem}`;
    return (
      `${heading}recording ${recordingId} of position ${grouped(logPosition)}, ` +
      `${grouped(length)} bytes, taken ${new Date(timestampMs).toISOString()}, ${health}`
    );
  });
}

/** Damaged ranges that are listed one by one. */
const RANGE_COUNT_MAX = 20;

function rangesText(ranges: readonly DamagedRange[]): string {
  const shown = ranges.slice(0, RANGE_COUNT_MAX);
  const words = shown.map(({ from, to }) => `${grouped(from)} to ${grouped(to)}`).join(', ');
  const rest = ranges.length - shown.length;
  return rest > 0 ? `${words} and ${rest} more` : words;
}

function healthText({ health }: DirectoryDescription): string {
  switch (health?.kind) {
    case undefined:
      return 'unknown: the log cannot be judged without its catalog';
    case 'sound':
      return 'sound: every frame was read and is valid';
    case 'torn':
      return (
        `torn tail: what follows ${grouped(health.from)} is no valid frame and lies above the ` +
        'durable mark; the next start cuts it, nothing promised is lost'
      );
    case 'corrupt':
      return (
        `CORRUPT at ${grouped(health.position)}, below the durable mark (${health.reason}): ` +
        `damaged from ${rangesText(health.ranges)}; the member starts without its vote and takes ` +
        `${health.ranges.length === 1 ? 'this range' : 'these ranges'} from the others` +
        (health.isEndKnown ? '' : '. The end of the log is lost: a leader has to admit it anew')
      );
  }
}

function logTexts(description: DirectoryDescription): readonly string[] {
  const { appendPosition, logTermId, mark } = description;
  const markText =
    mark === undefined
      ? 'none'
      : `durable ${grouped(mark.durablePosition)}, committed ${grouped(mark.commitPosition)}, ` +
        `term ${mark.leadershipTermId}`;
  const endText =
    appendPosition === undefined
      ? 'cannot be told'
      : `${grouped(appendPosition)}${logTermId < 0 ? '' : `, in term ${logTermId}`}`;
  return [
    `mark            ${markText}`,
    `last position   ${endText}`,
    `health          ${healthText(description)}`,
  ];
}

/** The description in words. */
export function descriptionText(path: string, description: DirectoryDescription): string {
  const isBlank = description.birth === undefined && description.segments.length === 0;
  if (isBlank && description.problems.length === 0) {
    return `directory       ${resolve(path)}\nbirth           none: the directory is blank`;
  }
  return [
    `directory       ${resolve(path)}`,
    ...birthText(description),
    ...termTexts(description),
    ...segmentTexts(description),
    ...snapshotTexts(description),
    ...logTexts(description),
    ...description.problems.map((problem) => `problem         ${problem}`),
  ].join('\n');
}

/** Damage has an exit code of its own, so that scripts can tell it. */
function exitCodeOfDescription({ health, birth, problems }: DirectoryDescription): number {
  if (health?.kind === 'corrupt') {
    return ExitCode.Corrupt;
  }
  if (birth === undefined) {
    return problems.length > 0 ? ExitCode.Corrupt : ExitCode.Directory;
  }
  return health === undefined ? ExitCode.Corrupt : ExitCode.Ok;
}

export function addDescribeCommand(program: Command): void {
  program
    .command('describe')
    .summary('tell what a data directory holds')
    .description(
      "Tell what a member's data directory holds: birth, vote, terms, segments, mark, last " +
        'position and health. Reads only, also while the member runs. Exit code 0 when it is ' +
        'sound or has a torn tail, 4 when it is blank, 5 when it is damaged.',
    )
    .argument('<dir>', "a member's data directory")
    .option('--json', 'print it as JSON')
    .action((path: string, flags: { json?: boolean }) => {
      const description = readDescription(path);
      if (flags.json === true) {
        printJson({ directory: resolve(path), ...description });
      } else {
        printLine(descriptionText(path, description));
      }
      process.exitCode = exitCodeOfDescription(description);
    });
}
