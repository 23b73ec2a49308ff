// restore.ts: makes a copy of a data directory fit to be started again.
//
// A copy is of an earlier time: since then its member may have voted and acknowledged what the copy
// knows nothing of, so the copy must not decide anything by what it holds. It gives up its vote and
// becomes another incarnation, as a blank directory is, and keeps its log: its member catches up
// from there, and a leader gives the vote back by the rules of an admission.
//
// The vote goes first and the incarnation last: a crash in between leaves a directory without a
// vote, and the command is run again.

import { ErrorCode, PawlError } from '../errors.js';
import type { Entropy } from '../ports/entropy.js';
import type { Storage } from '../ports/storage.js';
import { POSITION_NULL, TERM_NULL } from '../position.js';
import { BIRTH_PATH, type Birth, readBirth, writeBirth } from './birth.js';
import { makeIncarnation, takeLock } from './member-directory.js';
import {
  initialNodeState,
  type NodeState,
  NodeStateFile,
  type NodeStateReading,
  readNodeState,
} from './node-state-file.js';
import { type StorageTask, syncNames } from './storage-task.js';

/**
 * Takes the vote from a copied directory and gives it an incarnation of its own. What is in its log
 * is recovered when its member starts, as after a crash.
 *
 * @returns who the directory is now.
 * @throws PawlError DIRECTORY_IN_USE, DIRECTORY_NOT_BORN, DIRECTORY_FOREIGN, RECORD_CORRUPT,
 *   STORAGE_FULL, STORAGE_FAILED.
 */
export function* restoreDirectory(storage: Storage, entropy: Entropy): StorageTask<Birth> {
  yield* takeLock(storage);
  const born = yield* readBirth(storage);
  if (born === undefined) {
    throw new PawlError(
      ErrorCode.DirectoryNotBorn,
      `this is no copy of a data directory (it has no ${BIRTH_PATH}): name the one that was ` +
        'copied; a member without a backup starts on an empty directory',
      'environment',
    );
  }
  return yield* giveUpPromises(storage, born, entropy);
}

/**
 * Makes a directory one that has promised nothing: it gives up its vote, and becomes another
 * incarnation, of which nobody has heard.
 */
export function* giveUpPromises(
  storage: Storage,
  born: Birth,
  entropy: Entropy,
): StorageTask<Birth> {
  yield* withdrawVote(storage);
  const birth = { ...born, voting: false, incarnation: makeIncarnation(entropy) };
  yield* writeBirth(storage, birth);
  return birth;
}

function* withdrawVote(storage: Storage): StorageTask<void> {
  const reading = yield* readNodeState(storage);
  const state = withoutVote(reading);
  const file =
    reading.kind === 'found'
      ? yield* NodeStateFile.open(storage, state, reading.sequence)
      : yield* NodeStateFile.create(storage, state);
  yield* file.close();
  yield* syncNames(storage);
}

/** Terms that the copy has seen are not given up: they only ever rise. */
function withoutVote(reading: NodeStateReading): NodeState {
  return reading.kind === 'found'
    ? {
        ...reading.state,
        voting: false,
        admittedTermId: TERM_NULL,
        admittedPosition: POSITION_NULL,
      }
    : initialNodeState(false);
}
