// Runs the real command line as a child process, from dist, or from the sources when
// PAWL_TEST_SOURCES is set (while working on them).

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tape';
import { atEnd } from '../support/at-end.js';

const FROM_SOURCES = ['--import', 'tsx', 'src/tools/main.ts'];
const ENTRY = process.env.PAWL_TEST_SOURCES === undefined ? ['bin/pawl.js'] : FROM_SOURCES;
const LIMIT_MS = 60_000;
/** When it is set each command that has ended is told with what it said, as a comment. */
const IS_SHOWN = process.env.PAWL_TEST_SHOW !== undefined;

export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Arguments of the process that runs a command. */
export function cliArguments(...args: readonly string[]): string[] {
  return [...ENTRY, ...args];
}

/** Tells a command, its errors and warnings, and how it ended, among the lines of the tests. */
function show(args: readonly string[], { code, signal, stdout, stderr }: CliResult): void {
  const warnings = stdout.split('\n').filter((line) => line.includes('"warning"'));
  const said = [...stderr.trim().split('\n'), ...warnings].filter(Boolean);
  const lines = [`$ pawl ${args.join(' ')}`, ...said, `exit code ${code ?? signal}`];
  process.stdout.write(lines.map((line) => `#   ${line}\n`).join(''));
}

/** A command that runs. */
export class RunningCli {
  readonly #process: ChildProcess;
  readonly ended: Promise<CliResult>;
  #stdout = '';
  #stderr = '';
  #hasEnded = false;
  #onOutput: (() => void)[] = [];

  constructor(args: readonly string[]) {
    const child = spawn(process.execPath, cliArguments(...args), {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#process = child;
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
      this.#notify();
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
      this.#notify();
    });
    this.ended = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        clearTimeout(timer);
        this.#hasEnded = true;
        this.#notify();
        const result = { code, signal, stdout: this.#stdout, stderr: this.#stderr };
        if (IS_SHOWN) {
          show(args, result);
        }
        resolve(result);
      });
    });
  }

  get output(): string {
    return this.#stdout;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  kill(signal: NodeJS.Signals): Promise<CliResult> {
    this.#process.kill(signal);
    return this.ended;
  }

  /** Resolves when the standard output holds a text; rejects when the command ends before. */
  async waitFor(text: string | RegExp): Promise<void> {
    const isThere = () =>
      typeof text === 'string' ? this.#stdout.includes(text) : text.test(this.#stdout);
    while (!isThere()) {
      if (this.#hasEnded) {
        throw new Error(`ended without ${String(text)}: ${this.#stdout}${this.#stderr}`);
      }
      await new Promise<void>((resolve) => this.#onOutput.push(resolve));
    }
  }

  #notify(): void {
    const waiting = this.#onOutput;
    this.#onOutput = [];
    for (const resolve of waiting) {
      resolve();
    }
  }
}

/** Runs a command to its end. */
export function runCli(...args: string[]): Promise<CliResult> {
  return new RunningCli(args).ended;
}

/** Starts a command that is killed at the end of the test when it still runs. */
export function startCli(t: Test, ...args: string[]): RunningCli {
  const cli = new RunningCli(args);
  atEnd(t, async () => {
    if (!cli.hasEnded) {
      await cli.kill('SIGKILL');
    }
  });
  return cli;
}

/** A directory that is removed at the end of the test. */
export function temporaryDirectory(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'pawl-test-'));
  atEnd(t, () => rmSync(path, { recursive: true, force: true }));
  return path;
}
