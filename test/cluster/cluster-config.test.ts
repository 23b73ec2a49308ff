// cluster-config.test.ts: settings that would harm a cluster are refused with the reason.

import test from 'tape';
import {
  type ClusterSettings,
  concludeClusterConfig,
  type MemberSettings,
} from '../../src/cluster/cluster-config.js';
import { PawlError } from '../../src/errors.js';

const MEMBERS = manyMembers(3);

function manyMembers(count: number): string {
  const endpoint = (id: number, n: number): string => `127.0.0.1:${20_000 + id * 10 + n}`;
  return Array.from(
    { length: count },
    (_, id) => `${id},${[1, 2, 3, 4, 5].map((n) => endpoint(id, n)).join(',')}`,
  ).join('|');
}

function refusal(cluster: Partial<ClusterSettings>, member: Partial<MemberSettings> = {}): string {
  try {
    concludeClusterConfig({ members: MEMBERS, ...cluster }, { memberId: 0, ...member });
    return 'accepted';
  } catch (error) {
    return error instanceof PawlError ? `${error.code}: ${error.message}` : String(error);
  }
}

const REFUSED: readonly [string, Partial<ClusterSettings>, Partial<MemberSettings>, RegExp][] = [
  ['a member id that the list does not name', {}, { memberId: 7 }, /memberId is 7.*0, 1, 2/],
  [
    'a list of more members than a quorum is fast with',
    { members: manyMembers(8) },
    {},
    /cluster.members names 8 members: at most 7/,
  ],
  ['an empty member list', { members: '' }, {}, /members/],
  ['a member list with a bad port', { members: '0,a:b,c:d,e:f,g:h,i:j' }, {}, /port/],
  ['a term length that is no power of two', { logTermLength: 100_000 }, {}, /power of two/],
  [
    'a segment that is no multiple of a term',
    { logTermLength: 1 << 20, segmentLength: 1 << 19 },
    {},
    /segmentLength is 524288.*1048576/,
  ],
  [
    'a leader timeout of two heartbeats',
    { heartbeatIntervalMs: 100, leaderTimeoutMs: 200 },
    {},
    /leaderTimeout/,
  ],
  [
    'an election timeout of two status intervals',
    { electionTimeoutMs: 100, electionStatusIntervalMs: 50 },
    {},
    /electionTimeout/,
  ],
  ['a session timeout below two leader timeouts', { sessionTimeoutMs: 700 }, {}, /sessionTimeout/],
  [
    'memory that the log and one client do not fit into',
    { logTermLength: 128 << 20 },
    {},
    /memoryLength is 1073741824: use at least \d+, or lower logTermLength \(134217728\)/,
  ],
  ['an unknown durability', { durability: 'maybe' as 'fsync' }, {}, /durability/],
  ['an unknown setting', { speed: 11 } as Partial<ClusterSettings>, {}, /speed/],
  [
    'a datagram longer than a quarter of a term',
    {},
    { mtuLength: 32_768, streamTermLength: 65_536 },
    /mtuLength is 32768/,
  ],
  [
    'a datagram longer than a quarter of a term of egress',
    { egressTermLength: 65_536 },
    { mtuLength: 32_768 },
    /mtuLength is 32768.*egressTermLength on all members/,
  ],
  [
    'a shadow of several services',
    { serviceCount: 2 },
    { snapshotBy: 'shadow' },
    /snapshotBy is 'shadow', .*serviceCount is 2.*use snapshotBy 'service', or one service/,
  ],
  ['no service', { serviceCount: 0 }, {}, /serviceCount/],
  ['more services than the limit', { serviceCount: 17 }, {}, /serviceCount/],
];

for (const [what, cluster, member, reason] of REFUSED) {
  test(`${what} is refused with the value and the reason`, (t) => {
    t.match(refusal(cluster, member), reason);
    t.end();
  });
}

test('an address off loopback is refused unless it is said to be insecure', (t) => {
  const members = MEMBERS.replaceAll('127.0.0.1', '10.0.0.1');
  t.match(refusal({ members }), /INSECURE_ADDRESS: member 0 would listen on 10\.0\.0\.1.*insecure/);
  t.equal(refusal({ members }, { insecure: true }), 'accepted');
  t.end();
});

test('the configuration hash follows the cluster settings and not those of the process', (t) => {
  const hashOf = (cluster: Partial<ClusterSettings>, member: Partial<MemberSettings>): bigint =>
    concludeClusterConfig({ members: MEMBERS, ...cluster }, { memberId: 0, ...member }).consensus
      .configurationHash;
  const base = hashOf({}, {});
  t.equal(hashOf({}, { memberId: 2, mtuLength: 8192 }), base);
  t.notEqual(hashOf({ sessionCountMax: 5 }, {}), base);
  t.notEqual(hashOf({ durability: 'page-cache' }, {}), base);
  t.end();
});
