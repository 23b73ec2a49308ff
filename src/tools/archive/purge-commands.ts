// purge-commands.ts: `pawl archive purge`, `truncate` and `delete`: what changes an archive. The
// member that owns it must not run.

import type { Command } from 'commander';
import { type ArchivePurge, deleteSnapshot, purgeArchive } from '../../archive/archive-purge.js';
import { type ArchiveTruncation, truncateArchive } from '../../archive/archive-truncate.js';
import { SNAPSHOT_COUNT_MAX } from '../../archive/snapshot-manifest.js';
import { openDataDirectory } from '../../host/data-directory.js';
import { NodeEntropy } from '../../host/node-entropy.js';
import { runStorageTask } from '../../host/run-task.js';
import { Arena } from '../../memory/arena.js';
import { withDirectory } from '../directory-error.js';
import { integerOption } from '../options.js';
import { grouped, printJson, printLine } from '../output.js';

const ARENA_LENGTH = 4 * 1024 * 1024;
const KEPT_COUNT_DEFAULT = 2;

interface PurgeFlags {
  readonly keep: number;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

interface TruncateFlags {
  readonly to: number;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

interface DeleteFlags {
  readonly recording: number;
  readonly json?: boolean;
}

function purgeText(purge: ArchivePurge, isDryRun: boolean): string {
  const { keptPositions, logStartPosition, segmentBytes, segmentCount, snapshotIds } = purge;
  if (keptPositions.length === 0) {
    return 'nothing can be given up: the archive has no snapshot';
  }
  const kept = keptPositions.map(grouped).join(' and ');
  const [gives, begins] = isDryRun ? ['would give up', 'would begin'] : ['gave up', 'begins'];
  return (
    `${gives} ${segmentCount} segments (${grouped(segmentBytes)} bytes) and ` +
    `${snapshotIds.length} snapshots; the log ${begins} at ${grouped(logStartPosition)}, ` +
    `behind the snapshots of ${kept}`
  );
}

async function purge(path: string, flags: PurgeFlags): Promise<void> {
  const isDryRun = flags.dryRun === true;
  const directory = openDataDirectory(path, false);
  const options = { keptCount: flags.keep, isDryRun };
  const result = await runStorageTask(directory, (storage) =>
    purgeArchive(storage, Arena.create(ARENA_LENGTH), options),
  ).catch((error: unknown) => {
    throw withDirectory(error, directory);
  });
  if (flags.json === true) {
    printJson({ directory, isDryRun, ...result });
  } else {
    printLine(purgeText(result, isDryRun));
  }
}

function truncationText(truncation: ArchiveTruncation, isDryRun: boolean): string {
  const { endPosition, formerEndPosition, segmentCount, termIds } = truncation;
  if (endPosition === formerEndPosition) {
    return `nothing to give up: the log ends at ${grouped(endPosition)}`;
  }
  const [gives, ends, has] = isDryRun
    ? ['would give up', 'would end', 'would have']
    : ['gave up', 'ends', 'has'];
  return (
    `${gives} ${grouped(formerEndPosition - endPosition)} bytes of log, with ${segmentCount} ` +
    `whole segments and ${termIds.length} leadership terms; the log ${ends} at ` +
    `${grouped(endPosition)}, and the member ${has} no vote until a leader gives it back`
  );
}

async function truncate(path: string, flags: TruncateFlags): Promise<void> {
  const isDryRun = flags.dryRun === true;
  const directory = openDataDirectory(path, false);
  const options = { position: flags.to, isDryRun, entropy: new NodeEntropy() };
  const result = await runStorageTask(directory, (storage) =>
    truncateArchive(storage, Arena.create(ARENA_LENGTH), options),
  ).catch((error: unknown) => {
    throw withDirectory(error, directory);
  });
  if (flags.json === true) {
    printJson({ directory, isDryRun, ...result });
  } else {
    printLine(truncationText(result, isDryRun));
  }
}

async function remove(path: string, flags: DeleteFlags): Promise<void> {
  const directory = openDataDirectory(path, false);
  const entry = await runStorageTask(directory, (storage) =>
    deleteSnapshot(storage, Arena.create(ARENA_LENGTH), flags.recording),
  ).catch((error: unknown) => {
    throw withDirectory(error, directory);
  });
  if (flags.json === true) {
    printJson({ directory, deleted: entry });
  } else {
    printLine(
      `deleted recording ${entry.recordingId}, the snapshot of position ` +
        `${grouped(entry.logPosition)}`,
    );
  }
}

/** Adds the commands that change an archive. */
export function addPurgeCommands(archive: Command): void {
  archive
    .command('purge')
    .description(
      'Give up the log that the newest snapshots hold, and older snapshots. The member must not ' +
        'run. What is kept is read as a whole before anything goes.',
    )
    .argument('<dir>', "a member's data directory")
    .option(
      '--keep <n>',
      'snapshots that are kept',
      integerOption(1, SNAPSHOT_COUNT_MAX),
      KEPT_COUNT_DEFAULT,
    )
    .option('--dry-run', 'tell what would go, and change nothing')
    .option('--json', 'print it as JSON')
    .action(purge);
  archive
    .command('truncate')
    .description(
      'Give up the end of the log, which is not committed. The member must not run; it gives up ' +
        'its vote with it, because it may have acknowledged what goes, and gets both again from ' +
        'the others. Do it to one member at a time: the others must be able to elect a leader.',
    )
    .argument('<dir>', "a member's data directory")
    .requiredOption(
      '--to <position>',
      'new end of the log: where a frame ends, not below what is committed',
      integerOption(0, Number.MAX_SAFE_INTEGER),
    )
    .option('--dry-run', 'tell what would go, and change nothing')
    .option('--json', 'print it as JSON')
    .action(truncate);
  archive
    .command('delete')
    .description(
      'Remove one snapshot, unless the member needs it to start. The member must not run.',
    )
    .argument('<dir>', "a member's data directory")
    .requiredOption(
      '--recording <id>',
      'the number that pawl archive list tells',
      integerOption(1, Number.MAX_SAFE_INTEGER),
    )
    .option('--json', 'print it as JSON')
    .action(remove);
}
