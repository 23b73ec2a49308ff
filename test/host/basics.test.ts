// Clock, entropy and exit codes of the host.

import test from 'tape';
import { InvariantError } from '../../src/assert.js';
import { ErrorCode, PawlError } from '../../src/errors.js';
import {
  EXIT_CODE_TEXTS,
  ExitCode,
  exitCodeOf,
  exitCodeOfSignal,
  PoisonedError,
} from '../../src/host/exit-codes.js';
import { NodeClock, readClockOrigin } from '../../src/host/node-clock.js';
import { NodeEntropy } from '../../src/host/node-entropy.js';

test('the monotonic clock never goes back and starts near zero', (t) => {
  const clock = new NodeClock();
  let last = clock.nowNs();
  t.ok(last >= 0 && last < 10e9, `it starts at ${last} ns`);
  let backwards = 0;
  for (let i = 0; i < 100_000; i++) {
    const now = clock.nowNs();
    backwards += now < last ? 1 : 0;
    last = now;
  }
  t.equal(backwards, 0);
  t.ok(Number.isSafeInteger(last), 'it counts whole nanoseconds');
  t.end();
});

test('two clocks with one origin read the same time', (t) => {
  const one = new NodeClock(readClockOrigin());
  const two = new NodeClock(one.origin);
  const before = one.nowNs();
  const between = two.nowNs();
  const after = one.nowNs();
  t.ok(before <= between && between <= after);
  t.end();
});

test('the wall clock is that of the system', (t) => {
  const before = Date.now();
  const wall = new NodeClock().wallMs();
  t.ok(wall >= before && wall <= Date.now());
  t.end();
});

test('entropy gives unsigned 32-bit integers that do not repeat across batches', (t) => {
  const entropy = new NodeEntropy();
  const seen = new Set<number>();
  let outOfRange = 0;
  for (let i = 0; i < 2000; i++) {
    const value = entropy.nextUint32();
    outOfRange += Number.isInteger(value) && value >= 0 && value < 2 ** 32 ? 0 : 1;
    seen.add(value);
  }
  t.equal(outOfRange, 0);
  t.ok(seen.size > 1990, `${seen.size} of 2000 values are distinct`);
  t.end();
});

test('every error code has an exit code that is documented', (t) => {
  const documented = new Set(EXIT_CODE_TEXTS.map(([code]) => code));
  for (const code of Object.values(ErrorCode)) {
    const exitCode = exitCodeOf(new PawlError(code, 'text'));
    t.ok(exitCode > 0 && documented.has(exitCode), `${code} ends with ${exitCode}`);
  }
  t.equal(documented.size, Object.keys(ExitCode).length);
  t.end();
});

test('broken invariants, unknown errors, poison and signals have exit codes of their own', (t) => {
  t.equal(exitCodeOf(new InvariantError('x')), 9);
  t.equal(exitCodeOf(new TypeError('x')), 1);
  t.equal(exitCodeOf('not even an error'), 1);
  t.equal(exitCodeOf(new PoisonedError('recorder', 6)), 6);
  t.equal(exitCodeOf(new PawlError(ErrorCode.DirectoryInUse, 'x')), 4);
  t.equal(exitCodeOfSignal(15), 143);
  t.end();
});
