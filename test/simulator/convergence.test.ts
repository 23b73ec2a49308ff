// convergence: who leads, where not all have heard of it yet.

import test from 'tape';
import { areInOneTerm, latestLeader, type Standing } from '../../src/simulator/convergence.js';

function standing(leadershipTermId: number, isIngressOpen: boolean, state = 'CLOSED'): Standing {
  const status = { isIngressOpen, isVoting: true, leadershipTermId, state: state as 'CLOSED' };
  return { member: { status: () => status } };
}

test('of two leaders it is the one of the later term, wherever it stands', (t) => {
  const old = standing(14, true);
  const latest = standing(15, true);
  const follower = standing(15, false);
  t.equal(latestLeader([old, latest, follower]), latest);
  t.equal(latestLeader([follower, latest, old]), latest);
  t.equal(latestLeader([{ member: undefined }, follower]), undefined, 'followers are none');
  t.end();
});

test('members do their work in one term when none is behind, away or without a vote', (t) => {
  const [leader, follower] = [standing(15, true), standing(15, false)];
  t.ok(areInOneTerm([leader, follower]));
  t.notOk(areInOneTerm([leader, standing(14, true)]), 'a leader that was away');
  t.notOk(areInOneTerm([standing(14, true), leader]));
  t.notOk(areInOneTerm([leader, standing(15, false, 'FOLLOWER_READY')]));
  t.notOk(areInOneTerm([leader, { member: undefined }]));
  t.end();
});
