// live-buffer-bytes.ts: what array buffers hold, for tests of memory that is to be given back.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes of all array buffers that are referenced by somebody. */
export function liveBufferBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // What one collection finds is given back by the next one at the latest.
  collect();
  collect();
  return process.memoryUsage().arrayBuffers;
}
