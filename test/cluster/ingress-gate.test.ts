// Which streams of clients a member takes: those that wait to be answered keep room, and those that
// strangers have left behind do not.

import test from 'tape';
import { concludeClusterConfig } from '../../src/cluster/cluster-config.js';
import { IngressGate } from '../../src/cluster/ingress-gate.js';
import { EGRESS_SPARE_COUNT, reserveLengthOf } from '../../src/cluster/memory-budget.js';
import { Arena } from '../../src/memory/arena.js';
import { logLength } from '../../src/transport/log-memory.js';
import { SENDER_MEDIUM_LENGTH } from '../../src/transport/medium.js';
import { Transport } from '../../src/transport/transport.js';
import { MemoryNetwork } from '../support/memory-network.js';
import { SeededEntropy } from '../support/seeded-entropy.js';
import { SECOND } from './cluster-fixture.js';

const MIB = 1024 * 1024;
const TERM_LENGTH = 64 * 1024;
/** What a client is answered with. */
const ANSWER_LENGTH = logLength(TERM_LENGTH) + SENDER_MEDIUM_LENGTH;
const CONFIG = concludeClusterConfig(
  {
    members: '0,127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,127.0.0.1:4,127.0.0.1:5',
    logTermLength: TERM_LENGTH,
    segmentLength: TERM_LENGTH,
    egressTermLength: TERM_LENGTH,
  },
  { memberId: 0 },
);

/** A gate with room for one more stream and the answers to so many clients. */
function gateWithRoomFor(answerCount: number, streams = { ingressCount: 0, egressCount: 0 }) {
  const arena = Arena.create(32 * MIB);
  const free =
    logLength(TERM_LENGTH) +
    reserveLengthOf(CONFIG) +
    (answerCount + EGRESS_SPARE_COUNT) * ANSWER_LENGTH;
  arena.allocate(arena.freeLength - free);
  return new IngressGate(arena, CONFIG, () => streams);
}

test('room is kept for the answers to those that came just before', (t) => {
  const streams = { ingressCount: 0, egressCount: 0 };
  const gate = gateWithRoomFor(2, streams);
  t.equal(gate.accept(TERM_LENGTH, 0), true);
  streams.ingressCount = 1;
  t.equal(gate.accept(TERM_LENGTH, SECOND / 2), true, 'for two');
  streams.ingressCount = 2;
  t.match(String(gate.accept(TERM_LENGTH, SECOND / 2)), /^no memory for a client's stream/);
  streams.egressCount = 1;
  t.equal(gate.accept(TERM_LENGTH, SECOND / 2), true, 'one has its answers');
  t.end();
});

test('whoever is taken can be answered, in however many pieces the memory is free', (t) => {
  const streamLength = logLength(TERM_LENGTH);
  const reserveLength = reserveLengthOf(CONFIG);
  for (const isReserveFirst of [true, false]) {
    const arena = Arena.create(32 * MIB);
    const network = new MemoryNetwork();
    const transport = new Transport({ arena, network, entropy: new SeededEntropy(1) });
    const long = { length: streamLength + reserveLength, count: 1 };
    const short = { length: ANSWER_LENGTH, count: 1 + EGRESS_SPARE_COUNT };
    const freed: { address: number; length: number }[] = [];
    for (const { count, length } of isReserveFirst ? [long, short] : [short, long]) {
      for (let index = 0; index < count; index++) {
        freed.push({ address: arena.allocate(length), length });
        arena.allocate(1);
      }
    }
    arena.allocate(arena.freeLength);
    for (const { address, length } of freed) {
      arena.release(address, length);
    }
    const gate = new IngressGate(arena, CONFIG, () => ({ ingressCount: 0, egressCount: 0 }));
    const hasRoom = () =>
      transport.canAddPublication(TERM_LENGTH, EGRESS_SPARE_COUNT, reserveLength);
    t.equal(gate.accept(TERM_LENGTH, 0), true, 'there is room for one');
    arena.allocate(streamLength);
    t.ok(hasRoom(), 'and for what it is answered with');
    t.notEqual(gate.accept(TERM_LENGTH, 2 * SECOND), true, 'another one is not taken');
    for (let index = 0; index <= EGRESS_SPARE_COUNT; index++) {
      arena.allocate(streamLength);
    }
    t.notOk(hasRoom(), 'now all of it is in use');
    t.ok(arena.canAllocate(reserveLength), 'but for the reserve');
    transport.close();
  }
  t.end();
});

test('streams that nobody has asked by for a second keep no room', (t) => {
  const streams = { ingressCount: 0, egressCount: 0 };
  const gate = gateWithRoomFor(1, streams);
  t.equal(gate.accept(TERM_LENGTH, 0), true);
  streams.ingressCount = 50;
  t.notEqual(gate.accept(TERM_LENGTH, SECOND - 1), true);
  t.equal(gate.accept(TERM_LENGTH, SECOND), true, 'what strangers left keeps nobody out');
  t.end();
});
