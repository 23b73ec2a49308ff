// recording.ts: a member's directory with a log of several segments, recorded as a leader records
// it, and what Pawl's own codec reads in it.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { segmentFileName } from '../../src/archive/log-geometry.js';
import {
  bootstrapDirectory,
  openDirectory,
  type RecoveredDirectory,
} from '../../src/archive/member-directory.js';
import { Recorder } from '../../src/archive/recorder.js';
import { allocateRecorderControl } from '../../src/archive/recorder-control.js';
import { RecorderProxy } from '../../src/archive/recorder-proxy.js';
import { completeTask, StorageTasks } from '../../src/archive/storage-task.js';
import { FrameType, LogCodec, type LogFrame } from '../../src/codec/index.js';
import { NodeNetwork } from '../../src/host/node-network.js';
import { NodeStorage } from '../../src/host/node-storage.js';
import { Arena } from '../../src/memory/arena.js';
import { Transport } from '../../src/transport/transport.js';
import { SeededEntropy } from '../support/seeded-entropy.js';

export const GEOMETRY = { termLength: 64 * 1024, segmentLength: 2 * 64 * 1024 };
export const MTU_LENGTH = 1408;
export const LOG_STREAM_ID = 100;

const IDENTITY = { clusterId: 1, memberId: 0 };
const ARENA_LENGTH = 16 * 1024 * 1024;
/** Longest message: some are one frame, some are several. */
const MESSAGE_LENGTH_MAX = 6000;
/** Leadership terms of the log; each has a publication of its own. */
const LEADERSHIP_TERMS = [0, 3] as const;
/** Each leadership term goes on for a segment and more, and ends within a term buffer. */
const LEADERSHIP_LENGTH = 190_000;
const TURN_NS = 1e6;
const TURN_COUNT_MAX = 10_000;

/** Everything that records, driven by hand: the storage completes at submit. */
class RecordingMember {
  readonly #arena = Arena.create(ARENA_LENGTH);
  readonly #entropy = new SeededEntropy(1);
  readonly #transport: Transport;
  readonly #recorder: Recorder;
  readonly #proxy: RecorderProxy;
  readonly #found: RecoveredDirectory;
  readonly #tasks: StorageTasks;
  readonly #storage: NodeStorage;
  #nowNs = 0;

  constructor(directory: string) {
    const arena = this.#arena;
    this.#storage = new NodeStorage(directory, { background: false });
    this.#tasks = new StorageTasks(this.#storage);
    this.#found = this.#bear();
    const network = new NodeNetwork({ onReadable: () => undefined });
    this.#transport = new Transport({ arena, network, entropy: this.#entropy });
    const control = allocateRecorderControl(arena);
    this.#proxy = new RecorderProxy({ arena, control });
    this.#recorder = new Recorder({
      tasks: this.#tasks,
      arena,
      control,
      geometry: GEOMETRY,
      durability: 'page-cache',
    });
  }

  /** Records one leadership term; returns where it ends. */
  lead(leadershipTermId: number, position: number): number {
    const proxy = this.#proxy;
    completeTask(this.#tasks, this.#found.recordingLog.append(leadershipTermId, position, 1));
    const log = this.#transport.addLogPublication({
      streamId: LOG_STREAM_ID,
      sessionId: 7 + leadershipTermId,
      position,
      termLength: GEOMETRY.termLength,
      mtuLength: MTU_LENGTH,
      leadershipTermId,
      lingerNs: 0,
    });
    log.setQuorumSize(1);
    proxy.start(log.meta, position, leadershipTermId);
    this.#until(() => !proxy.isBusy());
    const bytes = new Uint8Array(MESSAGE_LENGTH_MAX);
    const end = position + LEADERSHIP_LENGTH;
    this.#until(() => {
      while (log.position() < end) {
        const length = 1 + this.#entropy.below(MESSAGE_LENGTH_MAX);
        bytes.fill(length & 0xff, 0, length);
        if (log.offer(bytes, 0, length) < 0) {
          break;
        }
      }
      proxy.setRecordLimit(log.position());
      log.localDurablePosition = proxy.durablePosition();
      return log.position() >= end && proxy.durablePosition() === log.position();
    });
    proxy.stop();
    this.#until(() => !proxy.isRecording() && !proxy.isClosing());
    log.close();
    return proxy.durablePosition();
  }

  close(): void {
    this.#transport.close();
    this.#recorder.close();
    this.#storage.end();
  }

  #bear(): RecoveredDirectory {
    const storage = this.#storage;
    const birth = bootstrapDirectory(storage, {
      ...IDENTITY,
      configurationHash: { high: 1, low: 2 },
      voting: true,
      geometry: GEOMETRY,
      egressTermLength: 256 * 1024,
      mtuLength: MTU_LENGTH,
      entropy: this.#entropy,
      wallMs: 1,
      // The directory is new and nobody else knows it; taking the lock would have to be awaited.
      lockHeld: true,
    });
    completeTask(this.#tasks, birth);
    const options = { ...IDENTITY, arena: this.#arena, lockHeld: true };
    return completeTask(this.#tasks, openDirectory(storage, options));
  }

  #until(condition: () => boolean): void {
    for (let turn = 0; turn < TURN_COUNT_MAX; turn++) {
      this.#nowNs += TURN_NS;
      this.#transport.doWork(this.#nowNs);
      this.#recorder.doWork(this.#nowNs);
      if (condition()) {
        return;
      }
    }
    throw new Error('the log was not recorded', { cause: this.#recorder.failure });
  }
}

/** Fills an empty directory with a log of two leadership terms; returns its end. */
export function writeRecording(directory: string): number {
  const member = new RecordingMember(directory);
  let position = 0;
  for (const leadershipTermId of LEADERSHIP_TERMS) {
    position = member.lead(leadershipTermId, position);
  }
  member.close();
  return position;
}

/** What a walk over a recording finds, by Pawl's codec or by Aeron's decoders. */
export interface WalkedLog {
  readonly frames: number;
  readonly paddingFrames: number;
  readonly payloadBytes: number;
  readonly segments: number;
  readonly position: number;
  /** Over place, length and type of each frame, and the payload of data frames. */
  readonly sha256: string;
}

/** Walks the segments of a directory with `pawl/codec`. */
export function walkWithCodec(
  directory: string,
  { termLength, segmentLength }: { readonly termLength: number; readonly segmentLength: number },
): WalkedLog {
  const codec = LogCodec.create();
  const hash = createHash('sha256');
  const found = { frames: 0, paddingFrames: 0, payloadBytes: 0, segments: 0, position: 0 };
  for (let isFull = true; isFull; ) {
    const base = found.position;
    const path = join(directory, segmentFileName(base));
    if (!existsSync(path)) {
      break;
    }
    found.segments++;
    for (const frame of codec.frames(readFileSync(path), { position: base, termLength })) {
      hash.update(placeOf(frame)).update(frame.payload);
      found.frames++;
      found.paddingFrames += frame.type === FrameType.Padding ? 1 : 0;
      found.payloadBytes += frame.payload.length;
      found.position = frame.position + Math.ceil(frame.frameLength / 32) * 32;
    }
    isFull = found.position === base + segmentLength;
  }
  return { ...found, sha256: hash.digest('hex') };
}

function placeOf(frame: LogFrame): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setBigInt64(0, BigInt(frame.position), true);
  view.setInt32(8, frame.frameLength, true);
  view.setInt32(12, frame.type, true);
  return new Uint8Array(view.buffer);
}
