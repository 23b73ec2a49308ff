// command-node.ts: `pawl node` runs one member.

import type { Command } from 'commander';
import { runNode } from './node-process.js';
import {
  addIdentityFlags,
  addRunFlags,
  type NodeFlags,
  readNodeSettings,
} from './node-settings.js';

const DESCRIPTION =
  'Run one member of a cluster, until SIGTERM or SIGINT: then it leaves cleanly.\n\n' +
  "The member's data directory was born by `pawl bootstrap`. A blank one is accepted, but takes " +
  'part without a vote until a leader has admitted it.';

const EXAMPLE = `
Example, one of three members on this machine:
  MEMBERS='0,127.0.0.1:20100,127.0.0.1:20101,127.0.0.1:20102,127.0.0.1:20103,127.0.0.1:20104|1,...'
  pawl bootstrap --member-id 0 --members "$MEMBERS" --directory data/0
  pawl node      --member-id 0 --members "$MEMBERS" --directory data/0 --service ./my-service.js

The same from a file, node.json (every setting of cluster and member can be given there):
  {"cluster": {"members": "...", "durability": "fsync"}, "member": {"memberId": 0},
   "directory": "data/0", "service": "./my-service.js"}
  pawl node --config node.json`;

export function addNodeCommand(program: Command): void {
  const command = program.command('node').summary('run one member').description(DESCRIPTION);
  addRunFlags(addIdentityFlags(command))
    .option('--json', 'print events as JSON, one on a line')
    .addHelpText('after', EXAMPLE)
    .action((flags: NodeFlags & { json?: boolean }) =>
      runNode(readNodeSettings(flags), flags.json === true),
    );
}
