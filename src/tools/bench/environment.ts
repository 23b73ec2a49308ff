// environment.ts: where a number was measured. A number without it says nothing.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const MIB = 1024 * 1024;

export interface Environment {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryMiB: number;
  readonly system: string;
  readonly node: string;
  readonly pawl: string;
  /** The commit of the sources; null outside a checkout. */
  readonly commit: string | null;
  /** Load of the machine in the last minute before the measurement. */
  readonly loadAverage: number;
}

/** Looks up the folder tree, because sources and bundles lie at different depths. */
function findPackage(folder: string): { folder: string; version: string } {
  for (let current = folder; ; current = dirname(current)) {
    try {
      const content = JSON.parse(readFileSync(`${current}/package.json`, 'utf8')) as {
        name?: string;
        version?: string;
      };
      if (content.name === 'pawl') {
        return { folder: current, version: content.version ?? 'unknown' };
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        throw error;
      }
    }
    if (dirname(current) === current) {
      return { folder, version: 'unknown' };
    }
  }
}

/** Version of this package. */
export function packageVersion(): string {
  return findPackage(dirname(fileURLToPath(import.meta.url))).version;
}

function commitOf(folder: string): string | null {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', folder, ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim();
    const isChanged = git('status', '--porcelain') !== '';
    return git('rev-parse', '--short=12', 'HEAD') + (isChanged ? ' with changes' : '');
  } catch (error) {
    // No git or no checkout: an installed package is named by its version alone.
    if (!(error instanceof Error)) {
      throw error;
    }
    return null;
  }
}

/** Describes this machine and these sources. */
export function readEnvironment(): Environment {
  const { folder, version } = findPackage(dirname(fileURLToPath(import.meta.url)));
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryMiB: Math.round(totalmem() / MIB),
    system: `${process.platform} ${release()}`,
    node: process.version,
    pawl: version,
    commit: commitOf(folder),
    loadAverage: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

/** One line for people. */
export function environmentText(environment: Environment): string {
  const { cpu, cores, memoryMiB, system, node, pawl, commit, loadAverage } = environment;
  const source = commit === null ? `pawl ${pawl}` : `pawl ${pawl} (${commit})`;
  return (
    `${source}, Node ${node}, ${cores} x ${cpu}, ${memoryMiB} MiB, ${system}, ` +
    `load ${loadAverage}`
  );
}
