// purge-commands.ts: `pawl archive purge` and `delete`: what changes an archive. The member that
// owns it must not run.

import type { Command } from 'commander';
import { type ArchivePurge, deleteSnapshot, purgeArchive } from '../../archive/archive-purge.js';
import { SNAPSHOT_COUNT_MAX } from '../../archive/snapshot-manifest.js';
import { openDataDirectory } from '../../host/data-directory.js';
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
