// user-application.ts: a user's service and workload on a simulated cluster, in one run.

import { assert } from '../../assert.js';
import type { LogReader, MessageConsumer } from '../../cluster/log-poller.js';
import { OutputHistory } from '../../cluster/output-history.js';
import { POSITION_NULL, type Position } from '../../position.js';
import type { ClusteredService } from '../../service/clustered-service.js';
import { ServiceContainer } from '../../service/service-container.js';
import type { Application } from '../application.js';
import { describeError } from '../describe-error.js';
import type { GlobalGuard } from '../global-guard.js';
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
import { divergenceText, eventText } from './divergence-text.js';
import { ForbiddenCalls, UserMachine } from './forbidden-calls.js';
import type { LogMessage, SimulateOptions } from './simulate-options.js';
import { UserCommands } from './user-commands.js';
import { type EventOutputs, type WatchedEvent, WatchedService } from './watched-service.js';

/** Bytes of the log that are kept for its replay at the end of a run. */
export const REPLAY_LENGTH_MAX = 256 * 1024 * 1024;
const REPLAY_NAME = 'a fresh replay of the log';
/** Longest message in a replay: none is longer than the log that it came from. */
const REPLAY_MESSAGE_LENGTH_MAX = 16 * 1024 * 1024;
const REPLAY_EGRESS_LENGTH_DEFAULT = 8 * 1024;

/** A frame of the log. */
interface LogFragment {
  readonly bytes: Uint8Array;
  readonly flags: number;
  readonly position: Position;
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
  divergence: Divergence | undefined;
  commandCount = 0;
  readonly #parts: UserApplicationParts<S>;
  readonly #commands: UserCommands[] = [];
  readonly #clientOfSession = new Map<number, number>();
  readonly #views: InstanceView[] = [];
  readonly #fragments: LogFragment[] = [];
  readonly #processCounts: number[] = [];
  #clients: readonly SimulatedClient[] = [];
  #fragmentsLength = 0;
  #instanceCount = 0;
  #egressLengthMax = REPLAY_EGRESS_LENGTH_DEFAULT;

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

  /** Whether the whole log is kept for a replay. */
  get isReplayable(): boolean {
    return this.#fragmentsLength <= REPLAY_LENGTH_MAX;
  }

  /** The members' services, as their last processes left them. */
  get services(): readonly S[] {
    return this.#views.map((view) => view.service as S);
  }

  makeService(memberId: number): ServiceContainer {
    const processCount = (this.#processCounts[memberId] ?? 0) + 1;
    this.#processCounts[memberId] = processCount;
    const restarted = processCount > 1 ? ` (process ${processCount})` : '';
    const container = this.#contain(`member ${memberId}${restarted}`, memberId);
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
    const commands = new UserCommands(options, { random, clientId, seed: world.seed }, judge);
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
    const end = Math.max(...this.#views.map((view) => view.position));
    for (const view of this.#views.filter(({ position }) => position === end)) {
      view.checkEnd();
    }
  }

  /** Gives the whole log to a fresh instance. Returns its messages. */
  replay(): LogMessage[] {
    const messages: LogMessage[] = [];
    const container = this.#contain(REPLAY_NAME, undefined, (event) => {
      if (event.kind === 'message' && event.bytes !== undefined) {
        const { position, sessionId, timestamp } = event;
        messages.push({ position, sessionId, timestamp, bytes: event.bytes.slice() });
      }
    });
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
    container.doWork(Number.MAX_SAFE_INTEGER);
    container.close();
    outputs.close();
    arenas.give(arena);
    return messages;
  }

  /** A new instance of the service, watched. */
  #contain(
    name: string,
    memberId: number | undefined,
    onEvent?: (event: WatchedEvent) => void,
  ): ServiceContainer {
    const { guard, options, world } = this.#parts;
    const instance = this.#instanceCount++;
    const machine = new UserMachine(world, memberId, instance, this.calls);
    const setMachine = (value: UserMachine | undefined): void => {
      if (guard !== undefined) {
        guard.machine = value;
      }
    };
    return new ServiceContainer(() => {
      setMachine(machine);
      const service = options.service();
      setMachine(undefined);
      if (typeof service?.onSessionMessage !== 'function') {
        return service;
      }
      const view = this.judge.watch(name, service);
      if (memberId !== undefined) {
        this.#views[memberId] = view;
      }
      const observer = {
        onEnter: () => setMachine(machine),
        onLeave: () => setMachine(undefined),
        onBeforeEvent: (event: WatchedEvent, outputs: EventOutputs) => {
          machine.position = event.position;
          onEvent?.(event);
          view.onBeforeEvent(event, outputs);
        },
        onEvent: (event: WatchedEvent, outputs: EventOutputs) => {
          this.#countApplied(event);
          view.onEvent(event, outputs);
        },
        onBeforeLocal: () => view.onBeforeLocal(),
        onAfterLocal: (callback: string) => view.onAfterLocal(callback),
      };
      return new WatchedService(service, observer, instance);
    });
  }

  /** Called before the judge knows of the event: the first instance there counts it. */
  #countApplied(event: WatchedEvent): void {
    if (event.kind === 'message' && this.judge.recordAt(event.position) === undefined) {
      this.commandCount++;
      this.#clients[this.#clientOfSession.get(event.sessionId) ?? -1]?.onApplied();
    }
  }

  #onDivergence(divergence: Divergence): void {
    this.divergence ??= divergence;
    this.#parts.judge.report('divergence', divergenceText(divergence, this.calls));
  }

  /** Runs code of the user that is no part of the run, such as a last check. */
  report(judge: string, check: () => string | undefined): void {
    try {
      const text = check();
      if (typeof text === 'string') {
        this.#parts.judge.report(judge, text);
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
