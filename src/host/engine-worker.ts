// engine-worker.ts: the thread of a member whose service has the user's own.
//
// It has an event loop like any other: sockets, files, and the recorder's thread beside it. Nothing
// that it does waits for the service. When it ends because of an error, it has closed everything,
// so nothing more is sent; if the user's thread does not hear of that within a grace, because a
// callback holds it, the process ends by a signal.

import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../assert.js';
import type {
  Authenticator,
  AuthenticatorFactory,
  AuthorisationService,
} from '../cluster/authenticator.js';
import { concludeClusterConfig } from '../cluster/cluster-config.js';
import { MessageMirror } from '../cluster/message-mirror.js';
import { RemoteService } from '../cluster/remote-service.js';
import { Arena } from '../memory/arena.js';
import { ServiceTimers } from '../service/service-timers.js';
import {
  type EngineBoot,
  type EngineOrder,
  type EngineReport,
  isInstalled,
  toErrorText,
} from './engine-messages.js';
import { MemberEngine } from './member-engine.js';
import { NodeClock } from './node-clock.js';
import { WakeCell } from './wake-cell.js';
import { FATAL_GRACE_MS } from './worker-loop.js';

/** How old a status is at most that nobody has asked for, while the member does anything. */
const STATUS_INTERVAL_MS = 100;
const STANDARD_ERROR = 2;

const port = parentPort;
assert(port !== null, 'an engine runs on a thread of its own');
const boot = workerData as EngineBoot;
const arena = Arena.adopt(boot.memory, boot.heapStart);
const serviceCell = new WakeCell(boot.serviceCells, 0);
let endTimer: NodeJS.Timeout | undefined;
let reportedTurnCount = -1;

/** What decides about clients. */
interface Security {
  readonly authenticator: Authenticator | undefined;
  readonly authorisation: AuthorisationService | undefined;
}

/** What a module of a user may export to decide about clients. */
interface SecurityModule {
  readonly createAuthenticator?: AuthenticatorFactory;
  readonly createAuthorisationService?: () => AuthorisationService;
}

const security = await loadSecurity(boot.authenticatorModule);
const config = concludeClusterConfig(boot.cluster, boot.member);
const engine = new MemberEngine({
  cluster: boot.cluster,
  member: boot.member,
  directory: boot.directory,
  idle: boot.idle,
  arena,
  clock: new NodeClock(boot.clockOrigin),
  wakeCell: new WakeCell(boot.engineCells, 0),
  services: boot.services.map(
    ({ pendingMessageCountMax, place, snapshotVersion }, serviceId) =>
      new RemoteService({
        ...{ config, arena, place, serviceId, snapshotVersion },
        timers: new ServiceTimers(),
        messages: new MessageMirror(pendingMessageCountMax),
        wake: () => serviceCell.signal(),
      }),
  ),
  ...security,
  serviceModule: boot.serviceModule,
  onEvent: (event) => {
    reportStatus();
    report({ type: 'event', event });
  },
  onEnd,
});
const statusTimer = setInterval(() => {
  if (engine.turnCount !== reportedTurnCount) {
    reportStatus();
  }
}, STATUS_INTERVAL_MS);
port.on('message', onOrder);

async function loadSecurity(url: string | undefined): Promise<Security> {
  if (url === undefined) {
    return { authenticator: undefined, authorisation: undefined };
  }
  const module = (await import(url)) as SecurityModule;
  return {
    authenticator: module.createAuthenticator?.(),
    authorisation: module.createAuthorisationService?.(),
  };
}

function report(message: EngineReport): void {
  port?.postMessage(message);
}

function reportStatus(): void {
  reportedTurnCount = engine.turnCount;
  report({ type: 'status', status: engine.status() });
}

function onOrder(order: EngineOrder): void {
  switch (order.type) {
    case 'status':
      report({ type: 'answer', id: order.id, value: engine.status() });
      break;
    case 'transfer':
      answer(order.id, engine.transferLeadership(order.targetMemberId));
      break;
    case 'takeSnapshot':
      answer(order.id, engine.takeSnapshot(order.timeoutMs));
      break;
    case 'suspend':
      answer(order.id, engine.suspend());
      break;
    case 'resume':
      answer(order.id, engine.resume());
      break;
    case 'shutdown':
      answer(order.id, engine.shutdown(order.timeoutMs));
      break;
    case 'snapshot':
      engine.requestSnapshot();
      break;
    case 'stop':
      void engine.stop();
      break;
    case 'close':
      engine.close(undefined);
      break;
    case 'heard':
      clearTimeout(endTimer);
      port?.close();
      break;
  }
}

function answer(id: number, result: Promise<unknown>): void {
  result.then(
    (value) => report({ type: 'answer', id, value }),
    (error) => report({ type: 'refusal', id, error: toErrorText(error) }),
  );
}

function onEnd(error: unknown): void {
  clearInterval(statusTimer);
  const text = error === undefined ? undefined : toErrorText(error);
  report({ type: 'ended', error: text });
  if (text !== undefined && !isInstalled(error)) {
    endTimer = setTimeout(() => endProcess(text.message), FATAL_GRACE_MS);
  }
}

/** The user's thread does not hear: a process whose member has failed does not stay. */
function endProcess(message: string): void {
  try {
    writeSync(STANDARD_ERROR, `engine: ${message}\n`);
  } catch (error) {
    process.emitWarning(error instanceof Error ? error : String(error));
  }
  process.kill(process.pid, 'SIGKILL');
}
