// `pawl restore`: what it says of copies, of directories in use and of what is no copy.

import { cpSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'tape';
import { runCli, temporaryDirectory } from './cli.js';
import { bornMember, expectCode, runningMember } from './one-member.js';

test('a copy is restored: no vote, another incarnation, no orders from before', async (t) => {
  const member = await bornMember(t);
  const cli = await runningMember(t, member);
  while (!existsSync(join(member.directory, 'control.json'))) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const copy = join(temporaryDirectory(t), 'copy');
  cpSync(member.directory, copy, { recursive: true });
  t.ok(existsSync(join(copy, 'control.json')), 'the copy names the process of the original');
  const inUse = await runCli('restore', member.directory);
  t.equal(inUse.code, 4, inUse.stderr);
  t.match(inUse.stderr, /another process runs on this data directory: stop it/);
  const restored = await runCli('restore', copy, '--json');
  expectCode(restored, 0);
  const report = JSON.parse(restored.stdout);
  t.equal(report.memberId, 0);
  t.match(report.incarnation, /^[0-9a-f]{16}$/);
  t.notOk(existsSync(join(copy, 'control.json')), 'orders for it do not go to the original');
  const described = await runCli('describe', copy);
  t.match(described.stdout, /NOT voting/);
  t.ok(described.stdout.replaceAll('-', '').includes(report.incarnation), 'pawl describe agrees');
  const text = await runCli('restore', copy);
  t.match(text.stdout, /restored: member 0 of cluster 0 in .*: it starts without a vote/);
  await cli.kill('SIGTERM');
});

test('what is no copy is refused with the remedy', async (t) => {
  const blank = temporaryDirectory(t);
  const none = await runCli('restore', blank);
  t.equal(none.code, 4, none.stderr);
  t.match(none.stderr, /this is no copy of a data directory \(it has no birth\.dat\)/);
  const missing = await runCli('restore', join(blank, 'missing'));
  t.equal(missing.code, 4, missing.stderr);
  t.match(missing.stderr, /cannot be used \(ENOENT\)/);
  writeFileSync(join(blank, 'birth.dat'), 'damaged');
  const damaged = await runCli('restore', blank);
  t.equal(damaged.code, 5, damaged.stderr);
  t.match(damaged.stderr, /birth\.dat is damaged/);
  const usage = await runCli('restore');
  t.equal(usage.code, 2);
  const help = await runCli('restore', '--help');
  t.match(help.stdout, /gives up its\s+vote/);
});
