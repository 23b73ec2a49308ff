// child-process.ts: processes that the demo and the benches start, and the questions they answer.
//
// A child is a file of this package, started by fork: from the sources through tsx, from dist as it
// is. Requests and answers travel over the IPC channel as `{id, type, value}` and `{id, type,
// result}` or `{id, type, error}`. A child ends when its parent does, whatever ended the parent.

import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ErrorCode, PawlError } from '../errors.js';

/** Newest output of a child that is kept for the report of its failure. */
const OUTPUT_LENGTH_MAX = 8 * 1024;

export interface ChildRequest {
  readonly id: number;
  readonly type: string;
  readonly value?: unknown;
}

export interface ChildAnswer {
  readonly id: number;
  readonly type: string;
  readonly result?: unknown;
  readonly error?: string;
}

/** How a child ended. */
export interface ChildEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

const alive = new Set<ChildProcess>();
let isWatchingExit = false;

/** A child never outlives its parent by accident. */
function watchExit(): void {
  if (!isWatchingExit) {
    isWatchingExit = true;
    process.on('exit', () => {
      for (const child of alive) {
        child.kill('SIGKILL');
      }
    });
  }
}

/** How a child is started. */
export interface ChildOptions {
  readonly args?: readonly string[];
  /** For Node itself. */
  readonly nodeArgs?: readonly string[];
  /** Gets each line of the child's standard output. */
  readonly onLine?: (line: string) => void;
}

/** Starts a file of this package as a process with an IPC channel. */
function forkFile(entry: URL, { args = [], nodeArgs = [] }: ChildOptions): ChildProcess {
  const isSource = entry.pathname.endsWith('.ts');
  const options: ForkOptions = {
    execArgv: [...nodeArgs, ...(isSource ? ['--import', import.meta.resolve('tsx')] : [])],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  };
  return fork(fileURLToPath(entry), args, options);
}

/** A process that this one started and may ask. */
export class Child {
  readonly name: string;
  readonly ended: Promise<ChildEnd>;
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onLine: ((line: string) => void) | undefined;
  #nextId = 1;
  #end: ChildEnd | undefined;
  #errorOutput = '';
  #partialLine = '';

  constructor(name: string, entry: URL, options: ChildOptions = {}) {
    watchExit();
    this.name = name;
    this.#onLine = options.onLine;
    this.#process = forkFile(entry, options);
    alive.add(this.#process);
    this.#process.on('message', (message) => this.#onAnswer(message as ChildAnswer));
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => this.#onOutput(text));
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errorOutput = (this.#errorOutput + text).slice(-OUTPUT_LENGTH_MAX);
    });
    this.ended = this.#watchEnd();
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  /** How it ended; undefined while it runs. */
  get end(): ChildEnd | undefined {
    return this.#end;
  }

  /** The newest part of what it wrote to its standard error. */
  get errorOutput(): string {
    return this.#errorOutput.trim();
  }

  /**
   * Asks the child.
   *
   * @throws PawlError CLOSED when the child ends before it answers, with its last words.
   */
  ask<T>(type: string, value?: unknown): Promise<T> {
    if (this.#end !== undefined || !this.#process.connected) {
      return Promise.reject(this.#endError());
    }
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: (result) => resolve(result as T), reject });
      this.#process.send({ id, type, value }, (error) => {
        if (error !== null && this.#waiting.delete(id)) {
          reject(this.#endError());
        }
      });
    });
  }

  /** Sends a signal to this child alone. */
  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Lets the child go: it ends by itself when its channel is closed. */
  async release(): Promise<ChildEnd> {
    if (this.#process.connected) {
      this.#process.disconnect();
    }
    return this.ended;
  }

  /** Node's own event `close` does not come after a disconnect, so the parts are waited for. */
  async #watchEnd(): Promise<ChildEnd> {
    const { stdout, stderr } = this.#process;
    const outputs = [stdout, stderr].map(
      (stream) => new Promise((resolve) => stream?.once('close', resolve) ?? resolve(undefined)),
    );
    const end = await new Promise<ChildEnd>((resolve) => {
      this.#process.on('exit', (code, signal) => resolve({ code, signal }));
      this.#process.on('error', (error) => {
        this.#errorOutput += error.message;
        resolve({ code: null, signal: null });
      });
    });
    alive.delete(this.#process);
    await Promise.all(outputs);
    this.#end = end;
    for (const waiting of this.#waiting.values()) {
      waiting.reject(this.#endError());
    }
    this.#waiting.clear();
    return end;
  }

  #onAnswer(answer: ChildAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.error === undefined) {
      waiting?.resolve(answer.result);
    } else {
      waiting?.reject(new PawlError(ErrorCode.Closed, `${this.name}: ${answer.error}`));
    }
  }

  #onOutput(text: string): void {
    const lines = (this.#partialLine + text).split('\n');
    this.#partialLine = lines.pop() ?? '';
    for (const line of lines) {
      this.#onLine?.(line);
    }
  }

  #endError(): PawlError {
    const how = this.#end?.signal ?? `exit code ${this.#end?.code ?? 'not known yet'}`;
    const words = this.errorOutput === '' ? '' : `; it said: ${this.errorOutput}`;
    const text = `${this.name} (process ${this.pid}) ended with ${how}${words}`;
    return new PawlError(ErrorCode.Closed, text, 'environment');
  }
}

/** What a child does with the requests of its parent, by type. */
export type RequestHandlers = Readonly<Record<string, (value: unknown) => unknown>>;

/**
 * Answers the parent's requests; without a parent does nothing.
 *
 * @param onParentGone called when the parent has ended or let this process go.
 */
export function serveParent(handlers: RequestHandlers, onParentGone: () => void): void {
  if (process.send === undefined) {
    return;
  }
  const send = (answer: ChildAnswer): void => {
    if (process.connected) {
      process.send?.(answer);
    }
  };
  process.on('message', (message) => {
    const { id, type, value } = message as ChildRequest;
    const handler = handlers[type];
    if (handler === undefined) {
      send({ id, type, error: `no request of type '${type}' is known` });
      return;
    }
    Promise.resolve()
      .then(() => handler(value))
      .then(
        (result) => send({ id, type, result }),
        (error: unknown) =>
          send({ id, type, error: error instanceof Error ? error.message : String(error) }),
      );
  });
  process.on('disconnect', onParentGone);
}
