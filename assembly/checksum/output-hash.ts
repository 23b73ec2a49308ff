// output-hash.ts: the running hash of what a service puts out, which members compare.
//
// It is XXH64 (the xxHash specification, by Yann Collet), with the hash of all output before as the
// seed: the three words that say what an output is enter by its step for eight bytes, the bytes of
// an output as the XXH64 of each piece of them. Pieces have a fixed length, so the hash is the same
// whether bytes are hashed where they lie or are copied here piece by piece. A service that answers
// every message pays for this on every member.

import { OUTPUT_PIECE_LENGTH } from '../layout/output-hash';

// @ts-ignore: decorator
@inline
const PRIME_1: u64 = 0x9e3779b185ebca87;
// @ts-ignore: decorator
@inline
const PRIME_2: u64 = 0xc2b2ae3d27d4eb4f;
// @ts-ignore: decorator
@inline
const PRIME_3: u64 = 0x165667b19e3779f9;
// @ts-ignore: decorator
@inline
const PRIME_4: u64 = 0x85ebca77c2b2ae63;
// @ts-ignore: decorator
@inline
const PRIME_5: u64 = 0x27d4eb2f165667c5;

// @ts-ignore: decorator
@inline
function round(lane: u64, word: u64): u64 {
  return rotl<u64>(lane + word * PRIME_2, 31) * PRIME_1;
}

// @ts-ignore: decorator
@inline
function takeLane(hash: u64, lane: u64): u64 {
  return (hash ^ round(0, lane)) * PRIME_1 + PRIME_4;
}

// @ts-ignore: decorator
@inline
function takeWord(hash: u64, word: u64): u64 {
  return rotl<u64>(hash ^ round(0, word), 27) * PRIME_1 + PRIME_4;
}

// @ts-ignore: decorator
@inline
function avalanche(hash: u64): u64 {
  let mixed = (hash ^ (hash >> 33)) * PRIME_2;
  mixed = (mixed ^ (mixed >> 29)) * PRIME_3;
  return mixed ^ (mixed >> 32);
}

/** Whole steps of 32 bytes in four lanes: at least one. */
// @ts-ignore: decorator
@inline
function takeStripes(address: usize, length: i32, seed: u64): u64 {
  const end = address + <usize>(length & ~31);
  let a = seed + PRIME_1 + PRIME_2;
  let b = seed + PRIME_2;
  let c = seed;
  let d = seed - PRIME_1;
  for (let cursor = address; cursor < end; cursor += 32) {
    a = round(a, load<u64>(cursor));
    b = round(b, load<u64>(cursor, 8));
    c = round(c, load<u64>(cursor, 16));
    d = round(d, load<u64>(cursor, 24));
  }
  const joined = rotl<u64>(a, 1) + rotl<u64>(b, 7) + rotl<u64>(c, 12) + rotl<u64>(d, 18);
  return takeLane(takeLane(takeLane(takeLane(joined, a), b), c), d);
}

/** XXH64 of a range. */
function xxh64(address: usize, length: i32, seed: u64): u64 {
  let hash = length >= 32 ? takeStripes(address, length, seed) : seed + PRIME_5;
  hash += <u64>length;
  const end = address + <usize>length;
  let cursor = address + <usize>(length & ~31);
  for (; cursor + 8 <= end; cursor += 8) {
    hash = takeWord(hash, load<u64>(cursor));
  }
  if (cursor + 4 <= end) {
    hash = rotl<u64>(hash ^ (<u64>load<u32>(cursor) * PRIME_1), 23) * PRIME_2 + PRIME_3;
    cursor += 4;
  }
  for (; cursor < end; cursor++) {
    hash = rotl<u64>(hash ^ (<u64>load<u8>(cursor) * PRIME_5), 11) * PRIME_1;
  }
  return avalanche(hash);
}

/**
 * Takes bytes into the hash at `state`, a u64.
 *
 * @param length any; a caller that hands them over in parts cuts at multiples of
 * OUTPUT_PIECE_LENGTH.
 */
export function outputHashBytes(state: usize, address: usize, length: i32): void {
  let hash = load<u64>(state);
  for (let at = 0; at < length; at += OUTPUT_PIECE_LENGTH) {
    hash = xxh64(address + <usize>at, min(OUTPUT_PIECE_LENGTH, length - at), hash);
  }
  store<u64>(state, hash);
}

/**
 * Takes an output into the hash at `state`: what it is, what it concerns, and its first bytes.
 *
 * @param kind and @param detail make one word. @param id and @param value are safe integers.
 */
export function outputHashAdd(
  state: usize,
  kind: i32,
  detail: i32,
  id: f64,
  value: f64,
  address: usize,
  length: i32,
): void {
  let hash = takeWord(load<u64>(state), (<u64>(<u32>detail) << 32) | <u64>(<u32>kind));
  hash = takeWord(takeWord(hash, <u64>(<i64>id)), <u64>(<i64>value));
  store<u64>(state, hash);
  outputHashBytes(state, address, length);
}

/** Takes the end of an event into the hash at `state`: the log position at which it ends. */
export function outputHashEnd(state: usize, position: f64): void {
  store<u64>(state, takeWord(load<u64>(state), <u64>(<i64>position)));
}
