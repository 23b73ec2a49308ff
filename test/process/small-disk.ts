// small-disk.ts: a disk of few bytes for one member's process, in a mount namespace of its own.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { cpSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { sum } from './ledger-client.js';

const BLOCK_LENGTH = 512;
const BALLAST_LENGTH = 1024 * 1024;

/** Bytes that the files of a directory take on the disk. */
function usedLength(directory: string): number {
  return (
    sum(readdirSync(directory), (name) => statSync(join(directory, name)).blocks) * BLOCK_LENGTH
  );
}

/** Why no small disk can be had, or undefined. */
export function smallDiskHindrance(): string | undefined {
  const script = 'mount -t tmpfs -o size=65536 tmpfs /tmp && exec nsenter -t $$ -m true';
  const result = spawnSync('unshare', ['-m', 'sh', '-c', script], { encoding: 'utf8' });
  if (result.status === 0) {
    return undefined;
  }
  return `no tmpfs in a mount namespace: ${result.error?.message ?? result.stderr.trim()}`;
}

/** A small disk in place of a directory, for the processes that enter its mount namespace. */
export class SmallDisk {
  readonly #directory: string;
  readonly #holder: ChildProcess;

  private constructor(directory: string, holder: ChildProcess) {
    this.#directory = directory;
    this.#holder = holder;
  }

  /**
   * Makes a disk with what a directory holds, ballast, and some room.
   *
   * @param freeLength bytes that are left beside the ballast.
   */
  static async over(directory: string, freeLength: number): Promise<SmallDisk> {
    const seedDirectory = `${directory}-seed`;
    cpSync(directory, seedDirectory, { recursive: true });
    const length = usedLength(seedDirectory) + freeLength + BALLAST_LENGTH;
    const script =
      'mount -t tmpfs -o size="$3" tmpfs "$1" && cp -a --sparse=always "$2/." "$1" && ' +
      `head -c ${BALLAST_LENGTH} /dev/zero > "$1/ballast" && echo ready && exec cat`;
    const args = ['-m', 'sh', '-c', script, 'sh', directory, seedDirectory, String(length)];
    const holder = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    await new Promise((resolve, reject) => {
      holder.stdout.once('data', resolve);
      holder.once('exit', (code) => reject(new Error(`no small disk: exit code ${code}`)));
    });
    return new SmallDisk(directory, holder);
  }

  /** What makes a command run where the disk is. */
  get wrapper(): readonly string[] {
    return ['nsenter', '-t', String(this.#holder.pid), '-m'];
  }

  /** Somebody frees space. */
  dropBallast(): void {
    rmSync(join(this.#inside, 'ballast'));
  }

  /** Gives the directory of the machine, which stays as it is mounted upon, what the disk holds. */
  moveBack(): void {
    for (const name of readdirSync(this.#directory)) {
      rmSync(join(this.#directory, name));
    }
    cpSync(this.#inside, this.#directory, { recursive: true });
  }

  close(): void {
    this.#holder.kill('SIGKILL');
  }

  get #inside(): string {
    return join(`/proc/${this.#holder.pid}/root`, this.#directory);
  }
}
