// node-recorder.ts: runs a member's recorder on a worker thread.

import type { RecoveredDirectory } from '../archive/member-directory.js';
import type { Durability } from '../archive/recorder.js';
import type { RecorderRunner } from '../cluster/member.js';
import type { Arena } from '../memory/arena.js';
import type { EventLoop } from './event-loop.js';
import type { NodeClock } from './node-clock.js';
import type { RecorderWorkerPayload } from './recorder-worker.js';
import type { WakeCell } from './wake-cell.js';
import { AgentWorker, REPORT_GRACE_NS } from './worker-host.js';

const NS_PER_MS = 1e6;
const REPORT_POLL_MS = 2;

export interface NodeRecorderOptions {
  readonly arena: Arena;
  readonly directory: string;
  readonly durability: Durability;
  readonly clock: NodeClock;
  readonly wakeCell: WakeCell;
  readonly loop: EventLoop;
}

/** Starts the worker when the member has recovered its directory. */
export class NodeRecorder implements RecorderRunner {
  readonly #options: NodeRecorderOptions;
  #worker: AgentWorker | undefined;

  constructor(options: NodeRecorderOptions) {
    this.#options = options;
  }

  /** Asked before every send. */
  readonly isPoisoned = (): boolean => this.#worker?.isPoisoned() ?? false;

  start(control: number, directory: RecoveredDirectory): void {
    const { arena, clock, durability, loop, wakeCell } = this.#options;
    const payload: RecorderWorkerPayload = {
      memory: arena.memory,
      control,
      directory: this.#options.directory,
      geometry: directory.geometry,
      durability,
    };
    this.#worker = new AgentWorker({
      roleName: 'recorder',
      entry: new URL('./recorder-worker.ts', import.meta.url),
      payload,
      clockOrigin: clock.origin,
      wakeCell,
    });
    loop.add(this.#worker);
  }

  notify(): void {
    this.#worker?.wake();
  }

  close(): void {
    this.#worker?.close();
  }

  /**
   * Resolves when a recorder that fails has said why, or after a while. Its poison is seen before
   * that, and whoever ends the process then would keep the reason from the operator.
   */
  async reported(): Promise<void> {
    const endMs = performance.now() + REPORT_GRACE_NS / NS_PER_MS;
    while (this.#worker?.hasReported === false && performance.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, REPORT_POLL_MS));
    }
  }

  /** Resolves when the thread has ended. */
  async stopped(): Promise<void> {
    await this.#worker?.stopped();
  }
}
