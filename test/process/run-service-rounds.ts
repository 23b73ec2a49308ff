// Kills and restarts members of a cluster with two services, and prints whether their state is what
// the whole log makes, from its first byte.
//
//   npm run rounds:services                    100 kills at level fsync
//   npm run rounds:services -- --kills 20 --seed 7 --durability page-cache --json

import { parseArgs } from 'node:util';
import type { Durability } from './process-cluster.js';
import { runSeed } from './random.js';
import { playServiceRounds, type RoundsVerdict } from './service-rounds.js';

const KILLS_DEFAULT = '100';

function verdictText(verdict: RoundsVerdict): string {
  const { kills, leadershipTerms, logLength, problems, replayed, requests, states } = verdict;
  const lines = [
    `${kills} kills, ${leadershipTerms} leadership terms, ${logLength} bytes of log`,
    `requests: ${requests.answered} answered, ${requests.unknown} unknown`,
    `messages of services: ${verdict.serviceMessages}; timers fired: ${verdict.timersFired}`,
    ...states.map((state, memberId) => `member ${memberId}: ${state.join('  ')}`),
    `replay:   ${replayed.join('  ')}`,
    ...problems.map((problem) => `PROBLEM: ${problem}`),
    problems.length === 0
      ? 'the state of every member is that of the whole log, from its first byte'
      : 'FAILED',
  ];
  return lines.join('\n');
}

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: KILLS_DEFAULT },
    seed: { type: 'string' },
    durability: { type: 'string', default: 'fsync' },
    json: { type: 'boolean', default: false },
  },
});
const kills = Number(values.kills);
const seed = values.seed === undefined ? runSeed() : Number(values.seed);
const isValid =
  Number.isSafeInteger(kills) &&
  kills >= 0 &&
  Number.isSafeInteger(seed) &&
  ['fsync', 'page-cache'].includes(values.durability);
if (!isValid) {
  process.stderr.write('use --kills <number> --seed <number> --durability fsync|page-cache\n');
  process.exit(2);
}
const verdict = await playServiceRounds({
  kills,
  seed,
  durability: values.durability as Durability,
  onRound: (text) => process.stderr.write(`${text}\n`),
});
process.stdout.write(`${values.json ? JSON.stringify(verdict) : verdictText(verdict)}\n`);
process.exitCode = verdict.problems.length === 0 ? 0 : 1;
