// ingress-twin.ts: the ingress batch in plain TypeScript, over two log twins and a Map.

import { align, type LogTwin } from './log-twin.js';

export interface TwinSession {
  state: number;
  lastActivityMs: number;
}

export interface TwinBatch {
  appended: number;
  rejected: number;
  end: number;
  stop: number;
  frameLength: number;
}

const DRAINED = 0;
const CONTROL = 1;
const BACK_PRESSURED = 2;
const FRAME_LIMIT = 3;

function isSessionMessage(image: LogTwin, at: number, length: number, lengthMax: number): boolean {
  const { view } = image;
  const blockLength = length >= 64 ? view.getUint16(at + 32, true) : 0;
  return (
    view.getUint8(at + 4) === 0 &&
    view.getUint8(at + 5) === 0xc0 &&
    view.getUint16(at + 6, true) === 1 &&
    length >= 64 &&
    length <= lengthMax &&
    blockLength >= 24 &&
    32 + 8 + blockLength <= length &&
    view.getUint16(at + 34, true) === 1 &&
    view.getUint16(at + 36, true) === 111
  );
}

function readId(view: DataView, at: number): number {
  return view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}

function writeId(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setInt32(at + 4, Math.floor(value / 2 ** 32), true);
}

/** Appends a stamped copy of the frame at `at`. False without room. */
function appendStamped(log: LogTwin, image: LogTwin, at: number, length: number, nowMs: number) {
  const message = image.bytes.slice(at + 32, at + length);
  writeId(new DataView(message.buffer), 24, nowMs);
  return log.append(message) > 0;
}

/** As core.wasm's ingressBatch. */
export function ingressTwin(
  image: LogTwin,
  from: number,
  limit: number,
  sessions: Map<number, TwinSession>,
  log: LogTwin,
  leadershipTermId: number,
  nowMs: number,
  frameLimit: number,
  mayAppend: boolean,
): TwinBatch {
  const batch: TwinBatch = { appended: 0, rejected: 0, end: from, stop: DRAINED, frameLength: 0 };
  while (batch.end < limit) {
    const at = image.offsetOf(batch.end);
    const length = image.frameAt(batch.end, limit);
    if (length === 0) {
      return batch;
    }
    if (!image.isPaddingAt(batch.end)) {
      if (batch.appended + batch.rejected >= frameLimit) {
        return { ...batch, stop: FRAME_LIMIT };
      }
      if (!isSessionMessage(image, at, length, log.geometry.mtu)) {
        return { ...batch, stop: CONTROL, frameLength: length };
      }
      const session = sessions.get(readId(image.view, at + 48));
      if (readId(image.view, at + 40) !== leadershipTermId || session?.state !== 1) {
        batch.rejected++;
      } else {
        session.lastActivityMs = nowMs;
        if (!mayAppend || !appendStamped(log, image, at, length, nowMs)) {
          return { ...batch, stop: BACK_PRESSURED };
        }
        batch.appended++;
      }
    }
    batch.end += align(length);
  }
  return batch;
}
