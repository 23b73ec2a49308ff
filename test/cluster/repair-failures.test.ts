// What goes wrong while a member cares for its log: blocks that are not its frames, a disk that
// refuses what is repaired or read, and a place that cannot be read although nothing is wrong.

import test from 'tape';
import { DamageList } from '../../src/archive/damage-list.js';
import { openDirectory } from '../../src/archive/member-directory.js';
import type { LogReader, ReadFailure } from '../../src/archive/segment-reader.js';
import { completeTask, StorageTasks } from '../../src/archive/storage-task.js';
import { CheckedReader } from '../../src/cluster/checked-reader.js';
import { LogRepair, REPAIR_TIMEOUT_NS, type RepairRequest } from '../../src/cluster/log-repair.js';
import { RepairSource } from '../../src/cluster/repair-source.js';
import { StorageResult } from '../../src/ports/storage.js';
import { RepairCode } from '../../src/protocol/codecs/enumerations.js';
import { GEOMETRY, IDENTITY, makeArena } from '../archive/archive-world.js';
import { directoryWith } from '../archive/damaged-log.js';
import { MemoryStorage } from '../support/memory-storage.js';

const FRAME_LENGTH = 160;

/** A damaged log and the member that repairs it; what it asks for is answered by the test. */
function repairWorld() {
  const arena = makeArena();
  const { disk, image } = directoryWith(
    arena,
    (log) => log.until(9000, FRAME_LENGTH - 32),
    (log) => log.position,
  );
  const range = { from: image.ends[9] ?? 0, to: image.ends[12] ?? 0 };
  disk.damage('0-0.rec').fill(0x5a, range.from, range.to);
  const storage = new MemoryStorage(disk);
  const tasks = new StorageTasks(storage);
  const options = { ...IDENTITY, arena, verifyFrom: 'start' } as const;
  const { recordingLog } = completeTask(tasks, openDirectory(storage, options));
  const asked: { to: number; request: RepairRequest }[] = [];
  const errors: string[] = [];
  const repaired: number[] = [];
  const repair = new LogRepair({
    tasks,
    arena,
    geometry: GEOMETRY,
    recordingLog,
    damage: new DamageList([range]),
    others: [1, 2],
    leaderMemberId: () => 1,
    send: (to, request) => asked.push({ to, request }),
    onRepaired: (whole) => repaired.push(whole.to - whole.from),
    onUnrepairable: () => undefined,
    onFatal: (error) => errors.push(`${error.category} ${error.message}`),
  });
  const answer = (bytes: Uint8Array, nowNs: number): boolean => {
    const last = asked.at(-1);
    return repair.onPiece(
      last?.to ?? -1,
      {
        requestId: last?.request.requestId ?? -1,
        position: last?.request.position ?? -1,
        code: RepairCode.Ok,
        blockLength: bytes.length,
        blockOffset: 0,
        view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
        offset: 0,
        length: bytes.length,
      },
      nowNs,
    );
  };
  const good = image.bytes.slice(range.from, range.to);
  return {
    answer,
    arena,
    asked,
    errors,
    good,
    range,
    recordingLog,
    repair,
    repaired,
    storage,
    tasks,
  };
}

test('a block that is not of the own log is counted, and another member is asked', (t) => {
  const { answer, asked, good, range, repair, repaired, tasks } = repairWorld();
  repair.doWork(0);
  t.equal(asked[0]?.to, 1, 'the leader is asked first');
  const bad = good.slice();
  bad[100] = (bad[100] ?? 0) ^ 1;
  t.ok(answer(bad, 0), 'it is taken as an answer');
  t.equal(repair.counters.repairBlocksInvalid, 1, 'and counted as none');
  repair.doWork(REPAIR_TIMEOUT_NS);
  t.equal(asked[1]?.to, 2, 'the other member has its turn');
  answer(good, REPAIR_TIMEOUT_NS);
  tasks.poll();
  t.deepEqual(repaired, [range.to - range.from], 'its block repairs the log');
  repair.close();
  t.end();
});

test('a repair that the disk refuses ends the member (B39)', (t) => {
  for (const kind of ['open', 'write', 'sync'] as const) {
    const { answer, errors, good, repair, repaired, storage, tasks } = repairWorld();
    storage.failure = (each) => (each === kind ? StorageResult.InputOutput : StorageResult.Ok);
    repair.doWork(0);
    answer(good, 0);
    tasks.poll();
    t.match(String(errors[0]), /^fatal could not .*the device failed/, kind);
    t.deepEqual(repaired, [], 'nothing counts as repaired');
    t.ok(tasks.poisoned !== undefined, 'and nothing more is written');
    repair.close();
  }
  t.end();
});

test('a place that cannot be read although nothing is wrong there ends the member', (t) => {
  const failure: ReadFailure = { position: 640, reason: 'no valid frame' };
  const reader = {
    address: 0,
    failure,
    read: () => -1,
    reset: () => undefined,
    close: () => undefined,
  };
  const suspected: number[] = [];
  const errors: string[] = [];
  const checked = new CheckedReader(
    reader as unknown as LogReader,
    {
      suspect: (position) => suspected.push(position),
      isInDoubt: () => false,
      firstDamaged: () => Number.POSITIVE_INFINITY,
      isPurged: () => false,
    },
    (error) => errors.push(`${error.code} ${error.message}`),
  );
  for (let turn = 0; turn < 8 && errors.length === 0; turn++) {
    t.equal(checked.read(640, 9000), -1);
  }
  t.ok(suspected.length > 0, 'it is looked into first');
  t.match(String(errors[0]), /^LOG_CORRUPT .*cannot be read back at position 640: no valid frame/);
  t.end();
});

test('what a repair has written is not read before it is durable', (t) => {
  const reads: number[][] = [];
  const reader = {
    address: 0,
    failure: undefined,
    read: (position: number, limit: number) => {
      reads.push([position, limit]);
      return limit - position;
    },
    reset: () => undefined,
    close: () => undefined,
  };
  const damage = new DamageList([{ from: 640, to: 1280 }]);
  const checked = new CheckedReader(
    reader as unknown as LogReader,
    {
      suspect: () => t.fail('nothing is wrong that is not known'),
      isInDoubt: (position) => damage.covers(position),
      firstDamaged: (position) => damage.firstFrom(position),
      isPurged: () => false,
    },
    (error) => t.fail(error.message),
  );
  t.equal(checked.read(320, 9_600), 320, 'what lies before is there');
  t.equal(checked.read(640, 9_600), -1, 'the damaged range is not, though it could be read');
  t.equal(checked.read(960, 9_600), -1);
  t.equal(checked.read(640, 640), 0, 'nothing is asked for');
  damage.remove(640, 960);
  t.equal(checked.read(640, 9_600), 320, 'a block of it is durable');
  damage.remove(960, 1_280);
  t.equal(checked.read(960, 9_600), 8_640, 'all of it is');
  t.deepEqual(
    reads.map(([position, limit]) => `${position} to ${limit}`),
    ['320 to 640', '640 to 640', '640 to 960', '960 to 9600'],
    'nothing else was read',
  );
  t.end();
});

test('a member that cannot read a block says so, and looks into the place itself', (t) => {
  const { recordingLog, arena } = repairWorld();
  const answers: string[] = [];
  const suspected: number[] = [];
  const reader = { read: () => -1, close: () => undefined } as unknown as LogReader;
  const source = new RepairSource({
    arena,
    recordingLog,
    guard: {
      suspect: (position) => suspected.push(position),
      isInDoubt: () => false,
      firstDamaged: () => Number.POSITIVE_INFINITY,
      isPurged: () => false,
    },
    makeReader: () => reader,
    durablePosition: () => 9000,
    pieceLengthMax: 1024,
    send: (to, piece) => {
      answers.push(`${to} ${piece.requestId} ${piece.code === RepairCode.Damaged}`);
      return true;
    },
  });
  const request = { requestId: 5, leadershipTermId: 0, position: 320, lengthBytes: 640 };
  t.ok(source.onRequest(2, request));
  source.doWork(0);
  t.deepEqual(answers, ['2 5 true'], 'the asker goes to another member');
  t.deepEqual(suspected, [320]);
  t.equal(source.refusedCount, 1);
  t.notOk(source.onRequest(2, { ...request, position: 321 }), 'no frame starts there');
  source.close();
  t.end();
});
