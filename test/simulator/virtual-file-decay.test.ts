// What has rotted on a virtual disk: judges read past it what was written, whatever part of it was
// written again.

import test from 'tape';
import { Prng } from '../../src/simulator/prng.js';
import {
  SECTOR_LENGTH,
  type TearCounts,
  TearMode,
  VirtualFile,
} from '../../src/simulator/virtual-file.js';
import { filled } from './harness.js';

const LENGTH = 4 * SECTOR_LENGTH;
const FRAME = 96;

/** A file of four sectors, all of which are durable and have rotted. */
function rottenFile(): VirtualFile {
  const file = new VirtualFile();
  file.write(0, filled(LENGTH, 1));
  file.sync();
  file.decay(0, filled(LENGTH, 2));
  return file;
}

function isTrue(file: VirtualFile): boolean {
  const cached = new Uint8Array(LENGTH);
  const durable = new Uint8Array(LENGTH);
  file.readTrue(0, cached, 0, LENGTH);
  file.readDurableTrue(0, durable, 0, LENGTH);
  const truth = filled(LENGTH, 1);
  return cached.every((byte, at) => byte === truth[at] && byte === durable[at]);
}

function decayedLength(file: VirtualFile): number {
  return file.decays().reduce((sum, { truth }) => sum + truth.length, 0);
}

test('what has rotted is read past as it was written', (t) => {
  const file = rottenFile();
  t.ok(isTrue(file));
  t.equal(decayedLength(file), LENGTH);
  t.end();
});

test('a part that is written again leaves the truth of the others', (t) => {
  const file = rottenFile();
  const from = SECTOR_LENGTH - FRAME;
  file.write(from, filled(LENGTH, 1).slice(from, from + 2 * FRAME));
  file.sync();
  t.ok(isTrue(file));
  t.equal(decayedLength(file), LENGTH - 2 * FRAME, 'what was written again is sound');
  t.ok(isTrue(file), 'also after the sound part was forgotten');
  t.end();
});

test('rot that comes back, because what mended it was never synced, is known as rot', (t) => {
  const counts: TearCounts = { keptSectors: 0, lostSectors: 0, tornWrites: 0, lostLengths: 0 };
  for (const mode of [TearMode.DropAll, TearMode.Scatter, TearMode.Coin, TearMode.Prefix]) {
    for (let seed = 1; seed <= 20; seed++) {
      const file = rottenFile();
      file.write(0, filled(LENGTH, 1));
      file.decays();
      file.powerCut(new Prng(seed), mode, counts);
      t.ok(isTrue(file), `mode ${mode}, seed ${seed}`);
    }
  }
  t.end();
});

test('a cut within what has rotted leaves the truth of what is before it', (t) => {
  const file = rottenFile();
  file.setLength(FRAME);
  file.sync();
  const bytes = new Uint8Array(FRAME);
  t.equal(file.readTrue(0, bytes, 0, FRAME), FRAME);
  t.deepEqual(bytes, filled(LENGTH, 1).slice(0, FRAME));
  t.equal(decayedLength(file), FRAME);
  t.end();
});

test('what is written over rot, and comes out as it, is the truth', (t) => {
  const file = new VirtualFile();
  file.write(0, filled(LENGTH, 1));
  file.sync();
  file.decay(FRAME, filled(1, 3));
  const asItIs = new Uint8Array(LENGTH);
  file.read(0, asItIs, 0, LENGTH);
  file.write(0, asItIs);
  t.equal(decayedLength(file), 1, 'not so what is written again as it is read');
  file.write(0, filled(FRAME, 1));
  t.equal(decayedLength(file), 1, 'nor what stands beside it');
  file.write(0, filled(LENGTH, 3));
  file.sync();
  t.equal(decayedLength(file), 0);
  const byte = new Uint8Array(1);
  file.readDurableTrue(FRAME, byte, 0, 1);
  t.equal(byte[0], filled(LENGTH, 3)[FRAME]);
  t.end();
});
