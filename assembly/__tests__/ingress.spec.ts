import { ingressBatch } from '../ingress/batch';
import { decodeMessages, selectEvents } from '../ingress/messages';
import {
  sessionLastActivityMs,
  sessionPut,
  sessionRemove,
  sessionState,
  sessionTableInitialize,
  sessionTableLength,
  sessionTouch,
} from '../ingress/session-table';
import { append } from '../logbuffer/exclusive-append';
import { addressOf, logSetPublisherLimit, logTail } from '../logbuffer/metadata';
import { scan } from '../logbuffer/scan';
import { logAt, scanAddress, scratchOf, slab, TERM_LENGTH } from './fixture';

function newTable(capacity: i32): usize {
  const table = slab(2);
  sessionTableInitialize(table, capacity);
  return table;
}

describe('the session table', () => {
  it('holds, updates and removes sessions', () => {
    const table = newTable(8);
    expect<i32>(sessionTableLength(8)).toBe(64 + 16 * 32);
    expect<i32>(sessionState(table, 1)).toBe(0);
    expect<f64>(sessionLastActivityMs(table, 1)).toBe(-1);
    expect<bool>(sessionPut(table, 1, 1, 100) > 0).toBe(true);
    expect<i32>(sessionTouch(table, 1, 150)).toBe(1);
    expect<f64>(sessionLastActivityMs(table, 1)).toBe(150);
    sessionPut(table, 1, 2, 200);
    expect<i32>(sessionState(table, 1)).toBe(2);
    expect<i32>(sessionTouch(table, 1, 250)).toBe(0, 'closing');
    expect<i32>(sessionRemove(table, 1)).toBe(1);
    expect<i32>(sessionRemove(table, 1)).toBe(0);
  });

  it('says when it is full, and still updates', () => {
    const table = newTable(2);
    sessionPut(table, 1, 1, 0);
    sessionPut(table, 9007199254740991, 1, 0);
    expect<i32>(sessionPut(table, 3, 1, 0)).toBe(-1);
    expect<bool>(sessionPut(table, 1, 2, 0) > 0).toBe(true);
    sessionRemove(table, 1);
    expect<bool>(sessionPut(table, 3, 1, 0) > 0).toBe(true);
    expect<i32>(sessionState(table, 9007199254740991)).toBe(1);
  });

  it('loses nobody when neighbours go', () => {
    const table = newTable(64);
    for (let id = 0; id < 64; id++) {
      sessionPut(table, <f64>id, 1, <f64>id);
    }
    let wrong = 0;
    for (let gone = 0; gone < 64; gone++) {
      sessionRemove(table, <f64>gone);
      for (let id = 0; id < 64; id++) {
        wrong += <i32>(sessionState(table, <f64>id) != <i32>(id > gone));
      }
    }
    expect<i32>(wrong).toBe(0);
  });
});

const TERM: f64 = 1099511627781;

/** Appends a session message to an ingress image. */
function message(meta: usize, template: i32, term: f64, session: f64, bodyLength: i32): void {
  const source = scratchOf(meta) + 65536;
  store<u16>(source, 24);
  store<u16>(source, <u16>template, 2);
  store<u16>(source, 111, 4);
  store<u16>(source, 14, 6);
  store<i64>(source, <i64>term, 8);
  store<i64>(source, <i64>session, 16);
  store<i64>(source, -1, 24);
  append(meta, source, 32 + bodyLength);
}

describe('ingressBatch', () => {
  it('stamps what passes, counts what does not, and stops at what it does not know', () => {
    const image = logAt(0, 0, 0);
    const log = logAt(1, 0, 0);
    const table = newTable(8);
    const out = slab(3);
    sessionPut(table, 1, 1, 0);
    sessionPut(table, 2, 2, 0);
    message(image, 1, TERM, 1, 10);
    message(image, 1, TERM, 2, 10);
    message(image, 1, TERM - 1, 1, 10);
    message(image, 1, TERM, 3, 10);
    message(image, 5, TERM, 1, 10);
    const limit = logTail(image);
    expect<i32>(ingressBatch(image, 0, limit, table, log, TERM, 777, 100, 1, out)).toBe(1);
    expect<i32>(load<i32>(out, 8)).toBe(1, 'control');
    expect<i32>(load<i32>(out, 12)).toBe(3, 'closing, old term, unknown');
    expect<f64>(load<f64>(out)).toBe(4 * 96);
    expect<usize>(<usize>load<i32>(out, 16)).toBe(addressOf(image, 4 * 96));
    expect<i32>(load<i32>(out, 20)).toBe(74);
    expect<f64>(logTail(log)).toBe(96);
    const payload = addressOf(log, 0) + 32;
    expect<i64>(load<i64>(payload, 8)).toBe(<i64>TERM);
    expect<i64>(load<i64>(payload, 24)).toBe(777);
    expect<f64>(sessionLastActivityMs(table, 1)).toBe(777);
  });

  it('leaves the frame where it is when the log has no room', () => {
    const image = logAt(0, 0, 0);
    const log = logAt(1, 0, 0);
    const table = newTable(8);
    const out = slab(3);
    sessionPut(table, 1, 1, 0);
    message(image, 1, TERM, 1, 100);
    message(image, 1, TERM, 1, 100);
    logSetPublisherLimit(log, 200);
    expect<i32>(ingressBatch(image, 0, 384, table, log, TERM, 1, 100, 1, out)).toBe(1);
    expect<i32>(load<i32>(out, 8)).toBe(2);
    expect<f64>(load<f64>(out)).toBe(192);
    logSetPublisherLimit(log, 4096);
    expect<i32>(ingressBatch(image, 192, 384, table, log, TERM, 1, 100, 1, out)).toBe(1);
    expect<i32>(load<i32>(out, 8)).toBe(0);
  });

  it('handles at most as many frames as it is told', () => {
    const image = logAt(0, 0, 0);
    const log = logAt(1, 0, 0);
    const table = newTable(8);
    const out = slab(3);
    sessionPut(table, 1, 1, 0);
    for (let i = 0; i < 5; i++) {
      message(image, 1, TERM, <f64>(i % 2), 0);
    }
    expect<i32>(ingressBatch(image, 0, 320, table, log, TERM, 1, 3, 1, out)).toBe(1);
    expect<i32>(load<i32>(out, 8)).toBe(3);
    expect<i32>(load<i32>(out, 12)).toBe(2);
    expect<f64>(load<f64>(out)).toBe(192);
  });
});

describe('ingressBatch for a client that is not first in line', () => {
  it('marks the session of a frame that waits as active, and appends nothing out of turn', () => {
    const image = logAt(0, 0, 0);
    const log = logAt(1, 0, 0);
    const table = newTable(8);
    const out = slab(3);
    sessionPut(table, 1, 1, 0);
    message(image, 1, TERM, 3, 100);
    message(image, 1, TERM, 1, 100);
    expect<i32>(ingressBatch(image, 0, 384, table, log, TERM, 50, 100, 0, out)).toBe(0);
    expect<i32>(load<i32>(out, 8)).toBe(2);
    expect<i32>(load<i32>(out, 12)).toBe(1, 'what is rejected needs no room');
    expect<f64>(load<f64>(out)).toBe(192);
    expect<f64>(logTail(log)).toBe(0);
    expect<f64>(sessionLastActivityMs(table, 1)).toBe(50);
    logSetPublisherLimit(log, 0);
    expect<i32>(ingressBatch(image, 192, 384, table, log, TERM, 60, 100, 1, out)).toBe(0);
    expect<f64>(sessionLastActivityMs(table, 1)).toBe(60);
  });
});

describe('what a scan has found', () => {
  it('is decoded where it is a session message, and kept as an event where it is not', () => {
    const meta = logAt(0, 0, 0);
    const out = scratchOf(meta);
    const message = out + 4096;
    store<u16>(message, 24);
    store<u16>(message, 1, 2);
    store<u16>(message, 111, 4);
    store<i64>(message, 7, 8);
    store<i64>(message, 640, 16);
    store<i64>(message, 1800000000000, 24);
    append(meta, message, 40);
    store<u16>(message, 22, 2);
    append(meta, message, 60);
    const count = scan(meta, 0, logTail(meta), 8, out);
    const entries = out + 1024;
    expect<i32>(decodeMessages(out, count, TERM_LENGTH, 0, entries)).toBe(1);
    expect<usize>(<usize>load<i32>(entries)).toBe(addressOf(meta, 0) + 64);
    expect<i32>(load<i32>(entries, 4)).toBe(8);
    expect<f64>(load<f64>(entries, 8)).toBe(96);
    expect<f64>(load<f64>(entries, 16)).toBe(640);
    expect<f64>(load<f64>(entries, 24)).toBe(1800000000000);
    expect<f64>(load<f64>(entries, 32)).toBe(7);
    expect<i32>(load<i32>(entries, 40)).toBe(0, 'an event has no body');
    expect<f64>(load<f64>(entries, 48)).toBe(192, 'but a position');
    expect<i32>(selectEvents(out, count)).toBe(1);
    expect<usize>(scanAddress(out, 0)).toBe(addressOf(meta, 96));
  });
});
