// targets.ts: every fuzz target by its name.

import type { FuzzTargetFactory } from './fuzz-target.js';
import { channelUriTarget } from './targets/channel-uri.js';
import { clientMessagesTarget } from './targets/client-messages.js';
import { commitPositionTarget } from './targets/commit-position.js';
import { configTarget } from './targets/config.js';
import { consensusMessagesTarget } from './targets/consensus-messages.js';
import { datagramsTarget } from './targets/datagrams.js';
import { framesTarget } from './targets/frames.js';
import { messageCodecsTarget } from './targets/message-codecs.js';
import { queryBatchesTarget } from './targets/query-batches.js';
import { recordsTarget } from './targets/records.js';
import { segmentRecoveryTarget } from './targets/segment-recovery.js';
import { termRebuildTarget } from './targets/term-rebuild.js';

export const TARGETS: ReadonlyMap<string, FuzzTargetFactory> = new Map<string, FuzzTargetFactory>([
  ['channel-uri', channelUriTarget],
  ['client-messages', clientMessagesTarget],
  ['commit-position', commitPositionTarget],
  ['config', configTarget],
  ['consensus-messages', consensusMessagesTarget],
  ['datagrams', datagramsTarget],
  ['frames', framesTarget],
  ['message-codecs', messageCodecsTarget],
  ['query-batches', queryBatchesTarget],
  ['records', recordsTarget],
  ['segment-recovery', segmentRecoveryTarget],
  ['term-rebuild', termRebuildTarget],
]);
