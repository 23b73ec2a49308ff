// snapshot-fixture.ts: a cluster whose service takes snapshots, and what tests ask of it.

import type { RecoveredDirectory } from '../../src/archive/member-directory.js';
import type { SnapshotEntry } from '../../src/archive/snapshot-recording.js';
import type { Cluster, ClusteredService } from '../../src/service/clustered-service.js';
import type { SnapshotImage, SnapshotPublication } from '../../src/service/snapshot-publication.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { ClusterFixture, type FixtureOptions, messageOf } from './cluster-fixture.js';

/** Keeps every message, and schedules a timer for each that asks for one. */
export class KeepingService implements ClusteredService {
  readonly snapshotVersion: number;
  readonly messages: string[] = [];
  readonly fired: number[] = [];
  /** Events that this instance was given. */
  eventCount = 0;
  loadedPosition = 0;
  #cluster: Cluster | undefined;
  /** The messages as a snapshot holds them: to make them of the texts again takes seconds. */
  readonly #records: Uint8Array[] = [];
  #hash = 1;

  constructor(version: number) {
    this.snapshotVersion = version;
  }

  onStart(cluster: Cluster, snapshot?: SnapshotImage): void {
    this.#cluster = cluster;
    this.loadedPosition = snapshot?.logPosition ?? 0;
    snapshot?.read((buffer, offset, length) => {
      const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length).slice();
      this.#keep(bytes.join('.'), bytes);
    });
  }

  onSessionMessage: ClusteredService['onSessionMessage'] = (
    session,
    timestamp,
    buffer,
    offset,
    length,
  ) => {
    this.eventCount++;
    const bytes = new Uint8Array(buffer.buffer, offset, length).slice();
    this.#keep(bytes.join('.'), bytes);
    if (buffer.getInt32(offset, true) % 5 === 0) {
      const id = buffer.getInt32(offset, true);
      this.#cluster?.scheduleTimer(id, timestamp + 60_000 + id * 100);
    }
    session.offer(buffer, offset, length);
  };

  onTimerEvent(id: number): void {
    this.fired.push(id);
    this.#keep(`timer ${id}`, Uint8Array.of(0));
  }

  onTakeSnapshot(snapshot: SnapshotPublication): void {
    for (const record of this.#records) {
      snapshot.offer(record, 0, record.length);
    }
  }

  /** The hash goes on with each message: waiting tests ask for it after every event. */
  #keep(message: string, record: Uint8Array): void {
    this.messages.push(message);
    this.#records.push(record);
    for (let index = 0; index < message.length; index++) {
      this.#hash = Math.imul(this.#hash ^ message.charCodeAt(index), 0x01000193);
    }
  }

  stateHash(): string {
    return `${this.messages.length} ${this.#hash}`;
  }
}

export interface SnapshotWorld {
  readonly fixture: ClusterFixture;
  readonly services: Map<number, KeepingService>;
  readonly taken: Map<number, SnapshotEntry[]>;
  version: number;
}

export function startSnapshots(
  options: FixtureOptions & {
    onRecovered?: (memberId: number, directory: RecoveredDirectory) => void;
  } = {},
): SnapshotWorld {
  const services = new Map<number, KeepingService>();
  const taken = new Map<number, SnapshotEntry[]>();
  const world = {
    services,
    taken,
    version: 1,
    fixture: new ClusterFixture({
      ...options,
      service: (memberId) => {
        const service = new KeepingService(world.version);
        services.set(memberId, service);
        return service;
      },
      events: (memberId) => ({
        onSnapshot: (entry) => taken.set(memberId, [...(taken.get(memberId) ?? []), entry]),
        onRecovered: (directory) => options.onRecovered?.(memberId, directory),
      }),
    }),
  } as SnapshotWorld;
  return world;
}

/** Has a snapshot taken, and waits until every member that runs has it. */
export function takeSnapshot(world: SnapshotWorld): number {
  const { fixture } = world;
  const running = fixture.cluster.members.filter((one) => one.member !== undefined);
  const before = Math.max(...running.map((one) => fixture.status(one).snapshotPosition));
  fixture.awaitLeader().member?.requestSnapshot();
  fixture.wakeAll();
  fixture.await(
    () => running.every((one) => fixture.status(one).snapshotPosition > before),
    'every member has its snapshot',
  );
  return fixture.status(running[0] as SimulatedMember).snapshotPosition;
}

/** Sends messages and waits until all have come back. */
export function sendMessages(
  world: SnapshotWorld,
  client: ReturnType<ClusterFixture['connect']>,
  from: number,
  count: number,
  length = 8,
): void {
  const before = client.received.length;
  for (let value = from; value < from + count; value++) {
    world.fixture.send(client, messageOf(value, length + (value % 50)));
  }
  world.fixture.await(() => client.received.length === before + count, 'all messages came back');
}

export function areEqual(world: SnapshotWorld): boolean {
  const states = [...world.services.values()].map((service) => service.stateHash());
  return states.every((state) => state === states[0]);
}
