// message-mirror.test.ts: what an engine proposes for a service on another thread is what the
// service's own container would have proposed.

import test from 'tape';
import { MessageMirror } from '../../src/cluster/message-mirror.js';
import type { ServiceMessage } from '../../src/cluster/service-host.js';
import { ServiceMessages } from '../../src/service/service-messages.js';
import { Prng } from '../../src/simulator/prng.js';

const STEP_COUNT = 3_000;
const PENDING_COUNT_MAX = 20;
const LIMITS = { countMax: PENDING_COUNT_MAX, bytesMax: 1 << 20 };

/** A service's messages, and the mirror that hears of them. */
function pair(serviceId: number) {
  const messages = new ServiceMessages(serviceId, LIMITS);
  const mirror = new MessageMirror(messages.pendingCountMax);
  messages.listener = mirror;
  return { messages, mirror };
}

/** Proposes with room for `room` messages, and tells which were taken. */
function propose(source: ServiceMessages | MessageMirror, limit: number, room: number): string[] {
  const taken: string[] = [];
  source.propose(limit, (message: ServiceMessage) => {
    if (taken.length === room) {
      return false;
    }
    const { bytes, ordinal, originPosition, sequence, serviceId } = message;
    taken.push([serviceId, sequence, originPosition, ordinal, ...bytes].join(' '));
    return true;
  });
  return taken;
}

test('whatever a service, its log and leaders do, the mirror proposes the same messages', (t) => {
  const random = new Prng(7, 'mirror');
  const { messages, mirror } = pair(1);
  let logged = 0;
  let offered = 0;
  let proposals = 0;
  const differences: string[] = [];
  for (let step = 0; step < STEP_COUNT; step++) {
    const kind = random.below(5);
    if (kind <= 1) {
      const bytes = Uint8Array.of(step & 0xff, random.below(256));
      offered += messages.offer(32 * random.between(step, step + 1), bytes, 0, 2) >= 0 ? 1 : 0;
    } else if (kind === 2 && logged < offered) {
      // One of another service, and one that comes twice, change nothing.
      messages.admit({ serviceId: 0, sequence: step + 1 });
      messages.admit({ serviceId: 1, sequence: ++logged });
      messages.admit({ serviceId: 1, sequence: logged });
    } else if (kind === 3) {
      const limit = random.between(1, 6);
      const room = random.below(6);
      const expected = propose(messages, limit, room);
      const found = propose(mirror, limit, room);
      proposals += found.length;
      if (expected.join() !== found.join()) {
        differences.push(`step ${step}: ${found.join()} and not ${expected.join()}`);
      }
    } else if (random.chance(1, 4)) {
      messages.forgetProposals();
      mirror.forgetProposals();
    }
    if (
      mirror.unproposedCount !== messages.unproposedCount ||
      mirror.pendingCount !== messages.pendingCount
    ) {
      differences.push(`step ${step}: ${mirror.pendingCount} and not ${messages.pendingCount}`);
    }
  }
  t.deepEqual(differences, []);
  t.ok(proposals > STEP_COUNT / 10, `${proposals} proposals were compared`);
  t.equal(mirror.pendingCountMax, PENDING_COUNT_MAX);
  t.end();
});

test('what a snapshot says of messages reaches the mirror as well', (t) => {
  const first = pair(2);
  for (let value = 0; value < 9; value++) {
    first.messages.offer(96, Uint8Array.of(value), 0, 1);
  }
  for (let sequence = 1; sequence <= 4; sequence++) {
    first.messages.admit({ serviceId: 2, sequence });
  }
  const { logged, pending } = first.messages.freeze();
  const second = pair(2);
  for (const one of logged) {
    second.messages.restoreLogged(one);
  }
  for (const one of pending) {
    second.messages.restorePending(one);
  }
  t.equal(second.mirror.unproposedCount, 5);
  t.deepEqual(propose(second.mirror, 100, 100), propose(first.messages, 100, 100));
  t.equal(second.mirror.unproposedCount, 0);
  t.end();
});
