// frame-flyweight.ts: what all control frames share: the view, the offset and the common header.

import {
  FRAME_FLAGS_OFFSET,
  FRAME_LENGTH_OFFSET,
  FRAME_TYPE_OFFSET,
} from '../../assembly/layout/frame.js';
import { EMPTY_VIEW } from './encoding.js';
import { writeFrameHeader } from './frames.js';

/** A view of one control frame. Wraps without copying; one instance serves many frames in turn. */
export class FrameFlyweight {
  protected view: DataView = EMPTY_VIEW;
  protected offset = 0;

  /** Reads or changes the frame at `offset`. */
  wrap(view: DataView, offset: number): this {
    this.view = view;
    this.offset = offset;
    return this;
  }

  protected applyHeader(
    view: DataView,
    offset: number,
    length: number,
    flags: number,
    type: number,
  ): this {
    writeFrameHeader(view, offset, length, flags, type);
    return this.wrap(view, offset);
  }

  frameLength(): number {
    return this.view.getInt32(this.offset + FRAME_LENGTH_OFFSET, true);
  }

  flags(): number {
    return this.view.getUint8(this.offset + FRAME_FLAGS_OFFSET);
  }

  frameType(): number {
    return this.view.getUint16(this.offset + FRAME_TYPE_OFFSET, true);
  }
}
