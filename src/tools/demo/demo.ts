// demo.ts: three members, one client, one kill -9, and then the books are balanced.

import { type Environment, readEnvironment } from '../bench/environment.js';
import { rounded } from '../latency.js';
import type { LedgerSummary } from '../ledger.js';
import { isLeading, isSettled, LocalCluster } from '../local-cluster.js';
import { checkSequences, type LogReading, readCommittedLog } from '../log-check.js';
import { grouped, type Progress } from '../output.js';
import type { MemberProcessEvent } from '../process-member.js';
import { Traffic, type TrafficLatencies } from './traffic.js';

const MEMBER_COUNT = 3;
const LEADER_TIMEOUT_MS = 20_000;
const CATCH_UP_TIMEOUT_MS = 30_000;
const SETTLE_TIMEOUT_MS = 15_000;
const WARM_UP_MS = 1_000;
const LIVE_INTERVAL_MS = 100;

export interface DemoOptions {
  readonly directory?: string | undefined;
  readonly keep: boolean;
  readonly durability: 'fsync' | 'page-cache';
  readonly mtu: number;
  readonly rate: number;
  /** Length of each phase: before the kill, with the new leader, after the restart. */
  readonly phaseSeconds: number;
  readonly payload: number;
  readonly burst: number;
}

export interface DemoResult extends LedgerSummary {
  /** Messages that were due at the end and could not be sent in time: they count nowhere else. */
  readonly unsent: number;
  /** Unknown messages that are in the log. */
  readonly unknownInLog: number;
  readonly failoverMs: number;
  readonly logsEqual: boolean;
  readonly statesEqual: boolean;
  /** Everything held. */
  readonly ok: boolean;
  /** What did not hold, in words. */
  readonly failures: readonly string[];
  readonly killedMemberId: number;
  readonly newLeaderMemberId: number;
  /** Position up to which the logs were compared. */
  readonly logPosition: number;
  readonly logHashes: readonly string[];
  readonly stateHashes: readonly string[];
  /** Microseconds from the instant at which each message was due. */
  readonly latencies: TrafficLatencies;
  readonly rate: number;
  readonly payload: number;
  readonly burst: number;
  readonly durability: string;
  readonly mtu: number;
  readonly environment: Environment;
  readonly directory: string | undefined;
}

/** Who led when, and how the messages fared: what the story gives to the report. */
interface Story {
  readonly killedMemberId: number;
  readonly newLeaderMemberId: number;
}

function tellEvent(progress: Progress, memberId: number, event: MemberProcessEvent): void {
  if (event.event === 'warning' || event.event === 'error') {
    progress.step(`  member ${memberId}: ${event.message}`);
  }
}

/** Shows moving numbers while a phase of the story lasts. */
async function phase(traffic: Traffic, progress: Progress, seconds: number): Promise<void> {
  const endMs = Date.now() + seconds * 1_000;
  while (Date.now() < endMs && traffic.error === undefined) {
    await new Promise((resolve) => setTimeout(resolve, LIVE_INTERVAL_MS));
    showLive(traffic, progress);
  }
  if (traffic.error !== undefined) {
    throw traffic.error;
  }
}

function showLive(traffic: Traffic, progress: Progress): void {
  const { sent, acknowledged, unknown } = traffic.load.ledger.summary();
  progress.live(
    `  sent ${grouped(sent)}, acknowledged ${grouped(acknowledged)}, unknown ${unknown}`,
  );
}

async function tellStory(
  cluster: LocalCluster,
  traffic: Traffic,
  options: DemoOptions,
  progress: Progress,
): Promise<Story> {
  const { phaseSeconds } = options;
  traffic.start();
  await phase(traffic, progress, WARM_UP_MS / 1_000);
  traffic.endWarmUp();
  await phase(traffic, progress, phaseSeconds);

  const leader = await cluster.waitForLeader(LEADER_TIMEOUT_MS);
  progress.step(`SIGKILL to member ${leader.memberId}, the leader (process ${leader.pid})`);
  traffic.noteKill();
  await leader.kill();
  const newLeader = await cluster.waitForLeader(LEADER_TIMEOUT_MS);
  await phase(traffic, progress, phaseSeconds);
  progress.step(
    `member ${newLeader.memberId} leads; the first echo came ` +
      `${traffic.failoverMs.toFixed(0)} ms after the kill`,
  );

  await leader.start();
  progress.step(`member ${leader.memberId} starts again (process ${leader.pid})`);
  const atRestart = (await cluster.statuses()).find(isLeading)?.commitPosition ?? 0;
  const startedMs = Date.now();
  await cluster.waitFor(
    `member ${leader.memberId} to catch up to ${atRestart}`,
    (statuses) => {
      showLive(traffic, progress);
      return statuses.some(
        (one) => one.memberId === leader.memberId && one.servicePosition >= atRestart,
      );
    },
    CATCH_UP_TIMEOUT_MS,
  );
  progress.step(
    `member ${leader.memberId} has caught up: ${grouped(atRestart)} bytes of log in ` +
      `${Date.now() - startedMs} ms`,
  );
  await phase(traffic, progress, phaseSeconds);
  await traffic.finish();
  return { killedMemberId: leader.memberId, newLeaderMemberId: newLeader.memberId };
}

/** What the files of all members say, up to the position that all of them have committed. */
interface Comparison {
  readonly logPosition: number;
  readonly logs: readonly LogReading[];
  readonly stateHashes: readonly string[];
}

async function compareMembers(cluster: LocalCluster): Promise<Comparison> {
  const statuses = await cluster.waitFor(
    'all members to commit and apply the whole log',
    (all) => isSettled(all, MEMBER_COUNT),
    SETTLE_TIMEOUT_MS,
  );
  const logPosition = Math.min(...statuses.map((status) => status.commitPosition));
  const { logTermLength, segmentLength } = cluster.config;
  const geometry = { termLength: logTermLength, segmentLength };
  return {
    logPosition,
    logs: cluster.members.map((member) =>
      readCommittedLog(member.directory, geometry, logPosition),
    ),
    stateHashes: statuses.map(
      (status) => `${status.stateHash ?? 'none'} at ${status.stateHashPosition}`,
    ),
  };
}

function allEqual(values: readonly string[]): boolean {
  return values.length > 0 && values.every((value) => value === values[0]);
}

function failuresOf(
  result: Omit<DemoResult, 'ok' | 'failures'>,
  ends: readonly string[],
): string[] {
  const { sent, acknowledged, unknown, lost, duplicated, reordered } = result;
  const checks: readonly (readonly [boolean, string])[] = [
    [acknowledged > 0, 'no message was acknowledged'],
    [sent === acknowledged + unknown + lost, 'sent is not acknowledged + unknown + lost'],
    [lost === 0, `${lost} messages are lost`],
    [duplicated === 0, `${duplicated} messages are duplicated`],
    [reordered === 0, `${reordered} messages are reordered`],
    [result.failoverMs >= 0, 'no echo came from a new leader'],
    [result.logsEqual, 'the committed logs differ'],
    [result.statesEqual, 'the service states differ'],
  ];
  return [...checks.filter(([holds]) => !holds).map(([, text]) => text), ...ends];
}

async function conclude(
  cluster: LocalCluster,
  traffic: Traffic,
  story: Story,
  options: DemoOptions,
): Promise<DemoResult> {
  const comparison = await compareMembers(cluster);
  const ledger = traffic.load.ledger;
  const findings = checkSequences(
    comparison.logs[0]?.sequences ?? [],
    ledger.sentCount,
    (sequence) => ledger.isAcknowledged(sequence),
  );
  traffic.close();
  const ends = await cluster.stop();
  const told = ledger.summary();
  const logHashes = comparison.logs.map((log) => log.digest);
  const { rate, payload, burst, durability, mtu } = options;
  const result = {
    ...told,
    lost: told.lost + findings.lost,
    duplicated: told.duplicated + findings.duplicated,
    reordered: told.reordered + findings.reordered,
    unsent: traffic.unsentBurstCount * burst,
    unknownInLog: findings.unacknowledged,
    failoverMs: rounded(traffic.failoverMs),
    logsEqual: allEqual(logHashes),
    statesEqual: allEqual(comparison.stateHashes),
    ...story,
    logPosition: comparison.logPosition,
    logHashes,
    stateHashes: comparison.stateHashes,
    latencies: traffic.latencies(),
    ...{ rate, payload, burst, durability, mtu },
    environment: readEnvironment(),
    directory: options.keep ? cluster.directory : undefined,
  };
  const failures = failuresOf(result, ends);
  return { ...result, ok: failures.length === 0, failures };
}

/**
 * Plays the demo.
 *
 * @returns what was counted; `ok` says whether everything held.
 * @throws PawlError when a part of it did not come about at all.
 */
export async function runDemo(options: DemoOptions, progress: Progress): Promise<DemoResult> {
  const cluster = await LocalCluster.create({
    memberCount: MEMBER_COUNT,
    directory: options.directory,
    cluster: { durability: options.durability },
    member: { mtuLength: options.mtu },
    onEvent: (memberId, event) => tellEvent(progress, memberId, event),
  });
  let traffic: Traffic | undefined;
  try {
    progress.step(`three members on loopback, data in ${cluster.directory}`);
    await cluster.start();
    const leader = await cluster.waitForLeader(LEADER_TIMEOUT_MS);
    const pids = cluster.members.map(({ memberId, pid }) => `${memberId} (process ${pid})`);
    progress.step(`members ${pids.join(', ')} run; member ${leader.memberId} leads`);
    const { rate, payload, burst, mtu } = options;
    traffic = await Traffic.connect({
      ...{ ingress: cluster.ingress, mtu, rate, burst },
      payloadLength: payload,
    });
    progress.step(`a client sends bursts of ${burst} x ${payload} bytes, ${grouped(rate)}/s`);
    const story = await tellStory(cluster, traffic, options, progress);
    return await conclude(cluster, traffic, story, options);
  } finally {
    traffic?.close();
    await cluster.killAll();
    if (!options.keep) {
      cluster.remove();
    }
  }
}
