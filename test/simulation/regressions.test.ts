// What the simulator has found in Pawl, each as small as it can be told.

import test from 'tape';
import { eventTimestamp } from '../../src/cluster/tail-time.js';
import { SessionCloseEventEncoder } from '../../src/protocol/codecs/session-close-event.js';
import { MESSAGE_HEADER_LENGTH } from '../../src/protocol/message-header.js';
import { ServiceContainer } from '../../src/service/service-container.js';
import { fixedDelay } from '../../src/simulator/delay.js';
import {
  ArenaPool,
  SimulatedCluster,
  type SimulatedMember,
  startSimulatedClient,
} from '../../src/simulator/simulated-cluster.js';
import type { VirtualNode } from '../../src/simulator/virtual-node.js';
import { World } from '../../src/simulator/world.js';

const SECOND = 1_000_000_000;
const MILLISECOND = 1_000_000;
const EGRESS_STREAM = 102;
const STREAM_ID_OFFSET = 16;
const FRAME_TYPE_OFFSET = 6;

/** Three members and one client that reports what it hears. */
class Scene {
  readonly world = new World(7);
  readonly cluster: SimulatedCluster;
  readonly client: VirtualNode;
  readonly heard: string[] = [];
  isLost = false;

  constructor(sessionTimeoutMs: number) {
    const arenas = new ArenaPool();
    this.cluster = new SimulatedCluster({
      world: this.world,
      memberCount: 3,
      arenas,
      cluster: { sessionTimeoutMs },
      makeService: () =>
        new ServiceContainer(() => ({
          onSessionMessage: (session, _timestamp, buffer, offset, length) => {
            session.offer(buffer, offset, length);
          },
        })),
    });
    this.client = this.world.addNode({ name: 'client' });
    this.world.network.setAllLinks({ delay: fixedDelay(MILLISECOND / 10) });
    this.cluster.bootstrap();
    this.cluster.startAll();
    startSimulatedClient(
      this.client,
      arenas,
      { ingressEndpoints: this.cluster.ingressEndpoints, newLeaderTimeoutMs: 3_000 },
      {
        onMessage: () => this.heard.push('reply'),
        onConnected: () => this.heard.push('connected'),
        onNewLeader: () => this.heard.push('new leader'),
        onClosed: () => this.heard.push('closed'),
      },
      () => 0,
      () => Number.POSITIVE_INFINITY,
    );
  }

  hears(what: string, limitNs = 30 * SECOND): boolean {
    const limit = this.world.nowNs + limitNs;
    return this.world.runUntilTrue(() => this.heard.includes(what), limit);
  }

  get leader(): SimulatedMember {
    const { members } = this.cluster;
    const leader = members.find((each) => each.member?.status().isIngressOpen === true);
    return leader ?? (members[0] as SimulatedMember);
  }
}

test('the timestamp of a closed session, the shortest event, ends the time of a log', (t) => {
  const view = new DataView(new ArrayBuffer(64));
  const encoder = new SessionCloseEventEncoder()
    .wrapAndApplyHeader(view, 0)
    .leadershipTermId(3)
    .clusterSessionId(96)
    .timestamp(1_735_689_600_123)
    .closeReason(2);
  const length = MESSAGE_HEADER_LENGTH + encoder.encodedLength();
  t.equal(eventTimestamp(view, 0, length), 1_735_689_600_123, `${length} bytes`);
  t.end();
});

test('a client whose session ended while it was cut off learns of it by the silence', (t) => {
  const scene = new Scene(1_500);
  t.ok(scene.hears('connected'), 'it has a session');
  scene.world.runFor(SECOND);
  scene.world.network.isolate(scene.client);
  scene.world.runFor(3 * SECOND);
  scene.world.network.heal();
  t.ok(scene.hears('closed', 10 * SECOND), 'it gives the session up');
  t.end();
});

test('a client that lost the first words of a new leader hears them again', (t) => {
  const scene = new Scene(10_000);
  t.ok(scene.hears('connected'), 'it has a session');
  scene.world.runFor(SECOND);
  scene.leader.node.kill();
  // The image of the new leader's egress is there, but what it says first never arrives.
  let isDropping = true;
  scene.world.network.addFilter((_source, destination, buffer, offset, length) => {
    const view = new DataView(buffer.buffer, buffer.byteOffset + offset, length);
    const isData = view.getUint16(FRAME_TYPE_OFFSET, true) === 1;
    const isEgress = isData && view.getInt32(STREAM_ID_OFFSET, true) === EGRESS_STREAM;
    return !(isDropping && isEgress && destination === scene.client);
  });
  scene.world.runFor(3 * SECOND);
  t.notOk(scene.heard.includes('new leader'), 'it has heard nothing yet');
  isDropping = false;
  t.ok(scene.hears('new leader', 5 * SECOND), 'the leader presents itself again');
  t.notOk(scene.heard.includes('closed'), 'the session goes on');
  t.end();
});

test('a follower whose disk hangs sleeps while it waits, and so does everybody else', (t) => {
  const scene = new Scene(10_000);
  t.ok(scene.hears('connected'), 'the cluster works');
  const { members } = scene.cluster;
  const leader = scene.leader;
  for (const { node } of members) {
    if (node !== leader.node) {
      node.disk.hang();
    }
  }
  leader.node.kill();
  // A busy wait breaks an invariant of the virtual thread, and counts as events here.
  const events = scene.world.runFor(2 * SECOND);
  t.ok(events < 20_000, `${events} events in two seconds without a working disk`);
  for (const { node } of members) {
    if (node.disk.isHung) {
      node.disk.resume();
    }
  }
  t.ok(scene.hears('new leader'), 'it goes on when the disks do');
  t.end();
});
