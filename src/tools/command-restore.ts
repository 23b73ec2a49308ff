// command-restore.ts: `pawl restore` makes a copied data directory fit to be started again.

import type { Command } from 'commander';
import { restoreMember } from '../host/restore.js';
import { withDirectory } from './directory-error.js';
import { printJson, printLine } from './output.js';

const DESCRIPTION =
  'Prepare a copy of a data directory (a backup, a snapshot of a disk, a cloned machine) before ' +
  '`pawl node` runs on it. The copy keeps its log and gives up its vote: its member may have ' +
  'voted and acknowledged since, and a copy does not know. It starts without a vote, catches up ' +
  'from the other members, and a leader gives the vote back.\n\n' +
  'A copy that is started without this command can elect a second leader or lose what was ' +
  'acknowledged. The other members must be able to elect a leader by themselves: a cluster ' +
  'whose majority is lost is not brought back by backups.';

async function restore(path: string, flags: { readonly json?: boolean }): Promise<void> {
  const member = await restoreMember(path).catch((error: unknown) => {
    throw withDirectory(error, path);
  });
  if (flags.json === true) {
    printJson(member);
  } else {
    printLine(
      `restored: member ${member.memberId} of cluster ${member.clusterId} in ` +
        `${member.directory}, incarnation ${member.incarnation}: it starts without a vote and ` +
        'gets it from a leader when it has caught up',
    );
  }
}

export function addRestoreCommand(program: Command): void {
  program
    .command('restore')
    .summary('prepare a copy of a data directory before it is started')
    .description(DESCRIPTION)
    .argument('<dir>', 'the copied data directory, which no process uses')
    .option('--json', 'print the result as JSON')
    .action(restore);
}
