// segment-recovery.ts: a log on disk that was damaged in any way.
//
// Recovery finds the end of the log and every damaged range below the mark; between them, and up to
// the end, every frame has its checksum and its place, nothing below the mark is lost in silence,
// and a second recovery finds what the first left.

import { segmentFileName } from '../../../src/archive/log-geometry.js';
import type { RecoveredDirectory } from '../../../src/archive/member-directory.js';
import { LogCodec } from '../../../src/codec/index.js';
import type { Arena } from '../../../src/memory/arena.js';
import {
  GEOMETRY,
  type LogImage,
  makeArena,
  recover,
  TERM_LENGTH,
} from '../../archive/archive-world.js';
import { directoryWith } from '../../archive/damaged-log.js';
import type { MemoryDisk } from '../../support/memory-storage.js';
import { Choices, type FuzzTarget, hold, randomBytes } from '../fuzz-target.js';

/** A few logs, with the mark at different places. */
interface Sample {
  readonly disk: MemoryDisk;
  readonly image: LogImage;
  readonly mark: number;
}

const LOG_LENGTH = 2 * TERM_LENGTH + 9000;
const EVIL_LENGTHS = [0, -1, 1, 31, 32, 64, TERM_LENGTH, 2 ** 30, -(2 ** 31), 2 ** 31 - 1] as const;

function makeSample(arena: Arena, frameLength: number, markShare: number): Sample {
  let mark = 0;
  const { disk, image } = directoryWith(
    arena,
    (log) => log.until(LOG_LENGTH, frameLength),
    (log) => {
      mark = log.ends[Math.floor((log.ends.length - 1) * markShare)] ?? 0;
      return mark;
    },
  );
  return { disk, image, mark };
}

/** The start of a frame, often one near the mark or the end of the log. */
function frameStart(sample: Sample, choices: Choices): number {
  const { ends } = sample.image;
  return ends[choices.below(ends.length)] ?? 0;
}

/** Changes the log in one place; answers whether a checksum was made to fit. */
function edit(sample: Sample, disk: MemoryDisk, arena: Arena, choices: Choices): boolean {
  const start = frameStart(sample, choices);
  const base = start - (start % GEOMETRY.segmentLength);
  const name = segmentFileName(base);
  if (!disk.has(name) || disk.file(name).length <= start - base) {
    return false;
  }
  const bytes = disk.damage(name);
  const at = start - base;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  switch (choices.byte() % 8) {
    case 0: {
      const place = Math.min(bytes.length - 1, at + choices.below(200));
      bytes[place] = (bytes[place] ?? 0) ^ (1 << (choices.byte() & 7));
      return false;
    }
    case 1:
      bytes.fill(0, at, at + 512);
      return false;
    case 2: {
      // A block that belongs elsewhere: valid bytes in a wrong place.
      const from = frameStart(sample, choices) % GEOMETRY.segmentLength;
      bytes.copyWithin(at, from, Math.min(bytes.length, from + 512));
      return false;
    }
    case 3:
      disk.put(name, bytes.slice(0, at + choices.below(64)));
      return false;
    case 4:
      disk.delete(name);
      return false;
    case 5:
      bytes.set(choices.rest().subarray(0, Math.min(64, bytes.length - at)), at);
      return false;
    default:
      if (at + 32 > bytes.length) {
        return false;
      }
      view.setInt32(at + choices.below(8) * 4, EVIL_LENGTHS[choices.byte() % 10] ?? 0, true);
      return fitChecksum(arena, view, at);
  }
}

/** Makes a frame's checksum fit what the frame says of itself. */
function fitChecksum(arena: Arena, view: DataView, at: number): boolean {
  const stated = view.getInt32(at, true);
  const isPadding = view.getUint16(at + 6, true) === 0;
  const stored = isPadding ? 32 : stated;
  if (stored < 32 || at + stored > view.byteLength || stated < 32) {
    return false;
  }
  const scratch = arena.allocate(Math.ceil(stored / 64) * 64);
  arena.u8.set(new Uint8Array(view.buffer, view.byteOffset + at, stored), scratch);
  view.setUint32(at + 24, arena.core.frameChecksum(scratch, stated), true);
  arena.release(scratch, Math.ceil(stored / 64) * 64);
  return true;
}

/** What was found to be whole, read with the other decoder. */
function checkRange(disk: MemoryDisk, codec: LogCodec, from: number, end: number): void {
  const { segmentLength, termLength } = GEOMETRY;
  const first = from - (from % segmentLength);
  for (let base = first; base < end; base += segmentLength) {
    // A file may end inside of padding, of which nothing but the header counts.
    const bytes = new Uint8Array(Math.min(segmentLength, end - base));
    bytes.set(disk.file(segmentFileName(base)).subarray(0, bytes.length));
    const skipped = Math.max(0, from - base);
    const place = { position: base + skipped, termLength, leadershipTermId: 0 };
    const verdict = codec.verify(bytes.subarray(skipped), place);
    hold(verdict.isGood, `the log is good from ${base + skipped} to ${end}: ${verdict.reason}`);
  }
}

function summary(found: RecoveredDirectory): string {
  const { appendPosition, health, mark } = found;
  const ranges = health.kind === 'corrupt' ? health.ranges : [];
  return JSON.stringify([appendPosition, ranges, mark]);
}

export function segmentRecoveryTarget(): FuzzTarget {
  const arena = makeArena();
  const codec = LogCodec.create();
  const samples = [
    makeSample(arena, 700, 0.5),
    makeSample(arena, 1400, 0.95),
    makeSample(arena, 3000, 0),
  ];
  return {
    name: 'segment-recovery',
    generate: (random) => randomBytes(random, 8 + random.below(60)),
    run(input) {
      const choices = new Choices(input);
      const sample = samples[choices.byte() % samples.length] as Sample;
      const disk = sample.disk.clone();
      const isFromStart = choices.byte() % 2 === 0;
      let isForged = false;
      for (let count = 1 + (choices.byte() % 3); count > 0; count--) {
        isForged = edit(sample, disk, arena, choices) || isForged;
      }
      const verifyFrom = isFromStart ? 'start' : 'mark';
      const found = recover(disk, arena, verifyFrom);
      const { appendPosition, health, nodeState } = found;
      hold(appendPosition % 32 === 0 && appendPosition >= 0, 'a log ends where a frame ends');
      hold(appendPosition >= sample.mark, 'nothing below the mark is lost in silence');
      // A frame whose checksum fits is the log's: one that says it is longer moves the end.
      const isWithin = appendPosition <= sample.image.position;
      hold(isForged || isWithin, 'nothing comes behind the end');
      const ranges = health.kind === 'corrupt' ? health.ranges : [];
      hold(
        ranges.every(({ from, to }) => from < to && to <= sample.mark),
        'damage lies below the mark',
      );
      const isEndKnown = health.kind !== 'corrupt' || health.isEndKnown;
      hold(isEndKnown || !nodeState.state.voting, 'a log whose end is not known has no vote');
      const firstOfTerm = Math.max(0, sample.mark - 1);
      const from = isFromStart ? 0 : firstOfTerm - (firstOfTerm % TERM_LENGTH);
      let good = ranges.length > 0 ? 0 : Math.min(from, appendPosition);
      for (const range of [...ranges, { from: appendPosition, to: appendPosition }]) {
        checkRange(disk, codec, good, range.from);
        good = range.to;
      }
      const again = recover(disk, arena, verifyFrom);
      hold(
        summary(again) === summary(found),
        `a second recovery finds ${summary(found)}, not ${summary(again)}`,
      );
      hold(again.health.kind !== 'torn', 'what was torn is cut');
      return `${health.kind} ${Math.floor(appendPosition / 32_768)} ${isFromStart}`;
    },
  };
}
