import { outputHashAdd, outputHashBytes, outputHashEnd } from '../checksum/output-hash';
import { OUTPUT_PIECE_LENGTH } from '../layout/output-hash';
import { fillPattern, slab } from './fixture';

function hashOf(text: string): u64 {
  const state = slab(0);
  const bytes = String.UTF8.encode(text);
  store<u64>(state, 0);
  outputHashBytes(state, changetype<usize>(bytes), bytes.byteLength);
  return load<u64>(state);
}

describe('the hash of output', () => {
  it('is XXH64 of the bytes, seeded by what was before', () => {
    expect<u64>(hashOf('a')).toBe(0xd24ec4f1a98c6e5b);
    expect<u64>(hashOf('abc')).toBe(0x44bc2cf5ad770999);
    expect<u64>(hashOf('Nobody inspects the spammish repetition')).toBe(0xfbcea83c8a378bf1);
  });

  it('is the same for bytes at once and cut at pieces, wherever they lie', () => {
    const state = slab(0);
    const bytes = slab(1);
    const length = 3 * OUTPUT_PIECE_LENGTH + 77;
    fillPattern(bytes, length + 8, 5);
    let wrong = 0;
    for (let shift = 0; shift < 8; shift++) {
      const at = bytes + <usize>shift;
      store<u64>(state, 9);
      outputHashAdd(state, 1, 0, 2, length, at, length);
      const whole = load<u64>(state);
      store<u64>(state, 9);
      outputHashAdd(state, 1, 0, 2, length, at, OUTPUT_PIECE_LENGTH);
      const rest = at + <usize>OUTPUT_PIECE_LENGTH;
      outputHashBytes(state, rest, length - OUTPUT_PIECE_LENGTH);
      wrong += <i32>(load<u64>(state) != whole);
    }
    expect<i32>(wrong).toBe(0);
  });

  it('tells apart all that an output is, and where its event ends', () => {
    const state = slab(0);
    const seen = new Set<u64>();
    for (let changed = 0; changed < 6; changed++) {
      store<u64>(state, 0);
      const kind = changed == 1 ? 2 : 1;
      const id: f64 = changed == 2 ? 4294967297 : 1;
      const value: f64 = changed == 3 ? -1 : 1;
      outputHashAdd(state, kind, changed == 4 ? -1 : 0, id, value, 0, 0);
      outputHashEnd(state, changed == 5 ? 96 : 64);
      seen.add(load<u64>(state));
    }
    expect<i32>(seen.size).toBe(6);
  });

  it('takes a number that is none as 0, and one that is too great as the greatest', () => {
    const state = slab(0);
    store<u64>(state, 0);
    outputHashAdd(state, 1, 0, NaN, Infinity, 0, 0);
    const odd = load<u64>(state);
    store<u64>(state, 0);
    outputHashAdd(state, 1, 0, 0, <f64>i64.MAX_VALUE, 0, 0);
    expect<u64>(odd).toBe(load<u64>(state));
  });
});
