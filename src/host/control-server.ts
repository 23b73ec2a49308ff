// control-server.ts: takes the orders of an operator for the member that runs in this process.
//
// Who may read the member's data directory may command it: the server listens on loopback, on a
// port that nobody chose, and wants the random token that stands beside the port in control.json,
// a file that its owner alone can read. One connection carries one request: a line of JSON, and a
// line of JSON as the answer.

import { randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { assert } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';

/** Where a member that runs tells how to reach it. */
export const CONTROL_PATH = 'control.json';
/** Longest request or answer, in characters. */
export const CONTROL_LINE_LENGTH_MAX = 256 * 1024;
/** Connections at one time; more are closed. */
export const CONNECTION_COUNT_MAX = 16;
/** A connection that has not brought its whole request after so long is closed. */
const REQUEST_TIMEOUT_MS = 30_000;
const TOKEN_LENGTH = 32;
const OWNER_ONLY = 0o600;
const LOOPBACK = '127.0.0.1';

/** What control.json holds. */
export interface ControlEndpoint {
  readonly pid: number;
  readonly port: number;
  /** 64 hexadecimal digits. */
  readonly token: string;
}

/** A request as it travels. */
export interface ControlRequest {
  readonly token: string;
  readonly type: string;
  readonly value?: unknown;
}

/** An answer as it travels: a result, or what went wrong. */
export type ControlAnswer =
  | { readonly result: unknown }
  | { readonly error: { readonly code: string; readonly message: string } };

/** What is done with requests, by type. */
export type ControlHandlers = Readonly<Record<string, (value: unknown) => unknown>>;

export interface ControlServerOptions {
  /** Milliseconds from the start of a connection to the end of its request. Default 30,000. */
  readonly requestTimeoutMs?: number;
}

/** Serves requests until it is closed. */
export class ControlServer {
  readonly #server: Server;
  readonly #path: string;
  readonly #token: string = randomBytes(TOKEN_LENGTH).toString('hex');
  readonly #handlers: ControlHandlers;
  readonly #requestTimeoutMs: number;
  readonly #sockets = new Set<Socket>();
  readonly #orders = new Set<Promise<void>>();

  private constructor(directory: string, handlers: ControlHandlers, options: ControlServerOptions) {
    this.#path = join(directory, CONTROL_PATH);
    this.#requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
    this.#handlers = handlers;
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = CONNECTION_COUNT_MAX;
  }

  /**
   * Starts to listen and writes control.json.
   *
   * @param directory the member's data directory, which this process has locked.
   * @throws PawlError NETWORK_FAILED or STORAGE_FAILED.
   */
  static async start(
    directory: string,
    handlers: ControlHandlers,
    options: ControlServerOptions = {},
  ): Promise<ControlServer> {
    const server = new ControlServer(directory, handlers, options);
    await server.#listen();
    return server;
  }

  /** Resolves when no order waits for its answer, or after so long. */
  async drain(timeoutMs: number): Promise<void> {
    const waited = new Promise((resolve) => setTimeout(resolve, timeoutMs).unref());
    await Promise.race([Promise.allSettled(this.#orders), waited]);
  }

  /** Removes control.json, unless another process has written its own, and ends connections. */
  close(): void {
    if (existsSync(this.#path) && readFileSync(this.#path, 'utf8').includes(this.#token)) {
      rmSync(this.#path, { force: true });
    }
    this.#server.close();
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  async #listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) =>
        reject(
          new PawlError(
            ErrorCode.NetworkFailed,
            `cannot listen for orders on ${LOOPBACK}: ${error.message}`,
            'environment',
            { cause: error },
          ),
        ),
      );
      this.#server.listen(0, LOOPBACK, resolve);
    });
    // The member's own work keeps the process alive, or nothing does.
    this.#server.unref();
    const { port } = this.#server.address() as AddressInfo;
    const endpoint: ControlEndpoint = { pid: process.pid, port, token: this.#token };
    const temporary = `${this.#path}.tmp`;
    try {
      // A file that was there may have been readable by others.
      rmSync(temporary, { force: true });
      writeFileSync(temporary, `${JSON.stringify(endpoint)}\n`, { mode: OWNER_ONLY });
      renameSync(temporary, this.#path);
    } catch (error) {
      this.#server.close();
      throw new PawlError(
        ErrorCode.StorageFailed,
        `cannot write ${this.#path} (${(error as NodeJS.ErrnoException).code}): ` +
          'check permissions and space',
        'environment',
        { cause: error },
      );
    }
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    const timer = setTimeout(() => socket.destroy(), this.#requestTimeoutMs).unref();
    socket.on('close', () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
    });
    // Whoever asked is gone: there is nobody left to tell.
    socket.on('error', () => socket.destroy());
    socket.setEncoding('utf8');
    let text = '';
    socket.on('data', (part: string) => {
      text += part;
      const end = text.indexOf('\n');
      if (end >= 0) {
        socket.removeAllListeners('data');
        // From here on the order has a limit of its own.
        clearTimeout(timer);
        const order = this.#serve(socket, text.slice(0, end));
        this.#orders.add(order);
        void order.finally(() => this.#orders.delete(order));
      } else if (text.length > CONTROL_LINE_LENGTH_MAX) {
        socket.destroy();
      }
    });
  }

  async #serve(socket: Socket, line: string): Promise<void> {
    const answer = await this.#answer(line);
    await new Promise<void>((resolve) => {
      socket.once('close', resolve);
      // The connection has served its purpose, whether the other side ends it or not.
      socket.end(`${JSON.stringify(answer)}\n`, () => {
        socket.destroy();
        resolve();
      });
    });
  }

  async #answer(line: string): Promise<ControlAnswer> {
    try {
      const request = parseRequest(line);
      if (request === undefined || !this.#isToken(request.token)) {
        return refusal('the token is not the one in control.json: read it again');
      }
      const handler = this.#handlers[request.type];
      if (handler === undefined) {
        return refusal(`no order '${request.type}' is known: use the same version on both sides`);
      }
      return { result: await handler(request.value) };
    } catch (error) {
      const code = error instanceof PawlError ? error.code : 'UNEXPECTED';
      return { error: { code, message: error instanceof Error ? error.message : String(error) } };
    }
  }

  #isToken(token: string): boolean {
    const own = Buffer.from(this.#token);
    const given = Buffer.from(token);
    return own.length === given.length && timingSafeEqual(own, given);
  }
}

function refusal(message: string): ControlAnswer {
  return { error: { code: ErrorCode.SessionRefused, message } };
}

function parseRequest(line: string): ControlRequest | undefined {
  let value: Partial<ControlRequest> | null;
  try {
    value = JSON.parse(line) as Partial<ControlRequest> | null;
  } catch (error) {
    assert(error instanceof SyntaxError, 'a text is JSON or a syntax error');
    return undefined;
  }
  const isRequest = typeof value?.token === 'string' && typeof value.type === 'string';
  return isRequest ? (value as ControlRequest) : undefined;
}
