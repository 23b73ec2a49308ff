import test from 'tape';
import {
  type ConsensusConfigInput,
  concludeConsensusConfig,
} from '../../src/consensus/consensus-config.js';
import { PawlError } from '../../src/errors.js';

const MS = 1_000_000;
const GOOD: ConsensusConfigInput = {
  memberId: 1,
  memberIds: [2, 0, 1],
  clusterId: 0,
  configurationHash: -1n,
  durability: 0,
  protocolVersion: 1,
};

test('fills in defaults, sorts the members and freezes the result', (t) => {
  const config = concludeConsensusConfig(GOOD);
  t.deepEqual(config.memberIds, [0, 1, 2]);
  t.equal(config.leaderTimeoutNs, 600 * MS);
  t.equal(config.heartbeatIntervalNs, 100 * MS);
  t.equal(config.configurationHash, 2n ** 64n - 1n, 'the hash is compared as unsigned');
  t.ok(Object.isFrozen(config) && Object.isFrozen(config.memberIds));
  t.end();
});

const REFUSED: readonly [string, Partial<ConsensusConfigInput>, RegExp][] = [
  // B30: unsafe relations make elections that can never end.
  [
    'a leader timeout below 3 heartbeats',
    { leaderTimeoutNs: 299 * MS },
    /leaderTimeoutMs is 299, .*lost packet.*300/,
  ],
  [
    'an election that cannot repeat a vote',
    { electionTimeoutNs: 199 * MS },
    /lost vote.*200 or lower/,
  ],
  [
    'sessions that a failover closes',
    { sessionTimeoutNs: 1199 * MS },
    /failover.*1200 or lower leaderTimeoutMs/,
  ],
  ['a time of zero', { heartbeatIntervalNs: 0 }, /heartbeatIntervalNs is 0: use an integer from 1/],
  ['a time that is no integer', { electionTimeoutNs: 1.5 }, /electionTimeoutNs is 1.5/],
  ['a time above its maximum', { heartbeatIntervalNs: 60_001 * MS }, /heartbeatIntervalNs/],
  ['a time that is not a number', { leaderTimeoutNs: Number.NaN }, /leaderTimeoutNs is NaN/],
  ['no members', { memberIds: [] }, /memberIds has 0 members/],
  ['too many members', { memberIds: [0, 1, 2, 3, 4, 5, 6, 7] }, /has 8 members.*1 to 7/],
  ['an id that occurs twice', { memberIds: [0, 1, 1] }, /an id of its own/],
  ['an id below 0', { memberIds: [-1, 1] }, /contains -1/],
  ['a member that is not configured', { memberId: 5 }, /memberId is 5, not one of 0, 1, 2/],
];

for (const [what, change, message] of REFUSED) {
  test(`refuses ${what}`, (t) => {
    try {
      concludeConsensusConfig({ ...GOOD, ...change });
      t.fail('it was accepted');
    } catch (error) {
      t.ok(error instanceof PawlError);
      t.equal((error as PawlError).code, 'CONFIGURATION_INVALID');
      t.match((error as PawlError).message, message);
    }
    t.end();
  });
}
