// service-channel.test.ts: the hand-over between an engine and its service, with both sides
// interleaved at every step.

import test from 'tape';
import { runChannel } from '../support/channel/channel-model.js';

const SCHEDULE_COUNT = 150;
const FIRST = Number(process.env.PAWL_SEED ?? 1);

test('whatever one side does in the midst of the other, both hear all, whole and in order', (t) => {
  let [stepCount, switchCount, snapshotCount, answerCount] = [0, 0, 0, 0];
  for (let schedule = FIRST; schedule < FIRST + SCHEDULE_COUNT; schedule++) {
    const run = runChannel(schedule);
    stepCount += run.stepCount;
    switchCount += run.switchCount;
    snapshotCount += run.snapshotCount;
    answerCount += run.answerCount;
    if (run.judge !== undefined) {
      t.fail(`schedule ${schedule}: ${run.message}`);
    }
  }
  t.comment(`${stepCount} steps, ${switchCount} switches, ${answerCount} answers`);
  t.ok(switchCount > 10 * SCHEDULE_COUNT, 'sides were changed');
  t.ok(answerCount > SCHEDULE_COUNT, 'queries were answered');
  t.equal(snapshotCount, 2 * SCHEDULE_COUNT, 'all snapshots were written');
  t.end();
});
