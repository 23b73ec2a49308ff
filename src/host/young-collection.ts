// young-collection.ts: asks V8 for a collection of its young generation.
//
// Node hands over every datagram in a buffer of its own, outside V8's heap, and V8 counts those
// bytes against the limit at which it marks the whole heap. A busy member gets a hundred megabytes
// a second that way, and makes few objects beside them: so the young generation, where the buffers
// die at once, is hardly ever full, and it was the whole heap that was marked, five to seven times
// a second in each process once it had been idle for a while. That took a third of the processor,
// and pauses of ten milliseconds. A young collection frees the same bytes in one.
//
// V8 has no other call for it. The flag that shows it is set for as long as it takes to get it.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What V8 calls `gc` where it is exposed. */
type ExposedCollection = (options: { readonly type: 'minor' }) => void;

let isFound = false;
let found: ExposedCollection | undefined;

function exposedCollection(): ExposedCollection | undefined {
  if (!isFound) {
    isFound = true;
    setFlagsFromString('--expose-gc');
    found = runInNewContext('globalThis.gc') as ExposedCollection | undefined;
    setFlagsFromString('--no-expose-gc');
  }
  return found;
}

/** Frees what died young in this thread. Does nothing where the runtime has no call for it. */
export function collectYoung(): void {
  exposedCollection()?.({ type: 'minor' });
}
