// Real Aeron and Pawl stream to each other over UDP. Every byte of every message follows from its
// sequence number; the sender hashes what it sends, the receiver compares and hashes what it gets.

import test, { type Test } from 'tape';
import { buildJava, reasonToSkip } from './java.js';
import { runStream, type StreamOutcome, type StreamScenario } from './stream-run.js';

const FULL = { small: 1_000_000, large: 1_000 };
const SHORT = { small: 200_000, large: 200 };
const TERMS = { small: 50_000, large: 0 };
const TRICKLE = { small: 20_000, large: 20 };
const BYTES_OF_SMALL = 200;
const BYTES_OF_LARGE = 60_000;

/** Terms of 64 KiB that begin, off an alignment, one term before the term id overflows. */
const LAST_TERM = 'term-length=64k|init-term-id=2147483600|term-id=2147483647|term-offset=64';

interface NamedScenario extends StreamScenario {
  readonly name: string;
}

const SCENARIOS: readonly NamedScenario[] = [
  {
    name: 'an Aeron publisher streams 1,000,000 messages of 200 and 1,000 of 60,000 bytes to Pawl',
    publisher: 'aeron',
    counts: FULL,
    publisherParameters: 'mtu=1408',
  },
  {
    name: 'a Pawl publisher streams 1,000,000 messages of 200 and 1,000 of 60,000 bytes to Aeron',
    publisher: 'pawl',
    counts: FULL,
    publisherParameters: 'mtu=1408',
  },
  {
    name: 'an Aeron publisher streams the same to Pawl with 1 % loss in each direction',
    publisher: 'aeron',
    counts: FULL,
    publisherParameters: 'mtu=1408',
    faults: { loss: 0.01 },
  },
  {
    name: 'a Pawl publisher streams the same to Aeron with 1 % loss in each direction',
    publisher: 'pawl',
    counts: FULL,
    publisherParameters: 'mtu=1408',
    faults: { loss: 0.01 },
  },
  {
    name: 'an Aeron publisher streams datagrams of 8 KiB to Pawl, lost, doubled and reordered',
    publisher: 'aeron',
    counts: SHORT,
    publisherParameters: 'mtu=8192',
    faults: { loss: 0.01, duplication: 0.01, reordering: 0.01 },
    seed: 2,
  },
  {
    name: 'a Pawl publisher streams datagrams of 8 KiB to Aeron, lost, doubled and reordered',
    publisher: 'pawl',
    counts: SHORT,
    publisherParameters: 'mtu=8192',
    faults: { loss: 0.01, duplication: 0.01, reordering: 0.01 },
    seed: 3,
  },
  {
    name: 'Pawl joins an Aeron publisher that came first and whose term id overflows',
    publisher: 'aeron',
    counts: TERMS,
    publisherParameters: LAST_TERM,
    isPublisherFirst: true,
  },
  {
    name: 'Aeron joins a Pawl publisher that came first and whose term id overflows',
    publisher: 'pawl',
    counts: TERMS,
    publisherParameters: LAST_TERM,
    isPublisherFirst: true,
  },
  {
    name: 'a Pawl publisher answers the round trip measurements of an Aeron subscriber',
    publisher: 'pawl',
    counts: TRICKLE,
    publisherParameters: 'mtu=1408',
    subscriberParameters: 'cc=cubic',
    javaProperties: ['-Daeron.CubicCongestionControl.measureRtt=true'],
  },
  {
    name: 'a Pawl subscriber joins an Aeron stream in the middle, in place of one that was killed',
    publisher: 'aeron',
    counts: SHORT,
    publisherParameters: 'mtu=1408',
    replaceSubscriberAt: 20_000,
  },
  {
    name: 'an Aeron subscriber joins a Pawl stream in the middle, in place of one that was killed',
    publisher: 'pawl',
    counts: SHORT,
    publisherParameters: 'mtu=1408',
    replaceSubscriberAt: 20_000,
  },
];

/** Counters that stay 0 between two programs that understand each other, whatever is lost. */
const AERON_MUST_BE_ZERO = ['INVALID_PACKETS', 'ERRORS', 'STATUS_MESSAGES_REJECTED'];
const PAWL_MUST_BE_ZERO = [
  'malformedDatagrams',
  'unexpectedFrames',
  'checksumMismatches',
  'statusMessagesRefused',
  'imagesRefused',
  'errorFramesReceived',
];

type Counters = Readonly<Record<string, number>>;

/** The counters of both sides, whichever publishes. */
function countersOf(scenario: StreamScenario, outcome: StreamOutcome) {
  const publisher = outcome.publisherClosed.counters as Counters;
  const subscriber = outcome.subscriberClosed.counters as Counters;
  const isAeronFirst = scenario.publisher === 'aeron';
  return {
    aeron: isAeronFirst ? publisher : subscriber,
    pawl: isAeronFirst ? subscriber : publisher,
  };
}

function judgeStream(t: Test, scenario: StreamScenario, outcome: StreamOutcome): void {
  const { sent, received, ended } = outcome;
  const { small, large } = scenario.counts;
  t.equal(sent.messages, small + large, 'every message was sent');
  t.equal(received.firstMismatch, -1, 'each message is the one of its sequence number');
  t.equal(received.complete, true, 'the last message arrived');
  if (scenario.replaceSubscriberAt === undefined) {
    t.equal(received.messages, small + large, 'every message arrived');
    t.equal(received.bytes, small * BYTES_OF_SMALL + large * BYTES_OF_LARGE, 'every byte arrived');
    t.equal(received.sha256, sent.sha256, 'both sides have the same hash');
  } else {
    const first = Number(received.firstSequence);
    t.ok(first >= scenario.replaceSubscriberAt, `the stream was joined at message ${first}`);
    t.equal(received.messages, small + large - first, 'every message from there on arrived');
  }
  t.equal(
    ended.endOfStream,
    true,
    'the subscriber saw the end of the stream, and nothing after it',
  );
  t.deepEqual([ended.images, ended.endedImages], [1, 1], 'one image opened, and closed');
  t.deepEqual(outcome.exitCodes, [0, 0], 'both programs ended well');
}

function judgeCounters(t: Test, scenario: StreamScenario, outcome: StreamOutcome): void {
  const { aeron, pawl } = countersOf(scenario, outcome);
  for (const name of AERON_MUST_BE_ZERO) {
    t.equal(aeron[name], 0, `Aeron counts no ${name}`);
  }
  for (const name of PAWL_MUST_BE_ZERO) {
    t.equal(pawl[name], 0, `Pawl counts no ${name}`);
  }
  if (scenario.javaProperties !== undefined) {
    t.ok((pawl.roundTripsAnswered ?? 0) > 0, 'round trip measurements were answered');
  }
}

function judgeFaults(t: Test, scenario: StreamScenario, outcome: StreamOutcome): void {
  const { proxy } = outcome;
  if (proxy === null) {
    return;
  }
  const { aeron, pawl } = countersOf(scenario, outcome);
  const isAeronFirst = scenario.publisher === 'aeron';
  const nakCount = isAeronFirst ? pawl.naksSent : aeron.NAK_MESSAGES_SENT;
  const repairCount = isAeronFirst ? aeron.RETRANSMITS_SENT : pawl.retransmits;
  t.ok(proxy.forward.lost > 0 && proxy.backward.lost > 0, 'datagrams were lost in both directions');
  t.ok((nakCount ?? 0) > 0, 'the subscriber asked for what was lost');
  t.ok((repairCount ?? 0) > 0, 'the publisher sent it again');
  t.comment(
    `lost ${proxy.forward.lost} of ${proxy.forward.received} forward and ` +
      `${proxy.backward.lost} of ${proxy.backward.received} back, ` +
      `${nakCount} NAKs, ${repairCount} sent again`,
  );
}

const skipReason = reasonToSkip();
for (const scenario of SCENARIOS) {
  if (skipReason !== undefined) {
    test(`${scenario.name} (not run: ${skipReason})`, { skip: true }, (t) => t.end());
    continue;
  }
  test(scenario.name, async (t) => {
    buildJava();
    const outcome = await runStream(scenario);
    t.comment(
      `${outcome.sent.messages} messages, sha256 ${outcome.received.sha256}, ` +
        `${outcome.seconds.toFixed(1)} s with the start of both programs`,
    );
    judgeStream(t, scenario, outcome);
    judgeCounters(t, scenario, outcome);
    judgeFaults(t, scenario, outcome);
    t.end();
  });
}
