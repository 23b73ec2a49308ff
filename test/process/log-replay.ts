// log-replay.ts: gives the whole log of a member, from its first byte, to fresh services.
//
// The bytes are read from the member's files and decoded by the codec, not by the member's own
// reader. What comes out is what the log means: whatever the member did besides, through kills,
// snapshots and elections, must have led to the same.

import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import {
  type LogGeometry,
  segmentBaseOf,
  segmentFileName,
} from '../../src/archive/log-geometry.js';
import type { LogReader, MessageConsumer } from '../../src/cluster/log-poller.js';
import { OutputHistory } from '../../src/cluster/output-history.js';
import { LogCodec } from '../../src/codec/index.js';
import { Arena } from '../../src/memory/arena.js';
import type { ServiceFactory } from '../../src/service/clustered-service.js';
import { ServiceContainer } from '../../src/service/service-container.js';

const CHUNK_LENGTH = 1024 * 1024;
const FRAME_ALIGNMENT = 32;
const ARENA_LENGTH = 4 * 1024 * 1024;
/** An eighth of the longest term; no service of these tests sends as much. */
const MESSAGE_LENGTH_MAX = 16 * 1024 * 1024;
const EGRESS_LENGTH_MAX = 32 * 1024 - 32;

/** Reads a log from files that nobody writes any more. */
class FileReader implements LogReader {
  position = 0;
  readonly #directory: string;
  readonly #geometry: LogGeometry;
  readonly #codec = LogCodec.create();
  readonly #buffer = new Uint8Array(CHUNK_LENGTH);

  constructor(directory: string, geometry: LogGeometry) {
    this.#directory = directory;
    this.#geometry = geometry;
  }

  setLive(): void {
    throw new Error('a replay has no live log');
  }

  /** @throws Error where the log ends before the limit. */
  pollMessages(consumer: MessageConsumer, limit: number): number {
    let count = 0;
    while (this.position < limit) {
      const before = this.position;
      count += this.#readChunk(consumer, limit);
      if (this.position === before) {
        throw new Error(`${this.#directory} has no frame at ${before}, committed up to ${limit}`);
      }
    }
    return count;
  }

  close(): void {
    this.position = Number.POSITIVE_INFINITY;
  }

  #readChunk(consumer: MessageConsumer, limit: number): number {
    const { segmentLength, termLength } = this.#geometry;
    const start = this.position;
    const base = segmentBaseOf(start, segmentLength);
    const end = Math.min(limit, base + segmentLength, start + CHUNK_LENGTH);
    const chunk = this.#read(
      join(this.#directory, segmentFileName(base)),
      start - base,
      end - start,
    );
    let count = 0;
    for (const frame of this.#codec.frames(chunk, { position: start, termLength })) {
      const length = Math.ceil(frame.frameLength / FRAME_ALIGNMENT) * FRAME_ALIGNMENT;
      this.position = frame.position + length;
      if (frame.payload.length > 0) {
        const { flags, payload } = frame;
        const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
        consumer.onFragment(view, 0, payload.length, flags, this.position);
        count++;
      }
    }
    return count;
  }

  #read(path: string, offset: number, length: number): Uint8Array {
    const file = openSync(path, 'r');
    try {
      return this.#buffer.subarray(0, readSync(file, this.#buffer, 0, length, offset));
    } finally {
      closeSync(file);
    }
  }
}

/**
 * Replays a log up to a position.
 *
 * @param factories of the services, by id. Returns their state hashes.
 */
export function replayLog(
  directory: string,
  geometry: LogGeometry,
  limit: number,
  factories: readonly ServiceFactory[],
): string[] {
  const arena = Arena.create(ARENA_LENGTH);
  return factories.map((factory, serviceId) => {
    const container = new ServiceContainer(factory, { serviceId });
    container.start({
      arena,
      memberId: -1,
      poller: new FileReader(directory, geometry),
      egress: {
        messageLengthMax: EGRESS_LENGTH_MAX,
        offer: () => undefined,
        offerReply: () => undefined,
        offerAnswer: () => undefined,
        overflow: () => undefined,
        requestClose: () => undefined,
      },
      messageLengthMax: MESSAGE_LENGTH_MAX,
      fragmentLimit: Number.MAX_SAFE_INTEGER,
      // The log alone makes the state.
      snapshots: { wantedPosition: -1, wants: () => false, offer: (section) => section.close() },
      outputs: new OutputHistory(arena),
      snapshot: undefined,
    });
    container.doWork(limit);
    container.close();
    return container.service.stateHash?.() ?? '';
  });
}
