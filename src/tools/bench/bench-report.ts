// bench-report.ts: the benches' tables, for people.

import { LATENCY_HEADINGS, latencyCells } from '../latency.js';
import { grouped, tableText } from '../output.js';
import type { ClusterBenchResult, FloorRatio } from './cluster-bench.js';
import { type Environment, environmentText } from './environment.js';
import type { FailoverBenchResult } from './failover-bench.js';
import {
  type ClosedLoopResult,
  FLOOR_TO_PING_PONG_MAX,
  type FloorResult,
  type RecordedFloor,
} from './floor-bench.js';
import type { ReadFigures, ReadsBenchResult } from './reads-bench.js';
import type { RestartBenchResult, StartTimes } from './restart-bench.js';
import type { SessionsBenchResult } from './sessions-bench.js';
import type { SnapshotBenchResult } from './snapshot-bench.js';
import type { TransferBenchResult } from './transfer-bench.js';

function closedLoopTable(results: readonly ClosedLoopResult[]): string {
  return tableText([
    ['in flight', 'messages/s', 'p50', 'p99', 'lost'],
    ...results.map(({ window, achieved, p50, p99, lost }) => [
      grouped(window),
      grouped(achieved),
      p50.toFixed(0),
      p99.toFixed(0),
      String(lost),
    ]),
  ]);
}

function mediumText(result: { mtu: number; payload: number; burst: number; idle: string }): string {
  const { mtu, payload, burst, idle } = result;
  return `UDP on loopback, MTU ${mtu}, bursts of ${burst} x ${payload} bytes, idle ${idle}`;
}

/** The floor, without the machine. */
function floorLines(floor: FloorResult): readonly string[] {
  const verdict = floor.isValid ? 'valid' : 'NOT VALID: run it again on a quiet machine';
  return [
    'the floor: client, leader, two followers and back; no log, no disk, no session',
    closedLoopTable(floor.closedLoop),
    `ping-pong of the same bytes between two processes: p50 ${floor.pingPong.p50.toFixed(0)} us; ` +
      `floor / ping-pong ${floor.floorToPingPong} (at most ${FLOOR_TO_PING_PONG_MAX}): ${verdict}`,
    ...recordedLines(floor.recorded),
  ];
}

function recordedLines(recorded: RecordedFloor | undefined): readonly string[] {
  return recorded === undefined
    ? []
    : [
        `the floor with messages of ${recorded.frameLength} bytes, as their frames in a log, ` +
          'of which leader and followers take a crc and which they write to files',
        closedLoopTable(recorded.closedLoop),
        `it reaches ${recorded.ratio} of the floor's maximum`,
      ];
}

/** `pawl bench floor` in words. */
export function floorText(floor: FloorResult, environment: Environment): string {
  return ['', mediumText(floor), ...floorLines(floor), environmentText(environment)].join('\n');
}

function ratioLine(ratio: FloorRatio): string {
  return (
    `cluster / floor: p50 ${ratio.p50} (at most ${ratio.p50Max}), maximum ${ratio.throughput} ` +
    `(at least ${ratio.throughputMin}): ${ratio.holds ? 'holds' : 'DOES NOT HOLD'}`
  );
}

/** `pawl bench failover` in words. */
export function failoverText(result: FailoverBenchResult, environment: Environment): string {
  const { burst, durability, kills, max, min, nodes, p50, p99, payload, rate } = result;
  return [
    '',
    `${nodes} members, durability ${durability}, ${grouped(rate)} messages/s in bursts of ` +
      `${burst} x ${payload} bytes, ${kills} times kill -9 of the leader`,
    'milliseconds from the kill to the next answer',
    tableText([
      ['kills', 'min', 'p50', 'p99', 'max'],
      [String(kills), ...[min, p50, p99, max].map((value) => value.toFixed(1))],
    ]),
    environmentText(environment),
  ].join('\n');
}

/** `pawl bench transfer` in words. */
export function transferText(result: TransferBenchResult, environment: Environment): string {
  const { durability, holds, max, maxAllowed, nodes, p50, payload, rate, steady } = result;
  return [
    '',
    `${nodes} members, durability ${durability}, ${grouped(rate)} exactly-once requests/s with ` +
      `values of ${payload} bytes, leadership handed over ${result.transfers} times`,
    'milliseconds of the slowest request around each order',
    tableText([
      ['transfers', 'p50', 'max'],
      [String(result.transfers), p50.toFixed(1), max.toFixed(1)],
    ]),
    `slowest ${max} ms (at most ${maxAllowed}): ${holds ? 'holds' : 'DOES NOT HOLD'}; between ` +
      `orders p50 ${steady.p50.toFixed(0)} us, p99 ${steady.p99.toFixed(0)} us, max ` +
      `${steady.max.toFixed(0)} us`,
    environmentText(environment),
  ].join('\n');
}

function readCells({ rate, p50, p99 }: ReadFigures): readonly string[] {
  return [grouped(rate), p50.toFixed(0), p99.toFixed(0)];
}

/** `pawl bench reads` in words. */
export function readsText(result: ReadsBenchResult, environment: Environment): string {
  const { durability, holds, keys, maximum, mtu, nodes, payload, ratio, ratioMin } = result;
  return [
    '',
    `${nodes} members, durability ${durability}, MTU ${mtu}; one client reads ${keys} keys of ` +
      `${payload} bytes`,
    'reads per second and latencies in microseconds: through the log, and by query without it',
    tableText([
      ['in flight', 'log/s', 'p50', 'p99', 'query/s', 'p50', 'p99', 'ratio', 'rounds/read'],
      ...result.windows.map((one) => [
        grouped(one.window),
        ...readCells(one.log),
        ...readCells(one.query),
        one.ratio.toFixed(1),
        String(one.roundsPerRead),
      ]),
    ]),
    `best rates: ${grouped(maximum.query)} by query, ${grouped(maximum.log)} through the log: ` +
      `ratio ${ratio} (at least ${ratioMin}): ${holds ? 'holds' : 'DOES NOT HOLD'}`,
    environmentText(environment),
  ].join('\n');
}

/** `pawl bench sessions` in words. */
export function sessionsText(result: SessionsBenchResult, environment: Environment): string {
  const { durability, few, nodes, p99Ratio, rate, runs, stoppedBy, streamTermLength } = result;
  const cells = (one: typeof few): string[] => [
    one.p50.toFixed(0),
    one.p99.toFixed(0),
    one.leaderCpu.toFixed(2),
  ];
  return [
    '',
    `${nodes} members, durability ${durability}, terms of ${grouped(streamTermLength)} bytes for ` +
      `each stream; one client sends ${grouped(rate)} messages/s, the others are idle`,
    'bytes a session; latency of the client that sends in microseconds',
    tableText([
      ['idle', 'opened/s', 'leader', 'follower', 'address space', 'p50', 'p99', 'leader CPU'],
      ['0', '', '', '', '', ...cells(few)],
      ...runs.map((one) => [
        grouped(one.sessions),
        grouped(one.connectsPerSecond),
        grouped(one.leaderBytesPerSession),
        grouped(one.followerBytesPerSession),
        grouped(one.leaderArenaBytesPerSession),
        ...cells(one),
      ]),
    ]),
    `p99 with the most idle sessions is ${p99Ratio} times that without`,
    ...(stoppedBy === undefined ? [] : [`no more sessions: ${stoppedBy}`]),
    environmentText(environment),
  ].join('\n');
}

/** `pawl bench cluster` in words. */
export function clusterText(result: ClusterBenchResult, environment: Environment): string {
  const lines = [
    '',
    `${result.nodes} members, durability ${result.durability}, log ` +
      `${result.logRetention === 'all' ? 'kept whole' : 'purged behind snapshots'}; ` +
      mediumText(result),
  ];
  if (result.runs.length > 0) {
    lines.push(
      'open loop, latency in microseconds from the instant at which a message was due',
      tableText([
        ['messages/s', 'achieved', ...LATENCY_HEADINGS, 'lost', 'CPU s/million'],
        ...result.runs.map((run) => [
          grouped(run.rate),
          grouped(run.achieved),
          ...latencyCells(run),
          String(run.lost),
          run.cpuSecondsPerMillion.toFixed(2),
        ]),
      ]),
    );
  }
  lines.push('closed loop', closedLoopTable(result.closedLoop));
  if (result.floor !== undefined && result.ratio !== undefined) {
    lines.push(...floorLines(result.floor), ratioLine(result.ratio));
  }
  lines.push(
    `members' CPU ${result.cpuSecondsPerMillion} s per million messages over all runs, ` +
      `${result.rssMiBPerNode} MiB resident per member`,
    environmentText(environment),
  );
  return lines.join('\n');
}

/** `pawl bench snapshot` in words. */
export function snapshotText(result: SnapshotBenchResult, environment: Environment): string {
  const { after, before, during, durability, keys, nodes, rate, ratio, ratioMax } = result;
  const verdict = result.holds ? 'holds' : 'DOES NOT HOLD';
  return [
    '',
    `${nodes} members, durability ${durability}, ${grouped(keys)} keys with values of ` +
      `${result.valueBytes} bytes, ${grouped(rate)} puts/s; microseconds from when a put was due`,
    tableText([
      ['', 'puts', ...LATENCY_HEADINGS],
      ['before', grouped(before.count), ...latencyCells(before)],
      ['during', grouped(during.count), ...latencyCells(during)],
      ['after', grouped(after.count), ...latencyCells(after)],
    ]),
    `p99 during / before ${ratio} (at most ${ratioMax}): ${verdict}`,
    tableText([
      ['member', 'bytes', 'took ms', 'pause ms', 'longest step ms'],
      ...result.snapshots.map(({ bytes, longestStepMs, memberId, pauseMs, tookMs }) => [
        String(memberId),
        grouped(bytes),
        tookMs.toFixed(0),
        pauseMs.toFixed(3),
        longestStepMs.toFixed(3),
      ]),
    ]),
    `${result.rssMiBPerNode} MiB resident per member, filled in ${result.fillSeconds} s`,
    environmentText(environment),
  ].join('\n');
}

function startCells({ all, max, p50 }: StartTimes): readonly string[] {
  return [String(all.length), p50.toFixed(0), max.toFixed(0)];
}

/** `pawl bench restart` in words. */
export function restartText(result: RestartBenchResult, environment: Environment): string {
  const { coldStart, durability, growth, keys, nodes, runs } = result;
  return [
    '',
    `${nodes} members, durability ${durability}, ${grouped(keys)} keys; milliseconds from the ` +
      'start of the processes to the first answer',
    tableText([
      ['log before the snapshot', 'snapshot', 'starts', 'p50', 'max'],
      ...runs.map(({ logBytes, restart, snapshotBytes }) => [
        grouped(logBytes),
        grouped(snapshotBytes),
        ...startCells(restart),
      ]),
      ['one of three missing', '', ...startCells(coldStart)],
    ]),
    `longest log / shortest log: ${growth}; one missing at most ${coldStart.maxAllowed} ms: ` +
      (coldStart.holds ? 'holds' : 'DOES NOT HOLD'),
    environmentText(environment),
  ].join('\n');
}
