import { UdpProxy } from '../support/udp-proxy.js';
import { buildJava, startJava } from './java.js';
import { PeerProcess } from './peer-process.js';

buildJava();
const [dir, small = '1000000', large = '1000', lossText = '0', mtu = '1408'] =
  process.argv.slice(2);
const loss = Number(lossText);
const common = [`small=${small}`, `large=${large}`, 'stream=1001', 'limitSeconds=100'];
const pawl = (args: string[]) =>
  new PeerProcess('pawl', process.execPath, [
    '--import',
    'tsx',
    'test/interop/pawl-peer.ts',
    ...args,
  ]);
const sch = 'channel=aeron:udp?endpoint=127.0.0.1:0';
const sub =
  dir === 'jp' || dir === 'pp'
    ? pawl(['subscribe', ...common, sch])
    : startJava('sub', [
        'subscribe',
        ...common,
        sch,
        `directory=/dev/shm/pawl-jj-sub${process.pid}`,
      ]);
const ready = await sub.report('ready', 20000);
let port = Number(String(ready.endpoint).split(':')[1]);
let proxy: UdpProxy | undefined;
if (loss > 0) {
  const f = { loss };
  proxy = await UdpProxy.start({ targetPort: port, seed: 1, forward: f, backward: f });
  port = proxy.port;
}
const t0 = Date.now();
const pch = `channel=aeron:udp?endpoint=127.0.0.1:${port}|mtu=${mtu}`;
const pub =
  dir === 'pj' || dir === 'pp'
    ? pawl(['publish', ...common, pch])
    : startJava('pub', ['publish', ...common, pch, `directory=/dev/shm/pawl-jj-pub${process.pid}`]);
const show = (o: any) => Object.fromEntries(Object.entries(o ?? {}).filter(([, v]) => v !== 0));
async function step(name: string, p: Promise<any>) {
  try {
    const r = await p;
    console.log(name, Date.now() - t0, JSON.stringify(r));
  } catch (e) {
    console.log(name, 'FAILED', String(e));
  }
}
await step('sent', pub.report('sent', 60000));
await step('received', sub.report('received', 30000));
await step('ended', sub.report('ended', 12000));
console.log('codes', await Promise.all([pub.end(), sub.end()]));
try {
  console.log('pub', show((await pub.report('closed', 5000)).counters));
} catch (e) {
  console.log(String(e));
}
try {
  console.log('sub', show((await sub.report('closed', 5000)).counters));
} catch (e) {
  console.log(String(e));
}
console.log(proxy?.forwardCounters, proxy?.backwardCounters);
proxy?.close();
process.exit(0);
