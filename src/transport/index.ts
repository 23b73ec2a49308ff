// index.ts: `pawl/transport`, the streams without the cluster. Re-exports only.

export { Arena } from '../memory/arena.js';
export { ChannelUri } from '../protocol/channel-uri.js';
export type { BlockReader, BlockSource } from './block-source.js';
export { ExclusivePublication } from './exclusive-publication.js';
export { FragmentAssembler } from './fragment-assembler.js';
export { Action, type FragmentHandler, type FragmentHeader } from './fragment-header.js';
export { Image } from './image.js';
export { LogPublication } from './log-publication.js';
export { Subscription, type SubscriptionOptions } from './subscription.js';
export { Transport } from './transport.js';
export { concludeTransportConfig, type TransportConfig } from './transport-config.js';
export { TransportCounters } from './transport-counters.js';
