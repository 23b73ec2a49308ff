// command-bootstrap.ts: `pawl bootstrap` births a data directory.

import type { Command } from 'commander';
import { bootstrapMember } from '../host/bootstrap.js';
import { withDirectory } from './directory-error.js';
import { addIdentityFlags, type NodeFlags, readNodeSettings } from './node-settings.js';
import { printJson, printLine } from './output.js';

const DESCRIPTION =
  'Make the data directory of a voting member of a NEW cluster. Done once for each member.\n\n' +
  'A directory that was lost is not born again: start `pawl node` on a blank one, and the member ' +
  'gets its vote back when it has caught up.';

export function addBootstrapCommand(program: Command): void {
  addIdentityFlags(
    program
      .command('bootstrap')
      .summary('make the data directory of a new member')
      .description(DESCRIPTION),
  )
    .option('--json', 'print the result as JSON')
    .action(async (flags: NodeFlags & { json?: boolean }) => {
      const { cluster, member, directory } = readNodeSettings(flags);
      const born = await bootstrapMember({ cluster, member, directory }).catch((error: unknown) => {
        throw withDirectory(error, directory);
      });
      if (flags.json === true) {
        printJson(born);
      } else {
        printLine(
          `born: member ${born.memberId} of cluster ${born.clusterId} in ${born.directory}, ` +
            `incarnation ${born.incarnation}`,
        );
      }
    });
}
