// snapshot-assembly.ts: makes what takes, loads and purges for the snapshots of a member.

import { SnapshotReader } from '../archive/snapshot-reader.js';
import { assert } from '../assert.js';
import { POSITION_NULL } from '../position.js';
import type { InstallSource } from './install-source.js';
import { LogPurger } from './log-purger.js';
import type { AssemblyInputs, LogParts, SessionParts } from './member-assembly.js';
import type { SnapshotSink } from './service-host.js';
import { ShadowSnapshots } from './shadow-snapshots.js';
import { SnapshotLoader } from './snapshot-loader.js';
import { SnapshotSchedule } from './snapshot-schedule.js';
import { SnapshotTaker } from './snapshot-taker.js';

/** What takes snapshots and gives up the log that they hold. */
export function assembleSnapshots(inputs: AssemblyInputs, log: LogParts) {
  const { arena, clock, config, directory, services, tasks } = inputs;
  /** Who gives snapshots away is there when consensus is. */
  const given: { source?: InstallSource } = {};
  const purger = new LogPurger({
    config,
    directory,
    tasks,
    leaderLog: log.leaderLog,
    damage: log.logCare.damage,
    servicePosition: () => services.position,
    lowestGivenPosition: () => given.source?.lowestGivenPosition() ?? Number.POSITIVE_INFINITY,
    onFatal: (error) => inputs.onFatal(error),
  });
  const taker = new SnapshotTaker({
    arena,
    clock,
    tasks,
    directory,
    keptCount: config.member.snapshotCountKept,
    isGivenAway: (entry) => given.source?.isServing(entry) ?? false,
    snapshotVersions: () => services.snapshotVersions,
    onSnapshot: (entry) => {
      purger.onSnapshot(entry);
      inputs.onSnapshot(entry);
    },
    onWarning: (message) => inputs.onWarning(message),
    onFatal: (error) => inputs.onFatal(error),
  });
  const schedule = new SnapshotSchedule(
    config,
    log.logPublisher,
    { canTake: () => services.canTakeSnapshots, isBusy: () => taker.isBusy },
    directory.snapshot?.logPosition ?? 0,
    directory.snapshot?.timestampMs ?? 0,
  );
  const shadow = assembleShadow(inputs, log, taker);
  return { taker, schedule, purger, given, shadow };
}

/** What a service is told whose snapshots a shadow takes. */
export const NOT_BY_SERVICE: SnapshotSink = {
  wantedPosition: POSITION_NULL,
  wants: () => false,
  offer: (section) => section.close(),
};

function assembleShadow(
  inputs: AssemblyInputs,
  log: LogParts,
  taker: SnapshotTaker,
): ShadowSnapshots | undefined {
  const { arena, config, directory, services, shadowRunner: runner, tasks } = inputs;
  if (config.member.snapshotBy !== 'shadow') {
    return undefined;
  }
  assert(runner !== undefined, 'a member whose snapshots a shadow takes can run one');
  return new ShadowSnapshots({
    ...{ arena, config, directory, tasks, taker, runner },
    openRecording: log.makeReader,
    snapshotVersion: () => services.answering.snapshotVersion,
  });
}

/** What brings sessions and services to the snapshot that the member starts from. */
export function assembleLoader(
  inputs: AssemblyInputs,
  parts: SessionParts,
): SnapshotLoader | undefined {
  const { arena, directory, services, tasks } = inputs;
  const { applied, control, sessions } = parts;
  if (directory.snapshot === undefined) {
    return undefined;
  }
  return new SnapshotLoader({
    reader: new SnapshotReader(tasks, arena, directory.geometry, directory.snapshot),
    services,
    onSession: (session) => {
      applied.open(session);
      sessions.onOpened(session, false, 0);
    },
    onSuspended: () => control.restore(),
    onFatal: (error) => inputs.onFatal(error),
  });
}
