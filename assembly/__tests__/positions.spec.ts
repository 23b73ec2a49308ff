import { receiverWindow, senderLimit } from '../flow/window';
import {
  counterGet,
  counterGetAndAdd,
  counterProposeMax,
  counterSet,
} from '../position/counter';
import { quorumPosition } from '../position/quorum';
import { slab, TERM_LENGTH } from './fixture';

describe('counters', () => {
  it('hold every integer that a number holds exactly', () => {
    const counter = slab(0);
    counterSet(counter, 9007199254740991);
    expect<f64>(counterGet(counter)).toBe(9007199254740991);
    counterSet(counter, -1);
    expect<f64>(counterGet(counter)).toBe(-1);
  });

  it('rise to a proposed maximum and never fall', () => {
    const counter = slab(0);
    expect<f64>(counterProposeMax(counter, 4294967296)).toBe(4294967296);
    expect<f64>(counterProposeMax(counter, 4294967295)).toBe(4294967296);
    expect<f64>(counterGet(counter)).toBe(4294967296);
  });

  it('add, and answer with the value before', () => {
    const counter = slab(0);
    expect<f64>(counterGetAndAdd(counter, 5)).toBe(0);
    expect<f64>(counterGetAndAdd(counter, -7)).toBe(5);
    expect<f64>(counterGet(counter)).toBe(-2);
  });
});

function setPositions(address: usize, a: f64, b: f64, c: f64): void {
  counterSet(address, a);
  counterSet(address + 128, b);
  counterSet(address + 256, c);
}

describe('quorumPosition', () => {
  it('is the second largest of three for a majority', () => {
    const address = slab(0);
    setPositions(address, 320, -1, 96);
    expect<f64>(quorumPosition(address, 3, 128, 2)).toBe(96);
    setPositions(address, -1, -1, 9007199254740960);
    expect<f64>(quorumPosition(address, 3, 128, 2)).toBe(-1);
  });

  it('counts equal positions each', () => {
    const address = slab(0);
    setPositions(address, 64, 64, 0);
    expect<f64>(quorumPosition(address, 3, 128, 1)).toBe(64);
    expect<f64>(quorumPosition(address, 3, 128, 2)).toBe(64);
    expect<f64>(quorumPosition(address, 3, 128, 3)).toBe(0);
  });

  it('traps on a rank that does not exist', () => {
    expect(() => {
      quorumPosition(slab(0), 3, 128, 4);
    }).toThrow();
  });
});

describe('senderLimit', () => {
  it('is the consumption position and the window, and never moves back', () => {
    const limit = senderLimit(0, 7, 64, 1024, TERM_LENGTH, 5);
    expect<f64>(limit).toBe(<f64>(2 * TERM_LENGTH + 64 + 1024));
    expect<f64>(senderLimit(limit, 7, 64, 32, TERM_LENGTH, 5)).toBe(limit);
  });

  it('wraps term ids and ignores what lies before the start', () => {
    const limit = senderLimit(0, i32.MIN_VALUE, 0, 32, TERM_LENGTH, i32.MAX_VALUE);
    expect<f64>(limit).toBe(<f64>(TERM_LENGTH + 32));
    expect<f64>(senderLimit(96, 4, 0, 1024, TERM_LENGTH, 5)).toBe(96);
    expect<f64>(senderLimit(96, 5, 0, -1024, TERM_LENGTH, 5)).toBe(96);
  });
});

describe('receiverWindow', () => {
  it('is the smallest of initial window, half a term and free bytes', () => {
    expect<i32>(receiverWindow(4096, TERM_LENGTH, 0)).toBe(4096);
    expect<i32>(receiverWindow(1 << 20, TERM_LENGTH, 0)).toBe(TERM_LENGTH / 2);
    expect<i32>(receiverWindow(4096, TERM_LENGTH, <f64>(2 * TERM_LENGTH - 32))).toBe(32);
    expect<i32>(receiverWindow(4096, TERM_LENGTH, 9007199254740991)).toBe(0);
  });
});
