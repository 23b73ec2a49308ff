// session-holder.ts: a client in a process of its own, which a test freezes: `session-holder.ts
// INGRESS`. It says on its standard output when its session is open, and how it ended.

import { connectClient } from '../../src/host/node-client.js';

const say = (word: string): void => {
  process.stdout.write(`${word}\n`);
};

await connectClient(
  { ingressEndpoints: process.argv[2] ?? '', onFatal: (error) => say(`fatal ${String(error)}`) },
  {
    onMessage: () => undefined,
    onNewLeader: () => say('new leader'),
    onClosed: (error) => say(`closed ${error?.code ?? 'by itself'}`),
  },
);
say('open');
process.on('disconnect', () => process.exit(0));
