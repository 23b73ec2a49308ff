// log-care.ts: looks after the recorded log of one member: finds damage, mends it, helps others.
//
// The scrubber and whoever reads the log find damage; the repair takes it back from other members;
// the source gives other members theirs. All three rest while the log is cut. The parts that talk
// to others are joined when consensus is there.

import { type DamagedRange, DamageList } from '../archive/damage-list.js';
import { CHUNK_LENGTH_MIN } from '../archive/log-walk.js';
import type { RecoveredDirectory } from '../archive/member-directory.js';
import { Scrubber } from '../archive/scrubber.js';
import { LogReader } from '../archive/segment-reader.js';
import type { StorageTasks } from '../archive/storage-task.js';
import type { Election } from '../consensus/election.js';
import type { MemberId } from '../consensus/election-effects.js';
import type { PawlError } from '../errors.js';
import type { Arena } from '../memory/arena.js';
import type { Position } from '../position.js';
import type { ReadGuard } from './checked-reader.js';
import type { ClusterConfig } from './cluster-config.js';
import type { ConsensusPublisher } from './consensus-publisher.js';
import { LogRepair, type RepairPiece, type RepairRequest } from './log-repair.js';
import { RepairSource } from './repair-source.js';

const NS_PER_MS = 1_000_000;

export interface LogCareParts {
  readonly arena: Arena;
  readonly config: ClusterConfig;
  readonly directory: RecoveredDirectory;
  readonly tasks: StorageTasks;
  /** What an operator should know: damage that was found, and what became of it. */
  onWarning(message: string): void;
  onFatal(error: PawlError): void;
}

/** What is joined when consensus is there. */
interface Joined {
  readonly election: Election;
  readonly repair: LogRepair;
  readonly source: RepairSource;
}

/** Counts for the monitor. */
export interface LogCareCounters {
  /** Ranges that are damaged now. */
  damagedRanges: number;
  /** Ranges that were taken from other members and are whole again. */
  repairs: number;
  repairedBytes: number;
  scrubbedBytes: number;
  scrubRounds: number;
  repairRequests: number;
  repairBlocksInvalid: number;
  repairBlocksServed: number;
  repairRequestsRefused: number;
}

export class LogCare implements ReadGuard {
  readonly damage: DamageList;
  readonly #parts: LogCareParts;
  readonly #scrubber: Scrubber;
  #joined: Joined | undefined;
  /** The start found damage: the vote rests until it is mended. */
  #isRecovering: boolean;

  constructor(parts: LogCareParts) {
    const { arena, config, directory, tasks } = parts;
    const { geometry, health, recordingLog } = directory;
    this.#parts = parts;
    this.damage = new DamageList(health.kind === 'corrupt' ? health.ranges : []);
    this.#isRecovering = !this.damage.isEmpty;
    this.#scrubber = new Scrubber({
      tasks,
      arena,
      geometry,
      recordingLog,
      damage: this.damage,
      cycleNs: config.member.scrubCycleMs * NS_PER_MS,
      startPosition: () => directory.snapshots.index.logStartPosition,
      isVerified: directory.snapshot === undefined,
      bytesPerSecond: config.member.scrubBytesPerSecond,
      onFound: (range) => this.#onFound(range),
      onFatal: parts.onFatal,
    });
  }

  /** Whether the start found damage that is not mended yet. */
  get isRecovering(): boolean {
    return this.#isRecovering;
  }

  /** Joins what talks to other members. */
  join(election: Election, publisher: ConsensusPublisher): void {
    const { arena, config, directory, onFatal, tasks } = this.#parts;
    const { geometry, recordingLog } = directory;
    const { memberId } = config.member;
    const others = config.endpoints.map((one) => one.memberId).filter((id) => id !== memberId);
    const repair = new LogRepair({
      tasks,
      arena,
      geometry,
      recordingLog,
      damage: this.damage,
      others,
      leaderMemberId: () => election.leaderMemberId(),
      send: (to, request) => publisher.repairRequest(to, request),
      onRepaired: (range, from) => this.#onRepaired(range, from),
      onUnrepairable: (range) => this.#onUnrepairable(range),
      onFatal,
    });
    const chunkLength = CHUNK_LENGTH_MIN;
    const source = new RepairSource({
      arena,
      recordingLog,
      guard: this,
      makeReader: () => new LogReader({ tasks, arena, recordingLog, geometry, chunkLength }),
      durablePosition: () => election.durablePosition(),
      pieceLengthMax: publisher.repairPieceLengthMax,
      send: (to, piece) => publisher.repairBlock(to, piece),
    });
    this.#joined = { election, repair, source };
  }

  doWork(nowNs: number): number {
    const joined = this.#joined;
    if (joined === undefined) {
      return 0;
    }
    const { election, repair, source } = joined;
    let work = this.#scrubber.doWork(nowNs, election.durablePosition());
    work += repair.doWork(nowNs);
    work += source.doWork(nowNs);
    if (this.#isRecovering && this.damage.isEmpty) {
      this.#isRecovering = false;
      election.onLogRepaired();
      work++;
    }
    return work;
  }

  deadlineNs(): number {
    const joined = this.#joined;
    return joined === undefined
      ? Number.POSITIVE_INFINITY
      : Math.min(
          this.#scrubber.deadlineNs(),
          joined.repair.deadlineNs(),
          joined.source.deadlineNs(),
        );
  }

  // --- whoever reads the log ---

  suspect(position: Position): void {
    this.#scrubber.suspect(position);
  }

  isPurged(position: Position): boolean {
    return position < this.#parts.directory.snapshots.index.logStartPosition;
  }

  isInDoubt(position: Position): boolean {
    return this.#scrubber.isInDoubt(position);
  }

  firstDamaged(position: Position): Position {
    return this.damage.firstFrom(position);
  }

  // --- other members ---

  /** Takes a request of another member. False when it is dropped. */
  onRepairRequest(from: MemberId, request: RepairRequest): boolean {
    const joined = this.#joined;
    return (
      joined?.election.peers.isIntroduced(from) === true && joined.source.onRequest(from, request)
    );
  }

  /** Takes a piece of a block. False when it is dropped. */
  onRepairBlock(from: MemberId, piece: RepairPiece, nowNs: number): boolean {
    const joined = this.#joined;
    return (
      joined?.election.peers.isIntroduced(from) === true &&
      joined.repair.onPiece(from, piece, nowNs)
    );
  }

  // --- truncation ---

  /** The log is about to be cut to a position. */
  rest(position: Position): void {
    this.#scrubber.rest(position);
    this.#joined?.repair.rest();
    this.#joined?.source.rest();
  }

  /** The log was cut to a position. */
  resume(position: Position): void {
    this.#scrubber.resume(position);
    this.#joined?.repair.resume();
  }

  close(): void {
    this.#scrubber.close();
    this.#joined?.repair.close();
    this.#joined?.source.close();
  }

  counters(): LogCareCounters {
    const repair = this.#joined?.repair.counters;
    const source = this.#joined?.source;
    return {
      damagedRanges: this.damage.ranges.length,
      repairs: repair?.repairs ?? 0,
      repairedBytes: repair?.repairedBytes ?? 0,
      scrubbedBytes: this.#scrubber.scrubbedBytes,
      scrubRounds: this.#scrubber.roundCount,
      repairRequests: repair?.repairRequests ?? 0,
      repairBlocksInvalid: repair?.repairBlocksInvalid ?? 0,
      repairBlocksServed: source?.servedBlocks ?? 0,
      repairRequestsRefused: source?.refusedCount ?? 0,
    };
  }

  #onFound(range: DamagedRange): void {
    this.#parts.onWarning(
      `the recorded log is damaged from ${range.from} to ${range.to}: it was whole when it was ` +
        'written. The range is taken from another member; if this happens again, replace the disk',
    );
  }

  #onRepaired(range: DamagedRange, from: MemberId): void {
    this.#parts.onWarning(
      `the recorded log is whole again from ${range.from} to ${range.to}: member ${from} had it`,
    );
  }

  #onUnrepairable(range: DamagedRange): void {
    this.#parts.onWarning(
      `no other member that answers has the log from ${range.from} to ${range.to}, which is ` +
        'damaged here. Start the members that are down; they are asked again and again. If all ' +
        'copies are gone, the cluster stays without this member rather than serve another log',
    );
  }
}
