// snapshot-taker.ts: writes this member's snapshots while the log goes on.
//
// The applier and the services each reach the event on their own, and freeze their state there.
// When all have, the sections are encoded and written in bounded steps, one of them a duty cycle.
// The record that makes the snapshot count is written last, when everything else is durable. A
// member that is still writing when the next event comes passes that one over: it slows nobody.

import { syncLogRange } from '../archive/log-cut.js';
import type { RecoveredDirectory } from '../archive/member-directory.js';
import { SNAPSHOT_COUNT_MAX, SNAPSHOT_MANIFEST_QUEUE } from '../archive/snapshot-manifest.js';
import { SNAPSHOT_FORMAT_VERSION, type SnapshotEntry } from '../archive/snapshot-recording.js';
import { removeRecordings } from '../archive/snapshot-recovery.js';
import { SnapshotWriter, type WrittenRecording } from '../archive/snapshot-writer.js';
import type { StorageTask, StorageTasks } from '../archive/storage-task.js';
import { ErrorCode, PawlError } from '../errors.js';
import type { Arena } from '../memory/arena.js';
import type { Clock } from '../ports/clock.js';
import { POSITION_NULL, type Position } from '../position.js';
import type { ClusterSession } from './cluster-session.js';
import { ClusterSnapshot, type SnapshotEvent, termsBelow } from './cluster-snapshot.js';
import {
  SNAPSHOT_RECORD_LENGTH_MAX,
  type SnapshotSection,
  type SnapshotSink,
  type SnapshotWrite,
} from './service-host.js';

/** Bytes that are encoded in one step, about: some tenths of a millisecond. */
export const SNAPSHOT_STEP_LENGTH = 32 * 1024;
/** From one step to the next at least: what the cluster is there for goes on in between. */
export const SNAPSHOT_STEP_INTERVAL_NS = 2_000_000;
/** Encoding waits while more than this is not written yet. */
const PENDING_LENGTH_MAX = 256 * 1024;

export interface SnapshotTakerParts {
  readonly arena: Arena;
  readonly clock: Clock;
  readonly tasks: StorageTasks;
  readonly directory: RecoveredDirectory;
  /** Snapshots that are kept. */
  readonly keptCount: number;
  /** Whether another member is being given a snapshot. */
  isGivenAway(entry: SnapshotEntry): boolean;
  /** Versions of the services' states, by service id; -1 for one that takes no snapshots. */
  readonly snapshotVersions: () => readonly number[];
  /** A snapshot is complete and counts. */
  onSnapshot(entry: SnapshotEntry): void;
  onWarning(message: string): void;
  onFatal(error: PawlError): void;
}

/** A snapshot that is being written. */
interface Writing {
  readonly event: SnapshotEvent;
  readonly recordingId: number;
  readonly writer: SnapshotWriter;
  readonly sections: SnapshotSection[];
  isFinishing: boolean;
}

/** A snapshot whose event the applier has reached, and not yet all services. */
interface Awaited {
  readonly event: SnapshotEvent;
  readonly section: SnapshotSection;
  /** Of the services that have reached it, by id. */
  readonly serviceSections: Map<number, SnapshotSection>;
  /** For how long they stood still, in all. */
  pauseNs: number;
}

/** Takes snapshots, one at a time. */
export class SnapshotTaker {
  readonly #parts: SnapshotTakerParts;
  #awaited: Awaited | undefined;
  #writing: Writing | undefined;
  #nextRecordingId: number;
  #nextStepNs = 0;
  // When the service was told to freeze its state.
  #freezeNs = 0;
  /** For how long the last snapshot stopped the services, to freeze their state; nanoseconds. */
  pauseNs = 0;
  /** Longest step in which the last snapshot was encoded, nanoseconds. */
  longestStepNs = 0;
  /** Snapshots that this process wrote. */
  takenCount = 0;
  /** Events passed over because the snapshot before was still being written. */
  skippedCount = 0;
  /** Snapshots given up, such as for want of space. */
  failedCount = 0;

  constructor(parts: SnapshotTakerParts) {
    this.#parts = parts;
    const { snapshots } = parts.directory.snapshots.index;
    this.#nextRecordingId = 1 + Math.max(0, ...snapshots.map((entry) => entry.recordingId));
  }

  /** Number of the next recording of this member. */
  allocateRecordingId(): number {
    return this.#nextRecordingId++;
  }

  /** Whether one is being written, or waits for a service. */
  get isBusy(): boolean {
    return this.#writing !== undefined || this.#awaited !== undefined;
  }

  /** Position of the newest snapshot that counts; 0 without one. */
  newestPosition(): Position {
    return this.#newest()?.logPosition ?? 0;
  }

  /** Bytes of that snapshot; 0 without one. */
  newestLength(): number {
    return this.#newest()?.length ?? 0;
  }

  #newest(): SnapshotEntry | undefined {
    return this.#parts.directory.snapshots.index.snapshots.at(-1);
  }

  /** The applier has reached a snapshot event. */
  onEvent(event: SnapshotEvent, sessions: Iterable<ClusterSession>, isSuspended: boolean): void {
    const { directory } = this.#parts;
    const appVersions = this.#parts.snapshotVersions();
    const canTake = appVersions.every((version) => version >= 0);
    if (event.logPosition <= this.newestPosition() || !canTake) {
      return;
    }
    if (this.isBusy) {
      this.skippedCount++;
      return;
    }
    const terms = termsBelow(directory.recordingLog.entries(), event.logPosition);
    const opened = [...sessions];
    const section = new ClusterSnapshot(event, appVersions, terms, opened, isSuspended);
    this.#awaited = { event, section, serviceSections: new Map(), pauseNs: 0 };
    this.longestStepNs = 0;
  }

  /** Where the event is that a service has not brought its section of; POSITION_NULL for none. */
  wantedPosition(serviceId: number): Position {
    const awaited = this.#awaited;
    return awaited === undefined || awaited.serviceSections.has(serviceId)
      ? POSITION_NULL
      : awaited.event.logPosition;
  }

  /** Where a service brings its section. It freezes its state between question and offer. */
  sinkOf(serviceId: number): SnapshotSink {
    const taker = this;
    return {
      get wantedPosition() {
        return taker.wantedPosition(serviceId);
      },
      wants: (logPosition) => {
        this.#freezeNs = this.#parts.clock.nowNs();
        return this.wantedPosition(serviceId) === logPosition;
      },
      offer: (section, pauseNs) =>
        this.#onSection(serviceId, section, pauseNs ?? this.#parts.clock.nowNs() - this.#freezeNs),
    };
  }

  #onSection(serviceId: number, section: SnapshotSection, pauseNs: number): void {
    const awaited = this.#awaited;
    if (awaited === undefined || awaited.serviceSections.has(serviceId)) {
      section.close();
      return;
    }
    awaited.pauseNs += pauseNs;
    awaited.serviceSections.set(serviceId, section);
    if (awaited.serviceSections.size === this.#parts.snapshotVersions().length) {
      this.#awaited = undefined;
      this.pauseNs = awaited.pauseNs;
      this.#begin(awaited);
    }
  }

  /** All have reached the event. */
  #begin({ event, section, serviceSections }: Awaited): void {
    const { arena, directory, tasks } = this.#parts;
    const recordingId = this.allocateRecordingId();
    const writer = new SnapshotWriter({
      arena,
      tasks,
      geometry: directory.geometry,
      recordingId,
      leadershipTermId: event.leadershipTermId,
    });
    const byId = [...serviceSections].sort(([one], [other]) => one - other);
    const sections = [section, ...byId.map(([, serviceSection]) => serviceSection)];
    this.#writing = { event, recordingId, writer, sections, isFinishing: false };
  }

  /** Nobody brings the service's part of the snapshot that is awaited. */
  giveUpAwaited(reason: string): void {
    const awaited = this.#awaited;
    if (awaited !== undefined) {
      this.#awaited = undefined;
      awaited.section.close();
      for (const section of awaited.serviceSections.values()) {
        section.close();
      }
      this.failedCount++;
      const { logPosition } = awaited.event;
      this.#parts.onWarning(`the snapshot at position ${logPosition} was given up: ${reason}`);
    }
  }

  /** Encodes the next piece when it is due, and the disk has taken those before. */
  doWork(nowNs: number): number {
    const writing = this.#writing;
    if (writing === undefined) {
      return 0;
    }
    const { sections, writer } = writing;
    if (writer.failure !== undefined) {
      this.#giveUp(writing, writer.failure);
      return 1;
    }
    const section = sections[0];
    if (section === undefined) {
      return this.#finish(writing);
    }
    if (nowNs < this.#nextStepNs || writer.pendingLength > PENDING_LENGTH_MAX) {
      return 0;
    }
    this.#nextStepNs = nowNs + SNAPSHOT_STEP_INTERVAL_NS;
    const append: SnapshotWrite = (head, headLength, body, offset, length) =>
      writer.append(head, headLength, body, offset, length);
    const { clock } = this.#parts;
    const beganNs = clock.nowNs();
    const isWritten = section.write(append, SNAPSHOT_STEP_LENGTH);
    const oversizeLength = section.oversizeLength ?? 0;
    if (oversizeLength > 0) {
      this.#giveUp(writing, oversizeError(oversizeLength));
      return 1;
    }
    if (isWritten) {
      section.close();
      sections.shift();
    }
    this.longestStepNs = Math.max(this.longestStepNs, clock.nowNs() - beganNs);
    return 1;
  }

  /** When the next piece is due; what waits for the disk is due when that has ended. */
  deadlineNs(): number {
    const writing = this.#writing;
    const isWaiting =
      writing === undefined ||
      writing.isFinishing ||
      writing.writer.pendingLength > PENDING_LENGTH_MAX;
    return isWaiting ? Number.POSITIVE_INFINITY : this.#nextStepNs;
  }

  close(): void {
    for (const section of this.#writing?.sections ?? []) {
      section.close();
    }
    this.#writing?.writer.abort();
    this.#writing = undefined;
    for (const section of this.#awaited?.serviceSections.values() ?? []) {
      section.close();
    }
    this.#awaited = undefined;
  }

  #finish(writing: Writing): number {
    if (writing.isFinishing) {
      return 0;
    }
    writing.isFinishing = true;
    writing.writer.finish((written) => {
      if (this.#writing === writing) {
        this.#record(writing, written);
      }
    });
    return 1;
  }

  /** All bytes are durable: the record makes the snapshot count. */
  #record(writing: Writing, written: WrittenRecording): void {
    const { directory, tasks } = this.#parts;
    const { event, recordingId } = writing;
    const term = directory.recordingLog.termAt(event.eventPosition);
    const entry: SnapshotEntry = {
      recordingId,
      logPosition: event.logPosition,
      leadershipTermId: event.leadershipTermId,
      termBaseLogPosition: term?.termBaseLogPosition ?? 0,
      timestampMs: event.timestampMs,
      length: written.length,
      hash: written.hash,
      formatVersion: SNAPSHOT_FORMAT_VERSION,
      appVersion: this.#parts.snapshotVersions()[0] ?? 0,
    };
    tasks.run(
      this.#makeValid(entry),
      (isValid) => {
        this.#writing = undefined;
        if (isValid) {
          this.takenCount++;
          this.#parts.onSnapshot(entry);
        }
      },
      (error) => this.#giveUp(writing, error),
      SNAPSHOT_MANIFEST_QUEUE,
    );
  }

  /** False when it is of no use any more. */
  *#makeValid(entry: SnapshotEntry): StorageTask<boolean> {
    const { directory, isGivenAway, keptCount, tasks } = this.#parts;
    const { snapshots: manifest, geometry } = directory;
    const { storage } = tasks;
    const { index } = manifest;
    if (entry.logPosition <= this.newestPosition()) {
      // A newer one was installed meanwhile.
      yield* removeRecordings(storage, (id) => id === entry.recordingId);
      return false;
    }
    const { logStartPosition } = index;
    const from = Math.max(logStartPosition, index.snapshots.at(-1)?.logPosition ?? 0);
    // A snapshot must never be newer than what a power cut leaves of the log.
    yield* syncLogRange(storage, from, entry.logPosition, geometry);
    // One that another member is being given stays, as long as the record has room.
    const former = index.snapshots.slice(1 - SNAPSHOT_COUNT_MAX);
    const spare = former.length + 1 - keptCount;
    const kept = former.filter((one, age) => age >= spare || isGivenAway(one));
    const snapshots = [...kept, entry];
    yield* manifest.write({ ...manifest.index, snapshots });
    const ids = new Set(snapshots.map((one) => one.recordingId));
    const gone = index.snapshots.filter((one) => !ids.has(one.recordingId));
    if (gone.length > 0) {
      const goneIds = new Set(gone.map((one) => one.recordingId));
      yield* removeRecordings(storage, (id) => goneIds.has(id));
    }
    return true;
  }

  #giveUp(writing: Writing, error: PawlError): void {
    const { directory, onFatal, onWarning, tasks } = this.#parts;
    for (const section of writing.sections) {
      section.close();
    }
    writing.writer.abort();
    this.#writing = undefined;
    this.failedCount++;
    if (error.category === 'fatal') {
      onFatal(error);
      return;
    }
    const { event, recordingId } = writing;
    if (directory.snapshots.names(recordingId)) {
      // A start would take it. The next one writes both slots again.
      onWarning(
        `the snapshot at position ${event.logPosition} is named by one slot of its record alone: ` +
          error.message,
      );
      return;
    }
    onWarning(`the snapshot at position ${event.logPosition} was given up: ${error.message}`);
    tasks.run(
      removeRecordings(tasks.storage, (id) => id === recordingId),
      () => undefined,
      (failure) => onWarning(`what is left of it could not be removed: ${failure.message}`),
      SNAPSHOT_MANIFEST_QUEUE,
    );
  }
}

/** Every member would meet it at this event, and again at each start: none ends for it. */
function oversizeError(length: number): PawlError {
  return new PawlError(
    ErrorCode.LimitExceeded,
    `the service offered a record of ${length} bytes, and a snapshot takes at most ` +
      `${SNAPSHOT_RECORD_LENGTH_MAX}: have it offer parts as records of their own`,
  );
}
