// `pawl archive purge` and `delete`, and what `list`, `describe` and `verify` say of snapshots and
// of a log that has been purged.

import { closeSync, openSync, readdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import test, { type Test } from 'tape';
import { bootstrapMember } from '../../src/host/bootstrap.js';
import { connect } from '../../src/host/connect.js';
import { runMember } from '../../src/host/node-member.js';
import { findLocalEndpoints } from '../../src/tools/free-ports.js';
import { encodeRequest, KeyValueOperation } from '../../src/tools/services/key-value-messages.js';
import { createService } from '../../src/tools/services/key-value-service.js';
import { until } from '../support/until.js';
import { runCli, temporaryDirectory } from './cli.js';
import { bornMember, expectCode, runningMember } from './one-member.js';

const KIB = 1024;
const SNAPSHOT_COUNT = 4;

interface Archive {
  readonly directory: string;
  /** Starts a member on it again and ends it, whatever it finds. */
  startAgain(): Promise<number>;
}

/** An archive with four snapshots and some segments before the oldest. */
async function makeArchive(t: Test): Promise<Archive> {
  const endpoints = await findLocalEndpoints(1);
  const directory = join(temporaryDirectory(t), 'data');
  const options = {
    cluster: {
      members: endpoints.members,
      logTermLength: 64 * KIB,
      segmentLength: 64 * KIB,
      durability: 'page-cache',
    },
    member: { memberId: 0, snapshotCountKept: SNAPSHOT_COUNT, snapshotIntervalLength: 0 },
    directory,
    serviceFactory: createService,
  } as const;
  await bootstrapMember(options);
  let member = runMember(options);
  await until(() => member.status().isIngressOpen, 'the member leads');
  const session = await connect({ ingressEndpoints: endpoints.ingress });
  const value = new Uint8Array(1_000);
  for (let round = 0; round < SNAPSHOT_COUNT; round++) {
    for (let index = 0; index < 200; index++) {
      const key = `key ${round} ${index}`;
      await session.request(encodeRequest({ operation: KeyValueOperation.Put, key, value }));
    }
    const before = member.status().snapshotPosition;
    member.requestSnapshot();
    await until(() => member.status().snapshotPosition > before, 'a snapshot is taken');
  }
  session.close();
  await member.stop();
  return {
    directory,
    startAgain: async () => {
      member = runMember(options);
      await until(() => member.status().isIngressOpen, 'the member leads again');
      const { servicePosition } = member.status();
      await member.stop();
      return servicePosition;
    },
  };
}

async function json<T>(...args: string[]): Promise<T> {
  const result = await runCli(...args, '--json');
  expectCode(result, 0);
  return JSON.parse(result.stdout) as T;
}

interface Listing {
  readonly recordings: readonly {
    readonly recordingId: number;
    readonly content: string;
    readonly startPosition: number;
    readonly health: string;
    readonly logPosition?: number;
  }[];
}

interface Purge {
  readonly logStartPosition: number;
  readonly segmentCount: number;
  readonly snapshotIds: readonly number[];
  readonly keptPositions: readonly number[];
}

test('what snapshots hold is given up, and the member starts from what is left', async (t) => {
  const { directory, startAgain } = await makeArchive(t);
  const before = await json<Listing>('archive', 'list', directory);
  const snapshots = before.recordings.filter(({ content }) => content === 'snapshot');
  t.equal(snapshots.length, SNAPSHOT_COUNT, 'list tells the snapshots');
  t.ok(snapshots.every(({ health }) => health === 'sound'));
  const files = readdirSync(directory).length;
  const planned = await json<Purge>('archive', 'purge', directory, '--keep', '2', '--dry-run');
  t.equal(readdirSync(directory).length, files, 'a dry run changes nothing');
  const purged = await json<Purge>('archive', 'purge', directory, '--keep', '2');
  t.deepEqual({ ...planned, isDryRun: false }, purged, 'it told what would go');
  t.ok(purged.segmentCount > 0 && purged.logStartPosition > 0, `${purged.segmentCount} segments`);
  t.equal(purged.snapshotIds.length, SNAPSHOT_COUNT - 2);
  const after = await json<Listing>('archive', 'list', directory);
  t.deepEqual(
    after.recordings.filter(({ content }) => content === 'snapshot').map((one) => one.logPosition),
    purged.keptPositions,
  );
  t.equal(after.recordings[0]?.startPosition, purged.logStartPosition);
  t.equal(after.recordings[0]?.health, 'sound', 'a log that was purged is no damaged one');
  const verified = await runCli('archive', 'verify', directory);
  expectCode(verified, 0);
  const text = await runCli('describe', directory);
  expectCode(text, 0);
  t.match(text.stdout, /log start +[\d,]+: what was before has been purged/);
  t.match(
    text.stdout,
    /snapshots +recording \d+ of position [\d,]+, [\d,]+ bytes, taken .*, sound/,
  );
  const words = await runCli('archive', 'describe', directory);
  t.match(words.stdout, /from [\d,]+ \(purged before\) to/);
  t.match(words.stdout, /recording \d+, a snapshot of position [\d,]+, [\d,]+ bytes, sound/);
  const replayed = await runCli('archive', 'replay', directory, '--from', '0');
  t.equal(replayed.code, 3, 'what is gone cannot be replayed');
  t.ok((await startAgain()) >= (purged.keptPositions.at(-1) ?? 0), 'the member starts');
});

test('a snapshot that is needed stays, and a damaged one keeps all from going', async (t) => {
  const { directory } = await makeArchive(t);
  const { recordings } = await json<Listing>('archive', 'list', directory);
  const ids = recordings.map(({ recordingId }) => recordingId).filter((id) => id > 0);
  const [first = -1, , , last = -1] = ids;
  const deleted = await runCli('archive', 'delete', directory, '--recording', String(first));
  expectCode(deleted, 0);
  t.match(deleted.stdout, new RegExp(`deleted recording ${first}, the snapshot of position`));
  const unknown = await runCli('archive', 'delete', directory, '--recording', String(first));
  t.equal(unknown.code, 3);
  t.match(unknown.stderr, new RegExp(`recording ${first} is no snapshot of this archive: it has`));
  await json('archive', 'purge', directory, '--keep', '1');
  const needed = await runCli('archive', 'delete', directory, '--recording', String(last));
  t.equal(needed.code, 3);
  t.match(needed.stderr, /no other snapshot that is whole holds what was before.*keep this one/);
  const name = readdirSync(directory).find((one) => one.startsWith(`${last}-`)) as string;
  const file = openSync(join(directory, name), 'r+');
  writeSync(file, Buffer.from('rot'), 0, 3, 100);
  closeSync(file);
  const damaged = await runCli('archive', 'purge', directory, '--keep', '1');
  t.equal(damaged.code, 5);
  t.match(damaged.stderr, /would be kept and cannot be used.*Nothing was given up/);
  const verified = await runCli('archive', 'verify', directory);
  t.equal(verified.code, 5);
  t.match(verified.stdout, /problem: snapshot \d+ of position \d+: .*no valid frame/);
});

test('an archive in use is not purged, and misuse is one line with the remedy', async (t) => {
  const member = await bornMember(t);
  const cli = await runningMember(t, member);
  for (const args of [['purge'], ['delete', '--recording', '1']]) {
    const used = await runCli('archive', args[0] ?? '', member.directory, ...args.slice(1));
    t.equal(used.code, 4);
    t.match(used.stderr, /another process runs on this data directory: stop it/);
  }
  await cli.kill('SIGTERM');
  const absent = await runCli('archive', 'purge', join(temporaryDirectory(t), 'nowhere'));
  t.equal(absent.code, 4);
  t.match(absent.stderr, /nowhere cannot be used \(ENOENT\)/);
  const blank = await runCli('archive', 'purge', temporaryDirectory(t));
  t.notEqual(blank.code, 0);
  t.match(blank.stderr, /archive\.catalog/);
  const none = await runCli('archive', 'purge', temporaryDirectory(t), '--keep', '0');
  t.equal(none.code, 2);
  const missing = await runCli('archive', 'delete', temporaryDirectory(t));
  t.equal(missing.code, 2);
  t.match(missing.stderr, /--recording/);
});
