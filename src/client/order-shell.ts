// order-shell.ts: a client's orders to the cluster as promises. Each ends by its deadline.

import { ErrorCode, PawlError } from '../errors.js';
import { AdminResponseCode } from '../protocol/codecs/enumerations.js';
import type { AdminResponse, ClientHandlers, ClusterClient } from './cluster-client.js';

interface Waiting {
  readonly deadlineNs: number;
  resolve(): void;
  reject(error: PawlError): void;
}

function unknown(code: ErrorCode, why: string): PawlError {
  return new PawlError(
    code,
    `${why}: the snapshot may have been ordered or not; to order it twice does no harm`,
    'environment',
  );
}

/** Orders without an answer. */
export class OrderShell {
  readonly #waiting = new Map<number, Waiting>();
  #client: ClusterClient | undefined;
  #isClosed = false;
  #nextId = 1;

  /** What the session's client is to be given as its handlers, beside others. */
  clientHandlers(others: Partial<ClientHandlers>): Partial<ClientHandlers> {
    return {
      ...others,
      onAdminResponse: (response) => {
        this.onResponse(response);
        others.onAdminResponse?.(response);
      },
      onClosed: (error) => {
        this.onClosed();
        others.onClosed?.(error);
      },
    };
  }

  bind(client: ClusterClient): void {
    this.#client = client;
  }

  /**
   * Orders a snapshot.
   *
   * @throws PawlError ORDER_REFUSED, or TIMEOUT or SESSION_CLOSED when no answer came.
   */
  snapshot(deadlineNs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) {
        const what = 'the order was not sent: the session is closed';
        reject(new PawlError(ErrorCode.SessionClosed, what, 'environment'));
        return;
      }
      const correlationId = this.#nextId++;
      if ((this.#client?.orderSnapshot(correlationId) ?? -1) > 0) {
        this.#waiting.set(correlationId, { deadlineNs, resolve, reject });
        return;
      }
      reject(
        new PawlError(
          ErrorCode.Timeout,
          'the order was not sent: no leader is connected now, or its window is full; try again',
          'environment',
        ),
      );
    });
  }

  onResponse({ code, correlationId, message }: AdminResponse): void {
    const waiting = this.#waiting.get(correlationId);
    this.#waiting.delete(correlationId);
    if (code === AdminResponseCode.Ok) {
      waiting?.resolve();
    } else {
      waiting?.reject(
        new PawlError(ErrorCode.OrderRefused, `the cluster refused: ${message}`, 'environment'),
      );
    }
  }

  onClosed(): void {
    this.#isClosed = true;
    for (const { reject } of this.#waiting.values()) {
      reject(unknown(ErrorCode.SessionClosed, 'the session ended'));
    }
    this.#waiting.clear();
  }

  /** Gives up what is late. Returns how much. */
  doWork(nowNs: number): number {
    let work = 0;
    for (const [correlationId, { deadlineNs, reject }] of this.#waiting) {
      if (deadlineNs <= nowNs) {
        this.#waiting.delete(correlationId);
        reject(unknown(ErrorCode.Timeout, 'no answer came in time'));
        work++;
      }
    }
    return work;
  }

  deadlineNs(): number {
    let deadlineNs = Number.POSITIVE_INFINITY;
    for (const waiting of this.#waiting.values()) {
      deadlineNs = Math.min(deadlineNs, waiting.deadlineNs);
    }
    return deadlineNs;
  }
}
