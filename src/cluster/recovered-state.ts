// recovered-state.ts: what recovery found, as consensus wants it.

import type { RecoveredDirectory } from '../archive/member-directory.js';
import type { RecoveredState } from '../consensus/election-effects.js';
import { toOpaque64 } from './cluster-config.js';

/** Everything in it is durable. */
export function recoveredState(directory: RecoveredDirectory): RecoveredState {
  const { appendPosition, birth, commitPosition, health, nodeState, recordingLog } = directory;
  // The snapshot stands for what lies before it, whether that has rotted or not.
  const start = directory.snapshot?.logPosition ?? 0;
  const ranges = health.kind === 'corrupt' ? health.ranges : [];
  const damaged = ranges.find((range) => range.to > start);
  const damagedPosition = damaged === undefined ? undefined : Math.max(damaged.from, start);
  return {
    nodeState: {
      ...nodeState.state,
      incarnations: nodeState.state.incarnations.map((known) => ({
        ...known,
        incarnation: toOpaque64(known.incarnation),
      })),
    },
    termEntries: recordingLog.entries().map((entry) => ({
      termId: entry.leadershipTermId,
      basePosition: entry.termBaseLogPosition,
    })),
    durablePosition: appendPosition,
    commitPosition: Math.min(commitPosition, appendPosition),
    incarnation: toOpaque64(birth.incarnation),
    ...(damagedPosition === undefined ? {} : { damagedPosition }),
  };
}
