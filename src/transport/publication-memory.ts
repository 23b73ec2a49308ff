// publication-memory.ts: what a publication takes of the shared memory.

import type { SlabKind } from '../memory/arena.js';
import { logLength } from './log-memory.js';
import { SENDER_MEDIUM_LENGTH } from './medium.js';

/** A log buffer each, and the control slots of a socket. */
export function publicationSlabs(termLength: number, count: number): readonly SlabKind[] {
  return [
    { length: logLength(termLength), count },
    { length: SENDER_MEDIUM_LENGTH, count },
  ];
}
