// install-damage.test.ts: a leader whose snapshots have rotted gives an earlier one or a new one to
// members that need one, and tells its operator.

import test from 'tape';
import type { RecoveredDirectory } from '../../src/archive/member-directory.js';
import {
  recordingFileName,
  recordingIdOf,
  type SnapshotEntry,
} from '../../src/archive/snapshot-recording.js';
import { StorageTasks } from '../../src/archive/storage-task.js';
import { InstallSource } from '../../src/cluster/install-source.js';
import { MARK_NAMES, Mark, markHits } from '../../src/marks.js';
import { Arena } from '../../src/memory/arena.js';
import { StorageResult } from '../../src/ports/storage.js';
import { OperationKind } from '../../src/simulator/storage-operation.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { MS } from './cluster-fixture.js';
import { purgeBehindSleeper } from './install-fixture.js';
import { areEqual } from './snapshot-fixture.js';

const KIB = 1024;

/** A member that is down, whose log the others have purged, and whose leader's snapshot rots. */
function rotten(position: number) {
  const { installs, sleeper, world } = purgeBehindSleeper();
  const { fixture, services, taken } = world;
  const leader = fixture.awaitLeader();
  const [older, newest] = (taken.get(leader.memberId) ?? []).slice(-2) as [
    SnapshotEntry,
    SnapshotEntry,
  ];
  leader.node.disk.flipBits(recordingFileName(newest.recordingId, 0), position, 0x10);
  return { fixture, installs, leader, newest, older, services, sleeper, world };
}

/** What the operator has heard of snapshots that cannot be given away. */
function heard({ warnings }: { readonly warnings: readonly string[] }): string[] {
  return warnings.filter((text) => /cannot be given to another member/.test(text));
}

test('a leader whose newest snapshot has rotted gives the one before, wherever the rot is', (t) => {
  // In a frame of the first chunk, and in the padding at its end.
  for (const position of [40, 64 * KIB - 1]) {
    const { fixture, installs, leader, newest, older, services, sleeper, world } = rotten(position);
    const before = markHits()[Mark.InstallOffersEarlier] ?? 0;
    // It can take no new one.
    leader.node.disk.faultHook = ({ kind, path }) =>
      kind === OperationKind.Write && recordingIdOf(path) > newest.recordingId
        ? { result: StorageResult.NoSpace }
        : undefined;
    fixture.cluster.start(sleeper);
    fixture.await(() => services.size === 3 && areEqual(world), 'the sleeper has the same state');
    t.equal(installs.count, 1, `rot at ${position}: it took a snapshot`);
    t.equal(services.get(sleeper.memberId)?.loadedPosition, older.logPosition, 'the one before');
    t.equal(heard(fixture).length, 1, 'the operator is told once');
    t.match(heard(fixture).join(), new RegExp(`at position ${newest.logPosition} .*replace the`));
    t.equal(fixture.status(leader).counters.snapshotsUnreadable, 1, 'it is counted');
    t.ok(
      (markHits()[Mark.InstallOffersEarlier] ?? 0) > before,
      MARK_NAMES[Mark.InstallOffersEarlier],
    );
    fixture.close();
  }
  t.end();
});

test('a leader whose snapshot has rotted has a new one taken', (t) => {
  const { fixture, leader, newest, services, sleeper, world } = rotten(40);
  fixture.cluster.start(sleeper);
  fixture.await(() => services.size === 3 && areEqual(world), 'the sleeper has the same state');
  fixture.await(
    () => fixture.status(leader).snapshotPosition > newest.logPosition,
    'the leader has a new snapshot',
  );
  t.equal(fixture.leader(), leader, 'the leader leads on');
  fixture.close();
  t.end();
});

/** A source with snapshots whose recordings are missing, and what it says. */
function sourceOf(positions: readonly number[], logStartPosition: number) {
  const tasks = new StorageTasks(new MemoryStorage());
  const arena = Arena.create(1_024 * KIB);
  const entryOf = (logPosition: number): SnapshotEntry => ({
    recordingId: logPosition / 1_000,
    logPosition,
    leadershipTermId: 1,
    termBaseLogPosition: 0,
    timestampMs: 1,
    length: 320,
    hash: 1,
    formatVersion: 2,
    appVersion: 1,
  });
  const index = { logStartPosition, snapshots: positions.map(entryOf) };
  const geometry = { termLength: 64 * KIB, segmentLength: 64 * KIB };
  const directory = { geometry, snapshots: { index } } as unknown as RecoveredDirectory;
  const offered: number[] = [];
  const warnings: string[] = [];
  const requests = { count: 0 };
  const source = new InstallSource({
    ...{ arena, tasks, directory, pieceLengthMax: KIB },
    sendOffer: (_to, { logPosition }) => offered.push(logPosition),
    sendBlock: () => true,
    requestSnapshot: () => {
      requests.count++;
    },
    onWarning: (message) => warnings.push(message),
  });
  /** Offers, and gives what was offered as far as it goes. */
  const serve = (nowNs: number): void => {
    source.offer(1);
    const request = { logPosition: offered.at(-1) ?? 0, offsetBytes: 0, lengthBytes: 320 };
    source.onRequest(1, request, nowNs);
    while (source.doWork(nowNs) > 0) {
      tasks.poll();
    }
  };
  return { index, offered, requests, serve, source, warnings };
}

test('snapshots that cannot be read are offered in turn, and told of once', (t) => {
  const { offered, requests, serve, source, warnings } = sourceOf([1_000, 2_000, 3_000], 0);
  for (let turn = 0; turn < 7; turn++) {
    serve(turn * MS);
  }
  t.deepEqual(offered, [3_000, 2_000, 1_000, 3_000, 2_000, 1_000, 3_000]);
  t.equal(warnings.length, 3, 'one warning for each');
  t.match(warnings[0] ?? '', /position 3000 \(recording 3\) cannot be given .*3-0.rec is missing/);
  t.deepEqual([requests.count, source.unreadableCount], [3, 3], 'and one request');
  source.close();
  t.end();
});

test('a snapshot without the log behind it is offered to nobody', (t) => {
  const { offered, serve, source } = sourceOf([1_000, 2_000, 3_000], 1_500);
  for (let turn = 0; turn < 3; turn++) {
    serve(turn * MS);
  }
  t.deepEqual(offered, [3_000, 2_000, 3_000]);
  source.close();
  t.end();
});

test('whoever asks for a snapshot that cannot be read is offered another', (t) => {
  const { index, offered, serve, source } = sourceOf([1_000, 2_000], 0);
  serve(0);
  const request = { logPosition: 2_000, offsetBytes: 0, lengthBytes: 320 };
  t.ok(source.onRequest(2, request, MS), 'another member asks for it');
  t.deepEqual(offered, [2_000, 1_000]);
  t.equal(index.snapshots.length, 2, 'it is still one of the snapshots');
  source.close();
  t.end();
});
