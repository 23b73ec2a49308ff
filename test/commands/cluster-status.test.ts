// `pawl cluster status`: what the members on this machine say of themselves.

import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'tape';
import { runCli, temporaryDirectory } from './cli.js';
import { bornMember, connectTo, expectCode, runningMember } from './one-member.js';
import { strangerFor } from './stranger.js';

interface StatusReport {
  readonly isHealthy: boolean;
  readonly members: readonly {
    readonly memberId: number;
    readonly role: string;
    readonly sessionCount: number;
    readonly commitPosition: number;
  }[];
}

test('the status of a member that runs is a table, or JSON with everything', async (t) => {
  const member = await bornMember(t);
  const cli = await runningMember(t, member);
  await connectTo(t, member);
  const json = await runCli('cluster', 'status', member.directory, '--json');
  expectCode(json, 0);
  const report = JSON.parse(json.stdout) as StatusReport;
  t.equal(report.isHealthy, true);
  t.equal(report.members[0]?.role, 'leader');
  t.equal(report.members[0]?.sessionCount, 1);
  t.ok((report.members[0]?.commitPosition ?? 0) > 0);
  const table = await runCli('cluster', 'status', dirname(member.directory));
  t.match(
    table.stdout,
    /^member +role +state +term +leader +append/,
    'also by the outer directory',
  );
  t.match(table.stdout, /^0 +leader +CLOSED +\d+ +0 +[\d,]+ +[\d,]+ +[\d,]+ +1 +sound$/m);
  const mode = statSync(join(member.directory, 'control.json')).mode & 0o777;
  t.equal(mode, 0o600, 'only the owner may command a member');
  await cli.kill('SIGTERM');
  const stopped = await runCli('cluster', 'status', member.directory);
  t.equal(stopped.code, 1);
  t.match(stopped.stderr, /no member runs on .*data: start it with pawl node/);
});

test('what a killed member left behind does not count as a member that runs', async (t) => {
  const member = await bornMember(t);
  const cli = await runningMember(t, member);
  await cli.kill('SIGKILL');
  const killed = await runCli('cluster', 'status', member.directory);
  t.equal(killed.code, 1);
  t.match(killed.stderr, /no member runs on/);
});

test('another program on the port of a member that has ended is no member', async (t) => {
  const member = await bornMember(t);
  await strangerFor(t, member.directory);
  for (const order of ['status', 'snapshot', 'shutdown']) {
    const result = await runCli('cluster', order, member.directory);
    t.notEqual(result.code, 0, order);
    t.match(result.stderr, /no member runs on|none of the members runs/, order);
    t.notOk(result.stderr.includes('SyntaxError'), order);
  }
});

test('misuse of the cluster commands is told with the remedy', async (t) => {
  const blank = await runCli('cluster', 'status', temporaryDirectory(t));
  t.equal(blank.code, 4);
  t.match(blank.stderr, /is no data directory of a member and holds none: name the directories/);
  const none = await runCli('cluster', 'status');
  t.equal(none.code, 2);
  t.match(none.stderr, /missing required argument 'dir'/);
  const unknown = await runCli('cluster', 'nonsense');
  t.equal(unknown.code, 2);
  t.match(unknown.stderr, /unknown command 'nonsense'/);
});
