// cluster-directories.ts: the members of a cluster that an operator names by their directories.

import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { BIRTH_PATH } from '../archive/birth.js';
import { ErrorCode, PawlError } from '../errors.js';
import { askMember, notRunning } from '../host/control-client.js';
import { CONTROL_PATH } from '../host/control-server.js';
import type { NodeProcessStatus } from './node-process.js';

export const DIRECTORIES_TEXT = "members' data directories, or one that holds them";
/** A member that answers is quick: it has a duty cycle every few milliseconds. */
const STATUS_TIMEOUT_MS = 2_000;

/** What a member said of itself, or why it said nothing. */
export interface MemberAnswer {
  readonly directory: string;
  readonly report: NodeProcessStatus | undefined;
  readonly problem: string | undefined;
}

function isMemberDirectory(path: string): boolean {
  return existsSync(join(path, BIRTH_PATH)) || existsSync(join(path, CONTROL_PATH));
}

/**
 * The data directories that are meant: each path is one, or holds some.
 *
 * @throws PawlError DIRECTORY_NOT_BORN when a path is neither.
 */
export function memberDirectories(paths: readonly string[]): readonly string[] {
  const found = paths.flatMap((path) => {
    const full = resolve(path);
    if (existsSync(full) && statSync(full).isDirectory()) {
      if (isMemberDirectory(full)) {
        return [full];
      }
      const inner = readdirSync(full)
        .map((name) => join(full, name))
        .filter(isMemberDirectory);
      if (inner.length > 0) {
        return inner;
      }
    }
    throw new PawlError(
      ErrorCode.DirectoryNotBorn,
      `${full} is no data directory of a member and holds none: name the directories that ` +
        'pawl bootstrap made',
    );
  });
  return [...new Set(found)];
}

/**
 * Asks the member that runs on a data directory for its status.
 *
 * @throws PawlError CLOSED when none does, or another program answers for it; TIMEOUT, and others.
 */
export async function askStatus(directory: string): Promise<NodeProcessStatus> {
  const report = await askMember<Partial<NodeProcessStatus> | null>(
    directory,
    'status',
    undefined,
    STATUS_TIMEOUT_MS,
  );
  if (typeof report?.status !== 'object' || report.status === null) {
    throw notRunning(directory);
  }
  return report as NodeProcessStatus;
}

/** Asks every member for its status; those that do not run say why. */
export function askStatuses(directories: readonly string[]): Promise<readonly MemberAnswer[]> {
  return Promise.all(
    directories.map(async (directory) => {
      try {
        return { directory, report: await askStatus(directory), problem: undefined };
      } catch (error) {
        if (!(error instanceof PawlError)) {
          throw error;
        }
        return { directory, report: undefined, problem: error.message };
      }
    }),
  );
}

/** The answer of the member that leads, or an error that says what to do. */
export async function leaderAmong(directories: readonly string[]): Promise<MemberAnswer> {
  const answers = await askStatuses(directories);
  const leader = answers.find(({ report }) => report?.status.role === 'leader');
  if (leader !== undefined) {
    return leader;
  }
  const first = answers.find(({ report }) => report !== undefined)?.report?.status;
  const where =
    first === undefined
      ? 'none of the members runs: start them with pawl node'
      : first.leaderMemberId < 0
        ? 'there is no leader now: see pawl cluster status'
        : `member ${first.leaderMemberId} leads: name its data directory`;
  throw new PawlError(ErrorCode.Closed, where, 'environment');
}
