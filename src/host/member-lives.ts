// member-lives.ts: a member over its lives in this process: one that has installed a snapshot ends,
// and starts again from it.

import { isInstalled } from './engine-messages.js';

/** What a life is to whoever follows it. */
interface Life {
  /** Resolves when it has ended: with the error that ended it, or undefined. */
  readonly closed: Promise<unknown>;
  /** Resolves when everything that it held is free again. */
  released(): Promise<void>;
  stop(): Promise<void>;
}

/** The lives of one member, one after another. */
export class MemberLives<L extends { readonly life: Life }> {
  /** Resolves with what ended the last life, or undefined when it was stopped. Never rejects. */
  readonly closed: Promise<unknown>;
  readonly #makeLife: () => L;
  readonly #onRestart: (reason: Error) => void;
  #current: L;
  #isStopping = false;

  /**
   * @param makeLife makes the first life, and each further one when the one before is released.
   * @param onRestart told why a life has ended that another one follows.
   * @throws what makeLife throws, for the first life.
   */
  constructor(makeLife: () => L, onRestart: (reason: Error) => void) {
    this.#makeLife = makeLife;
    this.#onRestart = onRestart;
    this.#current = makeLife();
    this.closed = this.#follow();
  }

  get current(): L {
    return this.#current;
  }

  /** Ends the life that there is; no other one follows. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#current.life.stop();
  }

  async #follow(): Promise<unknown> {
    for (;;) {
      const { life } = this.#current;
      const error = await life.closed;
      if (!isInstalled(error)) {
        return error;
      }
      this.#onRestart(error as Error);
      await life.released();
      // The stop may have come at any time before this: the life that it ended was over already.
      if (this.#isStopping) {
        return undefined;
      }
      try {
        this.#current = this.#makeLife();
      } catch (failure) {
        return failure;
      }
    }
  }
}
