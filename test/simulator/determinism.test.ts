// One seed is one run: a small busy world of everything that the simulator has, twice.

import test from 'tape';
import type { Agent } from '../../src/ports/agent.js';
import { type DatagramSocket, SocketState } from '../../src/ports/network.js';
import { exponentialDelay, uniformDelay } from '../../src/simulator/delay.js';
import type { VirtualNode } from '../../src/simulator/virtual-node.js';
import type { VirtualPorts } from '../../src/simulator/virtual-thread.js';
import { World } from '../../src/simulator/world.js';
import { MILLISECOND, SECOND, socketOptions } from './harness.js';

const NODE_COUNT = 3;
const PORT = 4000;
const PERIOD_NS = 5 * MILLISECOND;

/** Gossips: sends random bytes to random peers, writes what it hears to a file, and syncs. */
class Gossip implements Agent {
  readonly roleName = 'gossip';
  readonly #ports: VirtualPorts;
  readonly #socket: DatagramSocket;
  readonly #buffer = new Uint8Array(64);
  #file = 0;
  #position = 0;
  #nextNs = 0;

  constructor(ports: VirtualPorts, host: string) {
    this.#ports = ports;
    this.#socket = ports.network.open(socketOptions(host, PORT));
    ports.storage.open('heard', 3);
  }

  doWork(nowNs: number): number {
    const { storage } = this.#ports;
    let workCount = storage.poll(({ value, result }) => {
      this.#file = this.#file === 0 && result === 0 ? value : this.#file;
    }, 10);
    workCount += this.#socket.poll((bytes, offset, length) => {
      if (this.#file !== 0) {
        storage.write(this.#file, this.#position, bytes.slice(offset, offset + length), 0, length);
        this.#position += length;
      }
    }, 10);
    if (nowNs >= this.#nextNs && this.#socket.state === SocketState.Open) {
      this.#nextNs = nowNs + PERIOD_NS;
      this.#gossip();
      workCount++;
    }
    return workCount;
  }

  deadlineNs(): number {
    return this.#nextNs;
  }

  close(): void {
    this.#socket.close();
  }

  #gossip(): void {
    const { entropy, storage } = this.#ports;
    const peer = 1 + (entropy.nextUint32() % NODE_COUNT);
    const length = 1 + (entropy.nextUint32() % 64);
    this.#buffer.fill(entropy.nextUint32(), 0, length);
    const key = this.#socket.keyOf({ host: `10.0.0.${peer}`, port: PORT });
    this.#socket.sendTo(this.#buffer, 0, length, key);
    if (this.#file !== 0 && entropy.nextUint32() % 4 === 0) {
      storage.sync(this.#file);
    }
  }
}

/** Ends, pauses and restarts nodes, and cuts links, by chance. */
function addNemesis(world: World): void {
  const random = world.random.fork('nemesis');
  const strike = (): void => {
    const node = random.pick(world.nodes);
    const other = random.pick(world.nodes);
    switch (random.below(5)) {
      case 0:
        node.kill();
        break;
      case 1:
        node.powerCut();
        break;
      case 2:
        node.process?.pause(random.below(50 * MILLISECOND));
        break;
      case 3:
        world.network.block(node, other);
        break;
      default:
        world.network.heal();
        node.setClockRate(random.between(9, 11), 10);
    }
    world.schedule(world.nowNs + 20 * MILLISECOND, undefined, () => restartAll(world.nodes));
    world.schedule(world.nowNs + random.below(100 * MILLISECOND), undefined, strike);
  };
  world.schedule(MILLISECOND, undefined, strike);
}

function restartAll(nodes: readonly VirtualNode[]): void {
  for (const node of nodes) {
    if (node.process === undefined) {
      node.start();
    }
  }
}

interface Outcome {
  digest: string;
  eventCount: number;
  counts: string;
  files: string;
}

function run(seed: number): Outcome {
  const world = new World(seed);
  for (let i = 0; i < NODE_COUNT; i++) {
    const node = world.addNode({
      name: `node ${i}`,
      program: (process) => {
        process.spawn('main', (ports) => [new Gossip(ports, `10.0.0.${i + 1}`)]);
      },
    });
    const delay = exponentialDelay(0, MILLISECOND);
    node.disk.latency = { write: delay, read: delay, sync: delay, metadata: delay };
    node.start();
  }
  world.network.setAllLinks({
    delay: exponentialDelay(100_000, 2 * MILLISECOND),
    lossPerMillion: 20_000,
    duplicatePerMillion: 20_000,
    duplicateDelay: uniformDelay(0, SECOND),
    reorderPerMillion: 50_000,
    reorderDelay: uniformDelay(0, 5 * MILLISECOND),
    corruptPerMillion: 20_000,
  });
  addNemesis(world);
  world.runUntil(5 * SECOND);
  const files = world.nodes.map((node) => node.disk.snapshotCached('heard')?.bytes().join() ?? '');
  return {
    digest: world.trace.digest(),
    eventCount: world.eventCount,
    counts: JSON.stringify([world.network.counts, world.nodes.map((node) => node.disk.counts)]),
    files: files.join('|'),
  };
}

test('the same seed gives the same run to the last byte, and every other seed another one', (t) => {
  const digests = new Set<string>();
  for (let seed = 1; seed <= 10; seed++) {
    const first = run(seed);
    t.deepEqual(run(seed), first, `seed ${seed}: ${first.eventCount} events, ${first.digest}`);
    digests.add(first.digest);
  }
  t.equal(digests.size, 10);
  t.end();
});

test('a run does something of everything', (t) => {
  const { counts } = run(1);
  const [network, disks] = JSON.parse(counts) as [Record<string, number>, Record<string, number>[]];
  for (const name of ['delivered', 'blocked', 'lost', 'duplicated', 'reordered', 'corrupted']) {
    t.ok((network[name] ?? 0) > 0, `${network[name]} ${name}`);
  }
  for (const name of ['powerCuts', 'syncs', 'keptSectors', 'lostSectors']) {
    const sum = disks.reduce((total, disk) => total + (disk[name] ?? 0), 0);
    t.ok(sum > 0, `${sum} ${name}`);
  }
  t.end();
});
