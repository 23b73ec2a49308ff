// node-process.ts: runs one member as this process, until a signal, an error or its parent ends it.

import { concludeClusterConfig } from '../cluster/cluster-config.js';
import { ErrorCode, PawlError } from '../errors.js';
import { type ControlHandlers, ControlServer } from '../host/control-server.js';
import { exitCodeOfSignal } from '../host/exit-codes.js';
import {
  type MemberEvent,
  type NodeMemberStatus,
  type RunningMember,
  runMember,
} from '../host/node-member.js';
import { formatHostPort } from '../protocol/host-port.js';
import { serveParent } from './child-process.js';
import { withDirectory } from './directory-error.js';
import type { NodeSettings } from './node-settings.js';
import { printJson, printLine } from './output.js';
import { loadAuthenticator, loadService } from './service-loader.js';

const SIGNAL_NUMBERS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;
type LeaveSignal = keyof typeof SIGNAL_NUMBERS;

/** What a process with a member answers to a request of type `status`. */
export interface NodeProcessStatus {
  readonly status: NodeMemberStatus;
  readonly process: {
    readonly pid: number;
    /** CPU seconds since the process started, all threads. */
    readonly cpuSeconds: number;
    readonly residentBytes: number;
  };
}

/** What the member answers to a transfer of leadership that came off. */
export interface TransferReport {
  readonly leaderMemberId: number;
  readonly leadershipTermId: number;
  readonly tookMs: number;
}

/** The first event: what runs, and where it listens. */
interface StartedEvent {
  readonly event: 'started';
  readonly memberId: number;
  readonly clusterId: number;
  readonly members: number;
  readonly pid: number;
  readonly ingress: string;
  readonly consensus: string;
  readonly log: string;
  readonly directory: string;
  readonly durability: string;
  readonly threads: string;
  readonly mtu: number;
  readonly idle: string;
  readonly service: string;
}

interface StoppedEvent {
  readonly event: 'stopped';
  readonly reason: string;
}

type NodeEvent = StartedEvent | MemberEvent | StoppedEvent;

function startedEvent(settings: NodeSettings, service: string): StartedEvent {
  const config = concludeClusterConfig(settings.cluster, settings.member);
  const own = config.endpoints.find((one) => one.memberId === config.member.memberId);
  const text = (name: 'ingress' | 'consensus' | 'log') =>
    own === undefined ? '' : formatHostPort(own[name]);
  return {
    event: 'started',
    memberId: config.member.memberId,
    clusterId: config.clusterId,
    members: config.endpoints.length,
    pid: process.pid,
    ingress: text('ingress'),
    consensus: text('consensus'),
    log: text('log'),
    directory: settings.directory,
    durability: config.durability,
    threads: config.member.threads,
    mtu: config.member.mtuLength,
    idle: settings.idle,
    service,
  };
}

function eventText(event: NodeEvent): string {
  switch (event.event) {
    case 'started':
      return (
        `member ${event.memberId} of cluster ${event.clusterId}, one of ${event.members}, ` +
        `process ${event.pid}\n` +
        `  listens for clients on ${event.ingress}, members on ${event.consensus}, ` +
        `log on ${event.log}\n` +
        `  directory ${event.directory}, durability ${event.durability}, MTU ${event.mtu}, ` +
        `idle ${event.idle}, threads ${event.threads}\n` +
        `  service ${event.service}`
      );
    case 'recovered':
      return `recovered: the log is ${event.health} up to position ${event.appendPosition}`;
    case 'state':
      return `state ${event.state}: ${event.reason}`;
    case 'role':
      return `role ${event.role} in term ${event.leadershipTermId}`;
    case 'snapshot':
      return `snapshot of position ${event.logPosition}, ${event.length} bytes`;
    case 'terminated':
      return `the cluster is shut down: all members end at position ${event.logPosition}`;
    case 'warning':
      return `warning: ${event.message}`;
    case 'stopped':
      return `stopped: ${event.reason}`;
  }
}

/** Prints events: lines for people, JSON lines for programs. */
function printerOf(isJson: boolean): (event: NodeEvent) => void {
  return (event) => {
    if (isJson) {
      printJson({ timeMs: Date.now(), ...event });
    } else {
      printLine(`${new Date().toISOString().slice(11, 23)} ${eventText(event)}`);
    }
  };
}

function statusOf(status: NodeMemberStatus): NodeProcessStatus {
  const { user, system } = process.cpuUsage();
  return {
    status,
    process: {
      pid: process.pid,
      cpuSeconds: (user + system) / 1e6,
      residentBytes: process.memoryUsage.rss(),
    },
  };
}

/** Takes orders once the directory is this process's own, until `close`. */
class ControlDesk {
  readonly #directory: string;
  readonly #handlers: ControlHandlers;
  readonly #onError: (error: unknown) => void;
  #server: ControlServer | undefined;
  #isOpened = false;
  #isClosed = false;

  constructor(directory: string, handlers: ControlHandlers, onError: (error: unknown) => void) {
    this.#directory = directory;
    this.#handlers = handlers;
    this.#onError = onError;
  }

  open(): void {
    if (this.#isOpened) {
      return;
    }
    this.#isOpened = true;
    ControlServer.start(this.#directory, this.#handlers).then((server) => {
      this.#server = server;
      if (this.#isClosed) {
        server.close();
      }
    }, this.#onError);
  }

  /** Orders that are being carried out are answered before. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#server?.drain(ANSWER_TIMEOUT_MS);
    this.#server?.close();
  }
}

/** How long a member that ends waits for its last answers to leave. */
const ANSWER_TIMEOUT_MS = 500;

/** Hands over, and tells who leads in which term, and how long it took. */
async function transfer(member: RunningMember, value: unknown): Promise<TransferReport> {
  const targetMemberId = Number(value);
  const beganMs = performance.now();
  const leadershipTermId = await member.transferLeadership(targetMemberId);
  return { leaderMemberId: targetMemberId, leadershipTermId, tookMs: performance.now() - beganMs };
}

/** What the member answers to an order that has a position of the log. */
export interface PositionReport {
  readonly memberId: number;
  readonly logPosition: number;
  readonly tookMs: number;
}

/** What the member answers to a shutdown. */
export interface ShutdownReport extends PositionReport {
  /** Other members that end at the position. */
  readonly acknowledged: readonly number[];
}

/** Carries an order out, and tells how long that took. */
async function timed<T extends object>(
  member: RunningMember,
  order: () => Promise<T>,
): Promise<T & { readonly memberId: number; readonly tookMs: number }> {
  const beganMs = performance.now();
  const result = await order();
  const { memberId } = member.status();
  return { memberId, ...result, tookMs: performance.now() - beganMs };
}

/** The orders that a member takes from an operator. */
function handlersOf(member: () => RunningMember): ControlHandlers {
  const at = async (order: Promise<number>) => ({ logPosition: await order });
  const timeout = (value: unknown): number | undefined =>
    typeof value === 'number' && value > 0 ? value : undefined;
  return {
    status: () => statusOf(member().status()),
    transfer: (value) => transfer(member(), value),
    snapshot: (value) => timed(member(), () => at(member().takeSnapshot(timeout(value)))),
    suspend: () => timed(member(), () => at(member().suspend())),
    resume: () => timed(member(), () => at(member().resume())),
    shutdown: (value) => timed(member(), () => member().shutdown(timeout(value))),
  };
}

/** Leaves at the first signal; a second one does not wait any longer. */
function onSignals(leave: (signal: string) => void): void {
  let isLeaving = false;
  for (const signal of Object.keys(SIGNAL_NUMBERS) as LeaveSignal[]) {
    process.on(signal, () => {
      if (isLeaving) {
        process.exit(exitCodeOfSignal(SIGNAL_NUMBERS[signal]));
      }
      isLeaving = true;
      leave(signal);
    });
  }
}

/**
 * Runs a member until it ends.
 *
 * @throws PawlError when it could not start, or with what ended it.
 */
export async function runNode(settings: NodeSettings, isJson: boolean): Promise<void> {
  const print = printerOf(isJson);
  const services = await Promise.all(settings.services.map(loadService));
  const descriptions = services.map((service) => service.description);
  const security =
    settings.authenticator === undefined ? {} : await loadAuthenticator(settings.authenticator);
  const started = startedEvent(settings, descriptions.join(', '));
  let stopReason = '';
  const desk = new ControlDesk(
    settings.directory,
    handlersOf(() => member),
    // A member that takes no orders still serves its clients.
    (error) => print({ event: 'warning', message: String(error) }),
  );
  const member: RunningMember = runMember({
    cluster: settings.cluster,
    member: settings.member,
    directory: settings.directory,
    serviceFactory: services.map((service) => service.factory),
    ...(services[0] === undefined ? {} : { serviceModule: services[0].module }),
    ...security,
    idle: settings.idle,
    onEvent: (event) => {
      if (event.event === 'recovered') {
        desk.open();
      }
      if (event.event === 'terminated') {
        stopReason = `shut down at position ${event.logPosition}`;
      }
      print(event);
    },
  });
  print(started);
  const leave = (reason: string): void => {
    stopReason = reason;
    void member.stop();
  };
  onSignals(leave);
  serveParent(
    {
      status: async () => statusOf(await member.freshStatus()),
      snapshot: () => {
        member.requestSnapshot();
        return {};
      },
    },
    () => leave('the parent has ended'),
  );
  const error = await member.closed;
  await desk.close();
  if (error !== undefined) {
    throw withDirectory(error, settings.directory);
  }
  if (stopReason === '') {
    throw new PawlError(ErrorCode.Closed, 'the member ended without a reason', 'fatal');
  }
  // The recorder's thread may still be ending: a second call waits for nothing but that.
  await member.stop();
  print({ event: 'stopped', reason: stopReason });
}
