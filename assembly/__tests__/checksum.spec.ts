import { crc32c, initializeTables } from '../checksum/crc32c';
import { frameChecksum } from '../checksum/frame-checksum';
import { fillPattern, slab } from './fixture';

/** The definition, bit by bit. */
function bitwise(address: usize, length: i32): u32 {
  let crc: u32 = 0xffffffff;
  for (let i = 0; i < length; i++) {
    crc ^= load<u8>(address + <usize>i);
    for (let bit = 0; bit < 8; bit++) {
      crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    }
  }
  return ~crc;
}

describe('crc32c', () => {
  beforeEach(() => {
    initializeTables();
  });

  it('gives the check value of the standard', () => {
    const address = slab(0);
    for (let i = 0; i < 9; i++) {
      store<u8>(address + <usize>i, <u8>(0x31 + i));
    }
    expect<u32>(crc32c(address, 9, 0)).toBe(0xe3069283);
  });

  it('is 0 for nothing', () => {
    expect<u32>(crc32c(slab(0), 0, 0)).toBe(0);
  });

  it('equals the bitwise definition at every length and alignment', () => {
    const address = slab(0);
    fillPattern(address, 256, 3);
    let wrong = 0;
    for (let shift = 0; shift < 8; shift++) {
      for (let length = 0; length < 100; length++) {
        const at = address + <usize>shift;
        wrong += <i32>(crc32c(at, length, 0) != bitwise(at, length));
      }
    }
    expect<i32>(wrong).toBe(0);
  });

  it('goes on from a previous result', () => {
    const address = slab(0);
    fillPattern(address, 100, 9);
    const first = crc32c(address, 33, 0);
    expect<u32>(crc32c(address + 33, 67, first)).toBe(crc32c(address, 100, 0));
  });

  it('gives the same tables however often they are filled', () => {
    const address = slab(0);
    fillPattern(address, 64, 1);
    const before = crc32c(address, 64, 0);
    initializeTables();
    expect<u32>(crc32c(address, 64, 0)).toBe(before);
  });
});

describe('frameChecksum', () => {
  it('masks session, stream and itself', () => {
    initializeTables();
    const frame = slab(0);
    fillPattern(frame, 132, 5);
    store<u16>(frame, 1, 6);
    const crc = frameChecksum(frame, 132);
    store<i64>(frame, -1, 12);
    store<u32>(frame, 77, 24);
    expect<u32>(frameChecksum(frame, 132)).toBe(crc);
    store<u8>(frame, load<u8>(frame, 28) ^ 1, 28);
    expect<bool>(frameChecksum(frame, 132) == crc).toBe(false, 'the leadership term counts');
  });

  it('equals a plain crc of the masked frame', () => {
    initializeTables();
    const frame = slab(0);
    fillPattern(frame, 75, 6);
    store<u16>(frame, 1, 6);
    const crc = frameChecksum(frame, 75);
    store<i32>(frame, 75);
    store<i64>(frame, 0, 12);
    store<i32>(frame, 0, 24);
    expect<u32>(crc32c(frame, 75, 0)).toBe(crc);
  });

  it('covers the header of a padding frame alone', () => {
    initializeTables();
    const frame = slab(0);
    fillPattern(frame, 96, 7);
    store<u16>(frame, 0, 6);
    const crc = frameChecksum(frame, 96);
    store<u8>(frame, 0xff, 40);
    expect<u32>(frameChecksum(frame, 96)).toBe(crc);
    expect<bool>(frameChecksum(frame, 128) == crc).toBe(false, 'its length counts');
  });
});
