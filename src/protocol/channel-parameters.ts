// channel-parameters.ts: the parameters that a channel URI may have, and what each may be.
//
// They are Aeron's, under Aeron's names. A value is checked when the URI is read, so that a
// mistake is reported where it was made and not when a publication is opened much later.

import {
  FRAME_ALIGNMENT,
  MTU_LENGTH_MAX,
  MTU_LENGTH_MIN,
  TERM_LENGTH_MAX,
  TERM_LENGTH_MIN,
} from '../../assembly/layout/frame.js';
import { ErrorCode, PawlError } from '../errors.js';
import { parseHostPort } from './host-port.js';
import { parseDurationNs, parseSize, quoted } from './quantities.js';

/** Checks one value; throws a PawlError that names the value, the limit and the remedy. */
type Check = (value: string, name: string) => void;

export const TTL_MAX = 255;
export const RESEND_COUNT_MAX = 256;
export const SOCKET_BUFFER_LENGTH_MAX = 1024 ** 3;
export const WINDOW_LENGTH_MAX = 1024 ** 3;

const INT32_MIN = -(2 ** 31);
const INT32_MAX = 2 ** 31 - 1;

function refuse(value: string, name: string, remedy: string): never {
  throw new PawlError(ErrorCode.ChannelInvalid, `${name} is ${quoted(value)}: ${remedy}`);
}

/** Reads a decimal integer, or NaN. */
function integerOf(text: string): number {
  return /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
}

function integer(min: number, max: number): Check {
  return (value, name) => {
    const number = integerOf(value);
    if (!(number >= min && number <= max)) {
      refuse(value, name, `write an integer from ${min} to ${max}`);
    }
  };
}

function size(min: number, max: number): Check {
  return (value, name) => {
    const bytes = parseSize(value, name);
    if (bytes < min || bytes > max) {
      refuse(value, name, `write a size from ${min} to ${max} bytes, such as 128k`);
    }
  };
}

function choice(...values: readonly string[]): Check {
  return (value, name) => {
    if (!values.includes(value)) {
      refuse(value, name, `write one of ${values.join(', ')}`);
    }
  };
}

const text: Check = () => undefined;
const duration: Check = (value, name) => void parseDurationNs(value, name);
const hostPort: Check = (value, name) => void parseHostPort(value, name);
const flag = choice('true', 'false');
const int32 = integer(INT32_MIN, INT32_MAX);

const mtu: Check = (value, name) => {
  const bytes = parseSize(value, name);
  if (bytes < MTU_LENGTH_MIN || bytes > MTU_LENGTH_MAX || bytes % FRAME_ALIGNMENT !== 0) {
    const limit = `a multiple of ${FRAME_ALIGNMENT} from ${MTU_LENGTH_MIN} to ${MTU_LENGTH_MAX}`;
    refuse(value, name, `use ${limit}, such as 1408`);
  }
};

const termLength: Check = (value, name) => {
  const bytes = parseSize(value, name);
  const isPowerOfTwo = Number.isInteger(Math.log2(bytes));
  if (bytes < TERM_LENGTH_MIN || bytes > TERM_LENGTH_MAX || !isPowerOfTwo) {
    refuse(value, name, 'use a power of two from 64k to 1g, such as 16m');
  }
};

const termOffset: Check = (value, name) => {
  const offset = integerOf(value);
  if (!(offset >= 0 && offset <= TERM_LENGTH_MAX) || offset % FRAME_ALIGNMENT !== 0) {
    refuse(value, name, `use a multiple of ${FRAME_ALIGNMENT} from 0 to the term length`);
  }
};

const sessionId: Check = (value, name) => {
  const number = integerOf(value);
  if (!/^tag:-?\d{1,19}$/.test(value) && !(number >= INT32_MIN && number <= INT32_MAX)) {
    refuse(value, name, 'write a 32-bit integer, or tag: and the tag of another publication');
  }
};

/** Every parameter, by its name in the URI. */
export const CHANNEL_PARAMETERS: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['endpoint', hostPort],
  ['interface', text],
  ['control', hostPort],
  ['control-mode', choice('manual', 'dynamic', 'response')],
  ['session-id', sessionId],
  ['stream-id', int32],
  ['tags', text],
  ['alias', text],
  ['mtu', mtu],
  ['term-length', termLength],
  ['init-term-id', int32],
  ['term-id', int32],
  ['term-offset', termOffset],
  ['ttl', integer(0, TTL_MAX)],
  ['linger', duration],
  ['reliable', flag],
  ['sparse', flag],
  ['eos', flag],
  ['tether', flag],
  ['group', flag],
  ['rejoin', flag],
  ['cc', choice('static', 'cubic')],
  ['fc', text],
  ['gtag', text],
  ['ssc', flag],
  ['so-sndbuf', size(0, SOCKET_BUFFER_LENGTH_MAX)],
  ['so-rcvbuf', size(0, SOCKET_BUFFER_LENGTH_MAX)],
  ['rcv-wnd', size(0, WINDOW_LENGTH_MAX)],
  ['pub-wnd', size(0, WINDOW_LENGTH_MAX)],
  ['media-rcv-ts-offset', text],
  ['channel-rcv-ts-offset', text],
  ['channel-snd-ts-offset', text],
  ['response-endpoint', hostPort],
  ['response-correlation-id', text],
  ['nak-delay', duration],
  ['max-resend', integer(1, RESEND_COUNT_MAX)],
  ['untethered-window-limit-timeout', duration],
  ['untethered-linger-timeout', duration],
  ['untethered-resting-timeout', duration],
]);
