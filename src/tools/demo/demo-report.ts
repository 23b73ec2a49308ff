// demo-report.ts: what the demo prints at its end, for people.

import { environmentText } from '../bench/environment.js';
import { LATENCY_HEADINGS, type LatencySummary, latencyCells } from '../latency.js';
import { grouped, tableText } from '../output.js';
import type { DemoResult } from './demo.js';

function latencyRow(name: string, summary: LatencySummary): readonly string[] {
  return [name, grouped(summary.count), ...latencyCells(summary)];
}

/** The report as text. */
export function demoText(result: DemoResult): string {
  const { latencies } = result;
  const lines = [
    `latency in microseconds, from the instant at which a message was due to its echo`,
    `(bursts of ${result.burst} x ${result.payload} bytes, ${grouped(result.rate)}/s, durability ` +
      `${result.durability}, MTU ${result.mtu})`,
    tableText([
      ['', 'messages', ...LATENCY_HEADINGS],
      latencyRow('steady', latencies.steady),
      latencyRow('with the failover', latencies.all),
    ]),
    '',
    `failover ${result.failoverMs.toFixed(0)} ms, from SIGKILL of member ` +
      `${result.killedMemberId} to the first echo from member ${result.newLeaderMemberId}`,
    `sent ${result.sent} = acknowledged ${result.acknowledged} + unknown ${result.unknown}, ` +
      `lost ${result.lost}, duplicated ${result.duplicated}, reordered ${result.reordered}`,
    `unknown: in flight to the leader when it was killed; ${result.unknownInLog} of them are in ` +
      'the log, the others are nowhere',
    `logs   ${result.logsEqual ? 'equal' : 'DIFFERENT'} on all three members up to position ` +
      `${grouped(result.logPosition)}: ${[...new Set(result.logHashes)].join(' ')}`,
    `states ${result.statesEqual ? 'equal' : 'DIFFERENT'} on all three members: ` +
      [...new Set(result.stateHashes)].join(' '),
    environmentText(result.environment),
  ];
  if (result.unsent > 0) {
    lines.push(`${result.unsent} messages were due and not sent: the machine was too slow`);
  }
  if (result.directory !== undefined) {
    lines.push(`data kept: pawl describe ${result.directory}/member-0`);
  }
  lines.push(result.ok ? 'everything held' : `NOT EVERYTHING HELD: ${result.failures.join('; ')}`);
  return lines.join('\n');
}
