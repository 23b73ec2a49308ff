// process-member.ts: a member in a process of its own, as its parent sees it.

import { ErrorCode, PawlError } from '../errors.js';
import { Child, type ChildEnd } from './child-process.js';
import type { NodeProcessStatus } from './node-process.js';

/** One line of `pawl node --json`. */
export type MemberProcessEvent = { readonly event: string } & Readonly<Record<string, unknown>>;

const ENTRY = new URL('./main.ts', import.meta.url);

/** Starts, asks, kills and restarts one member. */
export class ProcessMember {
  readonly memberId: number;
  readonly directory: string;
  readonly #configFile: string;
  readonly #onEvent: (memberId: number, event: MemberProcessEvent) => void;
  #child: Child | undefined;

  /** @param configFile what `pawl node --config` reads. */
  constructor(
    memberId: number,
    directory: string,
    configFile: string,
    onEvent: (memberId: number, event: MemberProcessEvent) => void = () => undefined,
  ) {
    this.memberId = memberId;
    this.directory = directory;
    this.#configFile = configFile;
    this.#onEvent = onEvent;
  }

  get isRunning(): boolean {
    return this.#child !== undefined && this.#child.end === undefined;
  }

  get pid(): number {
    return this.#child?.pid ?? -1;
  }

  /**
   * Starts the process.
   *
   * @returns when the member has opened its directory and its sockets are under way.
   * @throws PawlError CLOSED with the process's last words when it ended instead.
   */
  async start(): Promise<void> {
    let onStarted: () => void = () => undefined;
    const started = new Promise<void>((resolve) => {
      onStarted = resolve;
    });
    const args = ['node', '--config', this.#configFile, '--json'];
    const onLine = (line: string): void => {
      const event = parseEvent(line);
      if (event !== undefined) {
        this.#onEvent(this.memberId, event);
        if (event.event === 'started') {
          onStarted();
        }
      }
    };
    const child = new Child(`member ${this.memberId}`, ENTRY, { args, onLine });
    this.#child = child;
    // The question is answered only by a process that lives; its end is the error that counts.
    await Promise.race([started, child.ended]);
    await this.status();
  }

  /** @throws PawlError CLOSED when the process is gone. */
  status(): Promise<NodeProcessStatus> {
    return this.#running().ask<NodeProcessStatus>('status');
  }

  /**
   * Has a snapshot taken on every member, if this one leads.
   *
   * @throws PawlError CLOSED when the process is gone.
   */
  async requestSnapshot(): Promise<void> {
    await this.#running().ask('snapshot');
  }

  /** The status, or undefined when the process is gone. */
  async statusIfRunning(): Promise<NodeProcessStatus | undefined> {
    if (!this.isRunning) {
      return undefined;
    }
    return this.status().catch((error: unknown) => {
      if (error instanceof PawlError && error.code === ErrorCode.Closed) {
        return undefined;
      }
      throw error;
    });
  }

  /** `kill -9`: nothing of the process runs any more. */
  kill(): Promise<ChildEnd> {
    const child = this.#running();
    child.kill('SIGKILL');
    return child.ended;
  }

  /** Leaves the cluster cleanly. */
  async stop(): Promise<ChildEnd | undefined> {
    const child = this.#child;
    if (child?.end === undefined) {
      child?.kill('SIGTERM');
    }
    return child?.ended;
  }

  #running(): Child {
    if (this.#child === undefined) {
      throw new Error(`member ${this.memberId} was never started`);
    }
    return this.#child;
  }
}

function parseEvent(line: string): MemberProcessEvent | undefined {
  if (!line.startsWith('{')) {
    return undefined;
  }
  try {
    return JSON.parse(line) as MemberProcessEvent;
  } catch (error) {
    if (error instanceof SyntaxError) {
      return undefined;
    }
    throw error;
  }
}
