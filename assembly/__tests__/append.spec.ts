import { frameChecksum } from '../checksum/frame-checksum';
import {
  append,
  append2,
  appendAbort,
  appendClaim,
  appendCommit,
  appendPadding,
} from '../logbuffer/exclusive-append';
import {
  addressOf,
  logClean,
  logRetire,
  logInitialize,
  logSetChecksum,
  logSetPublisherLimit,
  logStartAt,
  logTail,
} from '../logbuffer/metadata';
import { scan } from '../logbuffer/scan';
import { fillPattern, logAt, MTU, scratchOf, SESSION_ID, slab, TERM_LENGTH } from './fixture';

function flagsAt(frame: usize): i32 {
  return load<u8>(frame, 5);
}

function typeAt(frame: usize): i32 {
  return load<u16>(frame, 6);
}

describe('logInitialize and logStartAt', () => {
  it('write the public layout', () => {
    const meta = logAt(0, -5, 0);
    expect<i64>(load<i64>(meta)).toBe(<i64>-5 << 32, 'tail of partition 0');
    expect<i64>(load<i64>(meta, 8)).toBe(<i64>-7 << 32, 'as if it held the term before');
    expect<i64>(load<i64>(meta, 16)).toBe(<i64>-6 << 32);
    expect<i32>(load<i32>(meta, 24)).toBe(0, 'active term count');
    expect<i64>(load<i64>(meta, 128)).toBe(i64.MAX_VALUE, 'end of stream position');
    expect<i32>(load<i32>(meta, 264)).toBe(-5);
    expect<i32>(load<i32>(meta, 272)).toBe(MTU);
    expect<i32>(load<i32>(meta, 276)).toBe(TERM_LENGTH);
    expect<i32>(load<i32>(meta, 332)).toBe(SESSION_ID);
  });

  it('start anywhere, also where term ids wrap', () => {
    const position = 3.0 * <f64>TERM_LENGTH + 64;
    const meta = logAt(0, i32.MAX_VALUE - 1, position);
    expect<f64>(logTail(meta)).toBe(position);
    expect<i32>(load<i32>(meta, 24)).toBe(3);
    expect<usize>(addressOf(meta, position)).toBe(meta - 3 * TERM_LENGTH + 64);
    expect<i32>(<i32>(load<i64>(meta) >> 32)).toBe(i32.MIN_VALUE + 1);
  });

  it('trap on geometry that cannot be', () => {
    expect(() => {
      logInitialize(slab(0) + 3 * TERM_LENGTH, 65000, MTU, 0, 0, 0);
    }).toThrow('a term is a power of two');
    expect(() => {
      logInitialize(slab(0) + 3 * TERM_LENGTH, TERM_LENGTH, 1400, 0, 0, 0);
    }).toThrow('frames are aligned');
    expect(() => {
      logStartAt(logAt(0, 0, 0), 33);
    }).toThrow('positions are aligned');
  });
});

describe('append', () => {
  it('writes one frame, length and all', () => {
    const meta = logAt(0, 9, 0);
    const source = scratchOf(meta);
    fillPattern(source, 100, 4);
    expect<f64>(append(meta, source, 100)).toBe(160);
    const frame = addressOf(meta, 0);
    expect<i32>(load<i32>(frame)).toBe(132);
    expect<i32>(flagsAt(frame)).toBe(0xc0);
    expect<i32>(typeAt(frame)).toBe(1);
    expect<i32>(load<i32>(frame, 8)).toBe(0);
    expect<i32>(load<i32>(frame, 12)).toBe(SESSION_ID);
    expect<i32>(load<i32>(frame, 20)).toBe(9);
    expect<i64>(load<i64>(frame, 24)).toBe(0);
    expect<i32>(memory.compare(frame + 32, source, 100)).toBe(0);
    expect<f64>(append(meta, source, 0)).toBe(192, 'an empty message is a frame too');
  });

  it('fragments what is longer than a frame', () => {
    const meta = logAt(0, 0, 0);
    const source = scratchOf(meta);
    fillPattern(source, 3000, 5);
    expect<f64>(append(meta, source, 3000)).toBe(1408 + 1408 + 288);
    expect<i32>(flagsAt(addressOf(meta, 0))).toBe(0x80);
    expect<i32>(flagsAt(addressOf(meta, 1408))).toBe(0);
    expect<i32>(flagsAt(addressOf(meta, 2816))).toBe(0x40);
    expect<i32>(load<i32>(addressOf(meta, 2816))).toBe(3000 - 2 * 1376 + 32);
    expect<i32>(memory.compare(addressOf(meta, 1408) + 32, source + 1376, 1376)).toBe(0);
  });

  it('pads, rotates and goes on within one call', () => {
    const meta = logAt(0, i32.MAX_VALUE, <f64>(TERM_LENGTH - 96));
    const begin = addressOf(meta, <f64>(TERM_LENGTH - 96));
    expect<f64>(append(meta, scratchOf(meta), 100)).toBe(<f64>(TERM_LENGTH + 160));
    expect<i32>(load<i32>(begin)).toBe(96);
    expect<i32>(typeAt(begin)).toBe(0);
    const frame = addressOf(meta, <f64>TERM_LENGTH);
    expect<i32>(load<i32>(frame)).toBe(132);
    expect<i32>(load<i32>(frame, 20)).toBe(i32.MIN_VALUE, 'the term id has wrapped');
    expect<i32>(load<i32>(meta, 24)).toBe(1);
  });

  it('is refused whole when message and padding end above the limit', () => {
    const meta = logAt(0, 0, <f64>(TERM_LENGTH - 96));
    logSetPublisherLimit(meta, <f64>(TERM_LENGTH + 128));
    expect<f64>(append(meta, scratchOf(meta), 100)).toBe(-2);
    expect<i32>(load<i32>(addressOf(meta, <f64>(TERM_LENGTH - 96)))).toBe(0);
    expect<f64>(logTail(meta)).toBe(<f64>(TERM_LENGTH - 96));
  });

  it('says when the log has reached its largest position', () => {
    const largest: f64 = <f64>TERM_LENGTH * 2147483648;
    const meta = logAt(0, 0, largest - 64);
    expect<f64>(append(meta, scratchOf(meta), 33)).toBe(-5);
    expect<f64>(append(meta, scratchOf(meta), 32)).toBe(largest);
    expect<f64>(append(meta, scratchOf(meta), 0)).toBe(-5);
  });

  it('traps rather than overwrite what was not cleaned', () => {
    expect(() => {
      const meta = logAt(0, 0, 0);
      logSetPublisherLimit(meta, <f64>(4 * TERM_LENGTH));
      while (append(meta, scratchOf(meta), 1376) > 0) {}
    }).toThrow();
  });
});

describe('append2', () => {
  it('joins a head and a body across fragments', () => {
    const meta = logAt(0, 0, 0);
    const head = scratchOf(meta);
    const body = head + 8192;
    fillPattern(head, 1500, 1);
    fillPattern(body, 1500, 2);
    expect<f64>(append2(meta, head, 1500, body, 1500)).toBe(1408 + 1408 + 288);
    const second = addressOf(meta, 1408) + 32;
    expect<i32>(memory.compare(second, head + 1376, 124)).toBe(0);
    expect<i32>(memory.compare(second + 124, body, 1252)).toBe(0);
  });
});

describe('appendClaim, appendCommit and appendAbort', () => {
  it('publish in the order of commits, each with its own length', () => {
    const meta = logAt(0, 0, 0);
    const first = appendClaim(meta, 10);
    const second = appendClaim(meta, 20);
    expect<i32>(load<i32>(<usize>first - 32)).toBe(-42, 'claimed');
    expect<f64>(appendCommit(meta, <usize>second)).toBe(128);
    expect<i32>(load<i32>(<usize>second - 32)).toBe(52);
    appendAbort(meta, <usize>first);
    expect<i32>(load<i32>(<usize>first - 32)).toBe(64);
    expect<i32>(typeAt(<usize>first - 32)).toBe(0);
  });

  it('trap on a claim longer than a frame, and on a second commit', () => {
    expect(() => {
      appendClaim(logAt(0, 0, 0), MTU - 31);
    }).toThrow();
    expect(() => {
      const meta = logAt(0, 0, 0);
      const payload = <usize>appendClaim(meta, 8);
      appendCommit(meta, payload);
      appendCommit(meta, payload);
    }).toThrow();
  });
});

describe('appendPadding', () => {
  it('is a frame of its own, and crosses a term as a message does', () => {
    const meta = logAt(0, 0, <f64>(TERM_LENGTH - 64));
    expect<f64>(appendPadding(meta, 32)).toBe(<f64>(TERM_LENGTH - 32));
    expect<f64>(appendPadding(meta, 64)).toBe(<f64>(TERM_LENGTH + 64));
    expect<i32>(load<i32>(addressOf(meta, <f64>(TERM_LENGTH - 32)))).toBe(32);
    expect<i32>(load<i32>(addressOf(meta, <f64>TERM_LENGTH))).toBe(64);
  });
});

describe('logSetChecksum', () => {
  it('puts crc and leadership term into every frame that follows', () => {
    const meta = logAt(0, 0, <f64>(TERM_LENGTH - 32));
    logSetChecksum(meta, 1, -3);
    append(meta, scratchOf(meta), 50);
    const padding = addressOf(meta, <f64>(TERM_LENGTH - 32));
    const frame = addressOf(meta, <f64>TERM_LENGTH);
    expect<i32>(load<i32>(padding, 28)).toBe(-3);
    expect<u32>(load<u32>(padding, 24)).toBe(frameChecksum(padding, 32));
    expect<i32>(load<i32>(frame, 28)).toBe(-3);
    expect<u32>(load<u32>(frame, 24)).toBe(frameChecksum(frame, 82));
    logSetChecksum(meta, 0, -3);
    append(meta, scratchOf(meta), 50);
    expect<i64>(load<i64>(addressOf(meta, <f64>(TERM_LENGTH + 96)), 24)).toBe(0);
  });
});

describe('logClean', () => {
  it('zeroes in bounded steps, across terms, and no further than asked', () => {
    const meta = logAt(0, 0, 0);
    for (let i = 0; i < 60; i++) {
      append(meta, scratchOf(meta), 1376);
    }
    const tail = logTail(meta);
    expect<f64>(logClean(meta, tail, 100)).toBe(96);
    expect<i32>(load<i32>(addressOf(meta, 0))).toBe(0);
    const middle = <f64>(TERM_LENGTH + 3 * 1408);
    expect<f64>(logClean(meta, middle, 1 << 30)).toBe(middle);
    expect<i32>(load<i32>(addressOf(meta, middle - 1408))).toBe(0);
    expect<i32>(load<i32>(addressOf(meta, middle))).toBe(1408);
    expect<f64>(logClean(meta, middle - 1408, 1 << 30)).toBe(middle, 'never back');
  });

  it('traps above the tail', () => {
    expect(() => {
      const meta = logAt(0, 0, 0);
      logClean(meta, 32, 1 << 20);
    }).toThrow();
  });
});

describe('logRetire', () => {
  it('gives up what lies below a position, whole alignments, and zeroes nothing', () => {
    const meta = logAt(0, 0, 0);
    append(meta, scratchOf(meta), 68);
    append(meta, scratchOf(meta), 50);
    expect<f64>(logRetire(meta, 100)).toBe(96);
    expect<i32>(load<i32>(addressOf(meta, 0))).toBe(100);
    expect<f64>(logRetire(meta, 32)).toBe(96, 'never back');
    expect<f64>(logRetire(meta, logTail(meta))).toBe(224);
  });

  it('lets frames be written over the bytes of three terms ago, their ends zeroed', () => {
    const meta = logAt(0, 0, 0);
    memory.fill(meta - 3 * TERM_LENGTH, 0xa5, 3 * TERM_LENGTH);
    append(meta, scratchOf(meta), 41);
    for (let at: usize = 73; at < 96; at++) {
      expect<u8>(load<u8>(addressOf(meta, 0) + at)).toBe(0);
    }
    expect<i32>(scan(meta, 0, logTail(meta), 10, scratchOf(meta))).toBe(1);
  });

  it('traps above the tail', () => {
    expect(() => {
      const meta = logAt(0, 0, 0);
      logRetire(meta, 32);
    }).toThrow();
  });
});
