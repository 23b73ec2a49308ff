// worker-control.ts: what the main thread and a worker thread tell each other in shared memory.

import { ExitCode } from './exit-codes.js';
import { WAKE_CELL_COUNT, WakeCell } from './wake-cell.js';

/** Where things lie, in 32-bit integers; what different threads write is in different lines. */
const WORKER_CELL_INDEX = 0;
const LINE_COUNT = 16;
const STOP_INDEX = WORKER_CELL_INDEX + WAKE_CELL_COUNT;
const STATE_INDEX = STOP_INDEX + LINE_COUNT;
const POISON_INDEX = STATE_INDEX + LINE_COUNT;
const CONTROL_COUNT = POISON_INDEX + LINE_COUNT;

export const WorkerState = {
  Starting: 0,
  Running: 1,
  Stopped: 2,
  Failed: 3,
} as const;
export type WorkerState = (typeof WorkerState)[keyof typeof WorkerState];

/** Both sides' view of one worker. */
export class WorkerControl {
  readonly memory: SharedArrayBuffer;
  /** The worker sleeps on it. */
  readonly workerCell: WakeCell;
  /** The event loop of the thread that started the worker sleeps on it. */
  readonly mainCell: WakeCell;
  readonly #cells: Int32Array;

  /**
   * @param mainCell the cell of the event loop to wake.
   * @param memory that of the other side; new memory by default.
   */
  constructor(
    mainCell: WakeCell,
    memory: SharedArrayBuffer = new SharedArrayBuffer(CONTROL_COUNT * 4),
  ) {
    this.mainCell = mainCell;
    this.memory = memory;
    this.#cells = new Int32Array(memory);
    this.workerCell = new WakeCell(this.#cells, WORKER_CELL_INDEX);
  }

  get state(): WorkerState {
    return Atomics.load(this.#cells, STATE_INDEX) as WorkerState;
  }
  set state(state: WorkerState) {
    Atomics.store(this.#cells, STATE_INDEX, state);
  }

  get isStopRequested(): boolean {
    return Atomics.load(this.#cells, STOP_INDEX) !== 0;
  }
  requestStop(): void {
    Atomics.store(this.#cells, STOP_INDEX, 1);
    this.workerCell.signal();
  }

  /** The process must not send anything more: what the worker promised may not be true. */
  get isPoisoned(): boolean {
    return Atomics.load(this.#cells, POISON_INDEX) !== 0;
  }
  /** The exit code with which the process has to end; 0 while all is well. */
  get poisonExitCode(): number {
    return Atomics.load(this.#cells, POISON_INDEX);
  }
  /** Sets the first poison; a later one does not replace it. The caller wakes the main thread. */
  poison(exitCode: number): void {
    const value = exitCode === ExitCode.Ok ? ExitCode.Unexpected : exitCode;
    Atomics.compareExchange(this.#cells, POISON_INDEX, 0, value);
  }
}
