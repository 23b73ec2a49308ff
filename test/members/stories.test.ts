// What is said of sessions, timers, requests and snapshots holds with services on threads of their
// own as well.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'tape';
import { THREADS_VARIABLE } from '../cluster/cluster-fixture.js';

const STORIES = [
  ...['reads', 'sessions', 'timers', 'requests', 'snapshots', 'snapshot-install', 'divergence'],
  ...['service-messages', 'services', 'services-install', 'suspension', 'authentication'],
  ...['low-space', 'retention', 'session-limits', 'back-pressure', 'install-fence'],
];
const TAPE = fileURLToPath(new URL('../../node_modules/tape/bin/tape', import.meta.url));

test('what is said of members holds with their services on a thread of their own', (t) => {
  const files = STORIES.map((name) =>
    fileURLToPath(new URL(`../cluster/${name}.test.ts`, import.meta.url)),
  );
  const { status, stdout } = spawnSync(process.execPath, ['--import', 'tsx', TAPE, ...files], {
    env: { ...process.env, [THREADS_VARIABLE]: 'dedicated' },
    encoding: 'utf8',
  });
  const failed = stdout.split('\n').filter((line) => line.startsWith('not ok'));
  t.deepEqual(failed, []);
  t.equal(status, 0, /# pass\s+\d+/.exec(stdout)?.[0]);
  t.end();
});
