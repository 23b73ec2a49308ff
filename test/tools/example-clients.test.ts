// The example clients, as a reader of them would run them, against three real processes.

import { spawnSync } from 'node:child_process';
import test from 'tape';
import { LocalCluster } from '../../src/tools/local-cluster.js';

const LEADER_TIMEOUT_MS = 30_000;

async function runExample(service: string, script: string): Promise<string[]> {
  const cluster = await LocalCluster.create({ memberCount: 3, service });
  try {
    await cluster.start();
    await cluster.waitForLeader(LEADER_TIMEOUT_MS);
    const { stderr, stdout } = spawnSync(process.execPath, [script, cluster.ingress], {
      encoding: 'utf8',
    });
    return [...stdout.trim().split('\n'), ...stderr.trim().split('\n').filter(Boolean)];
  } finally {
    await cluster.killAll();
    cluster.remove();
  }
}

test('the key/value client writes exactly once, and reads what it wrote by query', async (t) => {
  t.deepEqual(await runExample('key-value', 'examples/key-value-client.mjs'), [
    'put greeting: ok',
    'get greeting: hello',
    'read behind the write: true',
    'compare-and-set: ok',
    'compare-and-set again, as another request: another value',
    'get greeting: good morning',
  ]);
});

test('the echo client hears what it said', async (t) => {
  const lines = await runExample('echo', 'examples/echo-client.mjs');
  t.equal(lines.length, 1);
  t.match(lines[0] ?? '', /^'hello' is in the log since \d{4}-\d\d-\d\dT/);
});
