// core.ts: what core.wasm exports. README.md describes each function; this file only gathers them.

export { initializeTables as initialize, crc32c } from './checksum/crc32c';
export { frameChecksum } from './checksum/frame-checksum';
export { outputHashAdd, outputHashBytes, outputHashEnd } from './checksum/output-hash';
export { receiverWindow, senderLimit } from './flow/window';
export { ingressBatch } from './ingress/batch';
export { decodeMessages, selectEvents } from './ingress/messages';
export {
  sessionLastActivityMs,
  sessionPut,
  sessionRemove,
  sessionState,
  sessionTableInitialize,
  sessionTableLength,
  sessionTouch,
} from './ingress/session-table';
export {
  blockTermPrefix,
  nextBlock,
  nextBlockBytes,
  rewriteStream,
} from './logbuffer/block';
export {
  concurrentAbort,
  concurrentAppend,
  concurrentClaim,
  concurrentCommit,
} from './logbuffer/concurrent-append';
export {
  append,
  append2,
  appendAbort,
  appendClaim,
  appendCommit,
  appendPadding,
} from './logbuffer/exclusive-append';
export { copyBlock } from './logbuffer/copy';
export { findGap } from './logbuffer/gap';
export {
  addressOf,
  fence,
  logClean,
  logInitialize,
  logRetire,
  logSetChecksum,
  logSetPublisherLimit,
  logStartAt,
  logTail,
} from './logbuffer/metadata';
export {
  highWaterMark,
  rebuildAdvance,
  rebuildHighWaterMark,
  rebuildInsert,
  rebuildPosition,
} from './logbuffer/rebuild';
export { scan, scanBytes } from './logbuffer/scan';
export { logUnblock } from './logbuffer/unblock';
export { verifyBytes } from './logbuffer/verify';
export {
  counterGet,
  counterGetAndAdd,
  counterProposeMax,
  counterSet,
} from './position/counter';
export { quorumPosition } from './position/quorum';
export {
  ringInitialize,
  ringRead,
  ringRelease,
  ringUnblock,
  ringWrite,
} from './ring/many-to-one';
