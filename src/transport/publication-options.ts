// publication-options.ts: identity and geometry of a new publication.

import { FRAME_ALIGNMENT } from '../../assembly/layout/frame.js';
import { ErrorCode, PawlError } from '../errors.js';
import type { Entropy } from '../ports/entropy.js';
import { computePosition, type Position, positionBitsToShift, positionLimit } from '../position.js';
import type { ResolvedChannel } from './channel.js';
import type { StreamGeometry } from './log-memory.js';
import type { ChecksumOptions } from './publication.js';
import { checkMtuLength, type TransportConfig } from './transport-config.js';

/** Session ids that are not drawn at random: Aeron keeps them for its own use. */
const RESERVED_SESSION_ID_LOW = -1;
const RESERVED_SESSION_ID_HIGH = 1000;

/**
 * Settings of a publication: an option wins over the channel's parameter, that over the default.
 */
export interface PublicationOptions {
  /** Default: random. */
  readonly sessionId?: number;
  /** Default: random. */
  readonly initialTermId?: number;
  /** Where the stream starts; a multiple of 32. Default 0. */
  readonly position?: Position;
  readonly termLength?: number;
  readonly mtuLength?: number;
  /** Makes frames carry a checksum and a leadership term. Default: none. */
  readonly checksum?: ChecksumOptions;
  /** How long the end is announced and NAKs are answered after `close`. */
  readonly lingerNs?: number;
  /**
   * Whether `onWarning` is told when the socket cannot be opened. Default true; false for a channel
   * that a stranger named: it is counted in `socketFailuresUntold`, so that nobody fills a log.
   */
  readonly isFailureTold?: boolean;
}

/** What is known of a publication that is to be opened. */
export interface PublicationRequest {
  /** Undefined for the log, which has no channel. */
  readonly resolved: ResolvedChannel | undefined;
  readonly streamId: number;
  readonly options: PublicationOptions;
}

/**
 * Fills in and checks what a log buffer is made from.
 *
 * @param isTaken whether a session id is in use already.
 * @throws PawlError that names the value, the limit and the remedy.
 */
export function concludeGeometry(
  request: PublicationRequest,
  config: TransportConfig,
  entropy: Entropy,
  isTaken: (sessionId: number) => boolean,
): StreamGeometry {
  const { resolved, streamId, options } = request;
  const uri = resolved?.uri;
  const isIpc = resolved !== undefined && resolved.endpoint === undefined;
  const termLength =
    options.termLength ??
    uri?.size('term-length') ??
    (isIpc ? config.ipcTermLength : config.termLength);
  positionBitsToShift(termLength);
  const mtuLength = options.mtuLength ?? uri?.size('mtu') ?? config.mtuLength;
  checkMtuLength(mtuLength, termLength);
  const initialTermId =
    options.initialTermId ?? uri?.integer('init-term-id') ?? entropy.nextUint32() | 0;
  const position = options.position ?? channelPosition(resolved, termLength, initialTermId);
  checkInt32(streamId, 'streamId');
  checkInt32(initialTermId, 'initialTermId');
  checkPosition(position, termLength);
  const sessionId = options.sessionId ?? resolved?.sessionId ?? randomSessionId(entropy, isTaken);
  checkInt32(sessionId, 'sessionId');
  return { sessionId, streamId, initialTermId, termLength, mtuLength, position };
}

function channelPosition(
  resolved: ResolvedChannel | undefined,
  termLength: number,
  initialTermId: number,
): Position {
  const termId = resolved?.uri.integer('term-id');
  const termOffset = resolved?.uri.integer('term-offset');
  return termId === undefined || termOffset === undefined
    ? 0
    : computePosition(termId, termOffset, termLength, initialTermId);
}

function checkPosition(position: Position, termLength: number): void {
  const limit = positionLimit(termLength);
  const isExact = Number.isSafeInteger(position) && position >= 0;
  if (!isExact || position % FRAME_ALIGNMENT !== 0 || position >= limit) {
    throw new PawlError(
      ErrorCode.ArgumentOutOfRange,
      `position is ${position}: use a multiple of ${FRAME_ALIGNMENT} from 0 to ` +
        `${limit - FRAME_ALIGNMENT}, where the last of 2^31 terms ends`,
    );
  }
}

function checkInt32(value: number, name: string): void {
  if ((value | 0) !== value) {
    throw new PawlError(
      ErrorCode.ArgumentOutOfRange,
      `${name} is ${value}: use a signed 32-bit integer`,
    );
  }
}

function randomSessionId(entropy: Entropy, isTaken: (sessionId: number) => boolean): number {
  for (;;) {
    const sessionId = entropy.nextUint32() | 0;
    const isReserved =
      sessionId >= RESERVED_SESSION_ID_LOW && sessionId <= RESERVED_SESSION_ID_HIGH;
    if (!isReserved && !isTaken(sessionId)) {
      return sessionId;
    }
  }
}
