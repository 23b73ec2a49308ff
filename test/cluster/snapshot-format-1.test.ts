// snapshot-format-1.test.ts: a snapshot from before there were several services is read as what it
// was: one service, of whose messages none was on its way.

import test from 'tape';
import { SnapshotReader } from '../../src/archive/snapshot-reader.js';
import { recordingFileName, type SnapshotEntry } from '../../src/archive/snapshot-recording.js';
import { checkSnapshot } from '../../src/archive/snapshot-services.js';
import { completeTask, StorageTasks } from '../../src/archive/storage-task.js';
import { OutputHistory } from '../../src/cluster/output-history.js';
import type { ServiceHostContext } from '../../src/cluster/service-host.js';
import { Services } from '../../src/cluster/services.js';
import { SnapshotLoader } from '../../src/cluster/snapshot-loader.js';
import { Arena } from '../../src/memory/arena.js';
import { ServiceContainer } from '../../src/service/service-container.js';
import { MemoryDisk, MemoryStorage } from '../support/memory-storage.js';
import { readVector } from '../vectors/read-vector.js';
import { KeepingService } from './snapshot-fixture.js';

const GEOMETRY = { termLength: 64 * 1024, segmentLength: 64 * 1024 };
const ENTRY: SnapshotEntry = {
  recordingId: 1,
  logPosition: 1472,
  leadershipTermId: 0,
  termBaseLogPosition: 0,
  timestampMs: 1_735_689_600_052,
  length: 1888,
  hash: 1_048_055_261,
  formatVersion: 1,
  appVersion: 1,
};

function contextOf(arena: Arena): ServiceHostContext {
  return {
    arena,
    memberId: 0,
    poller: {
      position: ENTRY.logPosition,
      setLive: () => undefined,
      pollMessages: () => 0,
      close: () => undefined,
    },
    egress: {
      messageLengthMax: 1_024,
      offer: () => undefined,
      offerReply: () => undefined,
      offerAnswer: () => undefined,
      overflow: () => undefined,
      requestClose: () => undefined,
    },
    messageLengthMax: 8_192,
    fragmentLimit: 1,
    snapshots: { wantedPosition: -1, wants: () => false, offer: (section) => section.close() },
    outputs: new OutputHistory(arena),
    snapshot: ENTRY,
  };
}

test('a snapshot of format 1 is that of one service, and loads', (t) => {
  const disk = new MemoryDisk();
  disk.put(recordingFileName(1, 0), readVector('snapshot-format-1'));
  const arena = Arena.create(4 * 1024 * 1024);
  const tasks = new StorageTasks(new MemoryStorage(disk));
  const check = (appVersionsMax: readonly number[], entry = ENTRY) =>
    completeTask(tasks, checkSnapshot(tasks.storage, arena, GEOMETRY, entry, appVersionsMax));
  t.deepEqual(check([1]), { appVersions: [1] });
  t.deepEqual(check([0]), {
    reason: 'its state of service 0 is of version 1, and the service reads up to 0',
    isWhole: true,
  });
  t.deepEqual(
    check([1, 1]),
    { reason: 'it holds the state of 1 services, and this member runs 2', isWhole: true },
    'it is of no use where there are two',
  );
  t.deepEqual(
    check([1], { ...ENTRY, formatVersion: 2 }),
    { reason: 'it does not say whose state it holds', isWhole: true },
    'one of format 2 names its services',
  );
  const service = new KeepingService(1);
  const container = new ServiceContainer(() => service);
  const services = new Services([container], 1);
  services.start(() => contextOf(arena));
  const sessions: number[] = [];
  const loader = new SnapshotLoader({
    reader: new SnapshotReader(tasks, arena, GEOMETRY, ENTRY),
    services,
    onSession: (session) => sessions.push(session.id),
    onSuspended: () => t.fail('it was not suspended'),
    onFatal: (error) => t.fail(error.message),
  });
  for (let turn = 0; turn < 100 && !loader.isDone; turn++) {
    loader.doWork();
    tasks.poll();
  }
  t.ok(loader.isDone, 'all of it');
  t.equal(service.stateHash(), '12 -1023682644', 'the state is the one that was written');
  t.equal(container.timers.count, 3);
  t.equal([...container.sessions()].length, 1);
  t.equal(sessions.length, 1);
  t.equal(container.messages.pendingCount, 0);
  t.ok(container.messages.admit({ serviceId: 0, sequence: 1 }), 'its first message is yet to come');
  t.end();
});
