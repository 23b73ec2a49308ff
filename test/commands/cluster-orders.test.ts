// `pawl cluster snapshot|suspend|resume|shutdown` on a cluster of processes, and what they print.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'tape';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { connect } from '../../src/host/connect.js';
import { atEnd } from '../support/at-end.js';
import { runCli, temporaryDirectory } from './cli.js';
import { settledReport, startCluster } from './node-cluster.js';
import { bornMember, expectCode, runningMember } from './one-member.js';

const AUTHENTICATOR = fileURLToPath(new URL('./authenticator-module.mjs', import.meta.url));

/** Where services run. */
const LAYOUTS = [
  { layout: [], where: '' },
  { layout: ['--threads', 'dedicated'], where: ' (dedicated)' },
];

interface SnapshotReport {
  readonly logPosition: number;
  readonly members: readonly {
    readonly memberId: number;
    readonly logPosition: number;
    readonly lengthBytes: number;
  }[];
}

interface ShutdownReport {
  readonly logPosition: number;
  readonly ended: readonly number[];
  readonly notReached: readonly number[];
  readonly stillRunning: readonly string[];
}

test('a snapshot is complete on all members when the order has ended', async (t) => {
  const { directory } = await startCluster(t, '--service', 'key-value');
  await settledReport(directory);
  const json = await runCli('cluster', 'snapshot', directory, '--json');
  expectCode(json, 0);
  const report = JSON.parse(json.stdout) as SnapshotReport;
  t.deepEqual(
    report.members.map((member) => member.memberId),
    [0, 1, 2],
  );
  t.ok(report.members.every((member) => member.logPosition === report.logPosition));
  t.ok(report.members.every((member) => member.lengthBytes > 0));
  const text = await runCli('cluster', 'snapshot', directory);
  expectCode(text, 0);
  t.match(text.stdout, /member +snapshot of position +bytes +took ms/);

  const { members } = await settledReport(directory);
  const leader = members[0]?.leaderMemberId ?? -1;
  const followers = [0, 1, 2].filter((id) => id !== leader).map((id) => join(directory, `${id}`));
  const elsewhere = await runCli('cluster', 'snapshot', ...followers);
  t.equal(elsewhere.code, 1);
  t.match(elsewhere.stderr, new RegExp(`member ${leader} leads: name its data directory`));
  const nowhere = await runCli('cluster', 'snapshot', temporaryDirectory(t));
  t.equal(nowhere.code, 4);
  t.match(nowhere.stderr, /is no data directory of a member/);
  const never = await runCli('cluster', 'snapshot', directory, '--timeout', 'soon');
  t.equal(never.code, 2);
});

for (const { layout, where } of LAYOUTS) {
  test(`a suspended cluster answers nobody until it is resumed${where}`, async (t) => {
    const { directory, ingress } = await startCluster(t, ...layout);
    await settledReport(directory);
    // Commands are processes of their own, which take their time.
    const requests = { requestTimeoutNs: 60e9 };
    const client = await connect({ ingressEndpoints: ingress, requests });
    await client.request(Uint8Array.of(1));

    const early = await runCli('cluster', 'resume', directory);
    t.equal(early.code, 10);
    t.match(early.stderr, /the cluster is not suspended: there is nothing to resume/);
    const suspended = await runCli('cluster', 'suspend', directory, '--json');
    expectCode(suspended, 0);
    const { logPosition } = JSON.parse(suspended.stdout) as { logPosition: number };
    t.ok(logPosition > 0);
    const twice = await runCli('cluster', 'suspend', directory);
    t.equal(twice.code, 10);
    t.match(twice.stderr, /is suspended already: resume it with pawl cluster resume/);

    let isAnswered = false;
    const waiting = client.request(Uint8Array.of(2)).then(() => {
      isAnswered = true;
    });
    const { members } = await settledReport(directory);
    t.ok(members.every((member) => member.isSuspended));
    t.match((await runCli('cluster', 'status', directory)).stdout, /leader \(suspended\)/);
    t.notOk(isAnswered, 'the request waits');
    const resumed = await runCli('cluster', 'resume', directory);
    expectCode(resumed, 0);
    t.match(resumed.stdout, /the cluster is resumed from position [\d,]+ on, by member \d/);
    await waiting;
    t.ok(isAnswered, 'and is answered after the resumption');
    client.close();
  });
}

for (const { layout, where } of LAYOUTS) {
  test(`a shutdown ends all processes with code 0 at one position${where}`, async (t) => {
    const { directory, processes, start } = await startCluster(
      t,
      '--service',
      'key-value',
      ...layout,
    );
    await settledReport(directory);
    const json = await runCli('cluster', 'shutdown', directory, '--json');
    expectCode(json, 0);
    const report = JSON.parse(json.stdout) as ShutdownReport;
    t.deepEqual(report.ended, [0, 1, 2]);
    t.deepEqual(report.notReached, []);
    t.deepEqual(report.stillRunning, []);
    const ends = await Promise.all(processes.map((process) => process.ended));
    for (const end of ends) {
      expectCode(end, 0);
      t.match(
        end.stdout,
        new RegExp(`"event":"terminated","logPosition":${report.logPosition}\\b`),
      );
      t.match(end.stdout, new RegExp(`"event":"snapshot","logPosition":${report.logPosition}\\b`));
    }
    const again = await runCli('cluster', 'shutdown', directory);
    t.equal(again.code, 1);
    t.match(again.stderr, /none of the members runs: start them with pawl node/);

    const restarted = [0, 1, 2].map(start);
    await Promise.all(restarted.map((process) => process.waitFor('"state":"CLOSED"')));
    const { members } = await settledReport(directory);
    t.ok(members.every((member) => member.appendPosition > report.logPosition));
  });
}

test('a service that takes no snapshots is told, and is shut down all the same', async (t) => {
  const member = await bornMember(t);
  const service = join(temporaryDirectory(t), 'service.mjs');
  writeFileSync(service, 'export const createService = () => ({ onSessionMessage() {} });');
  const process = await runningMember(t, member, '--service', service);
  await settledReport(member.directory);
  const snapshot = await runCli('cluster', 'snapshot', member.directory);
  t.equal(snapshot.code, 10);
  t.match(snapshot.stderr, /the service takes no snapshots: give it onTakeSnapshot/);
  const shutdown = await runCli('cluster', 'shutdown', member.directory);
  expectCode(shutdown, 0);
  t.match(shutdown.stdout, /members 0 ended at position [\d,]+, \d+ ms after the order/);
  expectCode(await process.ended, 0);
});

for (const { layout, where } of LAYOUTS) {
  test(`an authenticator module decides who may connect and give orders${where}`, async (t) => {
    const member = await bornMember(t);
    const flags = ['--service', 'key-value', '--authenticator', AUTHENTICATOR, ...layout];
    await runningMember(t, member, ...flags);
    const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
    const open = (name: string, word: string) =>
      connect({
        ingressEndpoints: member.endpoints.ingress,
        credentials: {
          encodedCredentials: () => encode(name),
          onChallenge: () => encode(`${name}:${word}`),
        },
      });
    const codeOf = (error: unknown) => (error instanceof PawlError ? error.code : String(error));
    const refused = await open('anna', 'open barley').catch(codeOf);
    t.equal(refused, ErrorCode.AuthenticationRejected);
    const anna = await open('anna', 'open sesame');
    const operator = await open('operator', 'open sesame');
    atEnd(t, () => {
      anna.close();
      operator.close();
    });
    t.equal(await anna.orderSnapshot().catch(codeOf), ErrorCode.OrderRefused);
    t.equal(await operator.orderSnapshot(), undefined, 'the operator may');
  });
}

test('an authenticator module that is none is told by what it lacks', async (t) => {
  const member = await bornMember(t);
  const node = (path: string) => runCli('node', ...member.flags, '--authenticator', path);
  const missing = await node('/nowhere/authenticator.mjs');
  t.equal(missing.code, 8);
  t.match(missing.stderr, /authenticator module \/nowhere\/authenticator.mjs does not exist/);
  const other = await node(fileURLToPath(new URL('./cli.ts', import.meta.url)));
  t.equal(other.code, 8);
});
