// own-log.ts: what consensus knows of the member's own log, and the one operation that is under
// way.
//
// A log end may only be reported when it is final: nothing records, and no operation is
// outstanding. This class keeps that straight, so that no state of the election has to.

import { assert } from '../assert.js';
import { hit, Mark } from '../marks.js';
import type { LeadershipTermId, Position } from '../position.js';
import type { ElectionEffects, LogJoin, RecoveredState } from './election-effects.js';
import type { LogEnd } from './log-end.js';
import { TermEntries, type TermEntry } from './term-entries.js';

export const LogPhase = {
  /** Nothing writes: the durable position is final. */
  Stopped: 0,
  /** Frames of a leader, or the own ones, are being recorded. */
  Recording: 1,
  Stopping: 2,
  Truncating: 3,
  AppendingEntry: 4,
  OpeningLeaderLog: 5,
  /** An opening is given up before it was answered: nothing was recorded in it. */
  GivingUpOpening: 6,
} as const;
export type LogPhase = (typeof LogPhase)[keyof typeof LogPhase];

type LogEffects = Pick<
  ElectionEffects,
  'stopLog' | 'truncateLog' | 'appendTermEntry' | 'openLeaderLog' | 'joinLog'
>;

/** The member's own log. Invariant: committed <= durable <= appended. */
export class OwnLog {
  private readonly effects: LogEffects;
  private readonly terms: TermEntries;
  private currentPhase: LogPhase = LogPhase.Stopped;
  // Invariant: once true, `durable` rises no more in this life.
  private isSealed = false;
  private durable: Position;
  private appended: Position;
  // Invariant: never falls; what is below is never truncated (B13).
  private committed: Position;
  // Damage below the durable position begins here; Infinity while the log is whole.
  private damaged: Position;
  private pendingEntry: TermEntry | undefined;
  private session = 0;
  private eventEnd: Position = 0;

  constructor(recovered: RecoveredState, effects: LogEffects) {
    assert(recovered.commitPosition <= recovered.durablePosition, 'committed <= durable');
    this.effects = effects;
    this.terms = new TermEntries(recovered.termEntries);
    this.durable = recovered.durablePosition;
    this.appended = recovered.durablePosition;
    this.committed = recovered.commitPosition;
    this.damaged = recovered.damagedPosition ?? Number.POSITIVE_INFINITY;
    assert(
      this.terms.basePositionOf(this.terms.lastTermId()) <= this.durable,
      'the last term begins within the log',
    );
  }

  phase(): LogPhase {
    return this.currentPhase;
  }

  isStopped(): boolean {
    return this.currentPhase === LogPhase.Stopped;
  }

  isRecording(): boolean {
    return this.currentPhase === LogPhase.Recording;
  }

  entries(): TermEntries {
    return this.terms;
  }

  durablePosition(): Position {
    return this.durable;
  }

  /** End of what can be read back: what may be acknowledged. */
  soundPosition(): Position {
    return Math.min(this.durable, this.damaged);
  }

  /** All that was damaged is whole again. */
  onRepaired(): void {
    this.damaged = Number.POSITIVE_INFINITY;
  }

  appendPosition(): Position {
    return this.appended;
  }

  /** Greatest position known to be committed that this log holds durably. */
  committedPosition(): Position {
    return this.committed;
  }

  /** The log end, to be reported. */
  end(): LogEnd {
    assert(this.isStopped(), 'a log end is reported only when it is final');
    return this.endSoFar();
  }

  /** The log end as it is, which a recording log may be about to exceed. */
  endSoFar(): LogEnd {
    return { termId: this.terms.lastTermId(), position: this.durable };
  }

  /** Transport session of the own log publication, once open. */
  logSessionId(): number {
    return this.session;
  }

  /** End of the event of the own term, once the log publication is open. */
  eventEndPosition(): Position {
    return this.eventEnd;
  }

  /**
   * Stops recording, or gives up to open the log: that waits for a tail that can be read, and may
   * do so for ever. A cut or an entry that is under way ends by itself. Repeating it changes
   * nothing.
   */
  stop(): void {
    if (this.currentPhase === LogPhase.Recording) {
      this.currentPhase = LogPhase.Stopping;
      this.effects.stopLog();
    } else if (this.currentPhase === LogPhase.OpeningLeaderLog) {
      hit(Mark.LeaderLogOpeningGivenUp);
      this.currentPhase = LogPhase.GivingUpOpening;
      this.effects.stopLog();
    }
  }

  /**
   * A snapshot of a position is about to take the place of this log, which ends below it: for the
   * rest of this life the end rises no more, whatever is recorded. All that a member acknowledges,
   * counts for a commit or reports of its log is this end, so nothing that it has promised is taken
   * away, wherever the recorder runs and however far it comes. Only the next life undoes it.
   *
   * @returns false, and nothing is changed, when the log has come to the position.
   */
  sealBelow(position: Position): boolean {
    this.isSealed ||= this.durable < position;
    return this.durable < position;
  }

  truncate(position: Position, lastTermId: LeadershipTermId): void {
    assert(this.isStopped(), 'a log is cut only while nothing is recorded');
    assert(
      position < this.durable || this.terms.lastTermId() > lastTermId,
      'a cut removes something',
    );
    assert(
      position >= this.committed,
      `a cut to ${position} keeps the committed ${this.committed}`,
    );
    this.currentPhase = LogPhase.Truncating;
    this.pendingEntry = { termId: lastTermId, basePosition: position };
    this.effects.truncateLog(position, lastTermId);
  }

  appendEntry(termId: LeadershipTermId, basePosition: Position): void {
    assert(this.isStopped(), 'a term begins while nothing is recorded');
    assert(basePosition === this.durable, 'a term begins at the end of the log');
    this.currentPhase = LogPhase.AppendingEntry;
    this.pendingEntry = { termId, basePosition };
    this.effects.appendTermEntry(termId, basePosition);
  }

  openLeaderLog(termId: LeadershipTermId): void {
    assert(this.isStopped(), 'a leader opens its log while nothing else is recorded');
    assert(this.terms.lastTermId() === termId, 'the entry of a term is durable before its frames');
    this.currentPhase = LogPhase.OpeningLeaderLog;
    this.effects.openLeaderLog(termId, this.durable);
  }

  join(join: LogJoin): void {
    assert(this.isStopped(), 'a log is joined while nothing else is recorded');
    assert(this.terms.lastTermId() === join.logTermId, 'only frames of the last term are taken');
    assert(join.position === this.durable, 'a log is joined at its end');
    this.currentPhase = LogPhase.Recording;
    this.effects.joinLog(join);
  }

  /** Takes the progress of the recorder; true when the durable position moved. */
  onProgress(durablePosition: Position, appendPosition: Position): boolean {
    const isRecorded =
      this.currentPhase === LogPhase.Recording || this.currentPhase === LogPhase.Stopping;
    if (!isRecorded || this.isSealed) {
      return false;
    }
    const moved = durablePosition > this.durable;
    this.durable = Math.max(this.durable, durablePosition);
    this.appended = Math.max(this.appended, appendPosition, this.durable);
    return moved;
  }

  /** Learns from a leader whose log contains the own one that it is committed up to a position. */
  onCommitted(position: Position): void {
    this.committed = Math.max(this.committed, Math.min(position, this.durable));
  }

  onStopped(durablePosition: Position): void {
    const isGivenUp = this.currentPhase === LogPhase.GivingUpOpening;
    assert(isGivenUp || this.currentPhase === LogPhase.Stopping, 'a stop was asked for');
    assert(durablePosition >= this.durable, `the durable ${this.durable} is not taken back`);
    assert(!isGivenUp || durablePosition === this.durable, 'a log that never opened grew');
    if (this.isSealed && durablePosition > this.durable) {
      // Its end is not what is told of it: it does not count as stopped in this life.
      return;
    }
    this.durable = durablePosition;
    this.appended = durablePosition;
    this.currentPhase = LogPhase.Stopped;
  }

  onTruncated(): void {
    const cut = this.takePending(LogPhase.Truncating);
    this.terms.truncate(cut.basePosition, cut.termId);
    this.durable = cut.basePosition;
    this.appended = cut.basePosition;
    // What was damaged behind the cut is gone, and what will stand there is another log.
    this.damaged = this.damaged < cut.basePosition ? this.damaged : Number.POSITIVE_INFINITY;
    this.currentPhase = LogPhase.Stopped;
  }

  onTermEntryAppended(): void {
    const entry = this.takePending(LogPhase.AppendingEntry);
    this.terms.append(entry.termId, entry.basePosition);
    this.currentPhase = LogPhase.Stopped;
  }

  onLeaderLogOpened(logSessionId: number, eventEndPosition: Position): void {
    assert(this.currentPhase === LogPhase.OpeningLeaderLog, 'opening the log was asked for');
    assert(eventEndPosition > this.durable, 'the event of the term is behind the log');
    this.session = logSessionId;
    this.eventEnd = eventEndPosition;
    this.appended = Math.max(this.appended, eventEndPosition);
    this.currentPhase = LogPhase.Recording;
  }

  private takePending(phase: LogPhase): TermEntry {
    const pending = this.pendingEntry;
    assert(this.currentPhase === phase && pending !== undefined, 'the operation was asked for');
    this.pendingEntry = undefined;
    return pending;
  }
}
