// wire-kinds.ts: what a datagram is, in the words of a scenario.

import {
  DATA_HEADER_LENGTH,
  DATA_STREAM_ID_OFFSET,
  FRAME_ALIGNMENT_MASK,
  FRAME_TYPE_DATA,
  FRAME_TYPE_NAK,
  FRAME_TYPE_OFFSET,
  FRAME_TYPE_PAD,
  FRAME_TYPE_SETUP,
  FRAME_TYPE_SM,
  NAK_STREAM_ID_OFFSET,
  SETUP_STREAM_ID_OFFSET,
  SM_STREAM_ID_OFFSET,
} from '../../assembly/layout/frame.js';
import { describeEvent, type EventDescription } from '../../src/codec/describe-event.js';

const STREAM_NAMES: ReadonlyMap<number, string> = new Map([
  [100, 'log'],
  [101, 'ingress'],
  [102, 'egress'],
  [108, 'consensus'],
]);
const CONSENSUS = 'consensus';

/** One frame of a datagram. */
export interface Carried {
  /** `log`, `ingress-setup`, `consensus-nak`, or a message as `append-position`. */
  readonly kind: string;
  /** The message, on the consensus stream. */
  readonly message: EventDescription | undefined;
}

/** Everything that a datagram carries, one for each frame. */
export function carriedBy(buffer: Uint8Array, offset: number, length: number): Carried[] {
  const view = new DataView(buffer.buffer, buffer.byteOffset + offset, length);
  if (length < FRAME_TYPE_OFFSET + 2) {
    return [{ kind: 'malformed', message: undefined }];
  }
  const type = view.getUint16(FRAME_TYPE_OFFSET, true);
  const control = CONTROL.get(type);
  if (control !== undefined) {
    const stream = nameOf(view.getInt32(control.streamIdOffset, true));
    return [{ kind: `${stream}-${control.name}`, message: undefined }];
  }
  if (type !== FRAME_TYPE_DATA && type !== FRAME_TYPE_PAD) {
    return [{ kind: `frame-type-${type}`, message: undefined }];
  }
  return framesOf(view);
}

const CONTROL: ReadonlyMap<number, { name: string; streamIdOffset: number }> = new Map([
  [FRAME_TYPE_SETUP, { name: 'setup', streamIdOffset: SETUP_STREAM_ID_OFFSET }],
  [FRAME_TYPE_SM, { name: 'status', streamIdOffset: SM_STREAM_ID_OFFSET }],
  [FRAME_TYPE_NAK, { name: 'nak', streamIdOffset: NAK_STREAM_ID_OFFSET }],
]);

function framesOf(view: DataView): Carried[] {
  const carried: Carried[] = [];
  for (let at = 0; at + DATA_HEADER_LENGTH <= view.byteLength; ) {
    const length = view.getInt32(at, true);
    const stream = nameOf(view.getInt32(at + DATA_STREAM_ID_OFFSET, true));
    if (length <= DATA_HEADER_LENGTH) {
      carried.push({ kind: `${stream}-heartbeat`, message: undefined });
      break;
    }
    const isData = view.getUint16(at + FRAME_TYPE_OFFSET, true) === FRAME_TYPE_DATA;
    const isMessage = isData && stream === CONSENSUS;
    const message = isMessage ? messageAt(view, at, length) : undefined;
    carried.push({ kind: message === undefined ? stream : kebab(message.name), message });
    at += (length + FRAME_ALIGNMENT_MASK) & ~FRAME_ALIGNMENT_MASK;
  }
  return carried;
}

function messageAt(view: DataView, at: number, length: number): EventDescription | undefined {
  const start = view.byteOffset + at + DATA_HEADER_LENGTH;
  const payload = new Uint8Array(view.buffer, start, length - DATA_HEADER_LENGTH);
  return describeEvent(payload);
}

function nameOf(streamId: number): string {
  return STREAM_NAMES.get(streamId) ?? `stream-${streamId}`;
}

/** `AppendPosition` as `append-position`. */
function kebab(name: string): string {
  return name.replace(/(?<=[a-z])[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
}
