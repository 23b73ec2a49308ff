// local-image.ts: reads a publication of the same transport in place.
//
// In-process subscribers and spies share the writer's log buffer: nothing is copied. A tethered
// reader holds the writer back; an untethered one is dropped when the writer overtakes it.

import type { SocketAddress } from '../ports/network.js';
import type { Position } from '../position.js';
import { Image } from './image.js';
import type { LogMemory } from './log-memory.js';
import type { Publication } from './publication.js';
import type { TransportContext } from './transport-context.js';

/** Told when a local image ends, before its memory may go. */
export type LocalImageClosed = (image: LocalImage) => void;

/** How a local image reads. */
export interface LocalImageOptions {
  /** A frame that the term buffers still hold. */
  readonly joinPosition: Position;
  readonly isTethered: boolean;
  readonly onClosed?: LocalImageClosed;
}

/** A reader of a publication in this process. */
export class LocalImage extends Image {
  /** Whether the writer waits for this reader. */
  readonly isTethered: boolean;
  readonly #publication: Publication;
  readonly #onClosed: LocalImageClosed | undefined;
  #isClosed = false;

  constructor(
    context: TransportContext,
    log: LogMemory,
    publication: Publication,
    options: LocalImageOptions,
  ) {
    super(context, log, options.joinPosition);
    this.isTethered = options.isTethered;
    this.#publication = publication;
    this.#onClosed = options.onClosed;
  }

  get sourceAddress(): SocketAddress | undefined {
    return undefined;
  }

  get rebuildPosition(): Position {
    return this.#isClosed ? this.position : this.#publication.position();
  }

  get isEndOfStream(): boolean {
    return this.#publication.isClosed && this.position >= this.#publication.position();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#publication.detach(this);
      this.#onClosed?.(this);
    }
  }

  protected onConsumed(): void {
    this.context.enqueue(this.#publication);
  }
}
