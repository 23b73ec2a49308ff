// Networks between real members that lose, double, delay, reorder and change datagrams, or carry
// them one way only. The faults are made where a member sends, before the system's sockets.

import test from 'tape';
import { Exercise } from './exercise.js';
import { sum } from './ledger-client.js';
import { expect, playRows, type RowCase } from './matrix.js';
import type { LinkFaults, MemberProcess } from './member-process.js';
import { LEADER_TIMEOUT_MS, leaderOf, pause } from './process-cluster.js';
import { runSeed, type SeededRandom } from './random.js';

const FAULT_MS = 1_500;
const UNDER_WAY_MS = 300;
const FLAP_MS = 100;
const FLAP_COUNT = 15;
/** Elections that a fault may cost which leaves a leader with a quorum. */
const TERMS_MAX = 2;
const CUT: LinkFaults = { loss: 100 };
const OTHERS = ['0', '1', '2', 'client'] as const;

function idsOf(members: readonly MemberProcess[]): readonly string[] {
  return members.map((member) => String(member.memberId));
}

/** The same faults on the way to each of some. */
function to(targets: readonly string[], faults: LinkFaults): Record<string, LinkFaults> {
  return Object.fromEntries(targets.map((target) => [target, faults]));
}

async function heal(exercise: Exercise): Promise<void> {
  await Promise.all(exercise.cluster.members.map((member) => member.order({ network: {} })));
}

async function termOf(exercise: Exercise): Promise<number> {
  return leaderOf(await exercise.cluster.statuses())?.leadershipTermId ?? -1;
}

async function counted(exercise: Exercise, names: readonly string[]): Promise<number> {
  const statuses = await exercise.cluster.statuses();
  return sum(statuses, ({ counters }) => sum(names, (name) => counters[name] ?? 0));
}

/** Faults on all ways at once, which members notice; the cluster works all the while. */
function everywhere(
  targets: readonly string[],
  faults: LinkFaults,
  counters: readonly string[],
): RowCase['play'] {
  return async (exercise) => {
    const { members } = exercise.cluster;
    const countBefore = await counted(exercise, counters);
    const before = exercise.acknowledgedCount;
    await Promise.all(members.map((member) => member.order({ network: to(targets, faults) })));
    await pause(FAULT_MS);
    await exercise.acknowledgeMore(20);
    const noticed = (await counted(exercise, counters)) - countBefore;
    expect(noticed > 0, `no member noticed anything: ${counters.join(', ')}`);
    await heal(exercise);
    const count = exercise.acknowledgedCount - before;
    return `${counters.join(' + ')} ${noticed}, ${count} acknowledged meanwhile`;
  };
}

/** Cuts members from the others in both directions. */
async function isolate(
  members: readonly MemberProcess[],
  others: readonly MemberProcess[],
): Promise<void> {
  await Promise.all([
    ...members.map((member) => member.order({ network: to(idsOf(others), CUT) })),
    ...others.map((member) => member.order({ network: to(idsOf(members), CUT) })),
  ]);
}

/** A leader without a quorum commits nothing, and the majority elects another one. */
async function cutOffLeader(exercise: Exercise): Promise<string> {
  const { cluster } = exercise;
  const leader = await cluster.leader();
  const before = await termOf(exercise);
  const others = cluster.members.filter((member) => member !== leader);
  await isolate([leader], others);
  // What was under way may still be committed, the leader's own late sync included.
  await pause(UNDER_WAY_MS);
  const commit = (await leader.status())?.commitPosition ?? 0;
  await cluster.waitFor('a leader on the other side', (all) =>
    all.some((one) => one.isIngressOpen && one.leadershipTermId > before),
  );
  await exercise.acknowledgeMore(20);
  const after = (await leader.status())?.commitPosition ?? 0;
  expect(after === commit, `a leader without a quorum committed ${after - commit} bytes`);
  await heal(exercise);
  return `member ${leader.memberId} alone`;
}

/** Everybody for himself: nothing may be acknowledged. */
async function cutAll(exercise: Exercise, random: SeededRandom): Promise<string> {
  const { members } = exercise.cluster;
  await Promise.all(
    members.map((member) =>
      member.order({ network: to(idsOf(members.filter((one) => one !== member)), CUT) }),
    ),
  );
  await pause(UNDER_WAY_MS);
  const before = exercise.acknowledgedCount;
  await pause(random.between(LEADER_TIMEOUT_MS, 2 * LEADER_TIMEOUT_MS));
  const count = exercise.acknowledgedCount - before;
  expect(count === 0, `${count} messages were acknowledged without a quorum`);
  await heal(exercise);
  return 'all links down';
}

/** One follower hears nothing, or is heard by nobody: the two others go on, with few elections. */
async function oneWay(exercise: Exercise, random: SeededRandom): Promise<string> {
  const { cluster } = exercise;
  const before = await termOf(exercise);
  const leader = await cluster.leader();
  const victim = random.pick(cluster.members.filter((member) => member !== leader));
  const others = cluster.members.filter((member) => member !== victim);
  await victim.order({ network: to(idsOf(others), CUT) });
  await pause(FAULT_MS);
  await exercise.acknowledgeMore(20);
  await victim.order({ network: {} });
  await Promise.all(others.map((member) => member.order({ network: to(idsOf([victim]), CUT) })));
  await pause(FAULT_MS);
  await exercise.acknowledgeMore(20);
  await heal(exercise);
  const terms = (await termOf(exercise)) - before;
  expect(terms <= TERMS_MAX, `${terms} elections although the two others had each other`);
  return `member ${victim.memberId} mute, then deaf: ${terms} elections`;
}

async function flap(exercise: Exercise, random: SeededRandom): Promise<string> {
  const { cluster } = exercise;
  const before = await termOf(exercise);
  const leader = await cluster.leader();
  const victim = random.pick(cluster.members.filter((member) => member !== leader));
  for (let count = 0; count < FLAP_COUNT; count++) {
    await isolate([victim], [leader]);
    await pause(FLAP_MS / 2);
    await heal(exercise);
    await pause(FLAP_MS / 2);
  }
  await exercise.acknowledgeMore(20);
  const terms = (await termOf(exercise)) - before;
  expect(terms <= TERMS_MAX, `${terms} elections for one link that flaps`);
  return `the link from ${leader.memberId} to ${victim.memberId}: ${terms} elections`;
}

/** Clients hear nothing of the leader: what they sent is unknown or answered late, never twice. */
async function cutClients(exercise: Exercise): Promise<string> {
  const leader = await exercise.cluster.leader();
  await leader.order({ network: to(['client'], CUT) });
  await pause(FAULT_MS);
  await heal(exercise);
  return `clients cut from member ${leader.memberId}`;
}

const ROWS: readonly RowCase[] = [
  {
    id: 'N1',
    name: 'a tenth of all datagrams is lost',
    play: everywhere(OTHERS, { loss: 10 }, ['retransmits']),
  },
  {
    id: 'N2',
    name: 'half of all datagrams come again, up to two seconds late',
    play: everywhere(OTHERS, { duplication: 50, duplicateMs: 2_000 }, ['underruns']),
  },
  {
    id: 'N3',
    name: 'a third of all datagrams comes up to 100 ms late',
    play: everywhere(OTHERS, { lateness: 33, lateMs: 100 }, ['naksSent']),
  },
  {
    id: 'N4',
    name: 'one in fifty datagrams between members has a flipped bit',
    play: everywhere(['0', '1', '2'], { corruption: 2 }, ['checksumMismatches']),
  },
  { id: 'N5', name: 'the leader is cut off from both followers', play: cutOffLeader },
  { id: 'N5', name: 'every member is cut off from every other', play: cutAll },
  { id: 'N6', name: 'a follower is mute, and then deaf', play: oneWay },
  { id: 'N8', name: 'a link flaps ten times a second', play: flap },
  { id: 'N13', name: 'clients are cut from the leader, the followers are not', play: cutClients },
];

test('a cluster stands a network that fails in every way', async (t) => {
  const seed = runSeed();
  t.comment(`seed ${seed}: run again with PAWL_SEED=${seed}`);
  const exercise = await Exercise.start({ durability: 'page-cache', seamSeed: seed });
  await playRows(t, exercise, ROWS, seed);
});
