// Percentiles of latencies in microseconds.

import test from 'tape';
import { LatencyRecorder, median } from '../../src/tools/latency.js';

test('percentiles are those of the recorded values, to three digits', (t) => {
  const recorder = new LatencyRecorder();
  for (let us = 1; us <= 1_000; us++) {
    recorder.record(us * 1_000);
  }
  const { count, p50, p99, max } = recorder.summary();
  t.equal(count, 1_000);
  t.ok(Math.abs(p50 - 500) <= 1, `p50 ${p50}`);
  t.ok(Math.abs(p99 - 990) <= 1, `p99 ${p99}`);
  t.equal(max, 1_000);
  t.end();
});

test('no percentile is above the greatest value, and none is a number without values', (t) => {
  const recorder = new LatencyRecorder();
  t.equal(recorder.summary().p50, 0);
  recorder.record(123_456_789);
  const { p50, p9999, max } = recorder.summary();
  t.equal(max, 123_456.8);
  t.ok(p50 <= max && p9999 <= max);
  recorder.record(3_600e9);
  t.equal(recorder.summary().max, 3_600_000_000, 'an hour is recorded');
  t.end();
});

test('the median of an even number of values is between the middle two', (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 2, 3]), 2.5);
  t.end();
});
