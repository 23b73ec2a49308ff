// worker-host.ts: starts a worker thread that runs one agent, and watches it.
//
// The worker's file is given as `new URL(literal, import.meta.url)`, written out like that: it
// runs as it is from the sources, and the bundler finds it there, emits it as a file of its own and
// puts that file's URL in its place.
//
// A member whose worker failed must not go on: the failure sets a poison that every send checks,
// the event loop throws it in its next turn, and the process ends with a documented code. Should
// the main thread not get that far, the worker ends the process by a signal (see worker-loop.ts).

import type { Agent } from '../ports/agent.js';
import { exitCodeOf, PoisonedError } from './exit-codes.js';
import type { ClockOrigin } from './node-clock.js';
import type { WakeCell } from './wake-cell.js';
import { WorkerControl, WorkerState } from './worker-control.js';
import { startThread } from './worker-thread.js';

/** How long a worker may take to report why it failed, before the process ends without that. */
export const REPORT_GRACE_NS = 200e6;

/** What a worker is started with. Everything in it can be cloned to another thread. */
export interface WorkerBoot {
  readonly roleName: string;
  readonly clockOrigin: ClockOrigin;
  readonly controlMemory: SharedArrayBuffer;
  readonly mainCells: Int32Array;
  readonly mainIndex: number;
  readonly payload: unknown;
}

export interface AgentWorkerOptions {
  readonly roleName: string;
  /** Literally `new URL(literal, import.meta.url)`; that file calls `runAgentWorker`. */
  readonly entry: URL;
  /** Handed to the worker's factory: plain data, shared memory, WebAssembly modules. */
  readonly payload: unknown;
  readonly clockOrigin: ClockOrigin;
  /** The cell of the event loop that this object is added to. */
  readonly wakeCell: WakeCell;
}

/** A worker thread, as an agent of the loop that started it. */
export class AgentWorker implements Agent {
  readonly roleName: string;
  readonly #control: WorkerControl;
  readonly #stopped: Promise<void>;
  #failure: unknown;
  /** When a poisoned process ends even if the worker has not finished its report. */
  #endNs = Infinity;

  constructor(options: AgentWorkerOptions) {
    this.roleName = options.roleName;
    this.#control = new WorkerControl(options.wakeCell);
    const boot: WorkerBoot = {
      roleName: options.roleName,
      clockOrigin: options.clockOrigin,
      controlMemory: this.#control.memory,
      mainCells: options.wakeCell.cells,
      mainIndex: options.wakeCell.index,
      payload: options.payload,
    };
    const worker = startThread(options.entry, { workerData: boot, name: options.roleName });
    worker.on('error', (error) => this.#failed(error));
    this.#stopped = new Promise((resolve) => {
      worker.once('exit', () => {
        if (!this.#control.isStopRequested) {
          this.#failed(new Error('its thread ended by itself'));
        }
        resolve();
      });
    });
  }

  get state(): WorkerState {
    return this.#control.state;
  }

  /** Asked before every send: true once the worker has failed. */
  readonly isPoisoned = (): boolean => this.#control.isPoisoned;

  /** Whether the worker has failed, and has said why on the standard error. */
  get hasReported(): boolean {
    return this.#control.state === WorkerState.Failed || this.#failure !== undefined;
  }

  /** Tells the worker that there is work; what it is was published in shared memory before. */
  wake(): void {
    this.#control.workerCell.signal();
  }

  /** @throws PoisonedError once the worker has failed and has reported why. */
  doWork(nowNs: number): number {
    if (!this.#control.isPoisoned) {
      return 0;
    }
    this.#endNs = Math.min(this.#endNs, nowNs + REPORT_GRACE_NS);
    if (this.hasReported || nowNs >= this.#endNs) {
      const options = this.#failure === undefined ? {} : { cause: this.#failure };
      throw new PoisonedError(this.roleName, this.#control.poisonExitCode, options);
    }
    return 0;
  }

  deadlineNs(): number {
    return this.#endNs;
  }

  /** Asks the worker to finish; see `stopped`. */
  close(): void {
    this.#control.requestStop();
  }

  /** Resolves when the thread has ended. */
  stopped(): Promise<void> {
    return this.#stopped;
  }

  #failed(error: unknown): void {
    this.#failure ??= error;
    this.#control.poison(exitCodeOf(error));
    this.#control.mainCell.signal();
  }
}
