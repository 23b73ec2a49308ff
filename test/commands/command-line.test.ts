// What the command line says to a newcomer, and what its exit codes mean.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'tape';
import { runCli, temporaryDirectory } from './cli.js';
import { bornMember, prepareMember, runningMember } from './one-member.js';

test('help names every command and every exit code, and is no error', async (t) => {
  const { code, stdout } = await runCli('--help');
  t.equal(code, 0);
  for (const command of ['demo', 'node', 'bootstrap', 'describe', 'bench']) {
    t.match(stdout, new RegExp(`^  ${command} `, 'm'), command);
  }
  t.match(stdout, /3 {2}wrong or unsafe configuration/);
});

test('the help of node shows an example that can be copied', async (t) => {
  const { code, stdout } = await runCli('node', '--help');
  t.equal(code, 0);
  t.match(stdout, /pawl bootstrap --member-id 0 --members "\$MEMBERS"/);
  t.match(stdout, /--durability <level>/);
});

test('a wrong command line has exit code 2 and says what is wrong', async (t) => {
  const unknown = await runCli('nonsense');
  t.equal(unknown.code, 2);
  t.match(unknown.stderr, /unknown command 'nonsense'/);
  const value = await runCli('node', '--member-id', 'x');
  t.equal(value.code, 2);
  t.match(value.stderr, /'x' is invalid. It must be a whole number from 0 to 2147483647/);
});

test('settings come from a file, relative to the file, and flags win', async (t) => {
  const { endpoints } = await prepareMember(t);
  const folder = temporaryDirectory(t);
  const file = join(folder, 'node.json');
  const content = {
    cluster: { members: endpoints.members, clusterId: 5 },
    member: { memberId: 0 },
    directory: 'data/0',
  };
  writeFileSync(file, JSON.stringify(content));
  const born = await runCli('bootstrap', '--config', file, '--cluster-id', '6', '--json');
  t.equal(born.code, 0, born.stderr);
  const result = JSON.parse(born.stdout) as { clusterId: number; directory: string };
  t.equal(result.clusterId, 6);
  t.ok(result.directory.endsWith('/data/0') && result.directory.includes('pawl-test-'));
});

test('describe tells blank, born and used directories apart, in words and as JSON', async (t) => {
  const blank = await runCli('describe', temporaryDirectory(t));
  t.equal(blank.code, 4);
  t.match(blank.stdout, /the directory is blank/);
  const missing = await runCli('describe', '/nowhere/at/all');
  t.equal(missing.code, 4);
  t.match(missing.stderr, /\/nowhere\/at\/all does not exist: name the directory of a member/);

  const member = await bornMember(t);
  const born = await runCli('describe', member.directory);
  t.equal(born.code, 0);
  t.match(born.stdout, /member 0 of cluster 0, born voting, incarnation [0-9a-f]{16}/);
  t.match(born.stdout, /no election seen yet/);

  const cli = await runningMember(t, member);
  const inUse = await runCli('describe', member.directory, '--json');
  t.equal(inUse.code, 0, 'also while the member runs');
  const description = JSON.parse(inUse.stdout) as { terms: unknown[]; birth: { memberId: number } };
  t.equal(description.birth.memberId, 0);
  t.ok(description.terms.length > 0);
  await cli.kill('SIGTERM');
  const used = await runCli('describe', member.directory);
  t.match(used.stdout, /given to member 0 in term \d; the member is voting/);
  t.match(used.stdout, /segments +0-0\.rec from 0, 128 MiB/);
  t.match(used.stdout, /health +sound/);
});

test('SIGTERM and SIGINT leave cleanly with exit code 0', async (t) => {
  const member = await bornMember(t);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const cli = await runningMember(t, member);
    const result = await cli.kill(signal);
    t.equal(result.code, 0, `${signal}: ${result.stderr}`);
    t.match(result.stdout, new RegExp(`"event":"stopped","reason":"${signal}"`));
    t.equal(result.stderr, '', 'nothing on the standard error');
  }
});

test('simulate tells a seed as a diagram, with only the faults that are asked for', async (t) => {
  const file = join(temporaryDirectory(t), 'story.mmd');
  const seed = ['simulate', '--seed', '5', '--seconds', '2'];
  const { code, stdout } = await runCli(...seed, '--only-faults', 'none', '--mermaid', file);
  t.equal(code, 0, stdout);
  t.match(stdout, /^the diagram is in .*story\.mmd$/m);
  t.match(readFileSync(file, 'utf8'), /^sequenceDiagram\n {2}participant M0 as member 0\n/);
  const { stderr } = await runCli(...seed, '--without', 'rain');
  t.match(stderr, /It must be one of links, sockets, disks, turns\./);
  t.end();
});

test('simulate runs the given seeds and prints the sums as one JSON object', async (t) => {
  const { code, stdout, stderr } = await runCli(
    'simulate',
    '--seeds',
    '2',
    '--seconds',
    '2',
    '--json',
  );
  t.equal(code, 0, stderr);
  const { seeds, failures, acknowledged } = JSON.parse(stdout) as {
    seeds: number;
    failures: unknown[];
    acknowledged: number;
  };
  t.equal(seeds, 2);
  t.deepEqual(failures, []);
  t.ok(acknowledged > 0);
  const profile = await runCli('simulate', '--profile', 'sunny');
  t.equal(profile.code, 2);
  t.match(profile.stderr, /must be one of swarm, quiet, storm/);
});

test('every service that ships is found by its name, also one of two words', async (t) => {
  const member = await bornMember(t);
  const cli = await runningMember(t, member, '--service', 'key-value');
  t.match(cli.output, /"service":"[^"]*key-value/);
  await cli.kill('SIGTERM');
});
