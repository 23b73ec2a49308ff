// bench-report.ts: the benches' tables, for people.

import { LATENCY_HEADINGS, latencyCells } from '../latency.js';
import { grouped, tableText } from '../output.js';
import type { ClusterBenchResult, FloorRatio } from './cluster-bench.js';
import { type Environment, environmentText } from './environment.js';
import type { FailoverBenchResult } from './failover-bench.js';
import { type ClosedLoopResult, FLOOR_TO_PING_PONG_MAX, type FloorResult } from './floor-bench.js';
import type { ReadFigures, ReadsBenchResult } from './reads-bench.js';

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

/** `pawl bench cluster` in words. */
export function clusterText(result: ClusterBenchResult, environment: Environment): string {
  const lines = [
    '',
    `${result.nodes} members, durability ${result.durability}; ${mediumText(result)}`,
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
