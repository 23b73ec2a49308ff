// What an arena held before it was given to a process is never read: a run is the same in memory
// full of somebody else's bytes.

import test from 'tape';
import { ARENA_HEAP_START, type Arena, SLAB_ALIGNMENT } from '../../src/memory/arena.js';
import { Simulation } from '../../src/simulator/index.js';
import { ArenaPool } from '../../src/simulator/simulated-cluster.js';

const SECOND = 1_000_000_000;
const SEEDS = [1, 4];

/** Gives arenas in which every byte that may be left from before is one that means something. */
class UsedArenas extends ArenaPool {
  override take(): Arena {
    const arena = super.take();
    const length = arena.u8.length - ARENA_HEAP_START;
    const address = arena.allocateUnzeroed(length - (length % SLAB_ALIGNMENT));
    arena.u8.fill(0xa5, address);
    arena.release(address, length - (length % SLAB_ALIGNMENT));
    return arena;
  }
}

function hashOf(seed: number, arenas: ArenaPool): string {
  const { traceHash, violation } = new Simulation({ seed, arenas, safetyNs: 2 * SECOND }).run();
  return `${traceHash} ${violation?.message ?? 'ok'}`;
}

test('a run does not depend on what its memory held before', (t) => {
  for (const seed of SEEDS) {
    t.equal(hashOf(seed, new UsedArenas()), hashOf(seed, new ArenaPool()), `seed ${seed}`);
  }
  t.end();
});
