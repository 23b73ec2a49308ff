// worker-host.ts: starts a worker thread that runs one agent, and watches it.
//
// The worker's file is given as `new URL('./name.ts', import.meta.url)`, written out like that: it
// runs as it is under a TypeScript loader, and the bundler finds it there, emits it as a file of
// its own and puts that file's URL in its place.
//
// A member whose worker failed must not go on: the failure sets a poison that every send checks,
// the event loop throws it in its next turn, and the process ends with a documented code. Should
// the main thread not get that far, the worker ends the process by a signal (see worker-loop.ts).

import { Worker } from 'node:worker_threads';
import type { Agent } from '../ports/agent.js';
import { ExitCode, exitCodeOf, PoisonedError } from './exit-codes.js';
import type { ClockOrigin } from './node-clock.js';
import type { WakeCell } from './wake-cell.js';
import { WorkerControl, type WorkerState } from './worker-control.js';

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
  /** Literally `new URL('./name.ts', import.meta.url)`; that file calls `runAgentWorker`. */
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
    const worker = new Worker(options.entry, { workerData: boot, name: options.roleName });
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

  /** Tells the worker that there is work; what it is was published in shared memory before. */
  wake(): void {
    this.#control.workerCell.signal();
  }

  /** @throws PoisonedError once the worker has failed. */
  doWork(): number {
    if (this.#control.isPoisoned) {
      const options = this.#failure === undefined ? {} : { cause: this.#failure };
      throw new PoisonedError(this.roleName, this.#control.poisonExitCode, options);
    }
    return 0;
  }

  deadlineNs(): number {
    return Infinity;
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
    const exitCode = exitCodeOf(error);
    this.#control.poison(exitCode === ExitCode.Ok ? ExitCode.Unexpected : exitCode);
  }
}
