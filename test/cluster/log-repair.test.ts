// log-repair.test.ts: how one member gets a damaged range back, piece by piece, from members that
// answer, lie, refuse or are silent.

import test from 'tape';
import { DamageList } from '../../src/archive/damage-list.js';
import { RecordingLog, readRecordingLog } from '../../src/archive/recording-log.js';
import { completeTask, StorageTasks } from '../../src/archive/storage-task.js';
import {
  LogRepair,
  REPAIR_RETRY_NS,
  REPAIR_TIMEOUT_NS,
  type RepairPiece,
  type RepairRequest,
} from '../../src/cluster/log-repair.js';
import type { PawlError } from '../../src/errors.js';
import { StorageResult } from '../../src/ports/storage.js';
import { RepairCode } from '../../src/protocol/codecs/enumerations.js';
import { GEOMETRY, makeArena, recover } from '../archive/archive-world.js';
import { directoryWith } from '../archive/damaged-log.js';
import { MemoryStorage } from '../support/memory-storage.js';

const FRAME = 512;

/** A member whose log is damaged in [FROM, TO), and what it asks of the members 1 and 2. */
function world() {
  const arena = makeArena();
  const { disk, image } = directoryWith(
    arena,
    (log) => log.until(20_000, 480),
    (log) => log.position,
  );
  const range = { from: 4 * FRAME, to: 6 * FRAME };
  disk.damage('0-0.rec').fill(0xee, range.from, range.to);
  const storage = new MemoryStorage(disk);
  const tasks = new StorageTasks(storage);
  const reading = completeTask(tasks, readRecordingLog(storage));
  const entries = reading.kind === 'found' ? reading.entries : [];
  const recordingLog = completeTask(tasks, RecordingLog.open(storage, entries));
  const damage = new DamageList([range]);
  const asked: { to: number; request: RepairRequest }[] = [];
  const unrepairable: number[] = [];
  const fatal: PawlError[] = [];
  const repair = new LogRepair({
    tasks,
    arena,
    geometry: GEOMETRY,
    recordingLog,
    damage,
    others: [1, 2],
    leaderMemberId: () => 2,
    send: (to, request) => asked.push({ to, request }),
    onRepaired: () => undefined,
    onUnrepairable: ({ from }) => unrepairable.push(from),
    onFatal: (error) => fatal.push(error),
  });
  const last = () => asked.at(-1) as (typeof asked)[0];
  /** Pieces of the frames [from, to) as an answer to the last request. */
  const pieces = (from: number, to: number, pieceLength = 400): RepairPiece[] => {
    const bytes = image.bytes.slice(from, to);
    const all: RepairPiece[] = [];
    for (let offset = 0; offset < bytes.length; offset += pieceLength) {
      const length = Math.min(pieceLength, bytes.length - offset);
      const { position, requestId } = last().request;
      const view = new DataView(bytes.buffer);
      const blockLength = bytes.length;
      const code = RepairCode.Ok;
      all.push({
        requestId,
        position,
        code,
        blockLength,
        blockOffset: offset,
        view,
        offset,
        length,
      });
    }
    return all;
  };
  return {
    arena,
    damage,
    disk,
    fatal,
    last,
    pieces,
    range,
    repair,
    storage,
    tasks,
    asked,
    unrepairable,
  };
}

test('a range is asked of the leader first, and mended from its pieces', (t) => {
  const { arena, damage, disk, last, pieces, range, repair, tasks } = world();
  repair.doWork(0);
  t.equal(last().to, 2);
  t.deepEqual([last().request.position, last().request.lengthBytes], [range.from, 2 * FRAME]);
  for (const piece of pieces(range.from, range.to)) {
    t.ok(repair.onPiece(2, piece, 0));
  }
  tasks.poll();
  t.ok(damage.isEmpty);
  t.deepEqual([repair.counters.repairs, repair.counters.repairedBytes], [1, 2 * FRAME]);
  t.equal(recover(disk.crashed('drop'), arena, 'start').health.kind, 'sound', 'durably');
  t.equal(repair.deadlineNs(), Number.POSITIVE_INFINITY, 'then it rests');
  repair.close();
  t.end();
});

test('a member that lies, refuses or is silent is passed over', (t) => {
  const { damage, last, pieces, range, repair, tasks, asked, unrepairable } = world();
  repair.doWork(0);
  const [wrong] = pieces(0, 2 * FRAME, 2 * FRAME);
  t.ok(repair.onPiece(2, wrong as RepairPiece, 0), 'frames of another place are taken ...');
  t.equal(repair.counters.repairBlocksInvalid, 1, '... and prove nothing');
  t.equal(repair.doWork(REPAIR_RETRY_NS - 1), 0, 'not at once');
  repair.doWork(REPAIR_RETRY_NS);
  t.equal(last().to, 1);
  const refusal = { ...(pieces(0, 32)[0] as RepairPiece), code: RepairCode.Damaged };
  t.ok(repair.onPiece(1, refusal, REPAIR_RETRY_NS));
  repair.doWork(2 * REPAIR_RETRY_NS);
  t.deepEqual(unrepairable, [range.from], 'nobody has it');
  repair.doWork(3 * REPAIR_RETRY_NS + REPAIR_TIMEOUT_NS);
  t.equal(last().to, 2, 'it is asked again');
  const silentNs = 4 * REPAIR_RETRY_NS + 2 * REPAIR_TIMEOUT_NS;
  repair.doWork(silentNs);
  t.equal(last().to, 1, 'after its silence another one');
  for (const piece of pieces(range.from, range.to)) {
    repair.onPiece(1, piece, silentNs);
  }
  tasks.poll();
  t.ok(damage.isEmpty);
  t.equal(asked.length, 4);
  repair.close();
  t.end();
});

test('pieces that were not asked for, overlap or come out of order are dropped', (t) => {
  const { damage, last, pieces, range, repair } = world();
  repair.doWork(0);
  const [first, second] = pieces(range.from, range.to) as [RepairPiece, RepairPiece];
  t.notOk(repair.onPiece(1, first, 0), 'of another member');
  t.notOk(repair.onPiece(2, { ...first, requestId: first.requestId + 1 }, 0));
  t.notOk(repair.onPiece(2, { ...first, position: first.position + 32 }, 0));
  t.notOk(repair.onPiece(2, second, 0), 'out of order');
  t.notOk(repair.onPiece(2, { ...first, blockLength: 1 << 20 }, 0), 'longer than a block');
  t.notOk(repair.onPiece(2, { ...first, length: 0 }, 0), 'empty');
  t.ok(repair.onPiece(2, first, 0));
  t.notOk(repair.onPiece(2, first, 0), 'twice');
  t.notOk(repair.onPiece(2, { ...second, blockLength: 2000 }, 0), 'of another block');
  t.notOk(repair.onPiece(2, { ...second, length: 1 << 20 }, 0), 'beyond the block');
  repair.rest();
  t.notOk(repair.onPiece(2, second, 0), 'the log is being cut');
  repair.resume();
  t.notOk(repair.onPiece(2, second, 0), 'what was asked for may be gone');
  repair.doWork(REPAIR_TIMEOUT_NS);
  t.equal(last().request.requestId, first.requestId + 1, 'so it is asked for anew');
  t.notOk(damage.isEmpty);
  repair.close();
  t.end();
});

test('a frame that reaches over the end of a range makes the range longer', (t) => {
  const { damage, last, pieces, range, repair, tasks } = world();
  damage.remove(5 * FRAME + 32, range.to);
  damage.add({ from: 5 * FRAME + 64, to: range.to });
  repair.doWork(0);
  t.equal(last().request.lengthBytes, FRAME + 32, 'something looked like a frame there');
  for (const piece of pieces(range.from, range.to)) {
    repair.onPiece(2, piece, 0);
  }
  tasks.poll();
  t.ok(damage.isEmpty, 'the frame from the start is the true one');
  repair.close();
  t.end();
});

test('a repair that the disk does not take ends the member', (t) => {
  const { fatal, pieces, range, repair, storage, tasks } = world();
  repair.doWork(0);
  storage.failure = (kind) => (kind === 'sync' ? StorageResult.InputOutput : StorageResult.Ok);
  for (const piece of pieces(range.from, range.to)) {
    repair.onPiece(2, piece, 0);
  }
  tasks.poll();
  t.equal(fatal[0]?.code, 'STORAGE_FAILED');
  repair.close();
  t.end();
});
