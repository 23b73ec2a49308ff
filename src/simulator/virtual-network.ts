// virtual-network.ts: all links and sockets of a world.
//
// A datagram is copied when it is sent. Whether it arrives, when and in what state is decided then,
// by the directed link from the sender's node to the receiver's; who gets it is decided when it
// arrives: the socket that is open at that address at that time. So a datagram to a process that
// has ended is dropped, and one to a process that was started again on the same port is delivered,
// as stale packets are in reality.
//
// The kernel of a paused node goes on receiving.

import { assert } from '../assert.js';
import type { DatagramOptions, DatagramSocket, Network, SocketAddress } from '../ports/network.js';
import { type Datagram, DatagramPool, PAYLOAD_OFFSET } from './datagram.js';
import type { EventAction, WorldEvent } from './event-heap.js';
import type { Prng } from './prng.js';
import { type LinkOptions, newNetworkCounts, PERFECT_LINK, VirtualLink } from './virtual-link.js';
import type { VirtualNode } from './virtual-node.js';
import type { VirtualProcess } from './virtual-process.js';
import { isLoopbackHost, isWildcardHost, VirtualSocket } from './virtual-socket.js';
import type { VirtualThread } from './virtual-thread.js';
import type { World } from './world.js';

const EPHEMERAL_PORT_MIN = 32_768;
const EPHEMERAL_PORT_MAX = 60_999;

/** Sees every datagram that passed the filters, and whether it is lost. For stories of a run. */
export type TrafficObserver = (
  source: VirtualNode,
  destination: VirtualNode,
  buffer: Uint8Array,
  offset: number,
  length: number,
  isLost: boolean,
) => void;

/**
 * Sees every datagram when it is sent, before any fault. The bytes are valid during the call only.
 *
 * @returns false to drop the datagram.
 */
export type DatagramFilter = (
  source: VirtualNode,
  destination: VirtualNode,
  buffer: Uint8Array,
  offset: number,
  length: number,
  socket: VirtualSocket,
  destinationId: number,
) => boolean;

/** An address that was used, and the node that has it. */
interface KnownAddress {
  readonly address: SocketAddress;
  /** Undefined when no node has it, or when it means the sender's own node. */
  readonly node: VirtualNode | undefined;
  readonly isLoopback: boolean;
}

/** The sockets of one node by port: several only when they are bound to different hosts. */
interface NodeSockets {
  readonly byPort: Map<number, VirtualSocket[]>;
  nextPort: number;
}

/** From one node to another. */
export interface Direction {
  readonly from: VirtualNode;
  readonly to: VirtualNode;
}

/** Directions that are blocked together. */
export interface Cut {
  /** Idempotent. */
  lift(): void;
}

/** All directions between nodes of different groups. */
export function directionsBetween(groups: readonly (readonly VirtualNode[])[]): Direction[] {
  return groups.flatMap((group) =>
    groups
      .filter((other) => other !== group)
      .flatMap((other) => group.flatMap((from) => other.map((to) => ({ from, to })))),
  );
}

export class VirtualNetwork implements EventAction {
  readonly world: World;
  readonly counts = newNetworkCounts();
  readonly pool = new DatagramPool(this);
  /** Link of every pair of nodes from now on; a node's link to itself is perfect. */
  #defaultOptions: LinkOptions = PERFECT_LINK;
  readonly #random: Prng;
  onTraffic: TrafficObserver | undefined = undefined;
  readonly #filters: DatagramFilter[] = [];
  readonly #links: VirtualLink[][] = [];
  readonly #sockets: NodeSockets[] = [];
  readonly #addresses: KnownAddress[] = [];
  readonly #addressIds = new Map<string, number>();

  constructor(world: World) {
    this.world = world;
    this.#random = world.random.fork('network');
  }

  /** Called by the world. */
  addNode(node: VirtualNode): void {
    assert(this.#links.length === node.id, 'nodes are added in the order of their ids');
    for (const host of node.hosts) {
      assert(
        this.#addresses.every((known) => known.address.host !== host || known.node !== undefined) &&
          this.world.nodes.every((other) => other === node || !other.hosts.includes(host)),
        `host ${host} belongs to one node, added before it is used`,
      );
    }
    const row: VirtualLink[] = [];
    this.#links.push(row);
    this.#sockets.push({ byPort: new Map(), nextPort: EPHEMERAL_PORT_MIN });
    for (const other of this.world.nodes) {
      row[other.id] = this.#newLink(node, other);
      (this.#links[other.id] as VirtualLink[])[node.id] = this.#newLink(other, node);
    }
  }

  /** The link in one direction. */
  linkOf(from: VirtualNode, to: VirtualNode): VirtualLink {
    return (this.#links[from.id] as VirtualLink[])[to.id] as VirtualLink;
  }

  /** Changes all links between different nodes, and those of nodes to come. */
  setAllLinks(options: Partial<LinkOptions>): void {
    this.#defaultOptions = { ...this.#defaultOptions, ...options };
    for (const from of this.world.nodes) {
      for (const to of this.world.nodes) {
        if (from !== to) {
          this.setLink(from, to, options);
        }
      }
    }
  }

  /** Changes one direction. */
  setLink(from: VirtualNode, to: VirtualNode, options: Partial<LinkOptions>): void {
    const link = this.linkOf(from, to);
    link.options = { ...link.options, ...options };
  }

  /** Lets nothing pass in this direction, what is on the way included. */
  block(from: VirtualNode, to: VirtualNode): void {
    this.linkOf(from, to).isDown = true;
  }

  unblock(from: VirtualNode, to: VirtualNode): void {
    this.linkOf(from, to).isDown = false;
  }

  /** Lets nothing pass between nodes of different groups; nodes of no group are left alone. */
  partition(groups: readonly (readonly VirtualNode[])[]): void {
    for (const { from, to } of directionsBetween(groups)) {
      this.block(from, to);
    }
  }

  /**
   * Lets nothing pass in some directions until the cut is lifted, or everything is healed. Where
   * cuts overlap, all of them have to be lifted.
   */
  cut(directions: readonly Direction[]): Cut {
    const links = directions.map(({ from, to }) => this.linkOf(from, to));
    const cut: Cut = {
      lift: () => {
        for (const link of links) {
          link.cuts.delete(cut);
        }
      },
    };
    for (const link of links) {
      link.cuts.add(cut);
    }
    return cut;
  }

  /** Cuts a node off from all others, in both directions. */
  isolate(node: VirtualNode): void {
    this.partition([[node], this.world.nodes.filter((other) => other !== node)]);
  }

  /** Unblocks everything. Other faults stay. */
  heal(): void {
    for (const row of this.#links) {
      for (const link of row) {
        link.isDown = false;
        link.cuts.clear();
      }
    }
  }

  addFilter(filter: DatagramFilter): void {
    this.#filters.push(filter);
  }

  removeFilter(filter: DatagramFilter): void {
    const index = this.#filters.indexOf(filter);
    assert(index >= 0, 'a filter that is removed was added');
    this.#filters.splice(index, 1);
  }

  /** The network port of a thread. */
  portOf(thread: VirtualThread): Network {
    return {
      open: (options: DatagramOptions): DatagramSocket => new VirtualSocket(this, thread, options),
    };
  }

  /** A number for an address, the same for the same address. */
  internAddress(host: string, port: number): number {
    const key = `${host} ${port}`;
    const known = this.#addressIds.get(key);
    if (known !== undefined) {
      return known;
    }
    const id = this.#addresses.length;
    this.#addresses.push({
      address: { host, port },
      node: this.world.nodes.find((node) => node.hosts.includes(host)),
      isLoopback: isLoopbackHost(host),
    });
    this.#addressIds.set(key, id);
    return id;
  }

  addressOf(id: number): SocketAddress {
    return (this.#addresses[id] as KnownAddress).address;
  }

  /** Makes a socket reachable. Returns its port, or 0 when the wanted one is taken. */
  bind(socket: VirtualSocket, wantedPort: number): number {
    const sockets = this.#sockets[socket.node.id] as NodeSockets;
    if (wantedPort !== 0) {
      return this.#claimPort(sockets, socket, wantedPort) ? wantedPort : 0;
    }
    for (let i = EPHEMERAL_PORT_MIN; i <= EPHEMERAL_PORT_MAX; i++) {
      const port = sockets.nextPort;
      sockets.nextPort = port === EPHEMERAL_PORT_MAX ? EPHEMERAL_PORT_MIN : port + 1;
      if (this.#claimPort(sockets, socket, port)) {
        return port;
      }
    }
    return 0;
  }

  unbind(socket: VirtualSocket, port: number): void {
    const { byPort } = this.#sockets[socket.node.id] as NodeSockets;
    const others = (byPort.get(port) ?? []).filter((other) => other !== socket);
    if (others.length === 0) {
      byPort.delete(port);
    } else {
      byPort.set(port, others);
    }
  }

  /** Sockets that a node has bound. */
  socketCountOf(node: VirtualNode): number {
    const { byPort } = this.#sockets[node.id] as NodeSockets;
    let count = 0;
    for (const sockets of byPort.values()) {
      count += sockets.length;
    }
    return count;
  }

  /** Removes the sockets of a process that has ended. */
  releaseSockets(process: VirtualProcess): void {
    const { byPort } = this.#sockets[process.node.id] as NodeSockets;
    for (const sockets of [...byPort.values()]) {
      for (const socket of sockets) {
        if (socket.thread.process === process) {
          socket.vanish();
        }
      }
    }
  }

  /** Sends a copy of the bytes on their way. */
  transmit(
    socket: VirtualSocket,
    destinationId: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): void {
    const { trace } = this.world;
    const source = socket.node;
    this.counts.sent++;
    trace.addWord((source.id << 16) ^ destinationId);
    trace.addBytes(buffer, offset, length);
    const { isLoopback, node } = this.#addresses[destinationId] as KnownAddress;
    const destination = isLoopback ? source : node;
    if (destination === undefined || (socket.isLoopbackOnly && destination !== source)) {
      this.counts.unreachable++;
      return;
    }
    for (const filter of this.#filters) {
      if (!filter(source, destination, buffer, offset, length, socket, destinationId)) {
        this.counts.filtered++;
        return;
      }
    }
    this.#travel(socket, destinationId, buffer, offset, length);
  }

  /** Sends what a filter kept, past all filters. The socket may be closed by now. */
  resend(socket: VirtualSocket, destinationId: number, bytes: Uint8Array): void {
    this.#travel(socket, destinationId, bytes, 0, bytes.length);
  }

  #travel(
    socket: VirtualSocket,
    destinationId: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): void {
    const source = socket.node;
    const { isLoopback, node } = this.#addresses[destinationId] as KnownAddress;
    const destination = (isLoopback ? source : node) as VirtualNode;
    const link = this.linkOf(source, destination);
    const { nowNs } = this.world;
    const isLost = link.loses(length, nowNs);
    this.onTraffic?.(source, destination, buffer, offset, length, isLost || link.isBlocked);
    if (isLost) {
      return;
    }
    const datagram = this.pool.copyOf(buffer, offset, length);
    datagram.sourceId = socket.sourceIdFor(isLoopback);
    datagram.sourceNodeId = source.id;
    datagram.destinationId = destinationId;
    datagram.destination = destination;
    this.#dispatch(link, datagram, link.arrivalNs(nowNs));
  }

  /** A datagram reaches its node. */
  runEvent(event: WorldEvent): void {
    const datagram = event.subject as Datagram;
    const destination = datagram.destination as VirtualNode;
    const link = (this.#links[datagram.sourceNodeId] as VirtualLink[])[
      destination.id
    ] as VirtualLink;
    if (link.isBlocked) {
      this.counts.blocked++;
      this.pool.release(datagram);
      return;
    }
    const socket = this.#listener(datagram, destination);
    if (socket === undefined) {
      this.counts.unreachable++;
      this.pool.release(datagram);
    } else if (socket.receive(datagram)) {
      this.counts.delivered++;
    } else {
      this.counts.inboxDropped++;
      this.pool.release(datagram);
    }
  }

  #dispatch(link: VirtualLink, datagram: Datagram, arrivalNs: number): void {
    if (link.duplicates()) {
      const copy = this.pool.copyOf(datagram.buffer, PAYLOAD_OFFSET, datagram.length);
      copy.sourceId = datagram.sourceId;
      copy.sourceNodeId = datagram.sourceNodeId;
      copy.destinationId = datagram.destinationId;
      copy.destination = datagram.destination;
      this.#launch(link, copy, link.duplicateArrivalNs(arrivalNs));
    }
    this.#launch(link, datagram, arrivalNs);
  }

  #launch(link: VirtualLink, datagram: Datagram, arrivalNs: number): void {
    datagram.length = link.corrupt(datagram.buffer, PAYLOAD_OFFSET, datagram.length);
    datagram.arrival.nodeId = (datagram.destination as VirtualNode).id;
    this.world.push(datagram.arrival, arrivalNs);
  }

  #listener(datagram: Datagram, destination: VirtualNode): VirtualSocket | undefined {
    const { address } = this.#addresses[datagram.destinationId] as KnownAddress;
    const sockets = (this.#sockets[destination.id] as NodeSockets).byPort.get(address.port);
    if (sockets === undefined) {
      return undefined;
    }
    for (const socket of sockets) {
      if (socket.accepts(address.host, datagram.sourceId)) {
        return socket;
      }
    }
    return undefined;
  }

  #claimPort(sockets: NodeSockets, socket: VirtualSocket, port: number): boolean {
    const others = sockets.byPort.get(port);
    if (others === undefined) {
      sockets.byPort.set(port, [socket]);
      return true;
    }
    for (const other of others) {
      const isSame = other.options.host === socket.options.host;
      if (isSame || isWildcardHost(other.options.host) || isWildcardHost(socket.options.host)) {
        return false;
      }
    }
    others.push(socket);
    return true;
  }

  #newLink(from: VirtualNode, to: VirtualNode): VirtualLink {
    const options = from === to ? PERFECT_LINK : this.#defaultOptions;
    return new VirtualLink(options, this.#random.fork(`${from.name}>${to.name}`), this.counts);
  }
}
