// snapshot-services.ts: whose state a snapshot holds, and in which versions.
//
// The record has room for the version of one service. Those of all are among the first messages of
// the recording, so that a snapshot is refused before anything of it is loaded.

import type { Arena } from '../memory/arena.js';
import { SCAN_ENTRY_LENGTH, SCAN_HEADER_LENGTH, scanAreaLength } from '../memory/core.js';
import type { Storage } from '../ports/storage.js';
import { SnapshotServiceDecoder } from '../protocol/codecs/snapshot-service.js';
import { TemplateId } from '../protocol/codecs/template-ids.js';
import { messageTemplateId } from '../protocol/message-header.js';
import type { LogGeometry } from './log-geometry.js';
import { readSnapshotChunk, verifySnapshot } from './snapshot-reader.js';
import {
  SNAPSHOT_CHUNK_LENGTH,
  SNAPSHOT_FORMAT_ONE_SERVICE,
  type SnapshotEntry,
} from './snapshot-recording.js';
import type { StorageTask } from './storage-task.js';

const FRAME_HEADER_LENGTH = 32;
const FRAMES_PER_CHUNK_MAX = SNAPSHOT_CHUNK_LENGTH / FRAME_HEADER_LENGTH;

/** A snapshot that was read as a whole. */
export type SnapshotCheck =
  /** Versions of the services' states, by service id. */
  | { readonly appVersions: readonly number[] }
  /** Why it cannot be used; whole, it can be used by another version of the services. */
  | { readonly reason: string; readonly isWhole: boolean };

/**
 * Reads a whole snapshot, and tells whether these services can start from it.
 *
 * @param appVersionsMax greatest version that each service reads, by service id; -1 for none.
 */
export function* checkSnapshot(
  storage: Storage,
  arena: Arena,
  geometry: LogGeometry,
  entry: SnapshotEntry,
  appVersionsMax: readonly number[],
): StorageTask<SnapshotCheck> {
  const damage = yield* verifySnapshot(storage, arena, geometry, entry);
  if (damage !== undefined) {
    return { reason: damage, isWhole: false };
  }
  const appVersions = yield* readAppVersions(storage, arena, geometry, entry);
  if (appVersions === undefined) {
    return { reason: 'it does not say whose state it holds', isWhole: true };
  }
  const reason = refusal(appVersions, appVersionsMax);
  return reason === undefined ? { appVersions } : { reason, isWhole: true };
}

function refusal(
  appVersions: readonly number[],
  appVersionsMax: readonly number[],
): string | undefined {
  if (appVersions.length !== appVersionsMax.length) {
    return (
      `it holds the state of ${appVersions.length} services, and this member runs ` +
      `${appVersionsMax.length}`
    );
  }
  const id = appVersions.findIndex((version, at) => version > (appVersionsMax[at] ?? -1));
  return id < 0
    ? undefined
    : `its state of service ${id} is of version ${appVersions[id]}, and the service reads up to ` +
        `${appVersionsMax[id]}`;
}

/** Undefined when the first chunk does not name all services. */
function* readAppVersions(
  storage: Storage,
  arena: Arena,
  geometry: LogGeometry,
  entry: SnapshotEntry,
): StorageTask<readonly number[] | undefined> {
  if (entry.formatVersion <= SNAPSHOT_FORMAT_ONE_SERVICE) {
    return [entry.appVersion];
  }
  const slabLength = SNAPSHOT_CHUNK_LENGTH + scanAreaLength(FRAMES_PER_CHUNK_MAX);
  const chunk = arena.allocate(slabLength);
  try {
    const reason = yield* readSnapshotChunk(storage, { arena, geometry, entry, chunk }, 0);
    const length = Math.min(SNAPSHOT_CHUNK_LENGTH, entry.length);
    return reason === undefined ? collectVersions(arena, chunk, length) : undefined;
  } finally {
    arena.release(chunk, slabLength);
  }
}

function collectVersions(arena: Arena, chunk: number, length: number): number[] | undefined {
  const { core, i32, view } = arena;
  const decoder = new SnapshotServiceDecoder();
  const area = chunk + SNAPSHOT_CHUNK_LENGTH;
  const count = core.scanBytes(chunk, length, FRAMES_PER_CHUNK_MAX, area);
  const versions: number[] = [];
  let serviceCount = 0;
  for (let index = 0; index < count; index++) {
    const at = (area + SCAN_HEADER_LENGTH + index * SCAN_ENTRY_LENGTH) >> 2;
    const payload = (i32[at] as number) + FRAME_HEADER_LENGTH;
    const payloadLength = (i32[at + 1] as number) - FRAME_HEADER_LENGTH;
    if (messageTemplateId(view, payload, payloadLength) === TemplateId.SnapshotService) {
      const service = decoder.wrapAndApplyHeader(view, payload);
      serviceCount = service.serviceCount();
      versions[service.serviceId()] = service.appVersion();
    } else if (serviceCount > 0) {
      break;
    }
  }
  return serviceCount > 0 && versions.length === serviceCount ? versions : undefined;
}
