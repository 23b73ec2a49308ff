// A member that lost its directory counts for what it held then, and for nothing that came later.

import test from 'tape';
import { ArenaPool, Simulation } from '../../src/simulator/index.js';
import { CommittedLog } from '../../src/simulator/invariants/committed-log.js';
import { Judge } from '../../src/simulator/invariants/judge.js';
import { Prng } from '../../src/simulator/prng.js';
import { TraceHash } from '../../src/simulator/trace-hash.js';
import { VirtualDisk } from '../../src/simulator/virtual-disk.js';

const SECOND = 1_000_000_000;

/** A disk with the log of a short run, and where that ends. */
function recorded() {
  const simulation = new Simulation({
    seed: 3,
    arenas: new ArenaPool(),
    safetyNs: SECOND,
    adjust: (swarm) => ({ ...swarm, faults: [], memberCount: 1, logRetention: 'all' }),
  });
  const { violation } = simulation.run();
  if (violation !== undefined) {
    throw new Error(violation.message);
  }
  const [member] = simulation.cluster.members;
  if (member === undefined) {
    throw new Error('a run has a member');
  }
  const { logTermLength, segmentLength } = member.config;
  const geometry = { termLength: logTermLength, segmentLength };
  return { disk: member.node.disk, end: simulation.judges.committed.end, geometry };
}

/** A leader with a log, a member that has lost its own, and one that never had any. */
function leaderAlone(hadLog: boolean): string | undefined {
  const { disk, end, geometry } = recorded();
  const makeDisk = (): VirtualDisk => new VirtualDisk(new Prng(1, 'disk'), new TraceHash());
  const [blank, other] = [makeDisk(), makeDisk()];
  if (hadLog) {
    blank.exchange(disk.tree);
  }
  const judge = new Judge({ nowNs: 0 });
  const committed = new CommittedLog(judge, [disk, blank, other], geometry, false);
  committed.onLostDirectory(1);
  blank.reformat();
  committed.excusedMember = () => 1;
  committed.onApply(0, end, 0);
  return judge.violation?.invariant;
}

test('what a quorum held before a disk was replaced is committed', (t) => {
  t.equal(leaderAlone(true), undefined);
  t.end();
});

test('a replaced disk is no copy of what it never held', (t) => {
  t.equal(leaderAlone(false), 'I-7');
  t.end();
});
