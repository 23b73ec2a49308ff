// divergence-judge.ts: whether all instances of a service are equal at equal log positions.
//
// The first instance that reaches a position says what is right there; every later one, whether
// another member, the same member after a restart or a replay of the whole log, must have sent the
// same and be in the same state. A small state is hashed after every event. A large one is hashed
// so seldom that hashing stays cheap; when one of these samples differs, the same seed is run again
// with every event between the last two samples hashed (see simulate.ts).

import { ErrorCode, PawlError } from '../../errors.js';
import type { EventOutputs } from './event-outputs.js';
import {
  differencesOf,
  hashState,
  hiddenPathsOf,
  type StateDifference,
  type StateHash,
  type StateText,
  textOfState,
} from './state-sinks.js';
import type { QueryOutcome } from './watched-query.js';
import { opaqueNameOf, type WatchedEvent } from './watched-service.js';

/** Values of the state that may be hashed for each event, on average. */
export const STATE_VALUES_PER_EVENT = 2_000;

/** What is looked at more closely when a seed runs again. */
export interface DivergenceFocus {
  /** Every event after this position and up to `toPosition` is hashed. */
  readonly fromPosition: number;
  readonly toPosition: number;
  /** Here the state is also kept in words. */
  readonly textPosition: number | undefined;
}

/** Two instances that should be equal and are not. */
export interface Divergence {
  /**
   * What differs. `local` is a callback that changes the state although it is no event,
   * `onTakeSnapshot` included, `query` a query that does so, and `answer` that of a query, which
   * the state alone did not decide.
   */
  readonly kind: 'state' | 'output' | 'local' | 'query' | 'answer';
  /** Log position after the first event that is known to have made a difference. */
  readonly position: number;
  /** The last position at which both were seen to be equal; -1 for none. */
  readonly equalPosition: number;
  /** The event in words. */
  readonly event: string;
  readonly eventKind: string;
  readonly timestamp: number;
  readonly sessionId: number;
  /** A message's bytes. */
  readonly bytes: Uint8Array | undefined;
  readonly firstInstance: string;
  readonly secondInstance: string;
  /** Where they differ; empty until the seed has run again. */
  readonly differences: readonly StateDifference[];
  /** The difference was there before the event. */
  readonly isFromBetween: boolean;
}

/** A divergence that is no event's own: what is known of it. */
export type FoundElsewhere = Pick<
  Divergence,
  'kind' | 'event' | 'sessionId' | 'bytes' | 'firstInstance' | 'secondInstance' | 'differences'
>;

/** What the first instance at a position did. */
interface EventRecord {
  readonly position: number;
  readonly instance: string;
  readonly outputDigest: string;
  readonly stateDigest: string | undefined;
  readonly stateText: StateText | undefined;
  readonly outputLines: readonly string[];
}

export interface DivergenceParts {
  /** The state of a service, as it is to be compared. */
  readonly stateOf: (service: unknown) => unknown;
  readonly focus?: DivergenceFocus | undefined;
  /** Says an event in words. */
  readonly describe: (event: WatchedEvent) => string;
  readonly report: (divergence: Divergence) => void;
}

/** Compares the instances of one run. */
export class DivergenceJudge {
  readonly #parts: DivergenceParts;
  readonly #records = new Map<number, EventRecord>();
  #eventsToSample = 0;
  /** Events at which two instances were compared, and states among them. */
  comparedCount = 0;
  comparedStateCount = 0;
  /** Events of the log, each counted once. */
  eventCount = 0;
  /** Values of the largest state that was hashed. */
  stateValueCountMax = 0;
  /** Classes of objects in a state that show nothing of what they may hold, with a path of each. */
  readonly hiddenPaths = new Map<string, string>();

  constructor(parts: DivergenceParts) {
    this.#parts = parts;
  }

  /** An instance begins; call what is returned for its events. */
  watch(name: string, service: unknown): InstanceView {
    return new InstanceView(this, this.#parts, name, service);
  }

  /** @internal What is known of a position. */
  recordAt(position: number): EventRecord | undefined {
    return this.#records.get(position);
  }

  /** @internal Whether the first instance at a position hashes its state there. */
  isSampled(position: number): boolean {
    const { focus } = this.#parts;
    if (focus !== undefined && position > focus.fromPosition && position <= focus.toPosition) {
      return true;
    }
    return this.#eventsToSample <= 1;
  }

  /** @internal The state at a position is known now. */
  complete(record: EventRecord): void {
    this.#records.set(record.position, record);
  }

  /** @internal */
  define(record: EventRecord, valueCount: number | undefined): void {
    this.eventCount++;
    this.#records.set(record.position, record);
    this.#eventsToSample--;
    if (valueCount !== undefined) {
      this.stateValueCountMax = Math.max(this.stateValueCountMax, valueCount);
      this.#eventsToSample = Math.ceil(valueCount / STATE_VALUES_PER_EVENT);
    }
  }
}

/** One instance of the service, from its start to its end. */
export class InstanceView {
  readonly name: string;
  readonly service: unknown;
  readonly #judge: DivergenceJudge;
  readonly #parts: DivergenceParts;
  #localDigest: string | undefined;
  #localText: StateText | undefined;
  #queryDigest: string | undefined;
  #queryText: StateText | undefined;
  #queriesToSample = 0;
  #isDifferentBefore = false;
  #equalPosition = -1;
  #lastEvent: WatchedEvent | undefined;
  #hasDiverged = false;

  constructor(judge: DivergenceJudge, parts: DivergenceParts, name: string, service: unknown) {
    this.#judge = judge;
    this.#parts = parts;
    this.name = name;
    this.service = service;
  }

  /** Position of the last event that it handled; -1 before the first. */
  get position(): number {
    return this.#lastEvent?.position ?? -1;
  }

  onBeforeEvent(event: WatchedEvent, outputs: EventOutputs): void {
    const isFocused = event.position === this.#parts.focus?.textPosition;
    outputs.isKept = isFocused;
    this.#isDifferentBefore = false;
    if (isFocused && this.#lastEvent !== undefined) {
      const known = this.#judge.recordAt(this.#lastEvent.position)?.stateDigest;
      this.#isDifferentBefore = known !== undefined && known !== this.#hash().digest;
    }
  }

  onEvent(event: WatchedEvent, outputs: EventOutputs): void {
    this.#lastEvent = event;
    const record = this.#judge.recordAt(event.position);
    if (event.kind === 'load') {
      // It has the state of who took the snapshot, and wrote none.
      this.#compareLoaded(event, record);
    } else if (record === undefined) {
      this.#define(event, outputs);
    } else {
      this.#compare(event, outputs, record);
    }
  }

  /** Compares the state as it is now with that of the first instance that is asked here. */
  checkEnd(): void {
    const event = this.#lastEvent;
    const record = event === undefined ? undefined : this.#judge.recordAt(event.position);
    if (event === undefined || record === undefined) {
      return;
    }
    if (record.stateDigest === undefined) {
      this.#judge.complete({ ...record, instance: this.name, stateDigest: this.#hash().digest });
    } else {
      this.#compareState(event, record);
    }
  }

  onBeforeLocal(): void {
    const isSmall = this.#judge.stateValueCountMax <= STATE_VALUES_PER_EVENT;
    this.#localText = isSmall ? this.#text() : undefined;
    this.#localDigest = isSmall ? this.#hash().digest : undefined;
  }

  onAfterLocal(callback: string): void {
    const before = this.#localText;
    const last = this.#lastEvent;
    if (before === undefined || last === undefined || this.#hash().digest === this.#localDigest) {
      return;
    }
    this.#report(last, 'local', `${this.name} before ${callback}`, {
      second: `${this.name} after ${callback}`,
      differences: differencesOf(before, this.#text()),
    });
  }

  onBeforeQuery(): void {
    const isFocused = this.position === this.#parts.focus?.textPosition;
    this.#queryText = isFocused ? this.#text() : undefined;
    const isSampled = isFocused || --this.#queriesToSample <= 0;
    const state = isSampled ? this.#hash() : undefined;
    this.#queryDigest = state?.digest;
    if (state !== undefined) {
      this.#queriesToSample = Math.ceil(state.valueCount / STATE_VALUES_PER_EVENT);
    }
  }

  /** @param describe says in words what was asked. */
  onAfterQuery({ query, sessionId }: QueryOutcome, describe: () => string): void {
    const digest = this.#queryDigest;
    if (digest === undefined || this.#hash().digest === digest) {
      return;
    }
    const before = this.#queryText;
    this.reportElsewhere({
      kind: 'query',
      event: describe(),
      sessionId,
      bytes: query,
      firstInstance: `${this.name} before the query`,
      secondInstance: `${this.name} after it`,
      differences: before === undefined ? [] : differencesOf(before, this.#text()),
    });
  }

  /** Something that differs where no event was handled; the first of an instance is told. */
  reportElsewhere(found: FoundElsewhere): void {
    if (this.#hasDiverged) {
      return;
    }
    this.#hasDiverged = true;
    const { position } = this;
    const timestamp = this.#lastEvent?.timestamp ?? 0;
    const common = { position, equalPosition: position, eventKind: 'query', timestamp };
    this.#parts.report({ ...common, isFromBetween: false, ...found });
  }

  #define(event: WatchedEvent, outputs: EventOutputs): void {
    const { position } = event;
    const isFocused = position === this.#parts.focus?.textPosition;
    // What is made from a snapshot is compared with the state that it was taken of.
    const isSampled = event.kind === 'snapshot' || this.#judge.isSampled(position);
    const state = isSampled ? this.#hash() : undefined;
    const record = {
      position,
      instance: this.name,
      outputDigest: outputs.digest(),
      stateDigest: state?.digest,
      stateText: isFocused ? this.#text() : undefined,
      outputLines: isFocused ? [...outputs.lines] : [],
    };
    this.#equalPosition = state === undefined ? this.#equalPosition : position;
    this.#judge.define(record, state?.valueCount);
  }

  #compare(event: WatchedEvent, outputs: EventOutputs, record: EventRecord): void {
    this.#judge.comparedCount++;
    if (record.stateDigest !== undefined && !this.#compareState(event, record)) {
      return;
    }
    if (outputs.digest() !== record.outputDigest) {
      this.#report(event, 'output', record.instance, {
        second: this.name,
        differences: linesDiffer(record.outputLines, outputs.lines),
      });
    }
  }

  #compareLoaded(event: WatchedEvent, record: EventRecord | undefined): void {
    if (record?.stateDigest !== undefined) {
      this.#judge.comparedCount++;
      this.#compareState(event, record);
    }
  }

  #compareState(event: WatchedEvent, record: EventRecord): boolean {
    this.#judge.comparedStateCount++;
    if (this.#hash().digest === record.stateDigest) {
      this.#equalPosition = event.position;
      return true;
    }
    const text = record.stateText;
    this.#report(event, 'state', record.instance, {
      second: this.name,
      differences: text === undefined ? [] : differencesOf(text, this.#text()),
    });
    return false;
  }

  #report(
    event: WatchedEvent,
    kind: Divergence['kind'],
    first: string,
    found: { second: string; differences: StateDifference[] },
  ): void {
    if (this.#hasDiverged) {
      return;
    }
    this.#hasDiverged = true;
    this.#parts.report({
      kind,
      position: event.position,
      equalPosition: this.#equalPosition,
      event: this.#parts.describe(event),
      eventKind: event.kind,
      timestamp: event.timestamp,
      sessionId: event.sessionId,
      bytes: event.bytes?.slice(),
      firstInstance: first,
      secondInstance: found.second,
      differences: found.differences,
      isFromBetween: this.#isDifferentBefore,
    });
  }

  #hash(): StateHash {
    const state = this.#state();
    const hash = hashState(state, opaqueNameOf);
    const { hiddenPaths } = this.#judge;
    if ([...hash.hiddenClasses].some((name) => !hiddenPaths.has(name))) {
      for (const [name, path] of hiddenPathsOf(state, opaqueNameOf)) {
        hiddenPaths.set(name, hiddenPaths.get(name) ?? path);
      }
    }
    return hash;
  }

  #text(): StateText {
    return textOfState(this.#state(), 'state', opaqueNameOf);
  }

  #state(): unknown {
    try {
      return this.#parts.stateOf(this.service);
    } catch (error) {
      throw new PawlError(
        ErrorCode.ServiceInvalid,
        `stateOf(service) threw: ${String(error)}. It is called after every event, also before ` +
          'the first message',
        'usage',
        { cause: error },
      );
    }
  }
}

function linesDiffer(first: readonly string[], second: readonly string[]): StateDifference[] {
  const length = Math.max(first.length, second.length);
  const differences: StateDifference[] = [];
  for (let index = 0; index < length; index++) {
    if (first[index] !== second[index]) {
      const path = `output ${index + 1} of this event`;
      differences.push({ path, first: first[index], second: second[index] });
    }
  }
  return differences;
}
