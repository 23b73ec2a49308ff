// node-state-file.ts: the vote, and what else a member must not forget.
//
// The record is synced before a RequestVote, a granted Vote or an acknowledgement in a new term
// leaves. A term never falls and a vote never changes within its term: both are asserted here as
// well as in the election, because a broken vote is two leaders (B1, B7, B8).
//
// Payload: 0 candidateTermId i64 | 8 votedForMemberId i32 | 12 voting i32 | 16 admittedTermId i64
//          24 admittedPosition i64 | 32 count i32 | 36 count times {memberId i32, incarnation u64,
//          admittedTermId i64, admittedPosition i64}

import { assert } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';
import type { Storage } from '../ports/storage.js';
import { MEMBER_NULL, POSITION_NULL, TERM_NULL } from '../position.js';
import { readInt64, writeInt64 } from '../protocol/encoding.js';
import { type Opaque64, readOpaque64, writeOpaque64 } from './birth.js';
import { DoubleSlotFile, type DoubleSlotFormat, readDoubleSlot } from './double-slot-file.js';
import type { StorageTask } from './storage-task.js';

/** Queue of the writes of node-state.dat. */
export const NODE_STATE_QUEUE = 'node-state';
export const NODE_STATE_PATH = 'node-state.dat';
/** Members whose incarnation can be remembered: as many as a slot has room for. */
export const KNOWN_INCARNATION_COUNT_MAX = 15;

const CANDIDATE_TERM_OFFSET = 0;
const VOTED_FOR_OFFSET = 8;
const VOTING_OFFSET = 12;
const ADMITTED_TERM_OFFSET = 16;
const ADMITTED_POSITION_OFFSET = 24;
const COUNT_OFFSET = 32;
const INCARNATIONS_OFFSET = 36;
const INCARNATION_ENTRY_LENGTH = 28;
const ENTRY_INCARNATION_OFFSET = 4;
const ENTRY_ADMITTED_TERM_OFFSET = 12;
const ENTRY_ADMITTED_POSITION_OFFSET = 20;
const PAYLOAD_LENGTH = INCARNATIONS_OFFSET + KNOWN_INCARNATION_COUNT_MAX * INCARNATION_ENTRY_LENGTH;

const FORMAT: DoubleSlotFormat = {
  path: NODE_STATE_PATH,
  magic: 0x4e574150, // "PAWN"
  // Version 1 did not say when an incarnation was admitted.
  version: 2,
  payloadLength: PAYLOAD_LENGTH,
};

/** Incarnation of a member: the first one heard, or the one that was admitted last. */
export interface KnownIncarnation {
  readonly memberId: number;
  readonly incarnation: Opaque64;
  /** Latest term in which it is known to have been admitted; TERM_NULL for none. */
  readonly admittedTermId: number;
  /** Position that its admission in that term named; POSITION_NULL when it is not known. */
  readonly admittedPosition: number;
}

/** What a member must not forget. */
export interface NodeState {
  /** Greatest term that this member stood or voted in, or follows. Never falls. */
  readonly candidateTermId: number;
  /**
   * Whom it voted for in that term; MEMBER_NULL for none. Changes only from none or in a new term.
   */
  readonly votedForMemberId: number;
  /** Whether its votes and positions count. */
  readonly voting: boolean;
  /** Term in which it was admitted after it had been non-voting; TERM_NULL when it never was. */
  readonly admittedTermId: number;
  /** Position that this admission named; POSITION_NULL for none. */
  readonly admittedPosition: number;
  readonly incarnations: readonly KnownIncarnation[];
}

/** How node-state.dat was found. */
export type NodeStateReading =
  | {
      readonly kind: 'found';
      readonly state: NodeState;
      readonly isDamaged: boolean;
      readonly sequence: number;
    }
  | { readonly kind: 'missing' }
  | { readonly kind: 'lost' };

/** State of a member that knows nothing yet. */
export function initialNodeState(voting: boolean): NodeState {
  return {
    candidateTermId: TERM_NULL,
    votedForMemberId: MEMBER_NULL,
    voting,
    admittedTermId: TERM_NULL,
    admittedPosition: POSITION_NULL,
    incarnations: [],
  };
}

/** node-state.dat, open. Run writes in NODE_STATE_QUEUE. */
export class NodeStateFile {
  readonly #slots: DoubleSlotFile;
  #state: NodeState;

  private constructor(slots: DoubleSlotFile, state: NodeState) {
    this.#slots = slots;
    this.#state = state;
  }

  /** Makes the file anew; the caller syncs the directory. */
  static *create(storage: Storage, state: NodeState): StorageTask<NodeStateFile> {
    const slots = yield* DoubleSlotFile.create(storage, FORMAT, encodeNodeState(state));
    return new NodeStateFile(slots, state);
  }

  /** Opens the file and writes what was found to both slots, synced. */
  static *open(storage: Storage, state: NodeState, sequence: number): StorageTask<NodeStateFile> {
    const slots = yield* DoubleSlotFile.open(storage, FORMAT, sequence);
    yield* slots.rewrite(encodeNodeState(state));
    return new NodeStateFile(slots, state);
  }

  /** The state that is durable. */
  get state(): NodeState {
    return this.#state;
  }

  /** Writes and syncs a new state. `state` changes when it is durable. */
  *write(next: NodeState): StorageTask<void> {
    const { candidateTermId, votedForMemberId } = this.#state;
    assert(next.candidateTermId >= candidateTermId, 'a candidate term never falls');
    assert(
      next.candidateTermId > candidateTermId ||
        votedForMemberId === MEMBER_NULL ||
        next.votedForMemberId === votedForMemberId,
      'a vote never changes within its term',
    );
    yield* this.#slots.write(encodeNodeState(next));
    this.#state = next;
  }

  *close(): StorageTask<void> {
    yield* this.#slots.close();
  }
}

/** Reads node-state.dat without changing it. */
export function* readNodeState(storage: Storage): StorageTask<NodeStateReading> {
  const reading = yield* readDoubleSlot(storage, FORMAT);
  if (reading.kind !== 'found') {
    return reading;
  }
  const state = decodeNodeState(reading.payload);
  const { isDamaged, sequence } = reading;
  return state === undefined ? { kind: 'lost' } : { kind: 'found', state, isDamaged, sequence };
}

function encodeNodeState(state: NodeState): DataView {
  const view = new DataView(new ArrayBuffer(PAYLOAD_LENGTH));
  const { incarnations } = state;
  if (incarnations.length > KNOWN_INCARNATION_COUNT_MAX) {
    throw new PawlError(
      ErrorCode.LimitExceeded,
      `${incarnations.length} incarnations to remember: at most ${KNOWN_INCARNATION_COUNT_MAX}; ` +
        'use the member ids of members that are gone again, or let this member join anew from an ' +
        'empty directory',
    );
  }
  writeInt64(view, CANDIDATE_TERM_OFFSET, state.candidateTermId);
  view.setInt32(VOTED_FOR_OFFSET, state.votedForMemberId, true);
  view.setInt32(VOTING_OFFSET, state.voting ? 1 : 0, true);
  writeInt64(view, ADMITTED_TERM_OFFSET, state.admittedTermId);
  writeInt64(view, ADMITTED_POSITION_OFFSET, state.admittedPosition);
  view.setInt32(COUNT_OFFSET, incarnations.length, true);
  incarnations.forEach((known, index) => {
    const offset = INCARNATIONS_OFFSET + index * INCARNATION_ENTRY_LENGTH;
    view.setInt32(offset, known.memberId, true);
    writeOpaque64(view, offset + ENTRY_INCARNATION_OFFSET, known.incarnation);
    writeInt64(view, offset + ENTRY_ADMITTED_TERM_OFFSET, known.admittedTermId);
    writeInt64(view, offset + ENTRY_ADMITTED_POSITION_OFFSET, known.admittedPosition);
  });
  return view;
}

function decodeNodeState(view: DataView): NodeState | undefined {
  const candidateTermId = readInt64(view, CANDIDATE_TERM_OFFSET);
  const admittedTermId = readInt64(view, ADMITTED_TERM_OFFSET);
  const admittedPosition = readInt64(view, ADMITTED_POSITION_OFFSET);
  const count = view.getInt32(COUNT_OFFSET, true);
  if (!isTermOrNull(candidateTermId) || !isKnownWhen({ admittedTermId, admittedPosition })) {
    return undefined;
  }
  if (count < 0 || count > KNOWN_INCARNATION_COUNT_MAX) {
    return undefined;
  }
  const incarnations: KnownIncarnation[] = [];
  for (let index = 0; index < count; index++) {
    const offset = INCARNATIONS_OFFSET + index * INCARNATION_ENTRY_LENGTH;
    incarnations.push({
      memberId: view.getInt32(offset, true),
      incarnation: readOpaque64(view, offset + ENTRY_INCARNATION_OFFSET),
      admittedTermId: readInt64(view, offset + ENTRY_ADMITTED_TERM_OFFSET),
      admittedPosition: readInt64(view, offset + ENTRY_ADMITTED_POSITION_OFFSET),
    });
  }
  if (!incarnations.every(isKnownWhen)) {
    return undefined;
  }
  return {
    candidateTermId,
    votedForMemberId: view.getInt32(VOTED_FOR_OFFSET, true),
    voting: view.getInt32(VOTING_OFFSET, true) === 1,
    admittedTermId,
    admittedPosition,
    incarnations,
  };
}

function isKnownWhen({
  admittedTermId,
  admittedPosition,
}: Pick<NodeState, 'admittedTermId' | 'admittedPosition'>): boolean {
  return (
    isTermOrNull(admittedTermId) &&
    Number.isSafeInteger(admittedPosition) &&
    admittedPosition >= POSITION_NULL
  );
}

function isTermOrNull(termId: number): boolean {
  return Number.isSafeInteger(termId) && termId >= TERM_NULL;
}
