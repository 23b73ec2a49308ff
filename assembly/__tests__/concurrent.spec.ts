import {
  concurrentAbort,
  concurrentAppend,
  concurrentClaim,
  concurrentCommit,
} from '../logbuffer/concurrent-append';
import { addressOf, logSetPublisherLimit, logTail } from '../logbuffer/metadata';
import { scan } from '../logbuffer/scan';
import { logUnblock } from '../logbuffer/unblock';
import { ringInitialize, ringRead, ringRelease, ringUnblock, ringWrite } from '../ring/many-to-one';
import {
  fillPattern,
  logAt,
  scanAddress,
  scanEnd,
  scanLength,
  scratchOf,
  slab,
  TERM_LENGTH,
} from './fixture';

describe('the concurrent writer', () => {
  it('answers ADMIN_ACTION once when it rotates, and then goes on', () => {
    const meta = logAt(0, i32.MAX_VALUE, <f64>(TERM_LENGTH - 96));
    const source = scratchOf(meta);
    expect<f64>(concurrentAppend(meta, source, 100)).toBe(-3);
    expect<i32>(load<i32>(addressOf(meta, <f64>(TERM_LENGTH - 96)))).toBe(96, 'padded');
    expect<f64>(concurrentAppend(meta, source, 100)).toBe(<f64>(TERM_LENGTH + 160));
    expect<f64>(logTail(meta)).toBe(<f64>(TERM_LENGTH + 160));
  });

  it('rotates also when the term is full to the byte', () => {
    const meta = logAt(0, 0, <f64>(TERM_LENGTH - 64));
    expect<f64>(concurrentAppend(meta, scratchOf(meta), 32)).toBe(<f64>TERM_LENGTH);
    expect<f64>(concurrentAppend(meta, scratchOf(meta), 32)).toBe(-3);
    expect<f64>(concurrentAppend(meta, scratchOf(meta), 32)).toBe(<f64>(TERM_LENGTH + 64));
  });

  it('claims, commits and aborts', () => {
    const meta = logAt(0, 0, 0);
    const first = concurrentClaim(meta, 10);
    const second = concurrentClaim(meta, 20);
    expect<i32>(load<i32>(<usize>first - 32)).toBe(-42);
    concurrentCommit(meta, <usize>first);
    concurrentAbort(meta, <usize>second);
    const out = scratchOf(meta);
    expect<i32>(scan(meta, 0, logTail(meta), 10, out)).toBe(1);
    expect<f64>(scanEnd(out)).toBe(128);
  });

  it('is refused at the limit with nothing written', () => {
    const meta = logAt(0, 0, 0);
    logSetPublisherLimit(meta, 64);
    expect<i32>(concurrentClaim(meta, 33)).toBe(-2);
    expect<f64>(logTail(meta)).toBe(0);
    expect<bool>(concurrentClaim(meta, 32) > 0).toBe(true);
  });

  it('is unblocked when it died, and a late commit does no harm', () => {
    const meta = logAt(0, 0, 0);
    const payload = concurrentClaim(meta, 40);
    expect<i32>(logUnblock(meta, 0)).toBe(1);
    expect<i32>(load<i32>(addressOf(meta, 0))).toBe(96);
    concurrentCommit(meta, <usize>payload);
    expect<u16>(load<u16>(addressOf(meta, 0), 6)).toBe(0, 'it stays padding');
    expect<i32>(logUnblock(meta, 0)).toBe(0);
    expect<i32>(logUnblock(meta, 96)).toBe(0, 'the tail is not blocked');
  });
});

const CAPACITY: i32 = 1024;

function newRing(): usize {
  const ring = slab(2);
  ringInitialize(ring, CAPACITY);
  return ring;
}

describe('the ring', () => {
  it('gives records out whole and in order, and only releases what was read', () => {
    const ring = newRing();
    const source = slab(3);
    const out = source + 4096;
    fillPattern(source, 100, 8);
    expect<i32>(ringWrite(ring, 5, source, 100)).toBe(1);
    expect<i32>(ringWrite(ring, 6, source, 0)).toBe(1);
    expect<i32>(ringRead(ring, 10, out)).toBe(2);
    expect<i32>(load<i32>(scanAddress(out, 0) - 4)).toBe(5);
    expect<i32>(scanLength(out, 0)).toBe(100);
    expect<i32>(memory.compare(scanAddress(out, 0), source, 100)).toBe(0);
    expect<i32>(load<i32>(scanAddress(out, 1) - 4)).toBe(6);
    expect<i32>(ringRead(ring, 1, out)).toBe(1, 'again, since nothing was released');
    ringRelease(ring);
    expect<i32>(ringRead(ring, 10, out)).toBe(1);
    expect<i32>(load<i32>(scanAddress(out, 0) - 4)).toBe(6);
  });

  it('wraps with padding, and is full exactly when it must be', () => {
    const ring = newRing();
    const source = slab(3);
    const out = source + 4096;
    for (let round = 0; round < 100; round++) {
      let written = 0;
      while (ringWrite(ring, 1, source, 112) == 1) {
        written++;
      }
      expect<bool>(written >= 7 && written <= 8).toBe(true);
      expect<i32>(ringRead(ring, 100, out)).toBe(written);
      ringRelease(ring);
      ringWrite(ring, 1, source, round % 128);
      ringRead(ring, 100, out);
      ringRelease(ring);
    }
  });

  it('refuses for good what is longer than an eighth', () => {
    expect<i32>(ringWrite(newRing(), 1, slab(3), CAPACITY / 8 + 1)).toBe(-1);
  });

  it('skips what a dead producer left', () => {
    const ring = newRing();
    const source = slab(3);
    const out = source + 4096;
    store<i64>(ring, 48, 128);
    expect<i32>(ringUnblock(ring)).toBe(0, 'no later record proves that it is dead');
    ringWrite(ring, 9, source, 8);
    expect<i32>(ringRead(ring, 10, out)).toBe(0);
    expect<i32>(ringUnblock(ring)).toBe(1);
    expect<i32>(ringRead(ring, 10, out)).toBe(1);
    ringRelease(ring);
    expect<i32>(ringUnblock(ring)).toBe(0);
  });
});
