import {
  blockTermPrefix,
  nextBlock,
  nextBlockBytes,
  rewriteStream,
} from '../logbuffer/block';
import { append, appendClaim, appendPadding } from '../logbuffer/exclusive-append';
import { addressOf, logSetChecksum, logTail } from '../logbuffer/metadata';
import { scan, scanBytes } from '../logbuffer/scan';
import { verifyBytes } from '../logbuffer/verify';
import {
  blockAdvance,
  logAt,
  scanAddress,
  scanEnd,
  scanLength,
  scanStop,
  scratchOf,
  TERM_LENGTH,
} from './fixture';

/** Three frames of 96 bytes, a padding frame of 128, a frame of 64: from 0, or where asked. */
function sampleLog(position: f64): usize {
  const meta = logAt(0, 0, position);
  logSetChecksum(meta, 1, 7);
  for (let i = 0; i < 3; i++) {
    append(meta, scratchOf(meta), 60);
  }
  appendPadding(meta, 128);
  append(meta, scratchOf(meta), 32);
  return meta;
}

describe('scan', () => {
  it('indexes data frames and steps over padding', () => {
    const meta = sampleLog(0);
    const out = scratchOf(meta);
    expect<i32>(scan(meta, 0, logTail(meta), 10, out)).toBe(4);
    expect<i32>(scanStop(out)).toBe(0);
    expect<f64>(scanEnd(out)).toBe(480);
    expect<usize>(scanAddress(out, 3)).toBe(addressOf(meta, 416));
    expect<i32>(scanLength(out, 3)).toBe(64);
  });

  it('stops at the frame limit, but not before padding', () => {
    const meta = sampleLog(0);
    const out = scratchOf(meta);
    expect<i32>(scan(meta, 0, 480, 3, out)).toBe(3);
    expect<i32>(scanStop(out)).toBe(2);
    expect<f64>(scanEnd(out)).toBe(416);
    expect<i32>(scan(meta, 0, 416, 3, out)).toBe(3);
    expect<i32>(scanStop(out)).toBe(0, 'the limit is reached over the padding');
  });

  it('gives no frame that ends above the limit', () => {
    const meta = sampleLog(0);
    const out = scratchOf(meta);
    expect<i32>(scan(meta, 0, 191, 10, out)).toBe(1);
    expect<f64>(scanEnd(out)).toBe(96);
  });

  it('stops at a claim', () => {
    const meta = sampleLog(0);
    const out = scratchOf(meta);
    appendClaim(meta, 8);
    expect<i32>(scan(meta, 416, logTail(meta), 10, out)).toBe(1);
    expect<i32>(scanStop(out)).toBe(1);
    expect<f64>(scanEnd(out)).toBe(480);
  });

  it('crosses terms', () => {
    const start = <f64>(5 * TERM_LENGTH - 256);
    const meta = sampleLog(start);
    const out = scratchOf(meta);
    expect<i32>(scan(meta, start, logTail(meta), 10, out)).toBe(4);
    expect<f64>(scanEnd(out)).toBe(logTail(meta));
    expect<usize>(scanAddress(out, 2)).toBe(addressOf(meta, <f64>(5 * TERM_LENGTH)));
  });
});

describe('scanBytes', () => {
  it('reads whole frames and says where bytes go bad', () => {
    const meta = sampleLog(0);
    const out = scratchOf(meta);
    const bytes = addressOf(meta, 0);
    expect<i32>(scanBytes(bytes, 480, 10, out)).toBe(4);
    expect<i32>(scanStop(out)).toBe(0);
    expect<i32>(scanBytes(bytes, 512, 10, out)).toBe(4);
    expect<i32>(scanStop(out)).toBe(1, 'zeroes follow');
    expect<i32>(scanBytes(bytes, 160, 10, out)).toBe(1);
    expect<i32>(scanStop(out)).toBe(3, 'the second is cut');
    expect<f64>(scanEnd(out)).toBe(96);
    expect<i32>(scanBytes(bytes, 320, 10, out)).toBe(3);
    expect<f64>(scanEnd(out)).toBe(416, 'padding reaches beyond the bytes');
    store<i32>(bytes, i32.MAX_VALUE);
    expect<i32>(scanBytes(bytes, 480, 10, out)).toBe(0);
    expect<i32>(scanStop(out)).toBe(3);
  });
});

describe('nextBlock', () => {
  it('ends with a padding frame, which counts as its header', () => {
    const meta = sampleLog(0);
    const out = scratchOf(meta);
    expect<i32>(nextBlock(meta, 0, 480, 4096, out)).toBe(288 + 32);
    expect<i32>(blockAdvance(out)).toBe(416);
    expect<usize>(<usize>load<i32>(out)).toBe(addressOf(meta, 0));
    expect<i32>(nextBlock(meta, 416, 480, 4096, out)).toBe(64);
    expect<i32>(nextBlock(meta, 480, 480, 4096, out)).toBe(0);
  });

  it('keeps whole frames within length and limit', () => {
    const meta = sampleLog(0);
    const out = scratchOf(meta);
    expect<i32>(nextBlock(meta, 0, 480, 200, out)).toBe(192);
    expect<i32>(nextBlock(meta, 0, 100, 4096, out)).toBe(96);
    expect<i32>(nextBlock(meta, 0, 90, 4096, out)).toBe(0);
    expect<i32>(nextBlock(meta, 288, 320, 4096, out)).toBe(32, 'padding needs its header only');
    expect<i32>(nextBlock(meta, 288, 319, 4096, out)).toBe(0);
  });

  it('does not cross the end of a term', () => {
    const start = <f64>(3 * TERM_LENGTH - 192);
    const meta = sampleLog(start);
    expect<i32>(nextBlock(meta, start, logTail(meta), 4096, scratchOf(meta))).toBe(192);
  });
});

describe('nextBlockBytes, blockTermPrefix and rewriteStream', () => {
  it('treat the bytes of a segment as a log does', () => {
    const meta = sampleLog(0);
    const out = scratchOf(meta);
    const bytes = addressOf(meta, 0);
    expect<i32>(nextBlockBytes(bytes, 480, 4096, out)).toBe(320);
    expect<i32>(blockAdvance(out)).toBe(416);
    expect<i32>(nextBlockBytes(bytes, 480, 191, out)).toBe(96);
    store<i32>(bytes + 96, -1);
    expect<i32>(nextBlockBytes(bytes, 480, 4096, out)).toBe(96);
  });

  it('find where another leadership term begins', () => {
    const meta = sampleLog(0);
    const bytes = addressOf(meta, 0);
    expect<i32>(blockTermPrefix(bytes, 320, 7)).toBe(320);
    expect<i32>(blockTermPrefix(bytes, 320, 8)).toBe(0);
    store<i32>(bytes + 96, 8, 28);
    expect<i32>(blockTermPrefix(bytes, 320, 7)).toBe(96);
  });

  it('rewrite the ids of every frame and leave its checksum right', () => {
    const meta = sampleLog(0);
    const bytes = addressOf(meta, 0);
    rewriteStream(bytes, 320, 55, 66);
    for (let offset = 0; offset < 320; offset += 96) {
      expect<i32>(load<i32>(bytes + <usize>offset, 12)).toBe(55);
      expect<i32>(load<i32>(bytes + <usize>offset, 16)).toBe(66);
    }
    expect<i32>(load<i32>(bytes + 416, 16)).toBe(1001, 'what follows the block is untouched');
    expect<f64>(verifyBytes(bytes, 480, 0, TERM_LENGTH, 0, 7)).toBe(480);
  });
});

describe('verifyBytes', () => {
  it('accepts what is in its place', () => {
    const start = <f64>(4 * TERM_LENGTH - 192);
    const meta = sampleLog(start);
    const bytes = addressOf(meta, start);
    expect<f64>(verifyBytes(bytes, 192, start, TERM_LENGTH, 0, 7)).toBe(192);
    expect<f64>(verifyBytes(bytes, 192, start - 32, TERM_LENGTH, 0, 7)).toBe(0);
    expect<f64>(verifyBytes(bytes, 192, start, TERM_LENGTH, 1, 7)).toBe(0);
    expect<f64>(verifyBytes(bytes, 192, start, TERM_LENGTH, 0, 6)).toBe(0);
  });

  it('ends before the first changed bit', () => {
    const meta = sampleLog(0);
    const bytes = addressOf(meta, 0);
    store<u8>(bytes + 96 + 40, load<u8>(bytes + 96 + 40) ^ 4);
    expect<f64>(verifyBytes(bytes, 480, 0, TERM_LENGTH, 0, 7)).toBe(96);
  });
});
