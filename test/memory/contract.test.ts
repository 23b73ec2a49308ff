// contract.test.ts: what TypeScript believes of core.wasm, and what core.wasm is.

import { readFileSync } from 'node:fs';
import test from 'tape';
import * as batch from '../../assembly/layout/batch.js';
import * as memoryMap from '../../assembly/layout/memory-map.js';
import * as sessionTable from '../../assembly/layout/session-table.js';
import { ARENA_HEAP_START, Arena } from '../../src/memory/arena.js';
import * as contract from '../../src/memory/core.js';
import { CounterSet } from '../../src/memory/counters.js';
import { compileCore } from '../../src/memory/load-core.js';
import { LogBuffer, logBufferLength } from '../../src/memory/log-buffer.js';

const TERM_LENGTH = 64 * 1024;

test('core.wasm exports exactly what the contract names', (t) => {
  const source = readFileSync(new URL('../../src/memory/core.ts', import.meta.url), 'utf8');
  const methods = source.slice(source.indexOf('interface CoreExports'));
  const names = [...methods.matchAll(/^ {2}(\w+)\(/gm)].map((match) => match[1]).sort();
  const exported = WebAssembly.Module.exports(compileCore())
    .filter(({ kind }) => kind === 'function')
    .map(({ name }) => name)
    .sort();
  t.deepEqual(exported, names);
  const imports = WebAssembly.Module.imports(compileCore());
  t.deepEqual(imports, [{ module: 'env', name: 'memory', kind: 'memory' }]);
  t.equal(compileCore(), compileCore(), 'and is compiled once');
  t.end();
});

test('both languages state the same numbers', (t) => {
  const sides: [string, number, number][] = [
    ['SCAN_HEADER_LENGTH', contract.SCAN_HEADER_LENGTH, batch.SCAN_HEADER_LENGTH],
    ['SCAN_END_OFFSET', contract.SCAN_END_OFFSET, batch.SCAN_END_OFFSET],
    ['SCAN_STOP_OFFSET', contract.SCAN_STOP_OFFSET, batch.SCAN_STOP_OFFSET],
    ['SCAN_ENTRY_LENGTH', contract.SCAN_ENTRY_LENGTH, batch.SCAN_ENTRY_LENGTH],
    ['BLOCK_ADDRESS_OFFSET', contract.BLOCK_ADDRESS_OFFSET, batch.BLOCK_ADDRESS_OFFSET],
    ['BLOCK_ADVANCE_OFFSET', contract.BLOCK_ADVANCE_OFFSET, batch.BLOCK_ADVANCE_OFFSET],
    ['GAP_TERM_ID_OFFSET', contract.GAP_TERM_ID_OFFSET, batch.GAP_TERM_ID_OFFSET],
    ['GAP_TERM_OFFSET_OFFSET', contract.GAP_TERM_OFFSET_OFFSET, batch.GAP_TERM_OFFSET_OFFSET],
    ['GAP_LENGTH_OFFSET', contract.GAP_LENGTH_OFFSET, batch.GAP_LENGTH_OFFSET],
    ['INGRESS_END_OFFSET', contract.INGRESS_END_OFFSET, batch.INGRESS_END_OFFSET],
    ['INGRESS_STOP_OFFSET', contract.INGRESS_STOP_OFFSET, batch.INGRESS_STOP_OFFSET],
    ['INGRESS_REJECTED_OFFSET', contract.INGRESS_REJECTED_OFFSET, batch.INGRESS_REJECTED_OFFSET],
    [
      'INGRESS_FRAME_ADDRESS_OFFSET',
      contract.INGRESS_FRAME_ADDRESS_OFFSET,
      batch.INGRESS_FRAME_ADDRESS_OFFSET,
    ],
    [
      'INGRESS_FRAME_LENGTH_OFFSET',
      contract.INGRESS_FRAME_LENGTH_OFFSET,
      batch.INGRESS_FRAME_LENGTH_OFFSET,
    ],
    ['body', contract.MESSAGE_BODY_OFFSET, batch.MESSAGE_BODY_OFFSET],
    ['body length', contract.MESSAGE_BODY_LENGTH_OFFSET, batch.MESSAGE_BODY_LENGTH_OFFSET],
    ['position', contract.MESSAGE_POSITION_OFFSET, batch.MESSAGE_POSITION_OFFSET],
    ['session', contract.MESSAGE_CLUSTER_SESSION_OFFSET, batch.MESSAGE_CLUSTER_SESSION_OFFSET],
    ['timestamp', contract.MESSAGE_TIMESTAMP_OFFSET, batch.MESSAGE_TIMESTAMP_OFFSET],
    ['term', contract.MESSAGE_LEADERSHIP_TERM_OFFSET, batch.MESSAGE_LEADERSHIP_TERM_OFFSET],
    ['entry', contract.MESSAGE_ENTRY_LENGTH, batch.MESSAGE_ENTRY_LENGTH],
    ['limit', contract.ScanStop.Limit, batch.SCAN_STOP_LIMIT],
    ['unavailable', contract.ScanStop.Unavailable, batch.SCAN_STOP_UNAVAILABLE],
    ['frame limit', contract.ScanStop.FrameLimit, batch.SCAN_STOP_FRAME_LIMIT],
    ['malformed scan', contract.ScanStop.Malformed, batch.SCAN_STOP_MALFORMED],
    ['malformed', contract.InsertResult.Malformed, batch.INSERT_MALFORMED],
    ['checksum', contract.InsertResult.ChecksumMismatch, batch.INSERT_CHECKSUM_MISMATCH],
    ['underrun', contract.InsertResult.Underrun, batch.INSERT_UNDERRUN],
    ['overrun', contract.InsertResult.Overrun, batch.INSERT_OVERRUN],
    ['drained', contract.IngressStop.Drained, batch.INGRESS_STOP_DRAINED],
    ['control', contract.IngressStop.Control, batch.INGRESS_STOP_CONTROL],
    ['pressed', contract.IngressStop.BackPressured, batch.INGRESS_STOP_BACK_PRESSURED],
    ['frames', contract.IngressStop.FrameLimit, batch.INGRESS_STOP_FRAME_LIMIT],
    ['open', contract.SessionTableState.Open, sessionTable.SESSION_STATE_OPEN],
    ['closing', contract.SessionTableState.Closing, sessionTable.SESSION_STATE_CLOSING],
    ['full', contract.SESSION_TABLE_FULL, sessionTable.SESSION_TABLE_FULL],
    ['heap', ARENA_HEAP_START, memoryMap.HEAP_START],
  ];
  for (const [name, left, right] of sides) {
    t.equal(left, right, name);
  }
  t.end();
});

test('counters count, and a set gives a freed place out again', (t) => {
  const arena = Arena.create(1024 * 1024);
  const counters = new CounterSet(arena, 2);
  const first = counters.allocate('frames dropped', 5);
  const second = counters.allocate('bytes');
  t.equal(counters.allocate('one too many'), undefined);
  if (first === undefined || second === undefined) {
    t.fail('a set of two has two');
    t.end();
    return;
  }
  t.equal(second.address - first.address, memoryMap.COUNTER_LENGTH, 'a line of its own each');
  t.equal(first.getAndAdd(3), 5);
  first.increment();
  t.equal(first.get(), 9);
  t.equal(first.proposeMax(7), 9, 'stays');
  t.equal(first.proposeMax(2 ** 53 - 1), 2 ** 53 - 1, 'rises');
  second.set(-1);
  t.deepEqual(counters.snapshot(), [
    { label: 'frames dropped', value: 2 ** 53 - 1 },
    { label: 'bytes', value: -1 },
  ]);
  counters.free(first);
  t.throws(() => counters.free(first), /freed once/);
  t.equal(counters.allocate('again')?.address, first.address);
  t.equal(first.get(), 0, 'and starts anew');
  counters.release();
  t.equal(arena.allocatedLength, 0);
  t.end();
});

test('a log buffer view reads what was set, from another instance too', (t) => {
  const arena = Arena.create(1024 * 1024);
  const log = LogBuffer.allocate(arena, {
    termLength: TERM_LENGTH,
    mtu: 8192,
    initialTermId: -4,
    sessionId: -7,
    streamId: 1001,
    startPosition: TERM_LENGTH + 64,
  });
  log.setChecksum(true, 2 ** 40 + 2 ** 31 + 9);
  log.isConnected = true;
  log.activeTransportCount = 2;
  log.type = 2;
  t.equal(log.endOfStreamPosition, undefined);
  log.endOfStreamPosition = 2 ** 53 - 32;
  const other = LogBuffer.attach(Arena.attach(arena.memory), log.meta);
  t.equal(other.termLength, TERM_LENGTH);
  t.equal(other.mtu, 8192);
  t.equal(other.initialTermId, -4);
  t.equal(other.sessionId, -7);
  t.equal(other.streamId, 1001);
  t.equal(other.tailPosition, TERM_LENGTH + 64);
  t.equal(other.publisherLimit.get(), TERM_LENGTH + 64);
  t.equal(other.cleanPosition.get(), TERM_LENGTH + 64);
  t.equal(other.rebuildPosition.get(), TERM_LENGTH + 64);
  t.equal(other.highWaterMark.get(), TERM_LENGTH + 64);
  t.equal(other.isChecksumEnabled, true);
  t.equal(other.leadershipTermLow, (2 ** 31 + 9) | 0);
  t.equal(other.isConnected, true);
  t.equal(other.activeTransportCount, 2);
  t.equal(other.type, 2);
  t.equal(other.endOfStreamPosition, 2 ** 53 - 32);
  t.equal(arena.allocatedLength, logBufferLength(TERM_LENGTH));
  log.release();
  t.equal(arena.allocatedLength, 0);
  t.end();
});

test('an arena gives out zeroed slabs, joins what is released, and says when it is full', (t) => {
  const arena = Arena.create(64 * 1024 + 16 * 4096);
  const slabs = Array.from({ length: 16 }, () => arena.allocate(4000));
  t.throws(() => arena.allocate(1), /raise memoryLength/);
  arena.u8.fill(1, slabs[0], (slabs[0] as number) + 4096);
  for (const index of [0, 2, 1, 15, 14, 3, 5, 4, 6, 8, 7, 9, 11, 10, 13, 12]) {
    arena.release(slabs[index] as number, 4000);
  }
  t.throws(() => arena.release(slabs[3] as number, 4000), /freed twice/);
  const whole = arena.allocate(16 * 4096);
  t.equal(whole, ARENA_HEAP_START);
  t.ok(arena.u8.subarray(whole, whole + 4096).every((byte) => byte === 0));
  t.throws(() => Arena.create(2 ** 31), /at most/);
  t.end();
});
