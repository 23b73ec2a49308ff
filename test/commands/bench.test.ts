// The benches, as short as can be: their numbers are for quiet machines, their books for all.

import test from 'tape';
import type { ClusterBenchResult } from '../../src/tools/bench/cluster-bench.js';
import type { FailoverBenchResult } from '../../src/tools/bench/failover-bench.js';
import type { FloorResult } from '../../src/tools/bench/floor-bench.js';
import type { ReadsBenchResult } from '../../src/tools/bench/reads-bench.js';
import type { RestartBenchResult } from '../../src/tools/bench/restart-bench.js';
import type { SessionsBenchResult } from '../../src/tools/bench/sessions-bench.js';
import type { SnapshotBenchResult } from '../../src/tools/bench/snapshot-bench.js';
import type { TransferBenchResult } from '../../src/tools/bench/transfer-bench.js';
import { runCli } from './cli.js';

test('bench floor prints floors and ping-pong as one JSON object and loses nothing', async (t) => {
  const { stdout, stderr } = await runCli(
    ...['bench', 'floor', '--json', '--seconds', '0.2', '--rounds', '1'],
  );
  const result = JSON.parse(stdout) as FloorResult & { environment: { node: string } };
  t.equal(result.isValid, result.floorToPingPong <= 5, stderr);
  t.ok(result.pingPong.p50 > 0 && result.p50 > result.pingPong.p50);
  for (const floor of [result, result.recorded]) {
    t.deepEqual(
      floor?.closedLoop.map(({ window, lost }) => [window, lost]),
      [
        [20, 0],
        [160, 0],
        [1_280, 0],
        [5_120, 0],
      ],
    );
  }
  t.equal(result.recorded?.frameLength, 288, 'headers of 64 bytes, and the alignment of a frame');
  t.equal(result.environment.node, process.version);
});

test('bench cluster prints one JSON object with its runs, and loses nothing', async (t) => {
  const { code, stdout, stderr } = await runCli(
    ...['bench', 'cluster', '--json', '--rates', '500,2000', '--seconds', '0.5'],
    ...['--durability', 'page-cache', '--mtu', '1408'],
  );
  t.equal(code, 0, stderr);
  const result = JSON.parse(stdout) as ClusterBenchResult;
  const { nodes, media, mtu, durability, payload, burst, idle } = result;
  t.deepEqual(
    { nodes, media, mtu, durability, payload, burst, idle },
    {
      ...{ nodes: 3, media: 'udp', mtu: 1408, durability: 'page-cache' },
      ...{ payload: 200, burst: 20, idle: 'event' },
    },
  );
  t.deepEqual(
    result.runs.map((run) => [run.rate, run.sent, run.received, run.lost, run.reordered]),
    [
      [500, 260, 260, 0, 0],
      [2000, 1000, 1000, 0, 0],
    ],
  );
  for (const { p50, p90, p99, p999, p9999, max } of result.runs) {
    const values = [p50, p90, p99, p999, p9999, max];
    t.deepEqual(
      values,
      [...values].sort((a, b) => a - b),
      'percentiles ascend',
    );
  }
  t.deepEqual(
    result.closedLoop.map(({ window, lost }) => [window, lost]),
    [
      [20, 0],
      [160, 0],
      [1_280, 0],
      [5_120, 0],
    ],
  );
  t.ok(result.cpuSecondsPerMillion > 0 && result.rssMiBPerNode > 0);
});

test('bench failover kills the leader, measures the wait and prints one JSON object', async (t) => {
  const { code, stdout, stderr } = await runCli('bench', 'failover', '--kills', '2', '--json');
  t.equal(code, 0, stderr);
  const { kills, p50, p99, max, min, all } = JSON.parse(stdout) as FailoverBenchResult;
  t.equal(kills, 2);
  t.equal(all.length, 2);
  t.ok(min > 0 && min <= p50 && p50 <= p99 && p99 <= max, 'the percentiles ascend');
  t.equal(max, Math.max(...all));
});

test('bench transfer hands leadership over, measures requests and prints JSON', async (t) => {
  const { stdout, stderr } = await runCli('bench', 'transfer', '--transfers', '3', '--json');
  const result = JSON.parse(stdout) as TransferBenchResult;
  t.equal(result.all?.length, 3, `${stdout}${stderr}`);
  t.equal(result.max, Math.max(...result.all));
  t.ok(result.max >= result.p50 && result.p50 > 0, `${result.max} ms at most`);
  t.ok(
    result.tookMs.every((took) => took > 0),
    'every order came off',
  );
  t.ok(result.steady.count > 100, `${result.steady.count} requests between orders`);
  t.equal(result.holds, result.max <= result.maxAllowed);
});

test('bench snapshot prints latencies beside a snapshot that all members take', async (t) => {
  const { stdout, stderr } = await runCli(
    ...['bench', 'snapshot', '--json', '--keys', '3000', '--seconds', '0.3', '--rate', '200'],
    ...['--durability', 'page-cache'],
  );
  const result = JSON.parse(stdout) as SnapshotBenchResult;
  t.equal(result.stateBytes, 3_000 * 256, stderr);
  t.equal(result.holds, result.ratio <= result.ratioMax);
  for (const { count, p50, p99 } of [result.before, result.during, result.after]) {
    t.ok(count > 0 && p50 > 0 && p99 >= p50, `${count} puts were answered`);
  }
  t.deepEqual(
    result.snapshots.map(({ memberId }) => memberId),
    [0, 1, 2],
  );
  for (const { bytes, longestStepMs, tookMs } of result.snapshots) {
    t.ok(bytes > result.stateBytes && bytes === result.snapshots[0]?.bytes, `${bytes} bytes`);
    t.ok(tookMs > 0 && longestStepMs > 0, `in ${tookMs} ms`);
  }
});

test('bench restart prints starts behind logs of two lengths and with one missing', async (t) => {
  const { stdout, stderr } = await runCli(
    ...['bench', 'restart', '--json', '--lengths', '1,3', '--keys', '64', '--starts', '1'],
    ...['--durability', 'page-cache'],
  );
  const result = JSON.parse(stdout) as RestartBenchResult;
  t.equal(result.runs.length, 2, stderr);
  t.ok((result.runs[1]?.logBytes ?? 0) > 2 * (result.runs[0]?.logBytes ?? 0), 'the log has grown');
  t.equal(result.runs[0]?.snapshotBytes, result.runs[1]?.snapshotBytes, 'the state has not');
  t.ok(result.runs.every(({ restart }) => restart.all.length === 1 && restart.p50 > 0));
  t.equal(result.coldStart.holds, result.coldStart.max < 3_000, `${result.coldStart.max} ms`);
});

test('bench reads sets queries beside reads through the log, in one JSON object', async (t) => {
  const { code, stdout, stderr } = await runCli(
    ...['bench', 'reads', '--json', '--windows', '1,16', '--seconds', '0.2', '--rounds', '1'],
    ...['--keys', '50', '--durability', 'page-cache'],
  );
  t.equal(code, 0, stderr);
  const result = JSON.parse(stdout) as ReadsBenchResult;
  t.deepEqual(
    result.windows.map(({ window }) => window),
    [1, 16],
  );
  for (const { log, query, roundsPerRead } of result.windows) {
    t.ok(log.rate > 0 && query.rate > 0, 'both paths have a rate');
    t.ok(query.p50 > 0 && query.p50 <= query.p99, 'and latencies');
    t.ok(roundsPerRead > 0 && roundsPerRead <= 1.5, 'a round for a read at most, but for repeats');
  }
  t.equal(result.holds, result.ratio >= 5, 'the verdict is that of the ratio');
});

test('bench sessions prints what idle sessions cost, in one JSON object', async (t) => {
  const { code, stdout, stderr } = await runCli(
    ...['bench', 'sessions', '--json', '--counts', '4,12', '--rate', '200', '--seconds', '0.3'],
    ...['--durability', 'page-cache'],
  );
  t.equal(code, 0, stderr);
  const result = JSON.parse(stdout) as SessionsBenchResult;
  t.equal(result.stoppedBy, undefined);
  t.deepEqual(
    result.runs.map(({ sessions }) => sessions),
    [4, 12],
  );
});
