// watched-snapshot.ts: a snapshot as a user's service writes it: the records that it offers at
// once are noted. Those of a frozen view are written later, while the log goes on; that they are
// the same on all members is seen by the snapshots themselves (I-10).

import type { SnapshotPublication, SnapshotView } from '../../service/snapshot-publication.js';
import type { EventOutputs } from './event-outputs.js';

/** Runs code of the service. */
export type EnterService = (run: () => unknown) => void;

/** Where a service writes its snapshot. */
export class WatchedPublication implements SnapshotPublication {
  readonly #publication: SnapshotPublication;
  readonly #outputs: EventOutputs;
  readonly #enter: EnterService;

  constructor(publication: SnapshotPublication, outputs: EventOutputs, enter: EnterService) {
    this.#publication = publication;
    this.#outputs = outputs;
    this.#enter = enter;
  }

  offer(buffer: ArrayBufferView, offset: number, length: number): void {
    this.#publication.offer(buffer, offset, length);
    const start = buffer.byteOffset + offset;
    this.#outputs.addRecord(new Uint8Array(buffer.buffer, start, length));
  }

  offerView(view: SnapshotView): void {
    this.#publication.offerView({
      next: (output) => {
        let hasMore = false;
        this.#enter(() => {
          hasMore = view.next(output);
        });
        return hasMore;
      },
      close: () => view.close(),
    });
  }
}
