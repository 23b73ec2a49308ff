// simulated-owner.ts: a member reduced to its archive: recovers, leads terms, records, truncates.
//
// Runs on a virtual node, with the recorder on a thread of its own. What it was told is durable,
// and which bytes the log has, is kept outside of the process, so that a test can hold it to that.

import { openDirectory, type RecoveredDirectory } from '../../src/archive/member-directory.js';
import type { Recorder as RecorderType } from '../../src/archive/recorder.js';
import { type Durability, Recorder } from '../../src/archive/recorder.js';
import { allocateRecorderControl } from '../../src/archive/recorder-control.js';
import { RecorderProxy } from '../../src/archive/recorder-proxy.js';
import { RECORDING_LOG_QUEUE } from '../../src/archive/recording-log.js';
import { type StorageTask, StorageTasks } from '../../src/archive/storage-task.js';
import { TRUNCATE_QUEUE, truncateLog } from '../../src/archive/truncate.js';
import { Arena } from '../../src/memory/arena.js';
import { LogBuffer } from '../../src/memory/log-buffer.js';
import type { Agent } from '../../src/ports/agent.js';
import type { Storage } from '../../src/ports/storage.js';
import type { VirtualProcess } from '../../src/simulator/virtual-process.js';
import type { VirtualPorts, VirtualThread } from '../../src/simulator/virtual-thread.js';
import type { MemoryStorage } from '../support/memory-storage.js';
import { bootstrap, GEOMETRY, IDENTITY, TERM_LENGTH } from './archive-world.js';

const ARENA_LENGTH = 4 * 1024 * 1024;
const SOURCE_LENGTH = 4096;
const TURN_NS = 300_000;

/** What the outside knows of a member's log. */
export class Truth {
  readonly bytes = new Uint8Array(64 * TERM_LENGTH);
  /** Reported durable; the log may never end before it, but for a truncation. */
  durable = 0;
  /** Known committed: never truncated. */
  committed = 0;
  /** Frames up to here were appended. */
  end = 0;
  leadershipTermId = -1;
  recoveries = 0;
  torn = 0;
  truncations = 0;
  terms = 0;
  readonly problems: string[] = [];
}

/** Starts the member's two threads. */
export function startMember(
  process: VirtualProcess,
  truth: Truth,
  durability: Durability,
  chance: () => number,
): void {
  const arena = Arena.create(ARENA_LENGTH);
  const control = allocateRecorderControl(arena);
  let recorderThread: VirtualThread | undefined;
  const main = process.spawn('main', (ports) => [
    new SimulatedOwner(ports, arena, control, truth, chance, () => recorderThread?.wake()),
  ]);
  recorderThread = process.spawn('recorder', (ports): RecorderType[] => [
    new Recorder({
      tasks: new StorageTasks(ports.storage),
      arena: Arena.attach(arena.memory),
      control,
      geometry: GEOMETRY,
      durability,
      onProgress: () => main.wake(),
      onFailure: (error) => truth.problems.push(error.message),
    }),
  ]);
}

class SimulatedOwner implements Agent {
  readonly roleName = 'owner';
  readonly #arena: Arena;
  readonly #tasks: StorageTasks;
  readonly #proxy: RecorderProxy;
  readonly #truth: Truth;
  readonly #chance: () => number;
  readonly #source: number;
  #directory: RecoveredDirectory | undefined;
  #log: LogBuffer | undefined;
  #nextNs = 0;
  #turnsLeft = 0;
  #copied = 0;
  #isWaiting = true;

  constructor(
    ports: VirtualPorts,
    arena: Arena,
    control: number,
    truth: Truth,
    chance: () => number,
    wakeRecorder: () => void,
  ) {
    this.#arena = arena;
    this.#tasks = new StorageTasks(ports.storage);
    this.#proxy = new RecorderProxy({ arena, control, notify: wakeRecorder });
    // The virtual recorder always "sleeps": it takes turns only when it is woken.
    arena.i32[(control + 900) >> 2] = 1;
    this.#truth = truth;
    this.#chance = chance;
    this.#source = arena.allocate(SOURCE_LENGTH);
    this.#run(openOrBootstrap(ports.storage, arena), (directory) => this.#recovered(directory));
  }

  doWork(nowNs: number): number {
    const work = this.#tasks.poll();
    if (nowNs >= this.#nextNs) {
      this.#nextNs = nowNs + TURN_NS;
      this.#turn();
    }
    return work;
  }

  deadlineNs(): number {
    return this.#nextNs;
  }

  close(): void {
    this.#log = undefined;
  }

  #turn(): void {
    const truth = this.#truth;
    if (this.#proxy.isPoisoned()) {
      truth.problems.push('poisoned');
      return;
    }
    if (this.#log !== undefined && !this.#proxy.isBusy()) {
      truth.durable = Math.max(truth.durable, this.#proxy.durablePosition());
      truth.committed = Math.max(truth.committed, truth.durable - (this.#chance() % 20_000));
    }
    if (this.#isWaiting) {
      return;
    }
    const log = this.#log;
    if (log === undefined) {
      this.#betweenTerms();
    } else if (this.#turnsLeft > 0) {
      this.#turnsLeft--;
      this.#append(log);
    } else if (!this.#proxy.isBusy()) {
      if (this.#proxy.isRecording()) {
        this.#proxy.stop();
        this.#turnsLeft = 0;
      }
      if (!this.#proxy.isRecording()) {
        truth.durable = this.#proxy.durablePosition();
        this.#log = undefined;
        log.release();
      }
    }
  }

  #append(log: LogBuffer): void {
    const { core, u8 } = this.#arena;
    const truth = this.#truth;
    const isWide = log.tailPosition - this.#proxy.durablePosition() > TERM_LENGTH;
    if (this.#proxy.isBusy() || isWide || log.tailPosition > truth.bytes.length - TERM_LENGTH) {
      return;
    }
    core.logClean(log.meta, Math.min(this.#proxy.durablePosition(), this.#copied), 2 ** 30);
    core.logSetPublisherLimit(log.meta, Number.MAX_SAFE_INTEGER);
    for (let count = this.#chance() % 6; count >= 0; count--) {
      const length = this.#chance() % SOURCE_LENGTH;
      u8.fill(this.#chance() & 0xff, this.#source, this.#source + length);
      core.append(log.meta, this.#source, length);
    }
    this.#copy(log);
    this.#proxy.setCommitPosition(truth.committed);
    this.#proxy.setRecordLimit(log.tailPosition);
  }

  #copy(log: LogBuffer): void {
    const { core, u8, view } = this.#arena;
    const end = log.tailPosition;
    this.#truth.bytes.fill(0, this.#copied);
    while (this.#copied < end) {
      const address = core.addressOf(log.meta, this.#copied);
      const length = view.getInt32(address, true);
      const stored = view.getUint16(address + 6, true) === 0 ? 32 : length;
      this.#truth.bytes.set(u8.subarray(address, address + stored), this.#copied);
      this.#copied += Math.ceil(length / 32) * 32;
    }
    this.#truth.end = end;
  }

  #recovered(directory: RecoveredDirectory): void {
    const truth = this.#truth;
    const { appendPosition, health, nodeState } = directory;
    truth.recoveries++;
    truth.torn += health.kind === 'torn' ? 1 : 0;
    if (health.kind === 'corrupt' || !nodeState.state.voting || directory.warnings.length > 1) {
      truth.problems.push(`recovered ${health.kind}: ${directory.warnings.join('; ')}`);
    }
    if (appendPosition < truth.durable || appendPosition > truth.end) {
      truth.problems.push(`end ${appendPosition}, durable ${truth.durable}, of ${truth.end}`);
    }
    if (directory.commitPosition > truth.committed) {
      truth.problems.push(`commit ${directory.commitPosition} of ${truth.committed}`);
    }
    truth.end = appendPosition;
    truth.durable = appendPosition;
    this.#directory = directory;
    this.#isWaiting = false;
  }

  #betweenTerms(): void {
    const directory = this.#directory;
    const truth = this.#truth;
    if (directory === undefined) {
      return;
    }
    this.#isWaiting = true;
    if (truth.end > truth.committed && this.#chance() % 3 === 0) {
      this.#truncate(directory);
    } else {
      this.#startTerm(directory, truth.durable);
    }
  }

  #truncate(directory: RecoveredDirectory): void {
    const truth = this.#truth;
    const position = frameEndAtOrAfter(truth, truth.committed);
    truth.durable = position;
    const storage = this.#tasks.storage;
    const { geometry, recordingLog } = directory;
    const options = { position, geometry, recordingLog, knownCommitPosition: truth.committed };
    const done = (): void => {
      truth.truncations++;
      truth.end = position;
      this.#isWaiting = false;
    };
    this.#run(truncateLog(storage, options), done, TRUNCATE_QUEUE);
  }

  #startTerm(directory: RecoveredDirectory, position: number): void {
    const truth = this.#truth;
    const lastTermId = directory.recordingLog.lastTerm()?.leadershipTermId ?? -1;
    truth.leadershipTermId = Math.max(truth.leadershipTermId, lastTermId) + 1;
    const termId = truth.leadershipTermId;
    this.#run(
      directory.recordingLog.append(termId, position, 0),
      () => {
        const log = LogBuffer.allocate(this.#arena, {
          termLength: TERM_LENGTH,
          mtu: 1408,
          initialTermId: 0,
          sessionId: termId,
          streamId: 100,
          startPosition: position,
        });
        log.setChecksum(true, termId);
        this.#copied = position;
        this.#log = log;
        this.#turnsLeft = 1 + (this.#chance() % 60);
        this.#proxy.start(log.meta, position, termId);
        truth.terms++;
        this.#isWaiting = false;
      },
      RECORDING_LOG_QUEUE,
    );
  }

  #run<T>(task: StorageTask<T>, onDone: (value: T) => void, queueKey = ''): void {
    this.#tasks.run(task, onDone, (error) => this.#truth.problems.push(error.message), queueKey);
  }
}

function* openOrBootstrap(storage: Storage, arena: Arena): StorageTask<RecoveredDirectory> {
  const listed = yield storage.list('');
  if (!listed.names.includes('birth.dat')) {
    yield* bootstrap(storage as MemoryStorage);
    return yield* openDirectory(storage, { ...IDENTITY, arena, lockHeld: true });
  }
  return yield* openDirectory(storage, { ...IDENTITY, arena });
}

/** The first end of a frame at or after a position. */
function frameEndAtOrAfter(truth: Truth, position: number): number {
  const view = new DataView(truth.bytes.buffer);
  let end = 0;
  while (end < position) {
    end += Math.ceil(view.getInt32(end, true) / 32) * 32;
  }
  return end;
}
