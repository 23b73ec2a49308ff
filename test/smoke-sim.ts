import { ServiceContainer } from '../src/service/service-container.js';
import { ArenaPool, SimulatedCluster, startSimulatedClient } from '../src/simulator/simulated-cluster.js';
import { World } from '../src/simulator/world.js';
import { fixedDelay } from '../src/simulator/delay.js';

const world = new World(Number(process.argv[2] ?? 1));
world.network.setAllLinks({ delay: fixedDelay(100_000) });
const arenas = new ArenaPool();
const cluster = new SimulatedCluster({
  world,
  memberCount: 3,
  arenas,
  makeService: () =>
    new ServiceContainer(() => ({
      onSessionMessage(session, _t, buffer, offset, length) {
        session.offer(buffer, offset, length);
      },
    })),
  events: (id) => ({
    onStateChange: (state, reason) => console.log(`${(world.nowNs / 1e6).toFixed(1)} m${id} ${state} ${reason}`),
    onRoleChange: (role, term) => console.log(`${(world.nowNs / 1e6).toFixed(1)} m${id} role ${role} ${term}`),
    onWarning: (m) => console.log(`m${id} WARN ${m}`),
  }),
});
cluster.bootstrap();
world.network.setAllLinks({ delay: fixedDelay(100_000) });
cluster.startAll();
world.runFor(3e9);
for (const m of cluster.members) console.log(JSON.stringify(m.member?.status()));
const node = world.addNode({ name: 'client' });
world.network.setAllLinks({ delay: fixedDelay(100_000) });
let sent = 0, got = 0, next = world.nowNs;
const t0: number[] = []; const lat: number[] = [];
startSimulatedClient(node, arenas, { ingressEndpoints: cluster.ingressEndpoints }, {
  onMessage: (v, o) => { got++; lat.push(world.nowNs - (t0[v.getInt32(o, true)] ?? 0)); },
  onConnected: (id) => console.log('connected', id, world.nowNs / 1e6),
  onNewLeader: (t, m) => console.log('new leader', t, m, world.nowNs / 1e6),
  onClosed: (e) => console.log('closed', e?.message),
}, (client, nowNs) => {
  if (client.state === 'connected' && sent < 1000 && world.nowNs >= next) {
    const b = new Uint8Array(200); new DataView(b.buffer).setInt32(0, sent, true);
    t0[sent] = world.nowNs;
    if (client.offer(b, 0, 200) > 0) sent++;
    next = world.nowNs + 1e6;
    return 1;
  }
  return 0;
}, () => node.process!.clock.nowNs() + 1e6);
world.runFor(2e9);
console.log({ sent, got, lat: lat.slice(0, 5) });
const leader = cluster.members.find((m) => m.member?.status().role === 'leader')!;
console.log('KILL', leader.memberId);
leader.node.kill();
world.runFor(3e9);
console.log({ sent, got, lat: lat.slice(-3) });
cluster.start(leader);
world.runFor(3e9);
console.log({ sent, got, events: world.eventCount });
for (const m of cluster.members) { const s = m.member?.status(); console.log(JSON.stringify({...s, counters: undefined})); }
console.log(JSON.stringify(Object.fromEntries(Object.entries(cluster.members[0]!.member!.status().counters).filter(([, v]) => v !== 0))));
