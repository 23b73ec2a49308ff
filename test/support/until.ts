// until.ts: waiting on conditions, files and processes in tests of the host, which run in real
// time. Nothing here sleeps for a guessed time: the limit only ends a test that hangs.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tape';
import { atEnd } from './at-end.js';

const LIMIT_MS = 60_000;

/** Turns the event loop until the condition holds. */
export async function until(
  condition: () => boolean,
  what: string,
  limitMs = LIMIT_MS,
): Promise<void> {
  const end = Date.now() + limitMs;
  while (!condition()) {
    if (Date.now() > end) {
      throw new Error(`waited in vain until ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A directory that is removed after the test. */
export function temporaryDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'pawl-host-'));
  atEnd(t, () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
