// transport-config.ts: every limit and time of the transport, validated as a whole.
//
// A value that is fine alone can be wrong beside another: a window below one datagram never opens,
// a heartbeat slower than the liveness timeout kills every idle stream. All relations are checked
// when the transport is made, and the message says which two values disagree and why.

import { FRAME_ALIGNMENT, MTU_LENGTH_MAX } from '../../assembly/layout/frame.js';
import { ErrorCode, PawlError } from '../errors.js';
import { positionBitsToShift, TERM_LENGTH_MAX } from '../position.js';

const MILLISECOND_NS = 1_000_000;
const SECOND_NS = 1_000_000_000;

/**
 * Most bytes of a SETUP-announced term that an image may take by default: 16 MiB, as Aeron sends.
 */
const IMAGE_TERM_LENGTH_MAX_DEFAULT = 16 * 1024 * 1024;
/** Most slots for retransmissions that linger at once, whatever is configured. */
export const RETRANSMIT_COUNT_LIMIT = 256;
/**
 * What an idle stream repeats, it repeats ever more seldom: each time after twice the interval
 * before, up to this many times the configured one. Anything new begins anew.
 */
export const IDLE_INTERVAL_FACTOR_MAX = 4;
/** The same for a NAK that is not answered. */
export const NAK_RETRY_FACTOR_MAX = 8;
/**
 * A share of its interval by which a heartbeat or status message may leave early, to share a duty
 * cycle with something else: a cycle for each alone is what costs an idle process most.
 */
export const EARLY_SHARE = 1 / 8;

/** The shortest MTU that the transport uses: its header and a little payload. */
export const TRANSPORT_MTU_LENGTH_MIN = 128;

/** Settings of one transport. Lengths in bytes, times in nanoseconds. */
export interface TransportConfig {
  /** Longest datagram of a publication; a multiple of 32, at most 65504. */
  readonly mtuLength: number;
  /** Term length of UDP publications; a power of two from 64 KiB to 1 GiB. */
  readonly termLength: number;
  /** Term length of in-process publications. */
  readonly ipcTermLength: number;
  /** Receiver window before half a term caps it; at least one datagram. */
  readonly initialWindowLength: number;
  /** Requested socket buffers; the system may grant less. */
  readonly socketBufferLength: number;
  /** Most bytes that may wait in one socket's inbox. */
  readonly inboxLengthMax: number;
  /** A status message is sent this often; of an idle stream less often, see above. */
  readonly statusMessageTimeoutNs: number;
  /** A publication without data sends a heartbeat this often; an idle one less often. */
  readonly heartbeatIntervalNs: number;
  /** A stream without a receiver is announced this often. */
  readonly setupIntervalNs: number;
  /** The first announcements follow faster, so that streams connect fast. */
  readonly setupFastIntervalNs: number;
  /** How many announcements are fast. */
  readonly setupFastCount: number;
  /** An image that heard nothing for this long is gone. */
  readonly imageLivenessTimeoutNs: number;
  /** A publication that heard no status message for this long is not connected. */
  readonly publicationConnectionTimeoutNs: number;
  /** A closed publication answers NAKs and announces its end for this long. */
  readonly lingerNs: number;
  /** Delay before the first NAK for a gap: reordered datagrams may still fill it. */
  readonly nakDelayNs: number;
  /** A NAK for a gap that is still there is repeated after this, then less and less often. */
  readonly nakRetryNs: number;
  /** A range that was sent again is not sent again for this long. Below nakRetryNs. */
  readonly retransmitLingerNs: number;
  /** Most ranges that linger or wait to be sent again, per stream and destination. */
  readonly retransmitCountMax: number;
  /** Bytes that may be sent again in a burst, per stream and destination. */
  readonly retransmitBurstLength: number;
  /** Bytes that may be sent again per second, per stream and destination. */
  readonly retransmitBytesPerSecondMax: number;
  /** A session that ended is ignored for this long, so that its stragglers open nothing. */
  readonly sessionCooldownNs: number;
  /** Longest term that a SETUP may ask an image for. */
  readonly imageTermLengthMax: number;
  /** Most images of network streams at once. */
  readonly imageCountMax: number;
  /** Most publications at once. */
  readonly publicationCountMax: number;
  /** Most datagrams that one socket delivers in one duty cycle. */
  readonly receiveLimit: number;
  /** Bytes after which one socket delivers no further datagrams in one duty cycle. */
  readonly receiveLength: number;
  /** Most bytes that one stream sends to one receiver in one duty cycle. */
  readonly sendBurstLength: number;
  /** A send that a socket refused is tried again after this. */
  readonly sendRetryNs: number;
}

const DEFAULTS: TransportConfig = {
  mtuLength: 1408,
  termLength: 64 * 1024,
  ipcTermLength: 64 * 1024,
  initialWindowLength: 128 * 1024,
  socketBufferLength: 4 * 1024 * 1024,
  inboxLengthMax: 8 * 1024 * 1024,
  statusMessageTimeoutNs: 200 * MILLISECOND_NS,
  heartbeatIntervalNs: 100 * MILLISECOND_NS,
  setupIntervalNs: 100 * MILLISECOND_NS,
  setupFastIntervalNs: 20 * MILLISECOND_NS,
  setupFastCount: 10,
  imageLivenessTimeoutNs: 10 * SECOND_NS,
  publicationConnectionTimeoutNs: 5 * SECOND_NS,
  lingerNs: 5 * SECOND_NS,
  nakDelayNs: 1_000,
  nakRetryNs: 10 * MILLISECOND_NS,
  retransmitLingerNs: 5 * MILLISECOND_NS,
  retransmitCountMax: 16,
  retransmitBurstLength: 4 * 1024 * 1024,
  retransmitBytesPerSecondMax: 128 * 1024 * 1024,
  sessionCooldownNs: SECOND_NS,
  imageTermLengthMax: IMAGE_TERM_LENGTH_MAX_DEFAULT,
  imageCountMax: 1024,
  publicationCountMax: 1024,
  receiveLimit: 256,
  receiveLength: 256 * 1024,
  sendBurstLength: 1024 * 1024,
  sendRetryNs: MILLISECOND_NS,
};

/**
 * Fills in the defaults and checks every value and relation.
 *
 * @throws PawlError CONFIGURATION_INVALID that names the value, the limit and the remedy.
 */
export function concludeTransportConfig(options: Partial<TransportConfig> = {}): TransportConfig {
  const config: TransportConfig = Object.freeze({ ...DEFAULTS, ...options });
  for (const [name, value] of Object.entries(config)) {
    if (!(name in DEFAULTS)) {
      fail(`${name} is not a setting of the transport: remove it`);
    }
    if (!Number.isSafeInteger(value) || value < 0) {
      fail(`${name} is ${String(value)}: it must be an integer from 0 to 2^53 - 1`);
    }
  }
  checkLengths(config);
  checkTimes(config);
  checkCounts(config);
  return config;
}

/**
 * Checks a datagram length against a term length: half a term must hold one datagram, or the
 * receiver's window, which is at most half a term, never has room for one.
 */
export function checkMtuLength(mtuLength: number, termLength: number): void {
  if (
    !(mtuLength >= TRANSPORT_MTU_LENGTH_MIN && mtuLength <= MTU_LENGTH_MAX) ||
    mtuLength % FRAME_ALIGNMENT !== 0
  ) {
    fail(
      `mtuLength is ${mtuLength}: use a multiple of ${FRAME_ALIGNMENT} from ` +
        `${TRANSPORT_MTU_LENGTH_MIN} to ${MTU_LENGTH_MAX}`,
    );
  }
  if (mtuLength > termLength / 2) {
    fail(
      `mtuLength is ${mtuLength} but half of termLength ${termLength} must hold one datagram: ` +
        'lower mtuLength or raise termLength',
    );
  }
}

function checkLengths(config: TransportConfig): void {
  checkTerm('termLength', config.termLength);
  checkTerm('ipcTermLength', config.ipcTermLength);
  checkTerm('imageTermLengthMax', config.imageTermLengthMax);
  checkMtuLength(config.mtuLength, config.termLength);
  checkMtuLength(config.mtuLength, config.ipcTermLength);
  atLeast(config, 'initialWindowLength', config.mtuLength, 'a window must hold one datagram');
  atMost(config, 'initialWindowLength', TERM_LENGTH_MAX / 2, 'a window is at most half a term');
  atLeast(config, 'socketBufferLength', config.mtuLength, 'a socket must hold one datagram');
  atLeast(config, 'inboxLengthMax', MTU_LENGTH_MAX, 'an inbox must hold the longest datagram');
  atLeast(config, 'retransmitBurstLength', config.mtuLength, 'a retransmission is a datagram');
  atLeast(config, 'retransmitBytesPerSecondMax', config.mtuLength, 'lost data must be sent again');
  atLeast(config, 'receiveLength', config.mtuLength, 'a duty cycle takes a datagram');
  atLeast(config, 'sendBurstLength', config.mtuLength, 'a burst must hold one datagram');
}

function checkTimes(config: TransportConfig): void {
  for (const name of ['heartbeatIntervalNs', 'setupFastIntervalNs', 'nakRetryNs'] as const) {
    atLeast(config, name, 100_000, 'repeating it faster is a storm');
  }
  atLeast(config, 'sendRetryNs', 10_000, 'repeating it faster is a storm');
  atLeast(config, 'setupIntervalNs', config.setupFastIntervalNs, 'it follows the fast ones');
  atLeast(config, 'statusMessageTimeoutNs', 1_000_000, 'repeating it faster is a storm');
  const sign = 2 * IDLE_INTERVAL_FACTOR_MAX * config.statusMessageTimeoutNs;
  const idleBeat = IDLE_INTERVAL_FACTOR_MAX * config.heartbeatIntervalNs;
  const beat = 2 * Math.max(idleBeat, config.setupIntervalNs);
  const lost = 'one lost datagram of an idle stream must not look like a dead peer';
  const times = 2 * IDLE_INTERVAL_FACTOR_MAX;
  atLeast(
    config,
    'publicationConnectionTimeoutNs',
    sign,
    `${times} times statusMessageTimeoutNs, ${lost}`,
  );
  atLeast(
    config,
    'imageLivenessTimeoutNs',
    beat,
    `${times} times the heartbeat, twice the setup, ${lost}`,
  );
  const repeated = 'the repeated NAK would be ignored';
  atMost(config, 'retransmitLingerNs', config.nakRetryNs, `at most nakRetryNs, or ${repeated}`);
}

function checkCounts(config: TransportConfig): void {
  for (const name of ['imageCountMax', 'publicationCountMax', 'receiveLimit'] as const) {
    atLeast(config, name, 1, 'nothing could be received or sent');
    atMost(config, name, 1_048_576, 'memory is reserved per stream');
  }
  atLeast(config, 'retransmitCountMax', 1, 'lost data must be sent again');
  atMost(config, 'retransmitCountMax', RETRANSMIT_COUNT_LIMIT, 'a NAK storm must stay bounded');
}

function checkTerm(name: string, termLength: number): void {
  try {
    positionBitsToShift(termLength);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new PawlError(ErrorCode.ConfigurationInvalid, `${name}: ${reason}`, 'usage', { cause });
  }
}

type Name = keyof TransportConfig;

function atLeast(config: TransportConfig, name: Name, limit: number, reason: string): void {
  if (config[name] < limit) {
    fail(`${name} is ${config[name]}: use at least ${limit} (${reason})`);
  }
}

function atMost(config: TransportConfig, name: Name, limit: number, reason: string): void {
  if (config[name] > limit) {
    fail(`${name} is ${config[name]}: use at most ${limit} (${reason})`);
  }
}

function fail(message: string): never {
  throw new PawlError(ErrorCode.ConfigurationInvalid, message);
}
