// codecs.test.ts: the codecs against golden vectors, other schema versions, and hostile integers.

import test from 'tape';
import { staleCodecFiles } from '../../scripts/generate-codecs.js';
import { InvariantError } from '../../src/assert.js';
import { AppendPositionEncoder } from '../../src/protocol/codecs/append-position.js';
import { CanvassPositionDecoder } from '../../src/protocol/codecs/canvass-position.js';
import { CommitPositionDecoder } from '../../src/protocol/codecs/commit-position.js';
import { RecordingDescriptorDecoder } from '../../src/protocol/codecs/recording-descriptor.js';
import {
  SessionConnectRequestDecoder,
  SessionConnectRequestEncoder,
} from '../../src/protocol/codecs/session-connect-request.js';
import { SessionEventEncoder } from '../../src/protocol/codecs/session-event.js';
import { TemplateId } from '../../src/protocol/codecs/template-ids.js';
import {
  ARCHIVE_SCHEMA_ID,
  messageTemplateId,
  SCHEMA_MISMATCH,
  TOO_SHORT,
} from '../../src/protocol/message-header.js';
import { MESSAGES, OWN_TEMPLATE_ID_MAX, OWN_TEMPLATE_ID_MIN } from '../../src/protocol/schema.js';
import { readVector, viewOf } from '../vectors/read-vector.js';
import { codecOf, decode, encode, type Values } from './message-driver.js';

type ExtendedResponseModule =
  typeof import('../../src/protocol/codecs/cluster-members-extended-response.js');

const REDIRECT = 2;
const PAGE_CACHE = 1;
const VERSION_1_0_0 = 0x010000;

/** What each golden vector says. */
const GOLDEN: readonly (readonly [vector: string, message: string, values: Values])[] = [
  [
    'session-message-header',
    'SessionMessageHeader',
    { leadershipTermId: 5, clusterSessionId: 42, timestamp: 1_700_000_000_123 },
  ],
  [
    'session-event',
    'SessionEvent',
    {
      clusterSessionId: -1,
      correlationId: 0x1122334455667788n,
      leadershipTermId: 7,
      leaderMemberId: 2,
      code: REDIRECT,
      version: VERSION_1_0_0,
      leaderHeartbeatTimeoutNs: 600_000_000,
      detail: '0=a:1,2=b:2',
    },
  ],
  [
    'session-connect-request',
    'SessionConnectRequest',
    {
      correlationId: -2n,
      responseStreamId: 102,
      version: VERSION_1_0_0,
      responseChannel: 'aeron:udp?endpoint=localhost:9',
      encodedCredentials: Uint8Array.of(1, 2, 255),
      clientInfo: 'pawl',
    },
  ],
  [
    'session-open-event',
    'SessionOpenEvent',
    {
      leadershipTermId: 5,
      correlationId: 0x0102030405060708n,
      clusterSessionId: 42,
      timestamp: 1_700_000_000_123,
      responseStreamId: 102,
      responseChannel: 'aeron:ipc',
      encodedPrincipal: new Uint8Array(0),
    },
  ],
  [
    'session-close-event',
    'SessionCloseEvent',
    { leadershipTermId: 5, clusterSessionId: 42, timestamp: 1_700_000_000_123, closeReason: 2 },
  ],
  [
    'new-leadership-term-event',
    'NewLeadershipTermEvent',
    {
      leadershipTermId: 6,
      logPosition: 2 ** 32 + 128,
      timestamp: 1_700_000_000_123,
      termBaseLogPosition: 2 ** 32,
      leaderMemberId: 1,
      logSessionId: -77,
      timeUnit: 0,
      appVersion: 0x010203,
    },
  ],
  [
    'canvass-position',
    'CanvassPosition',
    {
      logLeadershipTermId: 4,
      logPosition: 2 ** 53 - 32,
      leadershipTermId: 5,
      followerMemberId: 1,
      protocolVersion: VERSION_1_0_0,
    },
  ],
  [
    'request-vote',
    'RequestVote',
    {
      logLeadershipTermId: 4,
      logPosition: 2048,
      candidateTermId: 6,
      candidateMemberId: 2,
      protocolVersion: VERSION_1_0_0,
    },
  ],
  [
    'vote',
    'Vote',
    {
      candidateTermId: 6,
      logLeadershipTermId: 4,
      logPosition: 2048,
      candidateMemberId: 2,
      followerMemberId: 0,
      vote: true,
    },
  ],
  [
    'new-leadership-term',
    'NewLeadershipTerm',
    {
      logLeadershipTermId: 4,
      nextLeadershipTermId: 5,
      nextTermBaseLogPosition: 1024,
      nextLogPosition: -1,
      leadershipTermId: 6,
      termBaseLogPosition: 2048,
      logPosition: 4096,
      leaderRecordingId: 0,
      timestamp: 1_700_000_000_123,
      leaderMemberId: 2,
      logSessionId: -77,
      appVersion: 1,
      isStartup: true,
      commitPosition: 2016,
    },
  ],
  [
    'append-position',
    'AppendPosition',
    { leadershipTermId: 6, logPosition: 4096, followerMemberId: 1, flags: 2 },
  ],
  [
    'commit-position',
    'CommitPosition',
    { leadershipTermId: 6, logPosition: 4064, leaderMemberId: 2 },
  ],
  [
    'member-hello',
    'MemberHello',
    {
      clusterId: 7,
      leadershipTermId: 6,
      incarnation: BigInt.asIntN(64, 0xfedcba9876543210n),
      configurationHash: 0x0123456789abcdefn,
      memberId: 1,
      durability: PAGE_CACHE,
      flags: 1,
      protocolVersion: VERSION_1_0_0,
      admittedPosition: 8_000,
    },
  ],
  [
    'member-refused',
    'MemberRefused',
    { memberId: 0, refusedMemberId: 1, reason: 1, detail: 'cluster 7' },
  ],
  [
    'member-admitted',
    'MemberAdmitted',
    {
      leadershipTermId: 6,
      logPosition: 8192,
      incarnation: BigInt.asIntN(64, 0xfedcba9876543210n),
      memberId: 1,
    },
  ],
  [
    'request-header',
    'RequestHeader',
    {
      leadershipTermId: 6,
      clusterSessionId: 42,
      timestamp: 0,
      clientId: BigInt.asIntN(64, 0xffffffff00000001n),
      requestId: 17,
      lowestUnansweredRequestId: 15,
    },
  ],
  [
    'reply-header',
    'ReplyHeader',
    {
      leadershipTermId: 6,
      clusterSessionId: 42,
      timestamp: 1_700_000_000_123,
      requestId: 17,
      logPosition: 8192,
      code: -3,
    },
  ],
  [
    'catchup-request',
    'CatchupRequest',
    {
      leadershipTermId: 6,
      logLeadershipTermId: 4,
      logPosition: 2048,
      followerMemberId: 1,
      flags: 0,
    },
  ],
];

for (const [vector, name, values] of GOLDEN) {
  test(`${name} is read from and written as its golden vector`, async (t) => {
    const codec = await codecOf(name);
    const golden = readVector(vector);
    t.ok(codec.Decoder.isValid(viewOf(golden), 0, golden.length), 'the vector is valid');
    const decoded = decode(codec, viewOf(golden), 0);
    for (const [field, value] of Object.entries(values)) {
      t.deepEqual(decoded[field], value, field);
    }
    const written = new Uint8Array(golden.length);
    t.equal(encode(codec, values, viewOf(written), 0), golden.length, 'length with header');
    t.deepEqual(written, golden, 'the same bytes');
    t.end();
  });
}

test('a block of the catalog is read without a message header', (t) => {
  const golden = readVector('recording-descriptor');
  const view = viewOf(golden);
  t.ok(RecordingDescriptorDecoder.isBodyValid(view, 0, golden.length));
  t.notOk(RecordingDescriptorDecoder.isBodyValid(view, 0, golden.length - 1), 'cut short');
  const descriptor = new RecordingDescriptorDecoder().wrap(view, 0);
  t.equal(descriptor.stopPosition(), -1);
  t.equal(descriptor.segmentFileLength(), 134_217_728);
  t.equal(descriptor.originalChannel(), 'aeron:ipc?alias=log');
  t.equal(descriptor.sourceIdentity(), 'aeron:ipc');
  t.end();
});

test('a field that an older sender left out reads as its null value', (t) => {
  const golden = readVector('canvass-position-version-8');
  t.ok(CanvassPositionDecoder.isValid(viewOf(golden), 0, golden.length));
  const canvass = new CanvassPositionDecoder().wrapAndApplyHeader(viewOf(golden), 0);
  t.equal(canvass.followerMemberId(), 1);
  t.equal(canvass.protocolVersion(), 0);
  t.end();
});

test('variable data that an older sender left out reads as empty', (t) => {
  const golden = readVector('session-connect-request-version-13');
  t.ok(SessionConnectRequestDecoder.isValid(viewOf(golden), 0, golden.length));
  const request = new SessionConnectRequestDecoder().wrapAndApplyHeader(viewOf(golden), 0);
  t.equal(request.responseChannel(), 'aeron:udp?endpoint=localhost:9');
  t.equal(request.clientInfo(), '');
  t.equal(request.clientInfoLength(), 0);
  t.end();
});

test('a longer block of a newer sender is read up to what is known', (t) => {
  const golden = readVector('canvass-position-version-99');
  t.ok(CanvassPositionDecoder.isValid(viewOf(golden), 0, golden.length));
  const canvass = new CanvassPositionDecoder().wrapAndApplyHeader(viewOf(golden), 0);
  t.equal(canvass.protocolVersion(), VERSION_1_0_0);
  t.end();
});

test('variable data is found behind a longer block of a newer sender', (t) => {
  const golden = readVector('session-connect-request');
  const longer = new Uint8Array(golden.length + 8);
  longer.set(golden.subarray(0, 24), 0);
  longer.set(golden.subarray(24), 32);
  const view = viewOf(longer);
  view.setUint16(0, 24, true);
  view.setUint16(6, 99, true);
  t.ok(SessionConnectRequestDecoder.isValid(view, 0, longer.length));
  const request = new SessionConnectRequestDecoder().wrapAndApplyHeader(view, 0);
  t.equal(request.clientInfo(), 'pawl');
  t.end();
});

test('a block shorter than its version demands is not valid', (t) => {
  const golden = readVector('canvass-position-version-8');
  viewOf(golden).setUint16(6, 9, true);
  t.notOk(CanvassPositionDecoder.isValid(viewOf(golden), 0, golden.length));
  t.end();
});

test('the template id is found without throwing, or a negative code says why not', (t) => {
  const golden = readVector('commit-position');
  const view = viewOf(golden);
  t.equal(messageTemplateId(view, 0, golden.length), TemplateId.CommitPosition);
  t.equal(messageTemplateId(view, 0, 7), TOO_SHORT);
  t.equal(messageTemplateId(view, 0, golden.length + 1), TOO_SHORT, 'beyond the view');
  t.equal(messageTemplateId(view, -1, golden.length), TOO_SHORT, 'before the view');
  t.equal(messageTemplateId(view, 0, golden.length, ARCHIVE_SCHEMA_ID), SCHEMA_MISMATCH);
  t.end();
});

test('a 64-bit value that no number holds exactly reads as NaN', (t) => {
  const view = viewOf(readVector('commit-position'));
  const commit = new CommitPositionDecoder().wrapAndApplyHeader(view, 0);
  const cases: readonly (readonly [bigint, number])[] = [
    [2n ** 53n - 1n, Number.MAX_SAFE_INTEGER],
    [2n ** 53n, Number.NaN],
    [2n ** 53n + 1n, Number.NaN],
    [-(2n ** 53n) + 1n, Number.MIN_SAFE_INTEGER],
    [-(2n ** 53n), Number.NaN],
    [-(2n ** 63n), -(2 ** 63)],
    [2n ** 63n - 1n, 2 ** 63],
    [2n ** 63n - 2n, Number.NaN],
    [-1n, -1],
    [2n ** 32n, 2 ** 32],
    [-(2n ** 32n), -(2 ** 32)],
    [2n ** 31n, 2 ** 31],
  ];
  for (const [bits, expected] of cases) {
    view.setBigInt64(16, bits, true);
    t.ok(Object.is(commit.logPosition(), expected), `${bits} reads as ${expected}`);
  }
  t.end();
});

test('a value that an int64 field cannot hold breaks an invariant when encoded', (t) => {
  const append = new AppendPositionEncoder().wrap(new DataView(new ArrayBuffer(21)), 0);
  for (const value of [Number.NaN, 2 ** 53, 0.5, Number.POSITIVE_INFINITY]) {
    t.throws(() => append.logPosition(value), InvariantError, String(value));
  }
  t.end();
});

test('variable data put out of order or left out breaks an invariant', (t) => {
  const view = new DataView(new ArrayBuffer(256));
  const request = new SessionConnectRequestEncoder().wrapAndApplyHeader(view, 0);
  t.throws(() => request.putClientInfo('early'), InvariantError);
  request.putResponseChannel('aeron:ipc');
  t.throws(() => request.encodedLength(), InvariantError);
  t.end();
});

test('a group with fewer or more entries than announced breaks an invariant', async (t) => {
  const path = '../../src/protocol/codecs/cluster-members-extended-response.js';
  const { ClusterMembersExtendedResponseEncoder } = (await import(path)) as ExtendedResponseModule;
  const view = new DataView(new ArrayBuffer(256));
  const response = new ClusterMembersExtendedResponseEncoder().wrapAndApplyHeader(view, 0);
  const active = response.activeMembersCount(1);
  response.passiveMembersCount(0);
  t.throws(() => response.encodedLength(), /invariant broken/, 'one entry is missing');
  active.next();
  t.throws(() => response.encodedLength(), /invariant broken/, 'its endpoints are missing');
  t.throws(() => active.next(), /invariant broken/, 'a second entry');
  t.end();
});

test('text beyond ASCII is written with question marks', async (t) => {
  const view = new DataView(new ArrayBuffer(128));
  const event = new SessionEventEncoder()
    .wrapAndApplyHeader(view, 0)
    .putDetail('Z\u00fcrich \u2713');
  t.equal(event.encodedLength(), SessionEventEncoder.BLOCK_LENGTH + 4 + 8);
  const decoded = decode(await codecOf('SessionEvent'), view, 0);
  t.equal(decoded.detail, 'Z?rich ?');
  t.end();
});

test('codecs read and write shared memory', async (t) => {
  const bytes = readVector('append-position');
  const shared = new DataView(new SharedArrayBuffer(64));
  const codec = await codecOf('SessionConnectRequest');
  const length = encode(
    codec,
    {
      correlationId: 1n,
      responseStreamId: 102,
      version: 0,
      responseChannel: 'a',
      encodedCredentials: bytes.subarray(0, 2),
      clientInfo: '',
    },
    shared,
    0,
  );
  t.ok(codec.Decoder.isValid(shared, 0, length));
  t.deepEqual(decode(codec, shared, 0).encodedCredentials, bytes.subarray(0, 2));
  t.end();
});

test('template ids are unique, and only ours are in our range', (t) => {
  const ids = MESSAGES.map((message) => `${message.schemaId}/${message.templateId}`);
  t.equal(new Set(ids).size, ids.length);
  const names = MESSAGES.filter((m) => m.templateId >= OWN_TEMPLATE_ID_MIN).map((m) => m.name);
  t.deepEqual(names.slice(0, 3), ['MemberHello', 'MemberRefused', 'MemberAdmitted']);
  t.ok(MESSAGES.every((message) => message.templateId <= OWN_TEMPLATE_ID_MAX));
  t.end();
});

test('the committed codecs are what the generator writes', (t) => {
  t.deepEqual(staleCodecFiles(), [], 'run: node --import tsx scripts/generate-codecs.ts');
  t.end();
});
