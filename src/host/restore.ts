// restore.ts: makes a copied data directory fit to be started again.

import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { restoreDirectory } from '../archive/restore.js';
import { type BornMember, bornMemberOf } from './bootstrap.js';
import { CONTROL_PATH } from './control-server.js';
import { openDataDirectory } from './data-directory.js';
import { NodeEntropy } from './node-entropy.js';
import { runStorageTask } from './run-task.js';

/**
 * Takes the vote from a copied directory and gives it an incarnation of its own: its member starts
 * without a vote, catches up, and is given the vote by a leader.
 *
 * @throws PawlError DIRECTORY_NOT_BORN, DIRECTORY_IN_USE, RECORD_CORRUPT, or what the disk says.
 */
export async function restoreMember(path: string): Promise<BornMember> {
  const directory = openDataDirectory(path, false);
  const birth = await runStorageTask(directory, (storage) =>
    restoreDirectory(storage, new NodeEntropy()),
  );
  // The copied file names the process that ran on the original: orders would go there.
  rmSync(join(directory, CONTROL_PATH), { force: true });
  return bornMemberOf(directory, birth);
}
