// What the floor that records leaves in its files.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'tape';
import { FloorRecord, frameLengthOf } from '../../src/tools/bench/floor-record.js';
import { crc32cBitwise } from '../memory/twin/crc32c-twin.js';

const MESSAGE_LENGTH = 96;
const MTU = 1_408;
/** Of no whole number of messages: some lie in two files. */
const FILE_LENGTH = 1_000;

function messages(first: number, count: number): Uint8Array {
  return Uint8Array.from(
    { length: count * MESSAGE_LENGTH },
    (_, index) => (first + Math.floor(index / MESSAGE_LENGTH)) % 251,
  );
}

test('a record holds what its ring got, in order, and keeps the two youngest files', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'pawl-record-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const lengths = { message: MESSAGE_LENGTH, mtu: MTU, file: FILE_LENGTH };
  const record = new FloorRecord(directory, 'leader', lengths);
  t.deepEqual(readdirSync(directory), [], 'nothing is written before something came');
  const all = messages(0, 40);
  for (let at = 0; at < all.length; at += 4 * MESSAGE_LENGTH) {
    record.ring.append(all, at, 4 * MESSAGE_LENGTH);
    record.write();
    record.write();
  }
  record.close();
  const names = readdirSync(directory).sort();
  t.deepEqual(names, ['leader-2', 'leader-3']);
  const kept = Buffer.concat(names.map((name) => readFileSync(join(directory, name))));
  t.ok(kept.equals(all.subarray(2 * FILE_LENGTH)), 'all that came after the first two files');
  let checksum = 0;
  for (let at = 0; at < all.length; at += MESSAGE_LENGTH) {
    checksum ^= crc32cBitwise(all.subarray(at, at + MESSAGE_LENGTH));
  }
  t.equal(record.checksum, checksum >>> 0, 'the crc of each message was taken, once');
  t.end();
});

test('a message is as long in the floor that records as its frame is in the log', (t) => {
  t.deepEqual([24, 200, 224, 225].map(frameLengthOf), [96, 288, 288, 320]);
  t.end();
});
