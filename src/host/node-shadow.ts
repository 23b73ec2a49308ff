// node-shadow.ts: runs fresh instances of a member's service on a worker thread, for snapshots.
//
// A shadow that fails costs a snapshot and nothing else: the member goes on, and the thread is
// started again for the next one.

import type { Worker } from 'node:worker_threads';
import type { ClusterSettings, MemberSettings } from '../cluster/cluster-config.js';
import type { ServiceChannelPlace } from '../cluster/service-channel.js';
import type { ShadowRunner } from '../cluster/shadow-snapshots.js';
import type { Arena } from '../memory/arena.js';
import type { EventLoop } from './event-loop.js';
import type { ClockOrigin, NodeClock } from './node-clock.js';
import type { WakeCell } from './wake-cell.js';
import { WorkerControl } from './worker-control.js';
import { startThread } from './worker-thread.js';

/** What the thread is started with. */
export interface ShadowBoot {
  readonly cluster: ClusterSettings;
  readonly member: MemberSettings;
  readonly clockOrigin: ClockOrigin;
  readonly memory: WebAssembly.Memory;
  readonly place: ServiceChannelPlace;
  /** URL of the module that exports createService. */
  readonly module: string;
  readonly controlMemory: SharedArrayBuffer;
  readonly mainCells: Int32Array;
  readonly mainIndex: number;
}

export interface NodeShadowOptions {
  readonly arena: Arena;
  readonly cluster: ClusterSettings;
  readonly member: MemberSettings;
  readonly clock: NodeClock;
  readonly module: string;
}

/** The thread of the shadow; one at a time. */
export class NodeShadow implements ShadowRunner {
  readonly #options: NodeShadowOptions;
  readonly #wakeCell: WakeCell;
  readonly #loop: EventLoop;
  #control: WorkerControl | undefined;
  #stopped: Promise<void> | undefined;
  #failure: string | undefined;

  /** @param loop of the engine, which the thread wakes by `wakeCell`. */
  constructor(options: NodeShadowOptions, wakeCell: WakeCell, loop: EventLoop) {
    this.#options = options;
    this.#wakeCell = wakeCell;
    this.#loop = loop;
  }

  get failure(): string | undefined {
    return this.#failure;
  }

  start(place: ServiceChannelPlace): void {
    const { arena, clock, cluster, member, module } = this.#options;
    const control = new WorkerControl(this.#wakeCell);
    this.#control = control;
    this.#failure = undefined;
    const boot: ShadowBoot = {
      ...{ cluster, member, module, place },
      memory: arena.memory,
      clockOrigin: clock.origin,
      controlMemory: control.memory,
      mainCells: this.#wakeCell.cells,
      mainIndex: this.#wakeCell.index,
    };
    const entry = new URL('./shadow-worker.ts', import.meta.url);
    const worker = startThread(entry, { workerData: boot, name: 'shadow' });
    this.#watch(worker, control);
  }

  notify(): void {
    this.#control?.workerCell.signal();
  }

  close(): void {
    this.#control?.requestStop();
  }

  /** Resolves when the thread has ended. */
  async stopped(): Promise<void> {
    await this.#stopped;
  }

  /** What it says is why it has failed; that counts when the thread has ended. */
  #watch(worker: Worker, control: WorkerControl): void {
    let reason = 'its thread ended by itself';
    worker.on('message', (text: string) => {
      reason = text;
    });
    worker.on('error', (error) => {
      reason = String(error);
    });
    this.#stopped = new Promise((resolve) => {
      worker.once('exit', () => {
        if (!control.isStopRequested) {
          this.#failure = reason;
          this.#loop.wake();
        }
        resolve();
      });
    });
  }
}
