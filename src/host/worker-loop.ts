// worker-loop.ts: the worker's side of worker-host.ts.
//
// The loop never returns to the thread's event loop: it calls its agent, and sleeps on shared
// memory until a signal comes or the agent's deadline is due. So only synchronous calls work in
// here; a NodeStorage is made with `background: false`.

import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { assert } from '../assert.js';
import { PawlError } from '../errors.js';
import type { Agent } from '../ports/agent.js';
import { exitCodeOf } from './exit-codes.js';
import { NodeClock } from './node-clock.js';
import { WakeCell } from './wake-cell.js';
import { WorkerControl, WorkerState } from './worker-control.js';
import type { WorkerBoot } from './worker-host.js';

const NS_PER_MS = 1e6;
const STANDARD_ERROR = 2;
/** How long the main thread may take to end a poisoned process by itself. */
export const FATAL_GRACE_MS = 1000;

/** What a worker's agent is given besides its payload. */
export interface WorkerContext {
  readonly clock: NodeClock;
  /** Wakes the event loop of the thread that started this one. */
  readonly wakeMain: () => void;
  /** Asks for another duty cycle of this worker, from within one. */
  readonly wake: () => void;
}

/**
 * Runs an agent until it is asked to stop; then closes it and lets the thread end.
 *
 * @param create makes the agent of the payload given to AgentWorker. Whatever it or the agent
 * throws ends the process.
 */
export function runAgentWorker<Payload>(
  create: (payload: Payload, context: WorkerContext) => Agent,
): void {
  const boot = workerData as WorkerBoot;
  const mainCell = new WakeCell(boot.mainCells, boot.mainIndex);
  const control = new WorkerControl(mainCell, boot.controlMemory);
  const clock = new NodeClock(boot.clockOrigin);
  try {
    const agent = create(boot.payload as Payload, {
      clock,
      wakeMain: () => mainCell.signal(),
      wake: () => control.workerCell.signal(),
    });
    control.state = WorkerState.Running;
    mainCell.signal();
    runAgent(agent, control, clock);
    agent.close();
    control.state = WorkerState.Stopped;
    mainCell.signal();
  } catch (error) {
    endProcess(boot.roleName, error, control);
  }
}

/** Calls an agent until it is asked to stop; the thread sleeps on shared memory in between. */
export function runAgent(agent: Agent, control: WorkerControl, clock: NodeClock): void {
  const cell = control.workerCell;
  while (!control.isStopRequested) {
    const noted = cell.sequence();
    if (agent.doWork(clock.nowNs()) > 0 || control.isStopRequested) {
      continue;
    }
    const delayMs = (agent.deadlineNs() - clock.nowNs()) / NS_PER_MS;
    assert(!Number.isNaN(delayMs), 'a deadline is a time or Infinity');
    if (delayMs > 0) {
      cell.sleep(noted, delayMs);
    }
  }
}

/**
 * `process.exit` ends only this thread, and `process.abort` throws in a worker. So the poison stops
 * every send at once, the reason is reported, the main thread is given time to end the process with
 * the right exit code, and then the process ends by a signal that nothing can hold up.
 */
function endProcess(roleName: string, error: unknown, control: WorkerControl): never {
  control.poison(exitCodeOf(error));
  report(`${roleName}: ${textOf(error)}\n`);
  control.state = WorkerState.Failed;
  control.mainCell.signal();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FATAL_GRACE_MS);
  for (;;) {
    process.kill(process.pid, 'SIGKILL');
  }
}

/** What an operator can act upon is one line; a defect comes with the place where it happened. */
function textOf(error: unknown): string {
  if (error instanceof PawlError) {
    return error.message;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Writes to the file itself: a worker's `process.stderr` needs the main thread's help. */
function report(text: string): void {
  try {
    writeSync(STANDARD_ERROR, text);
  } catch (error) {
    // A closed or full standard error must not keep the process from ending; the poison stands.
    process.emitWarning(error instanceof Error ? error : String(error));
  }
}
