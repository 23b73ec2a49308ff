// wake-cell.ts: how one thread wakes another that sleeps, without a message and without a lock.
//
// Two 32-bit integers in shared memory: a sequence that every signal increments, and a flag that
// the sleeper raises. The sleeper notes the sequence before it looks for work, raises the flag when
// it found none, and sleeps only if the sequence is still the one it noted. The signaller publishes
// its work, increments the sequence, and makes the system call only if the flag is raised. All
// accesses are sequentially consistent, so one of the two always sees the other.

/** Integers that one cell takes: each in a cache line of its own. */
export const WAKE_CELL_COUNT = 32;
const SLEEPING_OFFSET = 16;

const AWAKE = 0;
const SLEEPING = 1;

/** Result of Atomics.waitAsync, which is younger than the library that the compiler is told of. */
type WaitAsyncResult =
  | { readonly async: false; readonly value: 'not-equal' | 'timed-out' }
  | { readonly async: true; readonly value: Promise<'ok' | 'timed-out'> };
type WaitAsync = (cells: Int32Array, index: number, value: number) => WaitAsyncResult;

const waitAsync = (Atomics as unknown as { waitAsync?: WaitAsync }).waitAsync;

/** One sleeper's cell. Any thread that has the memory may signal it. */
export class WakeCell {
  /** Both can be handed to another thread, which makes its own WakeCell of them. */
  readonly cells: Int32Array;
  readonly index: number;
  readonly #sleepingIndex: number;
  #isArmed = false;

  /** @param index first of WAKE_CELL_COUNT integers of shared memory, all zero at the start. */
  constructor(cells: Int32Array, index: number) {
    this.cells = cells;
    this.index = index;
    this.#sleepingIndex = index + SLEEPING_OFFSET;
  }

  static create(): WakeCell {
    const memory = new SharedArrayBuffer(WAKE_CELL_COUNT * Int32Array.BYTES_PER_ELEMENT);
    return new WakeCell(new Int32Array(memory), 0);
  }

  /** Can a thread with an event loop sleep on a cell, or has it to look from time to time? */
  get canWait(): boolean {
    return waitAsync !== undefined;
  }

  /** The sequence to note before looking for work. */
  sequence(): number {
    return Atomics.load(this.cells, this.index);
  }

  /** Tells the sleeper that there is work. What the work is was published before. */
  signal(): void {
    Atomics.add(this.cells, this.index, 1);
    if (Atomics.load(this.cells, this.#sleepingIndex) === SLEEPING) {
      Atomics.notify(this.cells, this.index);
    }
  }

  /**
   * Ends whoever waits on the cell, also the wait of a thread that something else has woken since:
   * it would hold on to what it was to call.
   */
  release(): void {
    Atomics.add(this.cells, this.index, 1);
    Atomics.notify(this.cells, this.index);
  }

  /**
   * Blocks this thread until a signal comes that is newer than the noted sequence.
   *
   * @param timeoutMs longest sleep; Infinity for no limit.
   * @returns true when it slept.
   */
  sleep(noted: number, timeoutMs: number): boolean {
    Atomics.store(this.cells, this.#sleepingIndex, SLEEPING);
    const outcome = Atomics.wait(this.cells, this.index, noted, timeoutMs);
    Atomics.store(this.cells, this.#sleepingIndex, AWAKE);
    return outcome !== 'not-equal';
  }

  /**
   * Raises the flag of a thread that goes back to its event loop.
   *
   * @param onSignal called once in a later turn when a signal comes.
   * @returns false when a signal newer than the noted sequence has come: do not sleep.
   */
  sleepAsync(noted: number, onSignal: () => void): boolean {
    Atomics.store(this.cells, this.#sleepingIndex, SLEEPING);
    if (this.sequence() !== noted) {
      this.wakeUp();
      return false;
    }
    return this.#isArmed || this.#arm(noted, onSignal);
  }

  /** Lowers the flag: signals need no system call while this thread is awake. */
  wakeUp(): void {
    Atomics.store(this.cells, this.#sleepingIndex, AWAKE);
  }

  /** A waiter stays armed while its thread is woken by other things; it never has a second one. */
  #arm(noted: number, onSignal: () => void): boolean {
    const result = waitAsync?.(this.cells, this.index, noted);
    if (result === undefined) {
      return true;
    }
    if (!result.async) {
      this.wakeUp();
      return false;
    }
    this.#isArmed = true;
    result.value.then(() => {
      this.#isArmed = false;
      onSignal();
    });
    return true;
  }
}
