// local-subscriptions.ts: subscriptions that read publications of the same transport in place.

import type { SocketAddress } from '../ports/network.js';
import type { ResolvedChannel } from './channel.js';
import { ExclusivePublication } from './exclusive-publication.js';
import type { LogPublication } from './log-publication.js';
import { Subscription, type SubscriptionOptions, type SubscriptionPlace } from './subscription.js';

interface LocalSubscription {
  readonly subscription: Subscription;
  readonly channel: ResolvedChannel;
}

/** In-process subscriptions and spies of one transport. */
export class LocalSubscriptions implements SubscriptionPlace {
  readonly localEndpoint: SocketAddress | undefined = undefined;
  readonly failure: Error | undefined = undefined;
  readonly #subscriptions: LocalSubscription[] = [];
  /** Channel of each publication, for spies that come later. */
  readonly #channels = new WeakMap<ExclusivePublication, ResolvedChannel>();

  /** Adds a subscription, with images of the publications that are open. */
  add(
    channel: ResolvedChannel,
    streamId: number,
    options: SubscriptionOptions,
    publications: readonly (ExclusivePublication | LogPublication)[],
  ): Subscription {
    const { text, sessionId } = channel;
    const subscription = new Subscription(this, text, streamId, sessionId, options);
    const entry = { subscription, channel };
    this.#subscriptions.push(entry);
    for (const publication of publications) {
      if (publication instanceof ExclusivePublication && !publication.isClosed) {
        this.#join(entry, publication);
      }
    }
    return subscription;
  }

  /** A publication was opened: whoever waits for it gets an image. */
  onPublication(publication: ExclusivePublication, channel: ResolvedChannel): void {
    this.#channels.set(publication, channel);
    for (const entry of this.#subscriptions) {
      this.#join(entry, publication);
    }
  }

  #join(entry: LocalSubscription, publication: ExclusivePublication): void {
    const { subscription, channel } = entry;
    const isWanted =
      this.#channels.get(publication)?.key === channel.key &&
      publication.streamId === subscription.streamId &&
      (subscription.sessionId === undefined || subscription.sessionId === publication.sessionId);
    if (isWanted) {
      const image = publication.openReader({
        joinPosition: publication.position(),
        isTethered: subscription.options.tether ?? true,
        onClosed: (closed) => subscription.removeImage(closed),
      });
      subscription.addImage(image);
    }
  }

  onSubscriptionClosed(subscription: Subscription): void {
    const index = this.#subscriptions.findIndex((entry) => entry.subscription === subscription);
    if (index >= 0) {
      this.#subscriptions.splice(index, 1);
    }
  }
}
