// user-application.ts: a user's service and workload on a simulated cluster, in one run.

import { assert } from '../../assert.js';
import type { LogReader, MessageConsumer } from '../../cluster/log-poller.js';
import { OutputHistory } from '../../cluster/output-history.js';
import { ErrorCode, PawlError } from '../../errors.js';
import { POSITION_NULL, type Position } from '../../position.js';
import { CloseReason } from '../../protocol/codecs/enumerations.js';
import type { ClusteredService } from '../../service/clustered-service.js';
import { ServiceContainer } from '../../service/service-container.js';
import type { Application } from '../application.js';
import { describeError } from '../describe-error.js';
import { type GlobalGuard, promiseText } from '../global-guard.js';
import type { Judge } from '../invariants/judge.js';
import type { ArenaPool } from '../simulated-cluster.js';
import type { CommandSource, SimulatedClient } from '../workload.js';
import type { World } from '../world.js';
import {
  type Divergence,
  type DivergenceFocus,
  DivergenceJudge,
  type InstanceView,
} from './divergence-judge.js';
import { divergenceText, eventText, queryText } from './divergence-text.js';
import type { EventOutputs } from './event-outputs.js';
import { ForbiddenCalls, UserMachine } from './forbidden-calls.js';
import { outcomeText, QueryJudge, type QueryRecord } from './query-judge.js';
import type { LogMessage, SimulateOptions } from './simulate-options.js';
import { UserCommands } from './user-commands.js';
import type { ClientAnswer } from './user-queries.js';
import type { QueryOutcome } from './watched-query.js';
import { type ServiceObserver, type WatchedEvent, WatchedService } from './watched-service.js';

/** Bytes of the log that are kept for its replay at the end of a run. */
export const REPLAY_LENGTH_MAX = 256 * 1024 * 1024;
const REPLAY_NAME = 'a fresh replay of the log';
/** Longest message in a replay: none is longer than the log that it came from. */
const REPLAY_MESSAGE_LENGTH_MAX = 16 * 1024 * 1024;
/** Nobody hears the answers of a replay by their number. */
const REPLAY_QUERY_ID = 1;
/** Who judges reads: see docs/invariants.md. */
const READ_JUDGE = 'linearizability';
const REPLAY_EGRESS_LENGTH_DEFAULT = 8 * 1024;

/** A frame of the log. */
interface LogFragment {
  readonly bytes: Uint8Array;
  readonly flags: number;
  readonly position: Position;
}

/** Who hears of an instance beside the divergence judge. */
interface InstanceHooks {
  readonly onEvent?: (event: WatchedEvent) => void;
  /** @param position of the state that was asked. */
  readonly onQuery?: (position: Position, outcome: QueryOutcome) => void;
}

export interface UserApplicationParts<S extends ClusteredService> {
  readonly options: SimulateOptions<S>;
  readonly world: World;
  readonly judge: Judge;
  readonly arenas: ArenaPool;
  readonly guard: GlobalGuard | undefined;
  readonly focus: DivergenceFocus | undefined;
}

/** One run's service, clients and divergence judge. */
export class UserApplication<S extends ClusteredService> implements Application {
  readonly judge: DivergenceJudge;
  readonly calls = new ForbiddenCalls();
  readonly queries = new QueryJudge();
  divergence: Divergence | undefined;
  commandCount = 0;
  readonly #parts: UserApplicationParts<S>;
  readonly #commands: UserCommands[] = [];
  readonly #clientOfSession = new Map<number, number>();
  /** As the log has them. */
  readonly #openSessions = new Set<number>();
  readonly #views: InstanceView[] = [];
  readonly #watched: (WatchedService | undefined)[] = [];
  readonly #fragments: LogFragment[] = [];
  readonly #processCounts: number[] = [];
  #clients: readonly SimulatedClient[] = [];
  #fragmentsLength = 0;
  #instanceCount = 0;
  #egressLengthMax = REPLAY_EGRESS_LENGTH_DEFAULT;
  #appliedPosition: Position = 0;
  #replayView: InstanceView | undefined;

  constructor(parts: UserApplicationParts<S>) {
    this.#parts = parts;
    const { focus, options } = parts;
    const stateOf = options.stateOf ?? visibleState;
    this.judge = new DivergenceJudge({
      stateOf: (service) => stateOf(service as S),
      focus,
      describe: (event) => eventText(event, options.requests === true),
      report: (divergence) => this.#onDivergence(divergence),
    });
  }

  get answerCount(): number {
    return this.#commands.reduce((sum, commands) => sum + commands.replyCount, 0);
  }

  /** Queries whose answers have reached clients. */
  get queryCount(): number {
    return this.#clients.reduce((sum, client) => sum + client.readCount, 0);
  }

  /** Whether the workload has queries at all. */
  get hasQueries(): boolean {
    return this.#commands.some((commands) => commands.hasQueries);
  }

  /** Whether the whole log is kept for a replay. */
  get isReplayable(): boolean {
    return this.#fragmentsLength <= REPLAY_LENGTH_MAX;
  }

  /** Classes in the state that show nothing of what they may hold, unless the service hashes it. */
  get hiddenPaths(): ReadonlyMap<string, string> {
    const isHashed =
      this.#parts.options.stateOf === undefined &&
      this.services.some((service) => typeof service?.stateHash === 'function');
    return isHashed ? new Map() : this.judge.hiddenPaths;
  }

  /** The members' services, as their last processes left them. */
  get services(): readonly S[] {
    return this.#views.map((view) => view.service as S);
  }

  makeService(memberId: number): ServiceContainer {
    const processCount = (this.#processCounts[memberId] ?? 0) + 1;
    this.#processCounts[memberId] = processCount;
    const restarted = processCount > 1 ? ` (process ${processCount})` : '';
    const name = `member ${memberId}${restarted}`;
    const container = this.#contain(name, memberId, {
      onQuery: (position, outcome) => this.queries.onOutcome({ position, instance: name, outcome }),
    });
    const start = container.start.bind(container);
    container.start = (context) => {
      this.#egressLengthMax = context.egress.messageLengthMax;
      start(context);
    };
    return container;
  }

  commandsOf(clientId: number): CommandSource {
    const { judge, options, world } = this.#parts;
    const random = world.random.fork(`workload ${clientId}`);
    const context = { random, clientId, seed: world.seed };
    const commands = new UserCommands(options, context, judge, {
      time: world,
      random: world.random.fork(`queries of workload ${clientId}`),
      appliedPosition: () => this.#appliedPosition,
      onAnswer: (id, answer) => this.#onAnswer(id, answer),
      isSessionOpen: (sessionId) => this.#openSessions.has(sessionId),
      takePromise: () => this.#parts.guard?.takePromise(),
    });
    commands.onSessionOpened = (id) => this.#clientOfSession.set(id, clientId);
    this.#commands[clientId] = commands;
    return commands;
  }

  onClients(clients: readonly SimulatedClient[]): void {
    this.#clients = clients;
  }

  onFragment(
    view: DataView,
    offset: number,
    length: number,
    flags: number,
    position: Position,
  ): void {
    const last = this.#fragments.at(-1)?.position ?? -1;
    if (position <= last || !this.isReplayable) {
      return;
    }
    this.#fragmentsLength += length;
    const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, length).slice();
    this.#fragments.push({ bytes, flags, position });
  }

  /** Members that ended at the same position must be equal there, sampled or not. */
  checkEnd(): void {
    for (const watched of this.#watched) {
      watched?.onLoaded();
    }
    const end = Math.max(...this.#views.map((view) => view.position));
    for (const view of this.#views.filter(({ position }) => position === end)) {
      view.checkEnd();
    }
  }

  /** Gives the whole log to a fresh instance, and asks it what was asked. Returns its messages. */
  replay(): LogMessage[] {
    const messages: LogMessage[] = [];
    let outcome: QueryOutcome | undefined;
    const container = this.#contain(REPLAY_NAME, undefined, {
      onEvent: (event) => {
        if (event.kind === 'message' && event.bytes !== undefined) {
          const { position, sessionId, timestamp } = event;
          messages.push({ position, sessionId, timestamp, bytes: event.bytes.slice() });
        }
      },
      onQuery: (_position, told) => {
        outcome = told;
      },
    });
    const ask = ({ outcome: { query, sessionId } }: QueryRecord): QueryOutcome | undefined => {
      outcome = undefined;
      container.query(sessionId, REPLAY_QUERY_ID, new DataView(query.buffer), 0, query.length);
      return outcome;
    };
    const { arenas } = this.#parts;
    const arena = arenas.take();
    const egress = {
      messageLengthMax: this.#egressLengthMax,
      offer: () => undefined,
      offerReply: () => undefined,
      overflow: () => undefined,
      offerAnswer: () => undefined,
      requestClose: () => undefined,
    };
    const outputs = new OutputHistory(arena);
    container.start({
      arena,
      memberId: 0,
      poller: new FragmentReader(this.#fragments),
      egress,
      messageLengthMax: REPLAY_MESSAGE_LENGTH_MAX,
      fragmentLimit: this.#fragments.length + 1,
      // The log alone makes the state.
      snapshots: {
        wantedPosition: POSITION_NULL,
        wants: () => false,
        offer: (section) => section.close(),
      },
      outputs,
      snapshot: undefined,
    });
    for (const position of this.queries.positions()) {
      container.doWork(position);
      this.queries.compare(position, ask, (...found) => this.#onOtherAnswer(...found));
    }
    container.doWork(Number.MAX_SAFE_INTEGER);
    container.close();
    outputs.close();
    arenas.give(arena);
    return messages;
  }

  /** A new instance of the service, watched. */
  #contain(name: string, memberId: number | undefined, hooks: InstanceHooks): ServiceContainer {
    const { options, world } = this.#parts;
    const instance = this.#instanceCount++;
    const machine = new UserMachine(world, memberId, instance, this.calls);
    const container: ServiceContainer = new ServiceContainer(() => {
      this.#enter(machine);
      const service = options.service();
      const fault = this.#leave();
      if (fault !== undefined) {
        throw new PawlError(ErrorCode.ServiceFailed, `service() ${fault}`);
      }
      if (typeof service?.onSessionMessage !== 'function') {
        return service;
      }
      const view = this.judge.watch(name, service);
      if (memberId === undefined) {
        this.#replayView = view;
      } else {
        this.#views[memberId] = view;
      }
      const position = (): Position => container.position;
      const observer = this.#observe(view, machine, position, hooks);
      const watched = new WatchedService(service, observer, instance);
      if (memberId !== undefined) {
        this.#watched[memberId] = watched;
      }
      return watched;
    });
    return container;
  }

  #observe(
    view: InstanceView,
    machine: UserMachine,
    position: () => Position,
    hooks: InstanceHooks,
  ): ServiceObserver {
    return {
      onEnter: () => this.#enter(machine),
      onLeave: () => this.#leave(),
      onBeforeEvent: (event: WatchedEvent, outputs: EventOutputs) => {
        machine.position = event.position;
        hooks.onEvent?.(event);
        view.onBeforeEvent(event, outputs);
      },
      onEvent: (event: WatchedEvent, outputs: EventOutputs) => {
        this.#countApplied(event);
        view.onEvent(event, outputs);
      },
      onBeforeLocal: () => view.onBeforeLocal(),
      onAfterLocal: (callback: string) => view.onAfterLocal(callback),
      onBeforeQuery: () => view.onBeforeQuery(),
      onAfterQuery: (outcome) => {
        this.#refuseLater(outcome);
        hooks.onQuery?.(position(), outcome);
        view.onAfterQuery(outcome, () => queryText(outcome.sessionId, outcome.query));
      },
    };
  }

  /** Code of a service begins to run on a machine. */
  #enter(machine: UserMachine): void {
    const { guard } = this.#parts;
    if (guard !== undefined) {
      guard.takePromise();
      guard.machine = machine;
    }
  }

  /** It has ended. Returns what is wrong, if it has started something for later. */
  #leave(): string | undefined {
    const { guard } = this.#parts;
    if (guard === undefined) {
      return undefined;
    }
    guard.machine = undefined;
    const place = guard.takePromise();
    return place === undefined ? undefined : promiseText(place);
  }

  /** Called before the judge knows of the event: the first instance there counts it. */
  #countApplied(event: WatchedEvent): void {
    const { bytes, closeReason, kind, position, sessionId } = event;
    this.#appliedPosition = Math.max(this.#appliedPosition, position);
    if (this.judge.recordAt(position) !== undefined) {
      return;
    }
    const clientId = this.#clientOfSession.get(sessionId) ?? -1;
    const client = this.#clients[clientId];
    if (kind === 'message' && bytes !== undefined) {
      this.commandCount++;
      client?.onApplied(bytes);
    } else if (kind === 'session open') {
      this.#openSessions.add(sessionId);
    } else if (kind === 'session close') {
      this.#openSessions.delete(sessionId);
      const isCurrent = this.#commands[clientId]?.sessionId === sessionId;
      if (isCurrent && closeReason !== CloseReason.Timeout) {
        client?.onHungUp();
      }
    }
  }

  // --- queries ---

  /** Its client is told, but a service that waits, offers or answers twice has a fault. */
  #refuseLater({ error }: QueryOutcome): void {
    if (error instanceof PawlError && error.code === ErrorCode.ServiceFailed) {
      this.#parts.judge.report('fatal', `onQuery failed: ${describeError(error)}`);
    }
  }

  #onAnswer(clientId: number, told: ClientAnswer): void {
    const { answer, appliedPosition, logPosition, query, sessionId } = told;
    const what = `client ${clientId} asked ${queryText(sessionId, query)}`;
    if (logPosition < appliedPosition) {
      this.#parts.judge.report(
        READ_JUDGE,
        `${what}, when position ${appliedPosition} was applied, and is answered from ` +
          `position ${logPosition}`,
      );
    }
    if (!this.queries.isKnown(sessionId, query, logPosition, answer)) {
      this.#parts.judge.report(
        READ_JUDGE,
        `${what}, and has an answer for position ${logPosition} that no instance gave there`,
      );
    }
  }

  #onOtherAnswer({ instance, outcome }: QueryRecord, other: QueryOutcome, isAgain: boolean): void {
    const { query, sessionId } = outcome;
    const secondInstance = isAgain ? `${REPLAY_NAME}, asked once more,` : REPLAY_NAME;
    const difference = { first: outcomeText(outcome), second: outcomeText(other) };
    this.#replayView?.reportElsewhere({
      kind: 'answer',
      event: queryText(sessionId, query),
      sessionId,
      bytes: query,
      firstInstance: instance,
      secondInstance,
      differences: [{ path: 'the answer', ...difference }],
    });
  }

  #onDivergence(divergence: Divergence): void {
    this.divergence ??= divergence;
    this.#parts.judge.report('divergence', divergenceText(divergence, this.calls));
  }

  /** Runs code of the user that is no part of the run, such as a last check. */
  report(judge: string, check: () => string | undefined): void {
    try {
      const text: unknown = check();
      if (typeof text === 'string') {
        this.#parts.judge.report(judge, text);
      } else if (typeof (text as { then?: unknown } | undefined)?.then === 'function') {
        this.#parts.judge.report(judge, 'returned a promise: what it says later is not heard');
      }
    } catch (error) {
      this.#parts.judge.report(judge, describeError(error));
    }
  }
}

/** Reads a log from memory. */
class FragmentReader implements LogReader {
  readonly #fragments: readonly LogFragment[];
  #index = 0;
  position: Position = 0;

  constructor(fragments: readonly LogFragment[]) {
    this.#fragments = fragments;
  }

  setLive(): void {
    assert(false, 'a replay has no live log');
  }

  pollMessages(consumer: MessageConsumer, limit: Position): number {
    const before = this.#index;
    for (;;) {
      const fragment = this.#fragments[this.#index];
      if (fragment === undefined || fragment.position > limit) {
        return this.#index - before;
      }
      this.#index++;
      const { bytes, flags, position } = fragment;
      this.position = position;
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      consumer.onFragment(view, 0, bytes.length, flags, position);
    }
  }

  close(): void {
    this.#index = this.#fragments.length;
  }
}

/** Every field that can be seen, and the hash that the service gives of itself. */
function visibleState(service: ClusteredService): unknown {
  return typeof service.stateHash === 'function'
    ? { service, stateHash: service.stateHash() }
    : service;
}
