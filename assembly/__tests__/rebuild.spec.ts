import { nextBlock } from '../logbuffer/block';
import { append, appendPadding } from '../logbuffer/exclusive-append';
import { findGap } from '../logbuffer/gap';
import { addressOf, logSetChecksum, logTail } from '../logbuffer/metadata';
import {
  highWaterMark,
  rebuildAdvance,
  rebuildHighWaterMark,
  rebuildInsert,
  rebuildPosition,
} from '../logbuffer/rebuild';
import { logAt, scratchOf, TERM_LENGTH } from './fixture';

const START: i32 = 6 * TERM_LENGTH - 192;

/** Frames of 96 bytes: two before and three after the end of a term; slab 0. */
function source(): usize {
  const meta = logAt(0, -2, <f64>START);
  logSetChecksum(meta, 1, 5);
  for (let i = 0; i < 5; i++) {
    append(meta, scratchOf(meta), 64);
  }
  return meta;
}

/** An image of the source in slab 1. */
function image(): usize {
  const meta = logAt(1, -2, <f64>START);
  logSetChecksum(meta, 1, 0);
  return meta;
}

/** Sends the frame at a position of the source. */
function send(from: usize, to: usize, position: i32): i32 {
  const out = scratchOf(from);
  const length = nextBlock(from, <f64>position, logTail(from), 96, out);
  return rebuildInsert(to, <usize>load<i32>(out), length);
}

describe('rebuildInsert and rebuildAdvance', () => {
  it('rebuild a stream out of order', () => {
    const from = source();
    const to = image();
    for (let i = 4; i >= 0; i--) {
      expect<f64>(rebuildAdvance(to)).toBe(<f64>START);
      expect<i32>(send(from, to, START + i * 96)).toBe(96);
    }
    expect<f64>(highWaterMark(to)).toBe(<f64>(START + 480));
    expect<f64>(rebuildAdvance(to)).toBe(<f64>(START + 480));
    expect<f64>(rebuildPosition(to)).toBe(<f64>(START + 480));
    const size = 3 * TERM_LENGTH;
    expect<i32>(memory.compare(from - size, to - size, size)).toBe(0);
  });

  it('answer duplicates, old and new', () => {
    const from = source();
    const to = image();
    expect<i32>(send(from, to, START + 96)).toBe(96);
    expect<i32>(send(from, to, START + 96)).toBe(0, 'not yet behind the rebuild position');
    expect<i32>(send(from, to, START)).toBe(96);
    rebuildAdvance(to);
    expect<i32>(send(from, to, START)).toBe(-3, 'behind it');
  });

  it('are contiguous at once in order, and copied over the bytes of three terms ago', () => {
    const from = source();
    const to = image();
    const base = to - 3 * TERM_LENGTH;
    memory.fill(base, 0xa5, 3 * TERM_LENGTH);
    expect<i32>(send(from, to, START)).toBe(96);
    expect<f64>(rebuildPosition(to)).toBe(<f64>(START + 96));
    expect<i32>(send(from, to, START + 288)).toBe(96);
    expect<f64>(rebuildPosition(to)).toBe(<f64>(START + 96), 'there is a gap');
    expect<i32>(findGap(to, scratchOf(to))).toBe(1);
    expect<i32>(load<i32>(scratchOf(to), 8)).toBe(96, 'which was zeroed, to the end of its term');
    expect<i32>(send(from, to, START + 192)).toBe(96);
    expect<i32>(send(from, to, START + 96)).toBe(96);
    expect<f64>(rebuildAdvance(to)).toBe(<f64>(START + 384));
  });

  it('zero what aligns a frame, which no checksum covers', () => {
    const from = logAt(0, -2, <f64>START);
    logSetChecksum(from, 1, 5);
    append(from, scratchOf(from), 41);
    const to = image();
    const datagram = scratchOf(to);
    memory.copy(datagram, addressOf(from, <f64>START), 96);
    memory.fill(datagram + 73, 0xa5, 23);
    expect<i32>(rebuildInsert(to, datagram, 73)).toBe(96);
    const frame = addressOf(to, <f64>START);
    expect<i32>(memory.compare(frame, addressOf(from, <f64>START), 96)).toBe(0);
  });

});

describe('rebuildInsert', () => {
  it('refuses the whole datagram for one bad frame', () => {
    const from = source();
    const to = image();
    const out = scratchOf(from);
    const length = nextBlock(from, <f64>START, logTail(from), 4096, out);
    const datagram = <usize>load<i32>(out);
    expect<i32>(length).toBe(192);
    store<u8>(datagram + 96 + 50, 0xff);
    expect<i32>(rebuildInsert(to, datagram, length)).toBe(-2);
    expect<i32>(load<i32>(addressOf(to, <f64>START))).toBe(0, 'also the good one is not there');
    store<u8>(datagram + 96 + 50, 0);
    expect<i32>(rebuildInsert(to, datagram, length)).toBe(192);
  });

  it('refuses heartbeats, noise and what lies beyond the window', () => {
    const from = source();
    const to = image();
    const datagram = scratchOf(to);
    memory.copy(datagram, addressOf(from, <f64>START), 96);
    store<i32>(datagram, 0);
    expect<i32>(rebuildInsert(to, datagram, 32)).toBe(-1, 'heartbeat');
    expect<i32>(rebuildInsert(to, datagram, 0)).toBe(-1, 'nothing');
    store<i32>(datagram, 96);
    store<i32>(datagram, load<i32>(datagram, 20) + 3, 20);
    expect<i32>(rebuildInsert(to, datagram, 96)).toBe(-4, 'three terms ahead');
    store<i32>(datagram, -3, 20);
    expect<i32>(rebuildInsert(to, datagram, 96)).toBe(-1, 'before the initial term');
  });

  it('takes padding as its header, and only as the last frame', () => {
    const from = source();
    appendPadding(from, 256);
    const to = image();
    const at = START + 480;
    const out = scratchOf(from);
    const length = nextBlock(from, <f64>(at - 96), logTail(from), 4096, out);
    expect<i32>(length).toBe(128);
    expect<i32>(rebuildInsert(to, <usize>load<i32>(out), length)).toBe(96 + 256);
    expect<f64>(highWaterMark(to)).toBe(<f64>(at + 256));
    expect<i32>(rebuildInsert(to, <usize>load<i32>(out), length + 32)).toBe(-1);
  });

});

describe('rebuildAdvance', () => {
  it('takes a header out again that was payload of another frame', () => {
    const from = source();
    const to = image();
    send(from, to, START + 96);
    send(from, to, START);
    store<i32>(addressOf(to, <f64>(START + 96)), 33, 8);
    expect<f64>(rebuildAdvance(to)).toBe(<f64>(START + 96));
    expect<i32>(load<i32>(addressOf(to, <f64>(START + 96)))).toBe(0);
    expect<i32>(send(from, to, START + 96)).toBe(96, 'and the true one is taken');
  });
});

describe('findGap', () => {
  it('names the first gap, up to the next frame, the end of the term, or the mark', () => {
    const from = source();
    const to = image();
    const out = scratchOf(to);
    expect<i32>(findGap(to, out)).toBe(0, 'nothing is known to exist');
    send(from, to, START + 96);
    expect<i32>(findGap(to, out)).toBe(1);
    expect<i32>(load<i32>(out)).toBe(3, 'term id');
    expect<i32>(load<i32>(out, 4)).toBe(TERM_LENGTH - 192);
    expect<i32>(load<i32>(out, 8)).toBe(96, 'to the next frame');
    send(from, to, START + 384);
    send(from, to, START);
    expect<i32>(findGap(to, out)).toBe(1);
    expect<i32>(load<i32>(out)).toBe(4, 'in the next term, before the position has moved');
    expect<i32>(load<i32>(out, 4)).toBe(0);
    expect<i32>(load<i32>(out, 8)).toBe(192);
  });

  it('ends at a high-water mark, which stays within the window', () => {
    const to = image();
    const out = scratchOf(to);
    rebuildHighWaterMark(to, <f64>(START + 64));
    expect<i32>(findGap(to, out)).toBe(1);
    expect<i32>(load<i32>(out, 8)).toBe(64);
    rebuildHighWaterMark(to, 9007199254740960);
    expect<f64>(highWaterMark(to)).toBe(<f64>(START + 3 * TERM_LENGTH));
    expect<i32>(findGap(to, out)).toBe(1);
    expect<i32>(load<i32>(out, 8)).toBe(192, 'ends with its term');
  });
});
