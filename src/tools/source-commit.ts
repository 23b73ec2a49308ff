// source-commit.ts: which source a failing seed belongs to: another one may not fail.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { packageVersion } from './bench/environment.js';

/** The commit of a checkout, marked when files differ from it; of a package its version. */
export function sourceCommit(): string {
  const cwd = fileURLToPath(new URL('.', import.meta.url));
  const git = (...args: string[]) => spawnSync('git', args, { cwd, encoding: 'utf8' });
  const tracked = git('ls-files', '--error-unmatch', ':/src/simulator/index.ts');
  const head = git('rev-parse', 'HEAD');
  if (tracked.status !== 0 || head.status !== 0) {
    return `version ${packageVersion()}`;
  }
  const isChanged = git('status', '--porcelain', '--untracked-files=no').stdout !== '';
  return head.stdout.trim() + (isChanged ? ' with changes' : '');
}
