// Reader: what was recorded comes back, verified, and damage is reported where it is.
// Method: a log recorded on a disk in memory, then damaged.

import test from 'tape';
import { LogReader } from '../../src/archive/segment-reader.js';
import {
  SCAN_END_OFFSET,
  SCAN_ENTRY_LENGTH,
  SCAN_HEADER_LENGTH,
  scanAreaLength,
} from '../../src/memory/core.js';
import { GEOMETRY, makeChance, TERM_LENGTH } from './archive-world.js';
import { RecorderWorld } from './recorder-world.js';

const SEGMENT_LENGTH = GEOMETRY.segmentLength;

function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

test('a reader gives back the log, verified, across segments and padding', (t) => {
  const world = new RecorderWorld('fsync').lead(0).turn();
  const next = makeChance(21);
  let messages = 0;
  while (world.log.tailPosition < 2 * SEGMENT_LENGTH + 1000) {
    world.append(next() % 1300, next() & 0xff);
    messages++;
    world.offer().turn();
  }
  const { arena, tasks } = world;
  const allocated = arena.allocatedLength;
  const { recordingLog } = world.directory;
  const reader = new LogReader({
    tasks,
    arena,
    recordingLog,
    geometry: GEOMETRY,
    chunkLength: TERM_LENGTH,
  });
  const end = world.proxy.durablePosition();
  const scan = arena.allocate(scanAreaLength(1000));
  let position = 0;
  let frames = 0;
  let pending = 0;
  while (position < end) {
    const available = reader.read(position, end);
    if (available === 0) {
      pending++;
      world.tasks.poll();
      continue;
    }
    if (available < 0) {
      t.fail(reader.failure?.reason);
      break;
    }
    const count = arena.core.scanBytes(reader.address, available, 7, scan);
    const consumed = arena.f64[(scan + SCAN_END_OFFSET) >> 3] as number;
    for (let index = 0; index < count; index++) {
      const entry = (scan + SCAN_HEADER_LENGTH + index * SCAN_ENTRY_LENGTH) >> 2;
      const frame = arena.i32[entry] as number;
      const length = arena.i32[entry + 1] as number;
      const termId = arena.view.getInt32(frame + 20, true);
      const at = termId * TERM_LENGTH + arena.view.getInt32(frame + 8, true);
      const bytes = arena.u8.subarray(frame, frame + length);
      if (at < position || !equalBytes(bytes, world.appended.subarray(at, at + length))) {
        t.fail(`other bytes at ${at}`);
      }
    }
    frames += count;
    position += consumed;
  }
  t.equal(position, end);
  t.equal(frames, messages);
  t.ok(pending > 4 && pending < 40, `${pending} reads`);
  t.equal(reader.read(end, end), 0, 'nothing beyond the limit');
  reader.close();
  reader.close();
  world.tasks.poll();
  arena.release(scan, scanAreaLength(1000));
  t.equal(arena.allocatedLength, allocated);
  t.end();
});

test('a reader reports damage with its exact position, and reads on elsewhere', (t) => {
  const world = new RecorderWorld('fsync').lead(0).turn();
  for (let count = 0; count < 50; count++) {
    world.append(1000);
  }
  world.offer().turn();
  const { arena, tasks } = world;
  const { recordingLog } = world.directory;
  const reader = new LogReader({ tasks, arena, recordingLog, geometry: GEOMETRY });
  const frame = 1056;
  world.disk.damage('0-0.rec')[frame * 10 + 500] = 1;
  const read = (position: number): number => {
    const end = world.proxy.durablePosition();
    const available = reader.read(position, end);
    world.tasks.poll();
    return available === 0 ? reader.read(position, end) : available;
  };
  t.equal(read(0), frame * 10, 'what is before is good');
  t.equal(read(frame * 10), -1);
  t.equal(reader.failure?.position, frame * 10);
  t.equal(read(frame * 10), -1, 'and stays so');
  t.equal(read(frame * 11), frame * 39, 'what is behind can be read');
  reader.reset();
  world.disk.damage('0-0.rec')[frame * 10 + 500] = 0x42;
  t.ok(read(frame * 10) > 0, 'a repaired range can be read after a reset');
  world.disk.delete('0-0.rec');
  reader.reset();
  world.tasks.poll();
  t.equal(read(0), -1);
  t.ok(reader.failure?.reason.includes('missing'));
  t.end();
});
