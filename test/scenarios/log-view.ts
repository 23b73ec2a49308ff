// log-view.ts: the log on a member's disk, in words.

import {
  DATA_FLAG_BEGIN,
  DATA_HEADER_LENGTH,
  DATA_LEADERSHIP_TERM_OFFSET,
  FRAME_ALIGNMENT_MASK,
  FRAME_FLAGS_OFFSET,
  FRAME_TYPE_DATA,
  FRAME_TYPE_OFFSET,
  FRAME_TYPE_PAD,
} from '../../assembly/layout/frame.js';
import { segmentBaseOf, segmentFileName } from '../../src/archive/log-geometry.js';
import { describeEvent } from '../../src/codec/describe-event.js';
import { durableMarkPosition } from '../../src/simulator/invariants/durable-records.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { textOf } from './scenario-client.js';
import { foldTexts } from './script.js';

/** Stands for a frame that goes on with a message. */
const MIDDLE = '...';

const CLOSERS: ReadonlyMap<string, string> = new Map([
  ['ClientAction', 'client'],
  ['ServiceAction', 'service'],
  ['Timeout', 'timeout'],
]);

/** A frame of the log, as far as a reader needs it. */
export interface LogFrame {
  readonly position: number;
  readonly end: number;
  readonly termId: number;
  /** A message's text, or what happened: `opened`, `closed`, `new-term`, `padding`. */
  readonly text: string;
}

/** Frames on a member's disk, from position 0 to the first byte that is no frame. */
export function framesOnDisk(member: SimulatedMember): LogFrame[] {
  const { segmentLength } = member.config;
  const frames: LogFrame[] = [];
  for (let position = 0; ; ) {
    const base = segmentBaseOf(position, segmentLength);
    const file = member.node.disk.snapshotCached(segmentFileName(base));
    if (file === undefined) {
      return frames;
    }
    const bytes = file.bytes();
    const view = new DataView(bytes.buffer);
    const before = position;
    while (position < base + bytes.length) {
      const frame = frameAt(view, position - base, position);
      if (frame === undefined) {
        return frames;
      }
      frames.push(frame);
      position = frame.end;
    }
    if (position === before) {
      return frames;
    }
  }
}

function frameAt(view: DataView, offset: number, position: number): LogFrame | undefined {
  const length = view.getInt32(offset, true);
  const type = view.getUint16(offset + FRAME_TYPE_OFFSET, true);
  if (length < DATA_HEADER_LENGTH || (type !== FRAME_TYPE_DATA && type !== FRAME_TYPE_PAD)) {
    return undefined;
  }
  const termId = view.getInt32(offset + DATA_LEADERSHIP_TERM_OFFSET, true);
  const end = position + ((length + FRAME_ALIGNMENT_MASK) & ~FRAME_ALIGNMENT_MASK);
  const text = type === FRAME_TYPE_PAD ? 'padding' : describe(view, offset, length);
  return { position, end, termId, text };
}

function describe(view: DataView, offset: number, length: number): string {
  if ((view.getUint8(offset + FRAME_FLAGS_OFFSET) & DATA_FLAG_BEGIN) === 0) {
    return MIDDLE;
  }
  const start = offset + DATA_HEADER_LENGTH;
  const event = describeEvent(new Uint8Array(view.buffer, start, length - DATA_HEADER_LENGTH));
  switch (event?.name) {
    case 'ServiceMessageHeader':
    case 'SessionMessageHeader': {
      const { byteOffset, length: restLength } = event.rest;
      return textOf(view, byteOffset, restLength);
    }
    case 'SessionOpenEvent':
      return 'opened';
    case 'SessionCloseEvent':
      return `closed-by-${CLOSERS.get(String(event.fields.closeReason)) ?? 'nobody'}`;
    case 'NewLeadershipTermEvent':
      return 'new-term';
    default:
      return event?.name ?? 'unknown';
  }
}

/** One line: the terms of the log and what each holds, its end, and the durable mark. */
export function describeLog(member: SimulatedMember): string {
  const frames = framesOnDisk(member);
  const parts: string[] = [];
  for (let at = 0; at < frames.length; ) {
    const { position, termId } = frames[at] as LogFrame;
    let to = at;
    while (frames[to]?.termId === termId) {
      to++;
    }
    const texts = frames
      .slice(at, to)
      .map((frame) => frame.text)
      .filter((text) => text !== MIDDLE);
    parts.push(`term ${termId} from ${position}: ${foldTexts(texts)}`);
    at = to;
  }
  const end = frames[frames.length - 1]?.end ?? 0;
  const mark = durableMarkPosition(member.node.disk);
  return `member ${member.memberId}  ${[...parts, `end ${end}, mark ${mark}`].join(' | ')}`;
}
