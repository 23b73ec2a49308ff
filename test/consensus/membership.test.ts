import test from 'tape';
import { AdmissionDesk } from '../../src/consensus/admission.js';
import { concludeConsensusConfig } from '../../src/consensus/consensus-config.js';
import {
  HELLO_FLAG_LEAVING,
  HELLO_FLAG_VOTING,
  type KnownIncarnation,
  type MemberHello,
  type NodeState,
  RefusalReason,
} from '../../src/consensus/election-effects.js';
import { MemberStanding, MemberTable } from '../../src/consensus/membership.js';
import { NodeRecord } from '../../src/consensus/node-record.js';

const CONFIG = concludeConsensusConfig({
  memberId: 0,
  memberIds: [0, 1, 2],
  clusterId: 7,
  configurationHash: 99n,
  durability: 0,
  protocolVersion: 1,
});

const BIRTH: NodeState = {
  candidateTermId: -1,
  votedForMemberId: -1,
  voting: true,
  admittedTermId: -1,
  admittedPosition: -1,
  incarnations: [],
};

const HELLO: MemberHello = {
  memberId: 1,
  clusterId: 7,
  admittedTermId: -1,
  admittedPosition: -1,
  incarnation: 11n,
  configurationHash: 99n,
  durability: 0,
  protocolVersion: 1,
  flags: HELLO_FLAG_VOTING,
};

/** What is remembered of member 1. */
function known(incarnation: bigint, admittedTermId = -1, admittedPosition = -1): KnownIncarnation {
  return { memberId: 1, incarnation, admittedTermId, admittedPosition };
}

function table(recovered: Partial<NodeState> = {}): {
  members: MemberTable;
  record: NodeRecord;
  written: NodeState[];
} {
  const written: NodeState[] = [];
  const record = new NodeRecord({ ...BIRTH, ...recovered }, (state) => written.push(state));
  return { members: new MemberTable(CONFIG, record), record, written };
}

test('a member is unknown until its first hello, and counts once that is durable', (t) => {
  const { members, record, written } = table();
  t.equal(members.standingOf(1), MemberStanding.Unknown);
  t.equal(members.onHello(HELLO), undefined);
  t.equal(members.standingOf(1), MemberStanding.Learner, 'remembered, but not durably');
  t.deepEqual(written.at(-1)?.incarnations, [known(11n)]);
  record.onPersisted(1);
  t.equal(members.standingOf(1), MemberStanding.Voter);
  t.equal(members.standingOf(5), MemberStanding.Unknown, 'one that is not configured');
  t.end();
});

const REFUSED: readonly [string, Partial<MemberHello>, RefusalReason][] = [
  ['cluster', { clusterId: 8 }, RefusalReason.ClusterId],
  ['configuration', { configurationHash: 98n }, RefusalReason.Configuration],
  ['durability level', { durability: 1 }, RefusalReason.Durability],
  ['protocol version', { protocolVersion: 2 }, RefusalReason.ProtocolVersion],
];

for (const [what, change, reason] of REFUSED) {
  test(`a member of another ${what} is refused`, (t) => {
    const { members, written } = table();
    t.equal(members.onHello({ ...HELLO, ...change }), reason);
    t.equal(members.standingOf(1), MemberStanding.Refused);
    t.equal(written.length, 0, 'nothing is remembered of it');
    t.end();
  });
}

test('another incarnation of a known member does not count and is told so', (t) => {
  // B12, B22: a new directory does not know what the old one promised.
  const { members } = table({ incarnations: [known(11n)] });
  t.equal(members.onHello({ ...HELLO, incarnation: 12n }), RefusalReason.Incarnation);
  t.equal(members.standingOf(1), MemberStanding.Learner);
  t.equal(
    members.onHello({ ...HELLO, incarnation: 12n, flags: 0 }),
    undefined,
    'one that knows it has no vote is not refused',
  );
  members.onHello(HELLO);
  t.equal(members.standingOf(1), MemberStanding.Learner, 'a late hello of the old one is no cure');
  t.end();
});

test('a new incarnation counts once a leader has admitted it', (t) => {
  const { members, record } = table({ incarnations: [known(11n)] });
  members.onHello({ ...HELLO, incarnation: 12n, flags: 0 });
  members.onAdmitted(1, 12n, 4, 100);
  members.onHello({ ...HELLO, incarnation: 12n });
  record.onPersisted(1);
  t.equal(members.standingOf(1), MemberStanding.Voter);
  t.equal(record.knownIncarnation(1)?.incarnation, 12n);
  t.end();
});

test('a leader may admit a second new incarnation of a member in the same term', (t) => {
  const { members, record } = table({ incarnations: [known(11n)] });
  members.onHello({ ...HELLO, incarnation: 12n, flags: 0 });
  members.onAdmitted(1, 12n, 4, 100);
  members.onHello({ ...HELLO, incarnation: 13n, flags: 0 });
  members.onAdmitted(1, 13n, 4, 200);
  members.onAdmitted(1, 12n, 4, 100);
  members.onHello({ ...HELLO, incarnation: 13n, admittedTermId: 4 });
  record.onPersisted(2);
  t.equal(members.standingOf(1), MemberStanding.Voter);
  t.equal(
    record.knownIncarnation(1)?.incarnation,
    13n,
    'the admission that came again late changes nothing',
  );
  t.end();
});

test('an admission may be heard before the first hello of the admitted directory', (t) => {
  const { members, record } = table({ incarnations: [known(11n)] });
  members.onHello(HELLO);
  members.onAdmitted(1, 12n, 4, 100);
  record.onPersisted(1);
  t.equal(members.standingOf(1), MemberStanding.Learner, 'the old one counts no more');
  t.equal(members.onHello({ ...HELLO, incarnation: 12n, admittedTermId: 4 }), undefined);
  t.equal(members.standingOf(1), MemberStanding.Voter, 'the admitted one does');
  t.equal(
    members.onHello({ ...HELLO, incarnation: 13n, admittedTermId: 4 }),
    RefusalReason.Incarnation,
  );
  members.onHello({ ...HELLO, incarnation: 12n, admittedTermId: 4 });
  t.equal(members.standingOf(1), MemberStanding.Learner, 'a late hello of it is no cure either');
  t.end();
});

test('a member that was not listening learns of an admission from the admitted one', (t) => {
  const { members, record } = table({ incarnations: [known(11n)] });
  t.equal(members.onHello({ ...HELLO, incarnation: 12n, admittedTermId: 4 }), undefined);
  record.onPersisted(1);
  t.equal(members.standingOf(1), MemberStanding.Voter);
  t.equal(
    members.onHello({ ...HELLO, incarnation: 11n, admittedTermId: 3 }),
    RefusalReason.Incarnation,
    'a directory that was admitted before is an old copy',
  );
  t.end();
});

test('what was admitted is remembered with its term and position, over a restart', (t) => {
  const before = table({ incarnations: [known(11n, 3)] });
  before.members.onHello({ ...HELLO, incarnation: 11n, admittedTermId: 3 });
  before.members.onAdmitted(1, 13n, 7, 500);
  t.deepEqual(before.written.at(-1)?.incarnations, [known(13n, 7, 500)]);
  before.members.onAdmitted(1, 13n, 7, 500);
  t.equal(before.written.length, 1, 'what is known is not written again');
  const { members, record, written } = table(before.written.at(-1));
  t.equal(
    members.onHello({ ...HELLO, incarnation: 11n, admittedTermId: 3 }),
    RefusalReason.Incarnation,
    'a directory that was admitted before is a former one',
  );
  members.onAdmitted(1, 12n, 7, 400);
  members.onAdmitted(1, 12n, 6, 900);
  t.equal(written.length, 0, 'and so is one whose admission comes late');
  t.equal(members.standingOf(1), MemberStanding.Learner);
  members.onHello({ ...HELLO, incarnation: 13n, admittedTermId: 7 });
  t.equal(members.standingOf(1), MemberStanding.Learner, 'a late hello of the known is no cure');
  members.onAdmitted(1, 14n, 7, 600);
  t.equal(record.knownIncarnation(1)?.incarnation, 14n, 'the next one of that term counts');
  t.end();
});

test('a directory that tells of a later admission is remembered with it, vote or not', (t) => {
  for (const flags of [0, HELLO_FLAG_VOTING]) {
    const before = table({ incarnations: [known(13n)] });
    before.members.onHello({ ...HELLO, flags, incarnation: 13n, admittedTermId: 7 });
    t.deepEqual(before.written.at(-1)?.incarnations, [known(13n, 7)]);
    const { members } = table(before.written.at(-1));
    t.equal(
      members.onHello({ ...HELLO, incarnation: 11n, admittedTermId: 3 }),
      RefusalReason.Incarnation,
    );
    t.equal(members.standingOf(1), MemberStanding.Learner);
  }
  t.end();
});

test('a directory that was admitted again in one term is heard, its leader gone or not', (t) => {
  const before = table({ incarnations: [known(12n, 8, 400)] });
  const hello = { ...HELLO, incarnation: 13n, admittedTermId: 8, admittedPosition: 900 };
  t.equal(before.members.onHello(hello), undefined, 'who admitted it may have told nobody else');
  t.deepEqual(before.written.at(-1)?.incarnations, [known(13n, 8, 900)]);
  before.record.onPersisted(1);
  t.equal(before.members.standingOf(1), MemberStanding.Voter);
  t.equal(
    before.members.onHello({ ...hello, incarnation: 12n, admittedPosition: 400 }),
    RefusalReason.Incarnation,
    'the one that was admitted before in that term is a former one',
  );
  t.end();
});

test('a former directory counts no more once a later one was heard without its vote', (t) => {
  const { members, record } = table({ incarnations: [known(12n, 5)] });
  t.equal(
    members.onHello({ ...HELLO, flags: 0, incarnation: 13n, admittedTermId: 7 }),
    undefined,
    'it lost its vote, and had acknowledged before that',
  );
  record.onPersisted(1);
  t.equal(members.standingOf(1), MemberStanding.Learner);
  t.equal(
    members.onHello({ ...HELLO, incarnation: 12n, admittedTermId: 5 }),
    RefusalReason.Incarnation,
  );
  t.equal(members.standingOf(1), MemberStanding.Learner);
  t.end();
});

test('a member that says good-bye is waited for by nobody, until it says hello again', (t) => {
  const { members } = table();
  members.onHello({ ...HELLO, flags: HELLO_FLAG_VOTING | HELLO_FLAG_LEAVING });
  t.ok(members.isLeaving(1));
  members.onHello(HELLO);
  t.notOk(members.isLeaving(1));
  t.end();
});

test('a changed incarnation has to be said twice before it is believed for good', (t) => {
  const { members } = table();
  t.ok(members.isHelloWanted(1));
  t.notOk(members.isInDoubt(1), 'one that was never heard is not in doubt');
  members.onHello(HELLO);
  t.ok(members.isInDoubt(1));
  members.onHello(HELLO);
  t.notOk(members.isInDoubt(1));
  members.onHello({ ...HELLO, incarnation: 12n });
  t.ok(members.isInDoubt(1));
  t.end();
});

const MS = 1_000_000;

test('a learner is admitted after a wait, a commit without it, and catching up', (t) => {
  const desk = new AdmissionDesk(3, 300 * MS);
  desk.onLearnerPosition(1, 12n, 0, 0);
  t.deepEqual(desk.advance(1000, 1000, 599 * MS), [], 'a candidate may still count its lost vote');
  t.deepEqual(desk.advance(1000, 1000, 600 * MS), []);
  t.ok(desk.isWaitingForLog(), 'what is committed by now may have been acknowledged long ago');
  t.deepEqual(desk.advance(2000, 1000, 700 * MS), []);
  t.deepEqual(desk.advance(2000, 1600, 800 * MS), [], 'it has not caught up');
  t.notOk(desk.isWaitingForLog());
  desk.onLearnerPosition(1, 12n, 1600, 900 * MS);
  const admission = { memberId: 1, incarnation: 12n, termId: 3, position: 1600 };
  t.deepEqual(desk.advance(2000, 2000, 900 * MS), [admission]);
  t.deepEqual(desk.advance(2000, 2000, 901 * MS), [], 'once');
  t.deepEqual([...desk.announcements()], [admission], 'and told again until it is heard');
  desk.forget(1);
  t.deepEqual([...desk.announcements()], []);
  t.end();
});

test('a learner that changes its incarnation starts to wait again', (t) => {
  const desk = new AdmissionDesk(3, 300 * MS);
  desk.onLearnerPosition(1, 12n, 5000, 0);
  desk.advance(1000, 1000, 600 * MS);
  desk.onLearnerPosition(1, 13n, 0, 700 * MS);
  t.deepEqual(desk.advance(2000, 2000, 800 * MS), []);
  t.notOk(desk.isWaitingForLog());
  t.end();
});
