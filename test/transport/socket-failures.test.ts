// Sockets that cannot be opened when they are wanted: a route that is not up yet, no file left.

import test from 'tape';
import type { DatagramOptions } from '../../src/ports/network.js';
import { REOPEN_DELAY_MAX_NS, REOPEN_DELAY_NS } from '../../src/transport/medium.js';
import {
  WARNED_ADDRESS_COUNT_MAX,
  WARNING_INTERVAL_NS,
} from '../../src/transport/socket-warnings.js';
import { Transport } from '../../src/transport/transport.js';
import { Collector, Fixture, message, SECOND_NS } from './transport-fixture.js';

const CHANNEL = 'aeron:udp?endpoint=127.0.0.1:9000';

/** Lets no connected socket be opened until a time; counts the attempts. */
function unreachableUntil(fixture: Fixture, endNs: number): { readonly attemptsNs: number[] } {
  const attemptsNs: number[] = [];
  fixture.network.openFailure = (options: DatagramOptions) => {
    if (options.remote === undefined) {
      return undefined;
    }
    attemptsNs.push(fixture.nowNs);
    return fixture.nowNs < endNs ? new Error('ENETUNREACH: no route yet') : undefined;
  };
  return { attemptsNs };
}

test('a publication whose socket could not be opened connects when it can be', (t) => {
  const fixture = new Fixture();
  const collector = new Collector();
  const subscription = fixture.receiver.addSubscription(CHANNEL, 5);
  const { attemptsNs } = unreachableUntil(fixture, fixture.nowNs + 2 * SECOND_NS);
  const publication = fixture.sender.addPublication(CHANNEL, 5);
  t.match(String(publication.failure), /no route yet/, 'says why it is not connected');
  t.ok(
    fixture.until(() => publication.isConnected, 10 * SECOND_NS),
    'and is connected in the end',
  );
  t.equal(publication.failure, undefined);
  const gaps = attemptsNs.slice(1).map((at, index) => at - (attemptsNs[index] ?? 0));
  t.equal(fixture.sender.counters.socketsReopened, gaps.length, 'each attempt is counted');
  t.ok(
    gaps.every((gap, index) => Math.abs(gap - REOPEN_DELAY_NS * 2 ** index) < 2_000_000),
    `each waits twice as long as the one before: ${gaps}`,
  );
  publication.offer(message(0, 100), 0, 100);
  fixture.until(() => {
    subscription.poll(collector.onFragment, 10);
    return collector.messages.length > 0;
  });
  t.equal(
    collector.firstWrong(() => 100),
    -1,
    'what is sent arrives',
  );
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'nothing leaks');
  t.end();
});

test('a follower whose socket could not be opened is sent the log when it can be', (t) => {
  const fixture = new Fixture();
  const collector = new Collector();
  const subscription = fixture.receiver.addSubscription(CHANNEL, 100);
  unreachableUntil(fixture, fixture.nowNs + SECOND_NS);
  const log = fixture.sender.addLogPublication({
    streamId: 100,
    sessionId: 7,
    position: 0,
    termLength: 64 * 1024,
    leadershipTermId: 0,
  });
  log.addDestination(1, '127.0.0.1:9000');
  log.setQuorumSize(2);
  log.offer(message(0, 100), 0, 100);
  log.localDurablePosition = log.position();
  fixture.run(SECOND_NS / 2);
  log.startDestination(1, 0);
  fixture.until(() => {
    subscription.poll(collector.onFragment, 10);
    return collector.messages.length > 0;
  });
  t.equal(
    collector.firstWrong(() => 100),
    -1,
  );
  t.equal(collector.messages.length, 1);
  t.equal(log.destinationFailure(1), undefined, 'its recording never failed');
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'nothing leaks');
  t.end();
});

test('a socket that can never be opened is tried at a bounded rate, and told of once', (t) => {
  const fixture = new Fixture();
  const { attemptsNs } = unreachableUntil(fixture, Infinity);
  const warnings: string[] = [];
  const transport = new Transport({
    arena: fixture.senderArena,
    network: fixture.network,
    entropy: fixture.entropy,
    onWarning: (text) => warnings.push(text),
  });
  transport.addPublication(CHANNEL, 5);
  const endNs = fixture.nowNs + 60 * SECOND_NS;
  let turns = 0;
  while (fixture.nowNs < endNs) {
    transport.doWork(fixture.nowNs);
    fixture.nowNs = Math.max(fixture.nowNs + 1_000, Math.min(transport.deadlineNs(), endNs));
    turns++;
  }
  // 0.1 + 0.2 + ... + 3.2 = 6.3 s, then one each 5 s.
  t.ok(attemptsNs.length >= 16 && attemptsNs.length <= 18, `${attemptsNs.length} in a minute`);
  t.ok(turns < 4 * attemptsNs.length, `${turns} duty cycles: it sleeps between them`);
  const last = (attemptsNs.at(-1) ?? 0) - (attemptsNs.at(-2) ?? 0);
  t.ok(last <= REOPEN_DELAY_MAX_NS + 2_000_000, `${last} ns between the last two`);
  t.equal(warnings.length, 1, 'the operator is told once');
  t.match(warnings[0] ?? '', /no route yet; it is tried again/);
  transport.close();
  fixture.close();
  t.end();
});

/** A transport that reaches nobody, with what it has told. */
function deadTransport(fixture: Fixture): { transport: Transport; warnings: string[] } {
  fixture.network.openFailure = ({ remote }) => new Error(`no route to ${remote?.port}`);
  const warnings: string[] = [];
  const { network, entropy } = fixture;
  const transport = new Transport({
    arena: fixture.senderArena,
    network,
    entropy,
    config: { termLength: 64 * 1024, publicationCountMax: 1_000 },
    onWarning: (text) => warnings.push(text),
  });
  return { transport, warnings };
}

test('a follower whose socket cannot be opened is told of once, not in each term anew', (t) => {
  const fixture = new Fixture();
  const { transport, warnings } = deadTransport(fixture);
  const lead = (leadershipTermId: number): void => {
    const log = transport.addLogPublication({
      streamId: 100,
      sessionId: 7,
      position: 0,
      termLength: 64 * 1024,
      leadershipTermId,
    });
    log.addDestination(1, '127.0.0.1:9000');
    log.startDestination(1, 0);
    transport.doWork(fixture.nowNs);
    log.close();
  };
  for (let term = 0; term < 5; term++) {
    lead(term);
    fixture.nowNs += SECOND_NS;
  }
  t.deepEqual(warnings, ['no route to 9000; it is tried again until it can be']);
  t.equal(transport.counters.socketFailuresUntold, 4, 'the others are counted');
  fixture.nowNs += WARNING_INTERVAL_NS;
  lead(5);
  t.equal(warnings.length, 2, 'what lasts is told again after a while');
  transport.close();
  fixture.close();
  t.end();
});

test('so many addresses are told of at a time; the others are counted', (t) => {
  const fixture = new Fixture({ arenaLength: 64 * 1024 * 1024 });
  const { transport, warnings } = deadTransport(fixture);
  const openTo = (count: number, firstPort: number): void => {
    for (let index = 0; index < count; index++) {
      transport.addPublication(`aeron:udp?endpoint=127.0.0.1:${firstPort + index}`, 5);
    }
    transport.doWork(fixture.nowNs);
  };
  openTo(WARNED_ADDRESS_COUNT_MAX + 3, 9_000);
  t.equal(warnings.length, WARNED_ADDRESS_COUNT_MAX);
  t.equal(transport.counters.socketFailuresUntold, 3);
  fixture.nowNs += WARNING_INTERVAL_NS;
  openTo(2, 20_000);
  t.deepEqual(warnings.slice(WARNED_ADDRESS_COUNT_MAX), [
    'no route to 20000; it is tried again until it can be',
    'no route to 20001; it is tried again until it can be',
  ]);
  transport.close();
  fixture.close();
  t.end();
});

test('a bound socket that fails stays failed: its owner says so and ends', (t) => {
  const fixture = new Fixture();
  fixture.network.openFailure = () => new Error('EADDRINUSE');
  const subscription = fixture.receiver.addSubscription(CHANNEL, 5);
  fixture.network.openFailure = () => undefined;
  fixture.run(10 * SECOND_NS);
  t.match(String(subscription.failure), /EADDRINUSE/);
  t.equal(fixture.receiver.counters.socketsReopened, 0);
  fixture.close();
  t.end();
});
