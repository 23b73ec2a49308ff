// A disk that fills up under the leader: it hands over while there is still room, nobody ends, and
// nothing acknowledged is lost.

import test, { type Test } from 'tape';
import { askMember } from '../../src/host/control-client.js';
import { Exercise } from './exercise.js';
import { reportRows } from './matrix.js';
import type { MemberProcess } from './member-process.js';
import { SmallDisk, smallDiskHindrance } from './small-disk.js';

const FILLING_DISK = { id: 'D4b', name: 'a disk that fills up' };
const KIB = 1024;
const MESSAGES = 50;
const LOW_SPACE_LENGTH = 768 * KIB;
/** Room for some seconds of log before it is little. */
const FREE_LENGTH = LOW_SPACE_LENGTH + 256 * KIB;

const TRANSFER_TIMEOUT_MS = 10_000;

/** Leadership goes to a member, by an order to the one that has it. */
async function makeLeader(exercise: Exercise, wanted: MemberProcess): Promise<void> {
  const leader = await exercise.cluster.leader();
  if (leader !== wanted) {
    await askMember(leader.directory, 'transfer', wanted.memberId, TRANSFER_TIMEOUT_MS);
  }
}

async function fillUp(t: Test, exercise: Exercise, victim: MemberProcess): Promise<boolean> {
  const { cluster } = exercise;
  await Promise.all(exercise.clients.map((client) => client.quiesce()));
  await victim.kill();
  const disk = await SmallDisk.over(victim.directory, FREE_LENGTH);
  try {
    victim.start(disk.wrapper);
    await cluster.settle();
    await makeLeader(exercise, victim);
    exercise.resume();
    const statuses = await cluster.waitFor('leadership to go where there is room', (all) => {
      const one = all.find(({ memberId }) => memberId === victim.memberId);
      const leads = all.some(({ isIngressOpen, memberId }) => {
        return isIngressOpen && memberId !== victim.memberId;
      });
      return one?.health === 'low space' && leads;
    });
    const status = statuses.find(({ memberId }) => memberId === victim.memberId);
    t.ok(victim.isRunning, 'the member has not ended');
    t.ok((status?.freeSpaceLength ?? 0) > 0, `${status?.freeSpaceLength} bytes were left`);
    t.ok((status?.counters.lowSpaceTransfers ?? 0) >= 1, 'it handed over');
    const warning = victim.events.find(({ message }) => /lowSpaceLength/.test(String(message)));
    t.match(String(warning?.message), /leads no more while another one can/, 'it says so');
    await exercise.acknowledgeMore(MESSAGES);
    t.pass('the cluster serves');
    disk.dropBallast();
    await cluster.waitFor('the member to have room again', (all) =>
      all.some((one) => one.memberId === victim.memberId && one.health !== 'low space'),
    );
    await victim.kill();
    disk.moveBack();
  } finally {
    disk.close();
  }
  victim.start();
  const { problems, text } = await exercise.balance();
  t.comment(text);
  t.deepEqual(problems, [], 'the books balance');
  return problems.length === 0;
}

test('a leader hands over before its disk is full', async (t) => {
  const hindrance = smallDiskHindrance();
  if (hindrance !== undefined) {
    t.skip(`SKIP ${hindrance}`);
    reportRows(t, [{ ...FILLING_DISK, passed: false, skipped: hindrance }]);
    return;
  }
  const exercise = await Exercise.start({
    durability: 'fsync',
    member: { lowSpaceLength: LOW_SPACE_LENGTH, spaceCheckIntervalMs: 100 },
  });
  let isPassed = false;
  try {
    exercise.resume();
    await exercise.acknowledgeMore(MESSAGES);
    isPassed = await fillUp(t, exercise, await exercise.cluster.leader());
  } finally {
    await exercise.dispose();
    reportRows(t, [{ ...FILLING_DISK, passed: isPassed }]);
  }
});
