// Services that depend on what is not in the log, in members that are processes: the difference is
// found, the odd member is named and ends, and with the guard the call itself throws.

import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'tape';
import { connect, type RequestSession } from '../../src/host/connect.js';
import { ExitCode } from '../../src/host/exit-codes.js';
import { runCli } from '../commands/cli.js';
import { reportRows } from './matrix.js';
import type { MemberProcess } from './member-process.js';
import { ProcessCluster } from './process-cluster.js';

const SERVICE = fileURLToPath(new URL('./depending-service.js', import.meta.url));

async function startCluster(member: Readonly<Record<string, unknown>>): Promise<ProcessCluster> {
  const settings = { divergenceIntervalMs: 50, ...member };
  return await ProcessCluster.start({ durability: 'fsync', services: [SERVICE], member: settings });
}

function openSession(cluster: ProcessCluster): Promise<RequestSession> {
  return connect({
    ingressEndpoints: cluster.ingress,
    handlers: {},
    requests: { requestTimeoutNs: 5e9 },
  });
}

async function ask(session: RequestSession, text: string): Promise<void> {
  await session.request(new TextEncoder().encode(text));
}

async function askMany(session: RequestSession, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    await ask(session, `message ${index}`);
  }
}

function warningsOf(member: MemberProcess): string[] {
  const warnings = member.events.filter(({ event }) => event === 'warning');
  return warnings.map(({ message }) => String(message));
}

test('a member whose service differs is named, ends, and comes back repaired', async (t) => {
  let isPassed = false;
  const cluster = await startCluster({ onDivergence: 'stop' });
  try {
    const leader = await cluster.leader();
    const odd = cluster.members.find((one) => one !== leader) as MemberProcess;
    const session = await openSession(cluster);
    await askMany(session, 20);
    const ended = odd.expectEnd();
    await ask(session, `member ${odd.memberId}`);
    await askMany(session, 20);
    t.equal((await ended).code, ExitCode.Diverged, 'it ends with the code for that');
    t.match(odd.errorOutput, /put out something else than the majority, from the event at log/);
    t.match(odd.errorOutput, /stops, because onDivergence is 'stop'/);
    const others = cluster.members.filter((one) => one !== odd);
    const place = new RegExp(
      `divergence: member ${odd.memberId} put out .* log position (\\d+) on`,
    );
    await cluster.waitFor('the others to know', () =>
      others.every((one) => warningsOf(one).some((text) => place.test(text))),
    );
    const positions = others.map((one) => place.exec(warningsOf(one).join())?.[1]);
    t.equal(positions[0], positions[1], `both name position ${positions[0]}`);
    const status = await runCli('cluster', 'status', cluster.directory);
    t.match(status.stdout, place, 'the status tells it');
    t.equal(status.code, ExitCode.Unexpected, 'and the cluster is not healthy');
    rmSync(odd.directory, { recursive: true, force: true });
    odd.start(['env', 'DEPENDING_REPAIRED=1']);
    await cluster.waitFor(
      'the repaired member to come back',
      (statuses) => statuses.length === 3 && statuses.every((one) => one.state === 'CLOSED'),
    );
    await askMany(session, 20);
    const settled = await cluster.settle();
    t.equal(settled.length, 3, 'all three are there');
    session.close();
    isPassed = true;
  } finally {
    await cluster.dispose();
    reportRows(t, [{ id: 'O5', name: 'a replica that differs is found', passed: isPassed }]);
  }
});

test('a service that uses chance or a clock differs everywhere: all are named', async (t) => {
  for (const call of ['chance', 'clock']) {
    const cluster = await startCluster({});
    try {
      const session = await openSession(cluster);
      await askMany(session, 10);
      await ask(session, call);
      await askMany(session, 10);
      const statuses = await cluster.waitFor('all members to know', (all) =>
        all.every((one) => one.divergence !== undefined && one.counters.divergences === 1),
      );
      for (const status of statuses) {
        t.deepEqual(status.divergence?.memberIds, [0, 1, 2], `${call}: all are named`);
        t.deepEqual(status.divergence?.oddMemberIds, []);
        t.equal(status.health, 'diverged');
      }
      const positions = new Set(statuses.map((status) => status.divergence?.position));
      t.equal(positions.size, 1, `${call}: all name the same position`);
      session.close();
    } finally {
      await cluster.dispose();
    }
  }
});

test('with the guard a clock inside a callback ends the member and says what to use', async (t) => {
  const cluster = await startCluster({ guard: true });
  try {
    const session = await openSession(cluster);
    await askMany(session, 10);
    const ends = cluster.members.map((one) => one.expectEnd());
    session.request(new TextEncoder().encode('clock')).catch((error: unknown) => {
      t.comment(`the client hears: ${String(error)}`);
    });
    const end = await Promise.race(ends);
    t.equal(end.code, ExitCode.Service, 'it ends as a service that throws does');
    const told = cluster.members.map((one) => one.errorOutput).join('\n');
    t.match(
      told,
      /Date\.now\(\) was called inside onSessionMessage, at .*depending-service\.js:\d+/,
    );
    t.match(told, /cluster\.time\(\): it is the same on all members/);
    session.close();
  } finally {
    await cluster.dispose();
  }
});
