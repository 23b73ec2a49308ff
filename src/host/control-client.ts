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

/** Codes that the other process may answer with, by their text. */
const KNOWN_CODES: ReadonlySet<string> = new Set(Object.values(ErrorCode));

function notRunning(directory: string, cause?: unknown): PawlError {
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
  try {
    const { pid, port, token } = JSON.parse(text) as ControlEndpoint;
    return { pid, port: Number(port), token: String(token) };
  } catch (error) {
    throw notRunning(directory, error);
  }
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
  const answer = JSON.parse(line) as ControlAnswer;
  if ('error' in answer) {
    const { code, message } = answer.error;
    const known = KNOWN_CODES.has(code) ? (code as ErrorCode) : ErrorCode.Closed;
    throw new PawlError(known, message, 'environment');
  }
  return answer.result as T;
}

/** Sends a line and returns the line that comes back. */
function exchange(
  directory: string,
  port: number,
  request: string,
  timeoutMs: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: LOOPBACK, port });
    let text = '';
    const fail = (error: PawlError): void => {
      socket.destroy();
      reject(error);
    };
    socket.setEncoding('utf8');
    socket.setTimeout(timeoutMs, () =>
      fail(
        new PawlError(
          ErrorCode.Timeout,
          `the member on ${directory} did not answer within ${timeoutMs} ms: it may be stopped ` +
            'or overloaded',
          'environment',
        ),
      ),
    );
    socket.on('connect', () => socket.write(`${request}\n`));
    socket.on('error', (error) => fail(notRunning(directory, error)));
    socket.on('data', (part: string) => {
      text += part;
      if (text.length > CONTROL_LINE_LENGTH_MAX) {
        fail(new PawlError(ErrorCode.LimitExceeded, `the answer of ${directory} is too long`));
      }
    });
    socket.on('end', () => {
      const end = text.indexOf('\n');
      if (end < 0) {
        fail(notRunning(directory));
      } else {
        socket.destroy();
        resolve(text.slice(0, end));
      }
    });
  });
}
