// member-process.ts: one member as users run it: `pawl node` from the built package, in a process
// of its own, started, asked, stopped and killed by the test that owns it.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { NodeMemberStatus } from '../../src/host/node-member.js';

/** Loaded before Pawl: faults from inside the process. */
const SEAMS = new URL('./seams.js', import.meta.url).href;
const PAWL = fileURLToPath(new URL('../../bin/pawl.js', import.meta.url));
const STATUS_TIMEOUT_MS = 2_000;
const ERROR_OUTPUT_LENGTH_MAX = 16 * 1024;

/** What happens to datagrams on their way to a member, or to `client`; percents. */
export interface LinkFaults {
  readonly loss?: number;
  readonly duplication?: number;
  /** A duplicate comes within this. */
  readonly duplicateMs?: number;
  /** Datagrams that come later than others that were sent after them. */
  readonly lateness?: number;
  readonly lateMs?: number;
  readonly delayMs?: number;
  readonly corruption?: number;
}

/** An order to the seams of a process; see seams.js. What is not named stays as it is. */
export interface SeamOrder {
  readonly wallMs?: number;
  readonly strobeMs?: number;
  readonly stallMs?: number;
  readonly syncMs?: number;
  readonly dieAt?: {
    readonly files: 'snapshot' | 'log' | 'all';
    readonly call: number;
    readonly how: 'before' | 'after' | 'torn';
  };
  /** By the id of the member that is sent to, or `client`. */
  readonly network?: Readonly<Record<string, LinkFaults>>;
}

/** One line of `pawl node --json`. */
export type MemberEvent = { readonly event: string } & Readonly<Record<string, unknown>>;

/** How a life of a member ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What a process answers; an order's answer is empty. */
interface Answer {
  readonly status?: NodeMemberStatus;
  readonly process?: { readonly residentBytes: number };
}

const alive = new Set<ChildProcess>();
let isWatching = false;

/** Whatever ends the test: no member outlives it. */
function watchExit(): void {
  if (isWatching) {
    return;
  }
  isWatching = true;
  process.on('exit', () => {
    for (const child of alive) {
      child.kill('SIGKILL');
    }
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => process.exit(1));
  }
}

/** A member and all its lives. */
export class MemberProcess {
  readonly memberId: number;
  readonly directory: string;
  /** Events of all lives, in order. */
  readonly events: MemberEvent[] = [];
  /** What the member was configured with. */
  readonly configFile: string;
  /** Environment of the process besides this one's; undefined without seams. */
  seamEnvironment: Readonly<Record<string, string>> | undefined;
  #child: ChildProcess | undefined;
  #ended: Promise<ProcessEnd> = Promise.resolve({ code: 0, signal: null });
  #end: ProcessEnd | undefined;
  #isEndExpected = false;
  #errorOutput = '';
  #nextId = 1;
  readonly #answers = new Map<number, (answer: Answer | undefined) => void>();

  constructor(memberId: number, directory: string, configFile: string) {
    this.memberId = memberId;
    this.directory = directory;
    this.configFile = configFile;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#end === undefined;
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  /** How the last life ended; undefined while it lasts. */
  get end(): ProcessEnd | undefined {
    return this.#end;
  }

  /** The last life ended although nobody wanted it to. */
  get isEndUnexpected(): boolean {
    return this.#end !== undefined && !this.#isEndExpected;
  }

  /** What the last life wrote to its standard error. */
  get errorOutput(): string {
    return this.#errorOutput.trim();
  }

  /**
   * Starts a life.
   *
   * @param wrapper command and arguments in front of Node's own, which must become that process.
   */
  start(wrapper: readonly string[] = []): void {
    watchExit();
    const [command = process.execPath, ...args] = [
      ...wrapper,
      process.execPath,
      ...(this.seamEnvironment === undefined ? [] : ['--import', SEAMS]),
      PAWL,
      'node',
      '--config',
      this.configFile,
      '--json',
    ];
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, ...this.seamEnvironment },
    });
    alive.add(child);
    this.#child = child;
    this.#end = undefined;
    this.#isEndExpected = false;
    this.#errorOutput = '';
    let rest = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      this.#noteLines(lines);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errorOutput = (this.#errorOutput + text).slice(-ERROR_OUTPUT_LENGTH_MAX);
    });
    child.on('message', (message) => this.#onAnswer(message));
    this.#ended = new Promise((resolve) => {
      const finish = (code: number | null, signal: NodeJS.Signals | null): void => {
        alive.delete(child);
        this.#end = { code, signal };
        for (const answer of this.#answers.values()) {
          answer(undefined);
        }
        this.#answers.clear();
        resolve(this.#end);
      };
      child.on('close', finish);
      child.on('error', (error) => {
        this.#errorOutput += error.message;
        finish(null, null);
      });
    });
  }

  /** What the member says of itself; undefined when it is gone, stopped or too busy to answer. */
  async status(): Promise<NodeMemberStatus | undefined> {
    return (await this.#ask('status', undefined))?.status;
  }

  /** Bytes of memory that the process holds; 0 when it does not answer. */
  async residentBytes(): Promise<number> {
    return (await this.#ask('status', undefined))?.process?.residentBytes ?? 0;
  }

  /** Gives an order to the seams of the process; resolves when it is obeyed. */
  async order(value: SeamOrder): Promise<void> {
    await this.#ask('seam', value);
  }

  #ask(type: string, value: unknown): Promise<Answer | undefined> {
    const child = this.#child;
    if (child === undefined || this.#end !== undefined || !child.connected) {
      return Promise.resolve(undefined);
    }
    const id = this.#nextId++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#settle(id, undefined), STATUS_TIMEOUT_MS);
      this.#answers.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      child.send({ id, type, value }, (error) => {
        if (error !== null) {
          this.#settle(id, undefined);
        }
      });
    });
  }

  /** `kill -9`. */
  kill(): Promise<ProcessEnd> {
    return this.#signalEnd('SIGKILL');
  }

  /** Lets the member leave cleanly. */
  leave(): Promise<ProcessEnd> {
    return this.#signalEnd('SIGTERM');
  }

  /** Waits for an end that the member comes to by itself. */
  expectEnd(): Promise<ProcessEnd> {
    this.#isEndExpected = true;
    return this.#ended;
  }

  /** Freezes the process where it is. */
  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  #signalEnd(signal: NodeJS.Signals): Promise<ProcessEnd> {
    this.#isEndExpected = true;
    if (this.isRunning) {
      this.#child?.kill(signal);
    }
    return this.#ended;
  }

  #noteLines(lines: readonly string[]): void {
    for (const line of lines) {
      if (line.startsWith('{')) {
        this.events.push(JSON.parse(line) as MemberEvent);
      }
    }
  }

  #onAnswer(message: unknown): void {
    const { id, result } = message as { id: number; result?: Answer };
    this.#settle(id, result);
  }

  #settle(id: number, value: Answer | undefined): void {
    const answer = this.#answers.get(id);
    this.#answers.delete(id);
    answer?.(value);
  }
}
