import { startJava, buildJava, reasonToSkip } from './java.js';
import { UdpProxy } from '../support/udp-proxy.js';
console.log(reasonToSkip()); buildJava();
const small = process.argv[2] ?? '1000000', large = process.argv[3] ?? '1000', loss = Number(process.argv[4] ?? 0);
const common = [`small=${small}`, `large=${large}`, 'stream=1001', 'limitSeconds=120'];
const sub = startJava('sub', ['subscribe', ...common, 'channel=aeron:udp?endpoint=127.0.0.1:0', 'directory=/dev/shm/pawl-jj-sub']);
const ready = await sub.report('ready', 20000);
let port = Number(String(ready.endpoint).split(':')[1]);
let proxy: UdpProxy | undefined;
if (loss > 0) { const f = { loss }; proxy = await UdpProxy.start({ targetPort: port, seed: 1, forward: f, backward: f }); port = proxy.port; }
const t0 = Date.now();
const pub = startJava('pub', ['publish', ...common, `channel=aeron:udp?endpoint=127.0.0.1:${port}|mtu=1408`, 'directory=/dev/shm/pawl-jj-pub']);
const sent = await pub.report('sent', 120000);
const received = await sub.report('received', 120000);
console.log(Date.now() - t0, 'ms'); console.log(sent, received, await sub.report('ended', 30000));
const codes = await Promise.all([pub.end(), sub.end()]);
console.log(codes, (await pub.report('closed', 5000)).counters, (await sub.report('closed', 5000)).counters, proxy?.forwardCounters, proxy?.backwardCounters);
proxy?.close();
