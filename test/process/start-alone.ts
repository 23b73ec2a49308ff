// start-alone.ts: how a member starts on what it finds in its directory.

import { ExitCode } from '../../src/host/exit-codes.js';
import type { MemberProcess } from './member-process.js';
import type { ProcessCluster } from './process-cluster.js';

const START_TIMEOUT_MS = 20_000;

/** What the member does on its damaged directory. */
export const Outcome = {
  Votes: 'votes',
  NonVoting: 'starts non-voting',
  Refuses: 'refuses',
  Fails: 'fails',
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** What the member says since an event, to its operator. */
export function wordsOf(member: MemberProcess, eventCount: number): string {
  const warnings = member.events.slice(eventCount).filter(({ event }) => event === 'warning');
  return [...warnings.map(({ message }) => String(message)), member.errorOutput].join('\n');
}

/**
 * Starts the member while the others are frozen: nobody can admit it, so what it is at first can be
 * seen for as long as it takes.
 */
export async function startAlone(cluster: ProcessCluster, member: MemberProcess): Promise<Outcome> {
  const others = cluster.members.filter((one) => one !== member);
  for (const other of others) {
    other.freeze();
  }
  try {
    member.start();
    const endMs = Date.now() + START_TIMEOUT_MS;
    while (Date.now() < endMs) {
      const status = await member.status();
      if (member.end !== undefined) {
        const { code } = await member.expectEnd();
        return code === ExitCode.Corrupt ? Outcome.Refuses : Outcome.Fails;
      }
      if (status !== undefined && status.state !== 'OPENING') {
        return status.isVoting ? Outcome.Votes : Outcome.NonVoting;
      }
    }
    return Outcome.Fails;
  } finally {
    for (const other of others) {
      other.thaw();
    }
  }
}
