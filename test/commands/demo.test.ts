// The demo, short: real processes, a real SIGKILL, real books.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'tape';
import type { DemoResult } from '../../src/tools/demo/demo.js';
import { runCli, temporaryDirectory } from './cli.js';

test('the demo kills the leader, loses nothing, and says so as one JSON object', async (t) => {
  const directory = join(temporaryDirectory(t), 'demo');
  const { code, stdout, stderr } = await runCli(
    ...['demo', '--json', '--seconds', '1', '--rate', '1000', '--durability', 'page-cache'],
    ...['--directory', directory],
  );
  t.equal(code, 0, stderr);
  t.equal(stdout.trim().split('\n').length, 1, 'one object, and the progress elsewhere');
  const result = JSON.parse(stdout) as DemoResult;
  t.equal(result.sent, result.acknowledged + result.unknown);
  t.ok(result.acknowledged > 1_000, `${result.acknowledged} acknowledged`);
  t.ok(result.unknown <= 200, `${result.unknown} unknown: not more than were in flight`);
  t.ok(result.unknownInLog <= result.unknown);
  t.deepEqual([result.lost, result.duplicated, result.reordered], [0, 0, 0]);
  t.ok(result.failoverMs > 0, `failover in ${result.failoverMs} ms`);
  t.ok(result.logsEqual && result.statesEqual && result.ok);
  t.notEqual(result.killedMemberId, result.newLeaderMemberId);
  t.ok(result.latencies.all.count > 0 && result.latencies.all.p50 > 0);
  t.match(stderr, /SIGKILL to member \d, the leader/);

  const described = await runCli('describe', join(directory, `member-${result.killedMemberId}`));
  t.equal(described.code, 0, described.stdout);
  t.match(described.stdout, /health +sound/);
  t.ok(existsSync(join(directory, 'member-0.json')), 'what was named by --directory is kept');
});
