// damage.ts: what disks do to files, done by hand to the directory of a member that is down.

import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { DirectoryDescription } from '../../src/archive/describe.js';
import type { LogGeometry } from '../../src/archive/log-geometry.js';
import { FrameType, LogCodec } from '../../src/codec/index.js';
import { readDescription } from '../../src/tools/command-describe.js';
import type { SeededRandom } from './random.js';

export const SECTOR_LENGTH = 512;
const HEADER_LENGTH = 32;

/** What happens to the end of a log that was not synced. */
export const TailDamage = {
  Cut: 'cut at a sector',
  ZeroToEnd: 'zero from a sector on',
  ZeroSectors: 'zero random sectors',
  GarbageSectors: 'garbage in random sectors',
  GarbageBehind: 'garbage behind the end',
  CutAtMark: 'cut at the mark',
} as const;
export type TailDamage = (typeof TailDamage)[keyof typeof TailDamage];

/** The bytes above the durable mark, of the segment that holds the end of the log. */
interface Tail {
  readonly path: string;
  /** Offset in the file of the first byte above the mark. */
  readonly from: number;
  /** Offset behind the last valid frame, up to the next sector. */
  readonly to: number;
  readonly length: number;
}

function roundUp(value: number): number {
  return Math.ceil(value / SECTOR_LENGTH) * SECTOR_LENGTH;
}

function tailOf(directory: string, description: DirectoryDescription): Tail {
  const durablePosition = description.mark?.durablePosition ?? 0;
  const end = description.appendPosition ?? durablePosition;
  const segment = description.segments.filter(({ base }) => base < end).at(-1);
  if (segment === undefined) {
    throw new Error(`${directory} has no log`);
  }
  return {
    path: join(directory, segment.name),
    from: Math.max(0, durablePosition - segment.base),
    to: Math.min(segment.length, roundUp(Math.max(0, end - segment.base))),
    length: segment.length,
  };
}

/**
 * Damages the last segment in use of a member at random sectors above its durable mark.
 *
 * @returns what was done, in words.
 */
export function damageTail(directory: string, damage: TailDamage, random: SeededRandom): string {
  const tail = tailOf(directory, readDescription(directory));
  const file = openSync(tail.path, 'r+');
  try {
    return `${applyTo(file, tail, damage, random)}; the mark is at ${tail.from}, end ${tail.to}`;
  } finally {
    closeSync(file);
  }
}

function applyTo(file: number, tail: Tail, damage: TailDamage, random: SeededRandom): string {
  const first = Math.min(roundUp(tail.from), tail.to);
  const sectorCount = (tail.to - first) / SECTOR_LENGTH;
  const start = first + random.between(0, sectorCount) * SECTOR_LENGTH;
  switch (damage) {
    case TailDamage.Cut:
      ftruncateSync(file, start);
      return `cut at ${start}`;
    case TailDamage.CutAtMark:
      ftruncateSync(file, tail.from);
      return 'cut at the mark';
    case TailDamage.ZeroToEnd:
      writeSync(file, new Uint8Array(tail.to - start), 0, tail.to - start, start);
      return `zero from ${start} on`;
    case TailDamage.ZeroSectors:
      return spoil(file, first, sectorCount, random, false);
    case TailDamage.GarbageSectors:
      return spoil(file, first, sectorCount, random, true);
    case TailDamage.GarbageBehind: {
      const room = Math.floor((tail.length - tail.to) / SECTOR_LENGTH);
      return spoil(file, tail.to, Math.min(room, 8), random, true);
    }
  }
}

/** Spoils each of some sectors by a chance of one half, at least the first. */
function spoil(
  file: number,
  first: number,
  sectorCount: number,
  random: SeededRandom,
  isGarbage: boolean,
): string {
  const sector = new Uint8Array(SECTOR_LENGTH);
  const spoiled: number[] = [];
  for (let index = 0; index < sectorCount; index++) {
    if (index === 0 || random.chance(50)) {
      if (isGarbage) {
        random.fill(sector);
      }
      const offset = first + index * SECTOR_LENGTH;
      writeSync(file, sector, 0, SECTOR_LENGTH, offset);
      spoiled.push(offset);
    }
  }
  const what = isGarbage ? 'garbage' : 'zeroes';
  return `${what} in ${spoiled.length} sectors from ${spoiled[0] ?? 'none'} on`;
}

/**
 * Flips a bit of a message that lies below the durable mark.
 *
 * @returns the position of its frame.
 */
export function damageBelowMark(
  directory: string,
  geometry: LogGeometry,
  random: SeededRandom,
): number {
  const { mark, segments } = readDescription(directory);
  const limit = mark?.durablePosition ?? 0;
  const segment = random.pick(segments.filter(({ base }) => base < limit));
  const path = join(directory, segment.name);
  const bytes = new Uint8Array(Math.min(segment.length, limit - segment.base));
  const file = openSync(path, 'r+');
  try {
    readSync(file, bytes, 0, bytes.length, 0);
    const place = { position: segment.base, termLength: geometry.termLength };
    const frames = [...LogCodec.create().frames(bytes, place)].filter(
      ({ type, frameLength }) => type === FrameType.Data && frameLength > HEADER_LENGTH,
    );
    const { position, frameLength } = random.pick(frames);
    const offset = position - segment.base + random.between(HEADER_LENGTH, frameLength);
    flipAt(file, offset, random);
    return position;
  } finally {
    closeSync(file);
  }
}

/** Flips a bit of each given byte of a small file. */
export function damageFile(path: string, offsets: readonly number[], random: SeededRandom): void {
  const file = openSync(path, 'r+');
  try {
    for (const offset of offsets) {
      flipAt(file, offset, random);
    }
  } finally {
    closeSync(file);
  }
}

function flipAt(file: number, offset: number, random: SeededRandom): void {
  const byte = new Uint8Array(1);
  readSync(file, byte, 0, 1, offset);
  byte[0] = (byte[0] ?? 0) ^ (1 << random.between(0, 8));
  writeSync(file, byte, 0, 1, offset);
}
