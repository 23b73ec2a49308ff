// Runs before start, test, check and bench: installs from the lockfile when needed, then builds
// what is stale. It may rely on nothing but Node and npm, because nothing else is there yet.
// With --install-only it leaves the build out. All output goes to stderr, so that
// `npm start -- --json` has stdout for itself.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const NODE_MAJOR_MIN = 20;
const LOCKFILE = 'package-lock.json';
const INSTALLED_LOCKFILE = 'node_modules/.package-lock.json';
const INSTALLED_HASH = 'node_modules/.pawl-lockfile-sha256';

function fail(text) {
  process.stderr.write(`prepare: ${text}\n`);
  process.exit(1);
}

function run(command, args, what) {
  const result = spawnSync(command, args, { stdio: ['ignore', 2, 2] });
  if (result.error) fail(`${what} could not be started: ${result.error.message}`);
  if (result.status !== 0) fail(`${what} failed with exit code ${result.status}`);
}

function lockfileHash() {
  return createHash('sha256').update(readFileSync(LOCKFILE)).digest('hex');
}

/** By time first, as a copied tree may lack our own note; by content when the time is newer. */
function isInstalled() {
  if (!existsSync(INSTALLED_LOCKFILE)) return false;
  if (statSync(LOCKFILE).mtimeMs <= statSync(INSTALLED_LOCKFILE).mtimeMs) return true;
  return existsSync(INSTALLED_HASH) && readFileSync(INSTALLED_HASH, 'utf8') === lockfileHash();
}

/** Dependencies run no scripts of their own: none of those we use needs one. */
function install() {
  process.stderr.write('prepare: installing dependencies from the lockfile\n');
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env.npm_execpath;
  if (npm?.endsWith('.js')) run(process.execPath, [npm, ...args], 'npm ci');
  else run(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, 'npm ci');
  writeFileSync(INSTALLED_HASH, lockfileHash());
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const major = Number.parseInt(process.versions.node, 10);
if (major < NODE_MAJOR_MIN) fail(`Node ${process.versions.node} is too old: 20 or newer is needed`);
if (!isInstalled()) install();
if (!process.argv.includes('--install-only')) {
  run(process.execPath, ['scripts/build.mjs', '--if-stale'], 'the build');
}
