// member-reports.ts: what a member says to people about itself.

import { ErrorCode, PawlError } from '../errors.js';
import type { Arena } from '../memory/arena.js';
import { RefusalReason } from '../protocol/codecs/enumerations.js';
import type { Subscription } from '../transport/subscription.js';
import type { Transport } from '../transport/transport.js';
import type { ClusterConfig } from './cluster-config.js';
import type { Divergence } from './divergence.js';
import type { MemberParts } from './member-assembly.js';

/** How the log was found, and what has become of it since. */
export function healthOf(running: MemberParts | undefined, memberId: number): string {
  if (running === undefined) {
    return 'opening';
  }
  if (!running.logCare.damage.isEmpty) {
    return 'corrupt';
  }
  const { divergence } = running.outputs;
  if (divergence !== undefined && !isInnocent(divergence, memberId)) {
    return 'diverged';
  }
  if (running.diskWatch.isLow) {
    return 'low space';
  }
  const { kind } = running.directory.health;
  return kind === 'corrupt' ? 'repaired' : kind;
}

/** Whether a majority says that others are odd. */
function isInnocent({ oddMemberIds }: Divergence, memberId: number): boolean {
  return oddMemberIds.length > 0 && !oddMemberIds.includes(memberId);
}

/** Why a member is refused, by the reason that the others give. */
export const REFUSALS: ReadonlyMap<number, string> = new Map([
  [
    RefusalReason.ClusterId,
    'the cluster ids differ: start this member with the cluster id of the others',
  ],
  [RefusalReason.Configuration, 'the cluster settings differ: make them equal on all members'],
  [RefusalReason.Durability, 'the durability levels differ: use the level of the others'],
  [
    RefusalReason.Incarnation,
    'its data directory is another one than before: it does not vote until it has caught up',
  ],
  [RefusalReason.ProtocolVersion, 'the protocol versions differ: run the version of the others'],
]);

/** Why a subscription can receive nothing; undefined while it can. */
export function socketFailure(subscription: Subscription): PawlError | undefined {
  const { failure } = subscription;
  if (failure === undefined || failure instanceof PawlError) {
    return failure;
  }
  return new PawlError(
    ErrorCode.NetworkFailed,
    `cannot listen on ${subscription.channel}: ${failure.message}`,
    'environment',
    { cause: failure },
  );
}

/**
 * Checks that the cluster's setting and what this member is given agree: a member that asks nobody
 * who he is would let in, as a leader, whom the others refuse.
 *
 * @throws PawlError CONFIGURATION_INVALID.
 */
export function checkAuthentication(config: ClusterConfig, hasAuthenticator: boolean): void {
  const isRequired = config.authentication === 'required';
  if (isRequired !== hasAuthenticator) {
    throw new PawlError(
      ErrorCode.ConfigurationInvalid,
      isRequired
        ? 'cluster.authentication is required, and this member has no authenticator: give it one'
        : 'this member has an authenticator, and cluster.authentication is none: set it to ' +
            'required on all members',
    );
  }
}

/** Everything that a member counts. */
export function memberCounters(
  transport: Transport,
  arena: Arena,
  running: MemberParts | undefined,
): Record<string, number> {
  const counters: Record<string, number> = {};
  const sources: readonly object[] = [
    transport.counters,
    running?.election.counters ?? {},
    running?.logCare.counters() ?? {},
    careCounters(running),
  ];
  for (const source of sources) {
    for (const [name, value] of Object.entries(source)) {
      if (typeof value === 'number') {
        counters[name] = value;
      }
    }
  }
  counters.handshakesDropped = running?.admission.droppedCount ?? 0;
  counters.handshakesTimedOut = running?.admission.timedOutCount ?? 0;
  counters.sessionsChallenged = running?.admission.challengedCount ?? 0;
  counters.sessionsAuthenticated = running?.admission.acceptedCount ?? 0;
  counters.sessionsRejected = running?.admission.rejectedCount ?? 0;
  counters.authenticatorFailures = running?.admission.failedCount ?? 0;
  counters.arenaBytes = arena.allocatedLength;
  counters.ingressRejected = running?.ingress.rejectedCount ?? 0;
  counters.ingressBackPressured = running?.ingress.backPressureCount ?? 0;
  counters.queriesAnswered = running?.reads.answeredCount ?? 0;
  counters.queriesRefused = running?.reads.refusedCount ?? 0;
  counters.queriesDropped = running?.reads.droppedCount ?? 0;
  counters.queriesRejected = running?.queryIngress.rejectedCount ?? 0;
  counters.sessionlessAnswersDropped = running?.responder.droppedCount ?? 0;
  counters.answersDropped = running?.egress.droppedAnswerCount ?? 0;
  counters.consensusInvalid = running?.adapter.invalidCount ?? 0;
  counters.clockSkewIgnored = running?.logClock.skewIgnoredCount ?? 0;
  counters.timersProposed = running?.module.timersProposed ?? 0;
  counters.serviceMessagesProposed = running?.module.serviceMessagesProposed ?? 0;
  counters.consensusUndelivered = running?.publisher.undeliveredCount ?? 0;
  return counters;
}

/** What has become of snapshots and of the log, of the disk, and of what services put out. */
function careCounters(running: MemberParts | undefined): Record<string, number> {
  return {
    snapshotsTaken: running?.taker.takenCount ?? 0,
    snapshotPauseNs: running?.taker.pauseNs ?? 0,
    snapshotLongestStepNs: running?.taker.longestStepNs ?? 0,
    snapshotsSkipped: running?.taker.skippedCount ?? 0,
    snapshotsFailed: running?.taker.failedCount ?? 0,
    snapshotsByShadow: running?.shadow?.takenCount ?? 0,
    snapshotsOffered: running?.installs.source.offerCount ?? 0,
    snapshotBlocksSent: running?.installs.source.blockCount ?? 0,
    snapshotsUnreadable: running?.installs.source.unreadableCount ?? 0,
    snapshotsAbandoned: running?.installs.target.abandonedCount ?? 0,
    segmentsPurged: running?.purger.purgedSegmentCount ?? 0,
    lowSpaceCount: running?.diskWatch.lowCount ?? 0,
    lowSpaceTransfers: running?.diskWatch.transferCount ?? 0,
    outputsCompared: running?.outputs.comparedCount ?? 0,
    divergences: running?.outputs.divergenceCount ?? 0,
    logMessagesInvalid: running?.applier.invalidCount ?? 0,
  };
}
