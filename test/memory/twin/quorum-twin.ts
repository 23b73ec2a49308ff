// quorum-twin.ts: sort, then take the rank-th.

/** The rank-th largest value; rank 1 is the largest. */
export function quorumTwin(positions: readonly number[], rank: number): number {
  const sorted = [...positions].sort((a, b) => b - a);
  return sorted[rank - 1] as number;
}
