// The phases after the faults find clusters that do not come back, each for its own reason.

import test from 'tape';
import { ArenaPool, Simulation } from '../../src/simulator/index.js';
import { MAIN_THREAD } from '../../src/simulator/simulated-cluster.js';

const MS = 1_000_000;
const SECOND = 1_000_000_000;
const LOG_STREAM = 100;
const FRAME_TYPE_OFFSET = 6;
const FRAME_TYPE_PAD = 0;
const FRAME_TYPE_DATA = 1;
const STREAM_ID_OFFSET = 16;

/** A calm run of five members with all phases; `spoil` may break something. */
function run(seed: number, spoil: (simulation: Simulation) => void): Simulation {
  const simulation = new Simulation({
    seed,
    arenas: new ArenaPool(),
    profile: 'quiet',
    safetyNs: 2 * SECOND,
    adjust: (swarm) => ({ ...swarm, memberCount: 5, faults: ['wall clock jump'] }),
  });
  spoil(simulation);
  return simulation;
}

/** Whether a datagram carries a part of the log. */
function isLogData(view: DataView): boolean {
  const type = view.getUint16(FRAME_TYPE_OFFSET, true);
  const isData = type === FRAME_TYPE_DATA || type === FRAME_TYPE_PAD;
  return isData && view.getInt32(STREAM_ID_OFFSET, true) === LOG_STREAM;
}

/** Drops the log wherever it is going while a condition holds. */
function dropLogWhile(simulation: Simulation, condition: () => boolean): void {
  simulation.world.network.addFilter((_source, _destination, buffer, offset, length) => {
    const view = new DataView(buffer.buffer, buffer.byteOffset + offset, length);
    return !(condition() && isLogData(view));
  });
}

test('a cluster that is left alone passes all phases, whichever way the others are absent', (t) => {
  for (let seed = 1; seed <= 8; seed++) {
    const { violation, counts } = run(seed, () => undefined).run();
    t.equal(violation, undefined, `seed ${seed}`);
    t.ok(counts.crashes > 0, 'a follower was killed');
  }
  t.end();
});

test('a majority that does not serve while the others are away is found', (t) => {
  const found: string[] = [];
  for (let seed = 1; seed <= 8; seed++) {
    const simulation = run(seed, (each) => {
      const { network, nodes } = each.world;
      const isCut = (): boolean =>
        nodes.some((from) => nodes.some((to) => network.linkOf(from, to).isBlocked));
      dropLogWhile(each, isCut);
    });
    const { violation } = simulation.run();
    if (violation !== undefined) {
      found.push(`${violation.invariant} ${violation.message.slice(0, 200)}`);
    }
  }
  t.ok(found.length > 0, `${found.length} of 8`);
  t.ok(
    found.every((text) => /not within \d+ s: the core member/.test(text)),
    found[0] ?? 'nothing',
  );
  t.end();
});

test('a follower whose death holds up the commits is found', (t) => {
  const found: string[] = [];
  for (let seed = 1; seed <= 8; seed++) {
    const simulation = run(seed, (each) => {
      const { members } = each.cluster;
      let isWatched = false;
      const kill = each.nemesis.kill.bind(each.nemesis);
      each.nemesis.kill = (member) => {
        const { world } = each;
        // The one that dies while nobody is cut off from anybody.
        isWatched = world.nodes.every((from) =>
          world.nodes.every((to) => !world.network.linkOf(from, to).isBlocked),
        );
        kill(member);
      };
      dropLogWhile(each, () => {
        const isDown = members.some(({ node }) => node.process === undefined);
        return isWatched && isDown && each.clients.some(({ sentCount }) => sentCount > 20);
      });
    });
    const { violation } = simulation.run();
    if (violation !== undefined) {
      found.push(violation.invariant);
    }
  }
  t.ok(found.includes('commit gap'), found.join(', '));
  t.end();
});

test('streams and sockets that are not given back are found', (t) => {
  const found: string[] = [];
  for (let seed = 1; seed <= 8; seed++) {
    const simulation = run(seed, (each) => {
      each.world.schedule(SECOND, undefined, () => {
        for (const { member } of each.cluster.members) {
          for (let extra = 0; extra < 8; extra++) {
            member?.transport.addPublication('aeron:ipc', 900 + extra);
          }
        }
      });
    });
    const { violation } = simulation.run();
    if (violation !== undefined) {
      found.push(violation.message);
    }
  }
  t.ok(found.length > 0, `${found.length} of 8 looked`);
  t.ok(
    found.every((text) => text.includes('sessions, streams and sockets are given back')),
    found[0] ?? 'nothing',
  );
  t.end();
});

test('a leader whose own thread stands still with its disk is not blamed before it moves', (t) => {
  for (let seed = 1; seed <= 4; seed++) {
    const stalled: string[] = [];
    const simulation = run(seed, (each) => {
      const stall = (name: string): void => {
        const leader = each.cluster.members.find(({ member }) => member?.status().isIngressOpen);
        const threads = leader?.node.process?.threads;
        threads?.find((thread) => thread.name === name)?.stall(SECOND);
        stalled.push(`${name} of ${leader?.memberId}`);
      };
      // Its disk comes back first, when it has taken no turn for longer than it may lead so.
      each.world.schedule(SECOND, undefined, () => stall('recorder'));
      each.world.schedule(SECOND + 150 * MS, undefined, () => stall(MAIN_THREAD));
    });
    const { violation } = simulation.run();
    t.deepEqual(stalled, ['recorder of 0', 'main of 0'], 'the leader stood still');
    t.equal(violation?.message, undefined, `seed ${seed}`);
  }
  t.end();
});
