// Row X4 of the fault matrix: messages and timers of two services across kills of their members.
// A hundred kills take some minutes: `npm run rounds:services` plays them.

import test from 'tape';
import { reportRows } from './matrix.js';
import { runSeed } from './random.js';
import { playServiceRounds } from './service-rounds.js';

const KILLS = 12;

test('two services that send messages survive kills, with the state of the log', async (t) => {
  const seed = runSeed();
  t.comment(`seed ${seed}: run again with PAWL_SEED=${seed}`);
  const onRound = (text: string): void => t.comment(text);
  const verdict = await playServiceRounds({ kills: KILLS, seed, durability: 'fsync', onRound });
  const { problems, requests, serviceMessages, snapshots, timersFired } = verdict;
  t.deepEqual(problems, [], 'all members have the state of a replay of the whole log');
  t.ok(requests.answered > 100, `${requests.answered} requests were answered`);
  t.ok(serviceMessages > 100, `${serviceMessages} messages came from services`);
  t.ok(timersFired > 20, `${timersFired} timers fired`);
  t.ok(snapshots > 0, `${snapshots} snapshots were taken by one member`);
  const name = 'messages and timers of two services, kill -9';
  reportRows(t, [{ id: 'X4', name, passed: problems.length === 0 }]);
});
