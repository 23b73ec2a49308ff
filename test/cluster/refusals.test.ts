// What a member's parts do when they are refused something: memory, a disk, an address, room in the
// log. Nothing is lost in silence: it is counted, told, or tried again.

import test from 'tape';
import { bootstrapDirectory } from '../../src/archive/member-directory.js';
import type { RecorderProxy } from '../../src/archive/recorder-proxy.js';
import { completeTask, StorageTasks } from '../../src/archive/storage-task.js';
import { concludeClusterConfig, fixedAtBirth } from '../../src/cluster/cluster-config.js';
import { AppliedSessions } from '../../src/cluster/cluster-session.js';
import { Egress } from '../../src/cluster/egress.js';
import { LeaderLog } from '../../src/cluster/leader-log.js';
import { LeaderSessions, OpenResult } from '../../src/cluster/leader-sessions.js';
import type { LogPublisher } from '../../src/cluster/log-publisher.js';
import { Member } from '../../src/cluster/member.js';
import { PENDING_ANSWER_COUNT_MAX, Responder } from '../../src/cluster/responder.js';
import { Arena } from '../../src/memory/arena.js';
import { StorageResult } from '../../src/ports/storage.js';
import { SessionConnectRequestEncoder } from '../../src/protocol/codecs/session-connect-request.js';
import { SessionEventDecoder } from '../../src/protocol/codecs/session-event.js';
import { INGRESS_STREAM_ID, SESSION_PROTOCOL_VERSION } from '../../src/protocol/streams.js';
import { ServiceContainer } from '../../src/service/service-container.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import type { BlockSource } from '../../src/transport/block-source.js';
import type { ExclusivePublication } from '../../src/transport/exclusive-publication.js';
import { Transport } from '../../src/transport/transport.js';
import { MemoryNetwork } from '../support/memory-network.js';
import { MemoryStorage } from '../support/memory-storage.js';
import { SeededEntropy } from '../support/seeded-entropy.js';
import { Fixture } from '../transport/transport-fixture.js';
import { ClusterFixture, echoService, MS } from './cluster-fixture.js';

const KIB = 1024;
const MEMBERS = '0,127.0.0.1:9001,127.0.0.1:9002,127.0.0.1:9003,127.0.0.1:9004,127.0.0.1:9005';
const CONFIG = concludeClusterConfig(
  { members: MEMBERS, logTermLength: 64 * KIB, segmentLength: 128 * KIB },
  { memberId: 0, streamTermLength: 64 * KIB, windowLength: 16 * KIB },
);
const DETAILS = {
  correlationIdHigh: 1,
  correlationIdLow: 2,
  responseStreamId: 102,
  responseChannel: 'aeron:udp?endpoint=127.0.0.1:7000',
  encodedPrincipal: new Uint8Array(0),
};

function memberOn(storage: MemoryStorage, network: MemoryNetwork, config = CONFIG): Member {
  return new Member({
    config,
    arena: Arena.create(64 * KIB * KIB),
    clock: { nowNs: () => 0, wallMs: () => 1_700_000_000_000 },
    network,
    entropy: new SeededEntropy(7),
    storage,
    services: [new ServiceContainer(echoService)],
  });
}

function runUntilThrown(member: Member): string {
  for (let turn = 1; turn < 200; turn++) {
    try {
      member.doWork(turn * MS);
    } catch (error) {
      return String(error);
    }
  }
  return 'nothing was thrown';
}

function bornStorage(): MemoryStorage {
  const storage = new MemoryStorage();
  const born = bootstrapDirectory(storage, {
    ...fixedAtBirth(CONFIG),
    configurationHash: CONFIG.configurationHash,
    voting: true,
    mtuLength: 1408,
    entropy: new SeededEntropy(3),
    wallMs: 0,
  });
  completeTask(new StorageTasks(storage), born);
  return new MemoryStorage(storage.disk);
}

test('a member whose address is taken ends with the channel and the reason', (t) => {
  const network = new MemoryNetwork();
  network.open({
    host: '127.0.0.1',
    port: 9001,
    sendBufferLength: 0,
    receiveBufferLength: 0,
    inboxLengthMax: 1,
  });
  t.match(
    runUntilThrown(memberOn(bornStorage(), network)),
    /cannot listen on aeron:udp\?endpoint=127.0.0.1:9001.*: address 127.0.0.1:9001 is in use/,
  );
  t.end();
});

test('a member that cannot be born on a blank directory ends with what the disk said', (t) => {
  const storage = new MemoryStorage();
  storage.failure = (kind) => (kind === 'setLength' ? StorageResult.NoSpace : StorageResult.Ok);
  const thrown = runUntilThrown(memberOn(storage, new MemoryNetwork()));
  t.match(thrown, /the disk is full or a quota is reached; free space and start again/);
  t.end();
});

test('a follower at a position where no frame of the log can start is not served', (t) => {
  const parts = [{} as Transport, CONFIG, {} as RecorderProxy, {} as BlockSource] as const;
  const log = new LeaderLog(...parts, () => undefined);
  log.startDestination(1, 0);
  t.equal(log.refusedCount, 1, 'there is no log yet, and it is counted');
  t.end();
});

test('only so many clients without a session are answered at once; the rest is counted', (t) => {
  const fixture = new Fixture({ arenaLength: 512 * KIB * KIB });
  const responder = new Responder(fixture.sender, CONFIG);
  for (let index = 0; index < PENDING_ANSWER_COUNT_MAX + 3; index++) {
    const responseChannel = `aeron:udp?endpoint=127.0.0.1:${10_000 + index}`;
    responder.answer({ ...DETAILS, responseChannel }, 1, 'no', 4, -1, 0);
  }
  t.equal(responder.droppedCount, 3);
  responder.close();
  fixture.close();
  t.end();
});

/** A log that has no room, until it has. */
class FullLog {
  isFull = true;
  opened = 0;
  closed = 0;

  tail(): number {
    return 4096;
  }
  appendSessionOpen(): number {
    this.opened += this.isFull ? 0 : 1;
    return this.isFull ? -2 : 8192;
  }
  appendSessionClose(): number {
    this.closed += this.isFull ? 0 : 1;
    return this.isFull ? -2 : 8192;
  }
}

test('a log without room opens and closes no session, and does so when asked again', (t) => {
  const arena = Arena.create(16 * KIB * KIB);
  const applied = new AppliedSessions();
  const log = new FullLog();
  const egress = { connect: () => undefined, answerAgain: () => undefined, hasRoom: () => true };
  const sessions = new LeaderSessions(
    arena,
    CONFIG,
    applied,
    egress as unknown as Egress,
    log as unknown as LogPublisher,
  );
  t.equal(sessions.open(DETAILS, 0), OpenResult.BackPressured);
  t.equal(sessions.count, 0, 'nothing is remembered of it');
  applied.open({ ...DETAILS, id: 77, openedAtMs: 0 } as unknown as Parameters<
    AppliedSessions['open']
  >[0]);
  t.notOk(sessions.closeByClient(77, 0), 'the close is to be asked for again');
  log.isFull = false;
  const other = { ...DETAILS, correlationIdLow: 3 };
  t.equal(sessions.open(other, 0), OpenResult.Accepted);
  t.ok(sessions.closeByClient(77, 0));
  t.ok(sessions.closeByClient(77, 0), 'once');
  t.deepEqual([log.opened, log.closed], [1, 1]);
  t.end();
});

/** A publication whose window is shut, until it is not. */
class ShutPublication {
  isShut = true;
  readonly isConnected = true;
  readonly isClosed = false;
  readonly sent: number[] = [];

  offer(_bytes: Uint8Array, _offset: number, length: number): number {
    return this.#send(length);
  }
  offer2(_head: number, headLength: number, _b: unknown, _o: number, length: number): number {
    return this.#send(headLength + length);
  }
  offerAt(_address: number, length: number): number {
    return this.#send(length);
  }
  close(): void {
    this.isShut = true;
  }

  #send(length: number): number {
    if (!this.isShut) {
      this.sent.push(length);
    }
    return this.isShut ? -2 : 64;
  }
}

test('egress to a client whose window is shut waits, greeting first, and leaves in order', (t) => {
  const arena = Arena.create(4 * KIB * KIB);
  const publication = new ShutPublication();
  const transport = {
    arena,
    addPublication: () => publication as unknown as ExclusivePublication,
    canAddPublication: () => true,
  };
  const overflows: number[] = [];
  const egress = new Egress(transport as unknown as Transport, CONFIG, {
    onOverflow: (id) => overflows.push(id),
    onCloseRequest: () => undefined,
    isHeard: () => true,
  });
  egress.startTerm(4, '0=127.0.0.1:9001');
  egress.open();
  egress.connect({ ...DETAILS, id: 77 });
  egress.confirm(77);
  const message = new Uint8Array(100);
  egress.offer(77, 1, message, 0, 40);
  egress.offer(77, 1, message, 0, 50);
  egress.doWork(0);
  t.deepEqual(publication.sent, [], 'nothing leaves while the window is shut');
  publication.isShut = false;
  egress.doWork(0);
  const [greeting = 0, ...messages] = publication.sent;
  t.ok(greeting > 0, 'the greeting leaves first');
  t.deepEqual(
    messages.map((length) => length - (messages[0] ?? 0)),
    [0, 10],
    'then the messages in order',
  );
  publication.isShut = true;
  egress.offer(77, 2, message, 0, 40);
  egress.doWork(0);
  publication.isShut = false;
  egress.doWork(0);
  t.equal(publication.sent.length, 4, 'also what met a window that was shut later');
  t.deepEqual(overflows, []);
  t.end();
});

test('a log that the disk does not let the member read ends it while it scrubs', (t) => {
  const config = concludeClusterConfig(
    { members: MEMBERS, logTermLength: 64 * KIB, segmentLength: 128 * KIB },
    { memberId: 0, streamTermLength: 64 * KIB, windowLength: 16 * KIB, scrubCycleMs: 10 },
  );
  const storage = bornStorage();
  const member = memberOn(storage, new MemoryNetwork(), config);
  let nowNs = 0;
  for (let turn = 0; turn < 2000 && !member.status().isIngressOpen; turn++) {
    nowNs += MS;
    member.doWork(nowNs);
  }
  t.ok(member.status().isIngressOpen, 'a member alone leads');
  storage.failure = (kind, path) =>
    kind === 'open' && path.endsWith('.rec') ? StorageResult.Denied : StorageResult.Ok;
  t.throws(() => {
    for (let turn = 0; turn < 5000; turn++) {
      nowNs += MS;
      member.doWork(nowNs);
    }
  }, /could not open 0-0.rec: the system denied it/);
  t.end();
});

interface RawRequest {
  readonly version: number;
  /** What follows the endpoint of the response channel. */
  readonly parameters?: string;
}

/** Asks the leader for a session as a client of any kind might, and returns what it is told. */
function askForSession(
  fixture: ClusterFixture,
  leader: SimulatedMember,
  asked: RawRequest,
): string {
  const node = fixture.world.addNode({ name: 'raw client' });
  const channel = `aeron:udp?endpoint=${node.hosts[0]}:7000`;
  const heard: string[] = [];
  let ask: (() => number) | undefined;
  node.start((process) => {
    process.spawn('main', (ports) => {
      const { network, entropy } = ports;
      const transport = new Transport({ arena: Arena.create(16 * KIB * KIB), network, entropy });
      const subscription = transport.addSubscription(channel, 102);
      const endpoint = fixture.cluster.ingressEndpoints.split(',')[leader.memberId] ?? '';
      const ingress = `aeron:udp?endpoint=${endpoint.slice(endpoint.indexOf('=') + 1)}`;
      const publication = transport.addPublication(ingress, INGRESS_STREAM_ID);
      ask = () => {
        const view = new DataView(new ArrayBuffer(512));
        const request = new SessionConnectRequestEncoder()
          .wrapAndApplyHeader(view, 0)
          .correlationId(5n)
          .responseStreamId(102)
          .version(asked.version)
          .putResponseChannel(`${channel}${asked.parameters ?? ''}`)
          .putEncodedCredentials('')
          .putClientInfo('');
        return publication.offer(new Uint8Array(view.buffer), 0, 8 + request.encodedLength());
      };
      return [
        {
          roleName: 'raw client',
          doWork: (nowNs) => {
            subscription.poll((view, offset) => {
              const event = new SessionEventDecoder().wrapAndApplyHeader(view, offset);
              heard.push(`${event.code()} ${event.detail()}`);
            }, 10);
            return transport.doWork(nowNs);
          },
          deadlineNs: () => transport.deadlineNs(),
          close: () => transport.close(),
        },
      ];
    });
  });
  fixture.await(() => (ask?.() ?? -1) > 0, 'the request has left');
  fixture.await(() => heard.length > 0, 'it is answered');
  return String(heard[0]);
}

test('a client of another major version is refused with the version to use', (t) => {
  const fixture = new ClusterFixture();
  const leader = fixture.start();
  t.match(
    askForSession(fixture, leader, { version: 0x020000 }),
    /^1 protocol version 2 is not understood: use a client of major version 0/,
  );
  fixture.close();
  t.end();
});

test('a client whose channel has parameters of its own is served, and no leader fails', (t) => {
  const fixture = new ClusterFixture();
  const leader = fixture.start();
  const parameters = '|of-tomorrow=1|init-term-id=1|term-id=2|term-offset=1073741824|fc=min';
  const version = SESSION_PROTOCOL_VERSION;
  t.match(askForSession(fixture, leader, { version, parameters }), /^0 /, 'it has a session');
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the leader takes other clients');
  leader.node.kill();
  fixture.await(() => fixture.leader() !== undefined, 'another leader greets that client as well');
  fixture.close();
  t.end();
});
