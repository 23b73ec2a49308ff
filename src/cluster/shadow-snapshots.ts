// shadow-snapshots.ts: has snapshots taken by fresh instances of the service, on a thread of their
// own, which the member's service never waits for.
//
// A run gives a new instance the newest snapshot before the event and the log from there on, out
// of the recording, and hands its section over to the taker. It needs nothing of the service but
// determinism: what is written is what the service itself would have written at that position.

import type { RecoveredDirectory } from '../archive/member-directory.js';
import { SnapshotReader } from '../archive/snapshot-reader.js';
import { SNAPSHOT_FORMAT_VERSION, type SnapshotEntry } from '../archive/snapshot-recording.js';
import type { StorageTasks } from '../archive/storage-task.js';
import { hit, Mark } from '../marks.js';
import type { Arena } from '../memory/arena.js';
import type { Position } from '../position.js';
import type { ClusterConfig } from './cluster-config.js';
import type { LogReader, RecordedLog } from './log-poller.js';
import { egressMessageLengthMax } from './message-lengths.js';
import type { OutputSink } from './output-history.js';
import { type RemoteMessages, RemoteService, type TimerMirror } from './remote-service.js';
import {
  allocateServiceChannel,
  ServiceChannel,
  type ServiceChannelPlace,
} from './service-channel.js';
import { ANSWERING_SERVICE_ID, type RelayedEgressSink } from './service-host.js';
import { SnapshotLoader } from './snapshot-loader.js';
import type { SnapshotTaker } from './snapshot-taker.js';

/** A member whose snapshots a shadow takes has one service. */
const SERVICE_ID = ANSWERING_SERVICE_ID;

/** Runs the shadow's thread. */
export interface ShadowRunner {
  /** Why the thread has ended by itself; undefined while it runs, or was not started. */
  readonly failure: string | undefined;
  /** Starts the thread over a channel; a thread before it has ended. */
  start(place: ServiceChannelPlace): void;
  /** Wakes it. */
  notify(): void;
  close(): void;
}

export interface ShadowSnapshotsParts {
  readonly arena: Arena;
  readonly config: ClusterConfig;
  readonly directory: RecoveredDirectory;
  readonly tasks: StorageTasks;
  readonly taker: SnapshotTaker;
  readonly openRecording: () => RecordedLog;
  readonly snapshotVersion: () => number;
  readonly runner: ShadowRunner;
}

/** One attempt at one snapshot. */
interface Run {
  readonly number: number;
  readonly position: Position;
  /** What it starts from, the newest first, and which of them this attempt uses. */
  readonly starts: readonly (SnapshotEntry | undefined)[];
  readonly startIndex: number;
  readonly startPosition: Position;
  readonly remote: RemoteService;
  readonly loader: SnapshotLoader | undefined;
  /** Why this start is of no use. */
  failure: string | undefined;
}

/** Takes the service's part of snapshots, one at a time. */
export class ShadowSnapshots {
  readonly #parts: ShadowSnapshotsParts;
  readonly #channel: ServiceChannel;
  #hasThread = false;
  #run: Run | undefined;
  #runNumber = 0;
  /** Sections that were handed over. */
  takenCount = 0;

  constructor(parts: ShadowSnapshotsParts) {
    this.#parts = parts;
    // From the beginning: clients may have taken what is free when a snapshot is wanted.
    const { arena, config } = parts;
    this.#channel = new ServiceChannel(arena, allocateServiceChannel(arena, config));
  }

  doWork(): number {
    const run = this.#run;
    if (run === undefined) {
      return this.#begin();
    }
    const { runner, taker } = this.#parts;
    if (runner.failure !== undefined) {
      this.#close(run);
      taker.giveUpAwaited(`its shadow has failed: ${runner.failure}`);
      return 1;
    }
    if (run.failure !== undefined) {
      return this.#retry(run);
    }
    const hasEnded = this.#channel.endedRun === run.number;
    let work = run.loader?.doWork() ?? 0;
    const isLoading = run.loader?.isDone === false;
    const limit = isLoading ? run.startPosition : run.position;
    // What the shadow said before it ended is all there: it says nothing more.
    do {
      const count = run.remote.doWork(limit);
      work += count;
      if (count === 0) {
        break;
      }
    } while (hasEnded);
    if (hasEnded) {
      this.#close(run);
      return work + 1;
    }
    return work;
  }

  close(): void {
    this.#run?.loader?.close();
    this.#run?.remote.close();
    this.#run = undefined;
    this.#parts.runner.close();
  }

  #begin(): number {
    const position = this.#parts.taker.wantedPosition(SERVICE_ID);
    if (position < 0) {
      return 0;
    }
    const starts = this.#startsBefore(position);
    this.#start(position, starts, 0);
    return 1;
  }

  /** Snapshots that an instance can start from, the newest first; at last the whole log. */
  #startsBefore(position: Position): (SnapshotEntry | undefined)[] {
    const { directory, snapshotVersion } = this.#parts;
    const { logStartPosition, snapshots } = directory.snapshots.index;
    const usable = snapshots.filter(
      (entry) =>
        entry.logPosition < position &&
        entry.logPosition >= logStartPosition &&
        entry.appVersion <= snapshotVersion() &&
        entry.formatVersion <= SNAPSHOT_FORMAT_VERSION,
    );
    return [...usable.reverse(), ...(logStartPosition === 0 ? [undefined] : [])];
  }

  #start(
    position: Position,
    starts: readonly (SnapshotEntry | undefined)[],
    startIndex: number,
  ): void {
    const { taker } = this.#parts;
    if (startIndex >= starts.length) {
      taker.giveUpAwaited('no earlier snapshot can be read, and the log before it is purged');
      return;
    }
    const channel = this.#channel;
    this.#ensureThread();
    channel.reset();
    const entry = starts[startIndex];
    const startPosition = entry?.logPosition ?? 0;
    const remote = this.#makeRemote(channel, position, startPosition, entry);
    const run: Run = {
      number: ++this.#runNumber,
      position,
      starts,
      startIndex,
      startPosition,
      remote,
      loader: this.#makeLoader(entry, remote, (reason) => {
        run.failure = reason;
      }),
      failure: undefined,
    };
    this.#run = run;
    channel.run = run.number;
    this.#parts.runner.notify();
  }

  /** The thread starts with the first snapshot, and again when it has failed. */
  #ensureThread(): void {
    const { runner } = this.#parts;
    if (!this.#hasThread || runner.failure !== undefined) {
      this.#hasThread = true;
      // A thread that has ended is at rest.
      this.#channel.endedRun = this.#runNumber;
      runner.start(this.#channel.place);
    }
  }

  #makeRemote(
    channel: ServiceChannel,
    position: Position,
    startPosition: Position,
    entry: SnapshotEntry | undefined,
  ): RemoteService {
    const { arena, config, openRecording, runner, snapshotVersion, taker } = this.#parts;
    const remote = new RemoteService({
      config,
      arena,
      place: channel.place,
      serviceId: SERVICE_ID,
      snapshotVersion: snapshotVersion(),
      timers: NO_TIMERS,
      messages: NO_MESSAGES,
      wake: () => runner.notify(),
    });
    remote.start({
      arena,
      memberId: config.member.memberId,
      poller: readerAt(startPosition),
      openRecording,
      egress: { ...NO_EGRESS, messageLengthMax: egressMessageLengthMax(config) },
      messageLengthMax: 0,
      fragmentLimit: 0,
      snapshots: {
        wantedPosition: position,
        wants: (reached) => reached === position,
        offer: (section) => {
          hit(Mark.SnapshotByShadow);
          this.takenCount++;
          taker.sinkOf(SERVICE_ID).offer(section, 0);
        },
      },
      outputs: noOutputs(arena),
      snapshot: entry,
    });
    return remote;
  }

  #makeLoader(
    entry: SnapshotEntry | undefined,
    service: RemoteService,
    onDamage: (reason: string) => void,
  ): SnapshotLoader | undefined {
    const { arena, directory, tasks } = this.#parts;
    if (entry === undefined) {
      return undefined;
    }
    return new SnapshotLoader({
      reader: new SnapshotReader(tasks, arena, directory.geometry, entry),
      services: {
        hosts: { length: 1 },
        get canLoad() {
          return service.canLoad;
        },
        loadSnapshot: (_serviceId, view, offset, length) =>
          service.loadSnapshot(view, offset, length),
      },
      onSession: () => undefined,
      onSuspended: () => undefined,
      onFatal: (error) => onDamage(error.message),
    });
  }

  /** With the snapshot before the one that cannot be read, when the shadow is at rest. */
  #retry(run: Run): number {
    const channel = this.#channel;
    if (channel.cancelledRun !== run.number) {
      channel.cancelledRun = run.number;
      this.#parts.runner.notify();
    }
    if (channel.endedRun !== run.number) {
      return 0;
    }
    hit(Mark.ShadowStartsEarlier);
    this.#close(run);
    this.#start(run.position, run.starts, run.startIndex + 1);
    return 1;
  }

  #close(run: Run): void {
    run.loader?.close();
    run.remote.close();
    this.#run = undefined;
  }
}

/** What a service on another thread is told of the poller: where it starts. */
function readerAt(position: Position): LogReader {
  return {
    position,
    setLive: () => undefined,
    pollMessages: () => 0,
    close: () => undefined,
  };
}

const NO_EGRESS: Omit<RelayedEgressSink, 'messageLengthMax'> = {
  offer: () => undefined,
  offerReply: () => undefined,
  offerAnswer: () => undefined,
  overflow: () => undefined,
  requestClose: () => undefined,
};

/** Which messages a shadow has pending goes into its snapshot; the service itself offers them. */
const NO_MESSAGES: RemoteMessages = {
  pendingCount: 0,
  pendingCountMax: 0,
  unproposedCount: 0,
  propose: () => 0,
  forgetProposals: () => undefined,
  onOffered: () => undefined,
  onLogged: () => undefined,
};

/** What a shadow puts out goes into its snapshot; the service itself is compared. */
function noOutputs(arena: Arena): OutputSink {
  return {
    ...{ arena, area: 0, isKnown: false },
    begin: () => undefined,
    record: () => undefined,
  };
}

/** Whether a shadow's timers fire is decided by the log alone. */
const NO_TIMERS: TimerMirror = {
  nextDeadlineMs: () => Number.POSITIVE_INFINITY,
  propose: () => 0,
  forgetProposals: () => undefined,
  schedule: () => true,
  cancel: () => false,
  advance: () => undefined,
};
