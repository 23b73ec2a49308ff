// index.ts: the public interface of pawl/codec.

export { PawlError } from '../errors.js';
export {
  describeEvent,
  type EventDescription,
  type EventFields,
  type EventValue,
} from './describe-event.js';
export type { LogPlace, VerifyPlace } from './frame-walk.js';
export { LogCodec, type Verdict } from './log-codec.js';
export { FrameFlag, FrameType, type LogFrame } from './log-frame.js';
export type { LogHasher } from './log-hasher.js';
export { describeStop, type StopReason } from './stop-reason.js';
