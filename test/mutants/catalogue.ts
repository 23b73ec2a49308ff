// catalogue.ts: all mutants. A new group of bugs is a file of its own, named here.

import { CHANNEL_MUTANTS } from './channel-mutants.js';
import { COMMIT_MUTANTS } from './commit-mutants.js';
import { ELECTION_MUTANTS } from './election-mutants.js';
import type { Mutant } from './mutant.js';
import { READ_MUTANTS } from './read-mutants.js';
import { SERVICE_MUTANTS } from './service-mutants.js';
import { SNAPSHOT_MUTANTS } from './snapshot-mutants.js';
import { STORAGE_MUTANTS } from './storage-mutants.js';

/** In the order of the catalogue of bugs. */
export const MUTANTS: readonly Mutant[] = [
  ...ELECTION_MUTANTS,
  ...COMMIT_MUTANTS,
  ...STORAGE_MUTANTS,
  ...SERVICE_MUTANTS,
  ...SNAPSHOT_MUTANTS,
  ...READ_MUTANTS,
  ...CHANNEL_MUTANTS,
].sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));
