// peer-process.ts: a program under test, as a child that reports in lines of JSON.
//
// A peer ends when its standard input is closed, so none outlives the test that started it.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const STDERR_LENGTH_MAX = 16 * 1024;

/** One report of a peer. Its fields depend on the event. */
export type PeerReport = Readonly<Record<string, unknown>> & { readonly event: string };

/** A child process and what it has reported. */
export class PeerProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #name: string;
  readonly #reports: PeerReport[] = [];
  readonly #ended: Promise<number>;
  #waiting: (() => void)[] = [];
  #stderr = '';
  #isOver = false;

  constructor(name: string, command: string, args: readonly string[]) {
    this.#name = name;
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stdin.on('error', (error) => this.#note(`${error}\n`));
    this.#child.stderr.on('data', (chunk: Buffer) => this.#note(chunk.toString()));
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#takeLine(line));
    this.#ended = new Promise((resolve) => {
      this.#child.on('error', (error) => this.#note(`${error}\n`));
      this.#child.on('close', (code) => {
        this.#isOver = true;
        this.#wakeAll();
        resolve(code ?? -1);
      });
    });
  }

  /** The report of an event; rejects when the program ends, or the time is over, without it. */
  async report(event: string, limitMs: number): Promise<PeerReport> {
    const end = Date.now() + limitMs;
    for (;;) {
      const found = this.#reports.find((report) => report.event === event);
      if (found !== undefined) {
        return found;
      }
      const leftMs = end - Date.now();
      if (this.#isOver || leftMs <= 0) {
        const how = this.#isOver ? 'ended' : `ran ${limitMs} ms`;
        throw new Error(`${this.#name} ${how} without '${event}':\n${this.#stderr}`);
      }
      await this.#change(leftMs);
    }
  }

  /** Lets the program end; returns its exit code. */
  async end(): Promise<number> {
    this.#child.stdin.end();
    return await this.#ended;
  }

  /** Ends the program as a crash does. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  #change(limitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #takeLine(line: string): void {
    if (line.startsWith('{')) {
      this.#reports.push(JSON.parse(line) as PeerReport);
      this.#wakeAll();
    } else {
      this.#note(`${line}\n`);
    }
  }

  #note(text: string): void {
    this.#stderr = (this.#stderr + text).slice(-STDERR_LENGTH_MAX);
  }

  #wakeAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) {
      wake();
    }
  }
}
