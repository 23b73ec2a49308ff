// services-fixture.ts: a cluster of several services that send messages, and what they were told.

import type {
  ClientSession,
  Cluster,
  ClusteredService,
} from '../../src/service/clustered-service.js';
import { type ContainerOptions, ServiceContainer } from '../../src/service/service-container.js';
import type { SnapshotImage, SnapshotPublication } from '../../src/service/snapshot-publication.js';
import { ClusterFixture, type FixtureOptions, type TestClient } from './cluster-fixture.js';

/** What a client's message has a service do. */
export const Order = { Send: 1, Timer: 2, Close: 3 } as const;
export type Order = (typeof Order)[keyof typeof Order];

const ORDER_LENGTH = 16;

/** `service` does `order` with `count` and `length`. Every service sees it. */
export function orderOf(service: number, order: Order, count: number, length = 8): Uint8Array {
  return new Uint8Array(Int32Array.of(service, order, count, length).buffer);
}

/** A message of a service, as another one was told of it. */
export interface ToldMessage {
  readonly from: number;
  /** Number that the sender gave it: from 1, without gaps. */
  readonly number: number;
  readonly length: number;
  readonly timestamp: number;
  readonly position: number;
}

/** Everything that one service was told, which is all its state. */
export interface Told {
  messages: ToldMessage[];
  fired: { id: number; position: number }[];
  commands: { position: number; time: number }[];
  /** What `offer` answered, message by message. */
  results: number[];
  sentCount: number;
}

/** Numbers its messages, and remembers what it is told. */
export class MessagingService implements ClusteredService {
  readonly serviceId: number;
  readonly told: Told = { messages: [], fired: [], commands: [], results: [], sentCount: 0 };
  loadedPosition = 0;
  /** Called in the midst of a callback for a message of a service. */
  onTold: (message: ToldMessage, cluster: Cluster) => void = () => undefined;
  #cluster: Cluster | undefined;

  constructor(serviceId: number) {
    this.serviceId = serviceId;
  }

  get cluster(): Cluster {
    return this.#cluster as Cluster;
  }

  onStart(cluster: Cluster, snapshot?: SnapshotImage): void {
    this.#cluster = cluster;
    this.loadedPosition = snapshot?.logPosition ?? 0;
    snapshot?.read((buffer, offset, length) => {
      const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length);
      Object.assign(this.told, JSON.parse(new TextDecoder().decode(bytes.slice())));
    });
  }

  onTakeSnapshot(snapshot: SnapshotPublication): void {
    const bytes = new TextEncoder().encode(JSON.stringify(this.told));
    snapshot.offer(bytes, 0, bytes.length);
  }

  onSessionMessage(
    session: ClientSession,
    timestamp: number,
    buffer: DataView,
    offset: number,
    length: number,
  ): void {
    const { cluster } = this;
    this.told.commands.push({ position: cluster.logPosition(), time: cluster.time() });
    const [service, order, count, size] = [0, 4, 8, 12].map((at) =>
      buffer.getInt32(offset + at, true),
    ) as [number, number, number, number];
    if (length !== ORDER_LENGTH || service !== this.serviceId) {
      return;
    }
    if (order === Order.Send) {
      this.send(count, size);
    } else if (order === Order.Timer) {
      cluster.scheduleTimer(count, timestamp + size);
    } else {
      cluster.closeSession(session.id);
    }
    session.offer(buffer, offset, length);
  }

  /** Sends messages of `length` bytes, numbered on. */
  send(count: number, length: number): void {
    for (let index = 0; index < count; index++) {
      const bytes = new Uint8Array(length);
      new DataView(bytes.buffer).setInt32(0, this.told.sentCount + 1, true);
      bytes.fill(this.told.sentCount & 0xff, 4);
      const result = this.cluster.offer(bytes, 0, length);
      this.told.results.push(result);
      this.told.sentCount += result >= 0 ? 1 : 0;
    }
  }

  onServiceMessage(
    from: number,
    timestamp: number,
    buffer: DataView,
    offset: number,
    length: number,
  ): void {
    const number = buffer.getInt32(offset, true);
    const position = this.cluster.logPosition();
    const message = { from, number, length, timestamp, position };
    this.told.messages.push(message);
    this.onTold(message, this.cluster);
  }

  onTimerEvent(id: number): void {
    this.told.fired.push({ id, position: this.cluster.logPosition() });
  }
}

export interface ServicesOptions extends Omit<FixtureOptions, 'container' | 'service'> {
  readonly serviceCount?: number;
  readonly messageLimits?: ContainerOptions['messageLimits'];
  readonly makeService?: (serviceId: number) => MessagingService;
}

/** A cluster whose members run several services. */
export class ServicesFixture extends ClusterFixture {
  readonly serviceCount: number;
  /** Of the members' last processes. */
  readonly #services: Map<number, readonly MessagingService[]>;
  readonly containers: Map<number, readonly ServiceContainer[]>;

  constructor(options: ServicesOptions = {}) {
    const serviceCount = options.serviceCount ?? 2;
    const { messageLimits } = options;
    const services = new Map<number, readonly MessagingService[]>();
    const containers = new Map<number, readonly ServiceContainer[]>();
    const ids = Array.from({ length: serviceCount }, (_, id) => id);
    super({
      ...options,
      cluster: { serviceCount, ...options.cluster },
      container: (memberId) => {
        const made = ids.map((id) => options.makeService?.(id) ?? new MessagingService(id));
        const contained = made.map(
          (service, serviceId) => new ServiceContainer(() => service, { serviceId, messageLimits }),
        );
        services.set(memberId, made);
        containers.set(memberId, contained);
        return contained;
      },
    });
    this.serviceCount = serviceCount;
    this.#services = services;
    this.containers = containers;
  }

  /** The members' services, by service id. */
  ofMember(memberId: number): readonly MessagingService[] {
    return this.#services.get(memberId) ?? [];
  }

  /** What the services of a member were told, as text: equal on equal members. */
  stateOf(memberId: number): string {
    return JSON.stringify(this.ofMember(memberId).map((service) => service.told));
  }

  areEqual(): boolean {
    const first = this.stateOf(0);
    return this.cluster.members.every(({ memberId }) => this.stateOf(memberId) === first);
  }

  /** Starts everything, and connects a client. */
  begin(): TestClient {
    this.start();
    const client = this.connect({ newLeaderTimeoutMs: 60_000 });
    this.await(() => client.isConnected, 'the client is connected');
    return client;
  }

  /** Waits until every service of every running member was told `count` messages of services. */
  awaitMessages(count: number): void {
    const running = this.cluster.members.filter((one) => one.member !== undefined);
    this.await(
      () =>
        running.every(({ memberId }) =>
          this.ofMember(memberId).every((service) => service.told.messages.length >= count),
        ),
      `${count} messages have come everywhere`,
    );
  }
}

/** Numbers of the messages that a service was told by one sender. */
export function numbersFrom(service: MessagingService | undefined, from: number): number[] {
  const messages = service?.told.messages.filter((message) => message.from === from) ?? [];
  return messages.map((message) => message.number);
}

/** 1 to `count`. */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
