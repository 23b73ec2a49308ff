// control-client.ts: gives orders to a member that runs on this machine.

import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ErrorCode, PawlError } from '../errors.js';
import {
  CONTROL_LINE_LENGTH_MAX,
  CONTROL_PATH,
  type ControlAnswer,
  type ControlEndpoint,
} from './control-server.js';

const LOOPBACK = '127.0.0.1';
const PORT_MAX = 65_535;

/** Codes that the other process may answer with, by their text. */
const KNOWN_CODES: ReadonlySet<string> = new Set(Object.values(ErrorCode));

/** Nobody is there, or somebody who is no member. */
export function notRunning(directory: string, cause?: unknown): PawlError {
  return new PawlError(
    ErrorCode.Closed,
    `no member runs on ${directory}: start it with pawl node, or name the directory of one that ` +
      'runs',
    'environment',
    { cause },
  );
}

function readEndpoint(directory: string): ControlEndpoint {
  const path = join(directory, CONTROL_PATH);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EACCES' || code === 'EPERM') {
      throw new PawlError(
        ErrorCode.SessionRefused,
        `${path} cannot be read (${code}): only the owner of a member may command it`,
        'usage',
        { cause: error },
      );
    }
    throw notRunning(directory, error);
  }
  const { pid, port, token } = parseObject(directory, text);
  if (!isPort(port) || typeof token !== 'string') {
    throw notRunning(directory);
  }
  return { pid: Number(pid), port, token };
}

function isPort(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0 && Number(value) <= PORT_MAX;
}

/** @throws PawlError CLOSED for what is no object of JSON. */
function parseObject(directory: string, text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw notRunning(directory, error);
  }
  if (typeof value !== 'object' || value === null) {
    throw notRunning(directory);
  }
  return value as Record<string, unknown>;
}

/** @throws PawlError CLOSED for what no member says: another program has the port of one. */
function parseAnswer(directory: string, line: string): ControlAnswer {
  const { error, result } = parseObject(directory, line);
  if (result !== undefined) {
    return { result };
  }
  const { code, message } = (error ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof code !== 'string' || typeof message !== 'string') {
    throw notRunning(directory);
  }
  return { error: { code, message } };
}

/**
 * Asks the member that runs on a data directory.
 *
 * @param timeoutMs how long to wait for the answer, milliseconds.
 * @throws PawlError CLOSED when no member runs there, TIMEOUT, or what the member answered.
 */
export async function askMember<T>(
  directory: string,
  type: string,
  value: unknown,
  timeoutMs: number,
): Promise<T> {
  const { port, token } = readEndpoint(directory);
  const line = await exchange(directory, port, JSON.stringify({ token, type, value }), timeoutMs);
  const answer = parseAnswer(directory, line);
  if ('error' in answer) {
    const { code, message } = answer.error;
    const known = KNOWN_CODES.has(code) ? (code as ErrorCode) : ErrorCode.Closed;
    throw new PawlError(known, message, 'environment');
  }
  return answer.result as T;
}

/** Sends a line and returns the line that comes back, all of it within the time. */
function exchange(
  directory: string,
  port: number,
  request: string,
  timeoutMs: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: LOOPBACK, port });
    let text = '';
    const close = (): void => {
      clearTimeout(timer);
      socket.destroy();
    };
    const fail = (error: PawlError): void => {
      close();
      reject(error);
    };
    // Not the socket's own timer, which whoever says anything at all puts off.
    const timer = setTimeout(() => fail(timeoutError(directory, timeoutMs)), timeoutMs);
    socket.setEncoding('utf8');
    socket.on('connect', () => socket.write(`${request}\n`));
    socket.on('error', (error) => fail(notRunning(directory, error)));
    socket.on('end', () => fail(notRunning(directory)));
    socket.on('data', (part: string) => {
      const end = part.indexOf('\n');
      text += end < 0 ? part : part.slice(0, end);
      if (text.length > CONTROL_LINE_LENGTH_MAX) {
        fail(new PawlError(ErrorCode.LimitExceeded, `the answer of ${directory} is too long`));
      } else if (end >= 0) {
        close();
        resolve(text);
      }
    });
  });
}

function timeoutError(directory: string, timeoutMs: number): PawlError {
  return new PawlError(
    ErrorCode.Timeout,
    `the member on ${directory} did not answer within ${timeoutMs} ms: it may be stopped or ` +
      'overloaded',
    'environment',
  );
}
