// consensus-messages.ts: what other members say, through the adapter, into a running election.
//
// Configured members are trusted not to lie, but their bytes are not trusted to be possible: a
// message with an id, a term or a position that cannot be is counted and changes nothing that is
// durable. A message that is possible but contradicts the protocol (a second leader of a term) may
// break an invariant, which ends the process; nothing else may be thrown.

import { InvariantError } from '../../../src/assert.js';
import { ClockAgreement } from '../../../src/cluster/clock-agreement.js';
import { ConsensusAdapter } from '../../../src/cluster/consensus-adapter.js';
import type { Installs } from '../../../src/cluster/installs.js';
import type { LogCare } from '../../../src/cluster/log-care.js';
import type { Outputs } from '../../../src/cluster/outputs.js';
import type { Shutdown } from '../../../src/cluster/shutdown.js';
import type { Election } from '../../../src/consensus/election.js';
import { readInt64 } from '../../../src/protocol/encoding.js';
import { messageTemplateId } from '../../../src/protocol/message-header.js';
import { CONSENSUS_MESSAGES, OWN_MESSAGES } from '../../../src/protocol/schema-member-messages.js';
import type { FieldSchema, MessageSchema } from '../../../src/protocol/schema-types.js';
import type { FragmentHandler, FragmentHeader } from '../../../src/transport/fragment-header.js';
import type { Subscription } from '../../../src/transport/subscription.js';
import { Violation } from '../../consensus/checker.js';
import { CALM, MS, VirtualCluster } from '../../consensus/virtual-cluster.js';
import { type FuzzTarget, hold, joined } from '../fuzz-target.js';
import { encodeMessage, type FieldValues } from '../message-bytes.js';

const NAMES = [
  'AppendPosition',
  'CommitPosition',
  'CanvassPosition',
  'RequestVote',
  'Vote',
  'NewLeadershipTerm',
  'CatchupRequest',
  'MemberHello',
  'MemberRefused',
  'MemberAdmitted',
];
const SCHEMAS = [...CONSENSUS_MESSAGES, ...OWN_MESSAGES];
const SPOKEN = NAMES.map((name) => SCHEMAS.find((schema) => schema.name === name));
/** Inputs that one cluster takes before another is made: lies about terms add up. */
const INPUTS_PER_CLUSTER = 64;
const STEP_NS = 2 * MS;

/** Fields that Aeron's messages have and Pawl's members do not read. */
const UNREAD: Readonly<Record<string, readonly string[]>> = {
  NewLeadershipTerm: ['nextLogPosition', 'logPosition', 'leaderRecordingId', 'timestamp'],
};

/** The messages of a repair are for the archive, and are fuzzed with it. */
const NO_REPAIR: Pick<LogCare, 'onRepairRequest' | 'onRepairBlock'> = {
  onRepairRequest: () => false,
  onRepairBlock: () => false,
};

/** Snapshots on their way are for the archive as well. */
const NO_CLOCKS = new ClockAgreement({ nowNs: () => 0, wallMs: () => 0 }, 0, [0, 1, 2]);
const NO_OUTPUTS: Pick<Outputs, 'onOutputHash'> = { onOutputHash: () => false };
const NO_INSTALLS: Pick<Installs, 'onOffer' | 'onRequest' | 'onBlock'> = {
  onOffer: () => false,
  onRequest: () => false,
  onBlock: () => false,
};

/** The end of a cluster changes nothing of what it has agreed on. */
const NO_SHUTDOWN: Pick<Shutdown, 'onTerminationPosition' | 'onTerminationAck'> = {
  onTerminationPosition: () => false,
  onTerminationAck: () => false,
};

/** A subscription that delivers one message. */
class OneMessage {
  bytes: Uint8Array = new Uint8Array(0);

  poll(handler: FragmentHandler): number {
    const copy = this.bytes.slice();
    handler(new DataView(copy.buffer), 0, copy.length, undefined as unknown as FragmentHeader);
    return 1;
  }
}

/** Fields of a message that could be said at this moment. */
function valuesAt(election: Election, from: number): FieldValues {
  const termId = election.leadershipTermId();
  const position = election.commitPosition();
  return {
    memberId: from,
    followerMemberId: from,
    leaderMemberId: from,
    candidateMemberId: from,
    clusterId: 7,
    protocolVersion: 1,
    configurationHash: 99,
    incarnation: 1000 + from,
    flags: 1,
    leadershipTermId: termId,
    logLeadershipTermId: termId,
    candidateTermId: termId,
    nextLeadershipTermId: -1,
    nextTermBaseLogPosition: -1,
    logPosition: position,
    commitPosition: position,
    termBaseLogPosition: 0,
  };
}

/**
 * Whether every number of a message is one that a member could have: only such a message can be a
 * lie that is believed.
 */
function isPossible(message: Uint8Array): boolean {
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const templateId = messageTemplateId(view, 0, message.length);
  const schema = SPOKEN.find((candidate) => candidate?.templateId === templateId);
  const unread = UNREAD[schema?.name ?? ''] ?? [];
  const isRead = ({ name, type }: FieldSchema): boolean =>
    type === 'int64' && !unread.includes(name);
  const fields = schema?.fields.filter(isRead) ?? [];
  return fields.every(({ offset }) => {
    const value = offset + 16 <= message.length ? readInt64(view, 8 + offset) : Number.NaN;
    return Number.isSafeInteger(value) && value >= -1;
  });
}

class Hostile {
  readonly #source = new OneMessage();
  #cluster = this.#settled(1);
  #count = 0;
  /** Something possible was said, which may be a lie with later consequences. */
  #isLiedTo = false;

  get cluster(): VirtualCluster {
    return this.#cluster;
  }

  election(memberId: number): Election {
    const { election } = this.#cluster.member(memberId);
    hold(election !== undefined, 'no member has died');
    return election;
  }

  /** A cluster with a leader, in which members trust each other. */
  #settled(seed: number): VirtualCluster {
    const cluster = new VirtualCluster({ ...CALM, seed, memberCount: 3 });
    cluster.startAll();
    hold(
      cluster.run(5000 * MS, () => cluster.isSettled()),
      'a calm cluster elects a leader',
    );
    return cluster;
  }

  renew(): void {
    this.#count = 0;
    this.#isLiedTo = false;
    this.#cluster = this.#settled(1 + (this.#cluster.options.seed % 16));
  }

  /** Hands a message to a member; answers how it was taken. */
  tell(memberId: number, message: Uint8Array, stepNs: number): string {
    if (++this.#count > INPUTS_PER_CLUSTER) {
      this.renew();
    }
    const election = this.election(memberId);
    const termBefore = election.candidateTermId();
    const commitBefore = election.commitPosition();
    const subscription = this.#source as unknown as Subscription;
    const adapter = new ConsensusAdapter(
      subscription,
      election,
      () => undefined,
      NO_REPAIR as LogCare,
      NO_INSTALLS as Installs,
      NO_CLOCKS,
      NO_OUTPUTS as Outputs,
      NO_SHUTDOWN as Shutdown,
    );
    this.#source.bytes = message;
    const { counters } = election;
    const refusedBefore = counters.messagesInvalid + counters.messagesUnknownMember;
    let isDropped = false;
    this.#isLiedTo ||= isPossible(message);
    try {
      adapter.poll(this.#cluster.now());
      const refused = counters.messagesInvalid + counters.messagesUnknownMember;
      isDropped = adapter.invalidCount > 0 || refused > refusedBefore;
      if (isDropped) {
        hold(election.candidateTermId() === termBefore, 'what is not possible changes no term');
        hold(election.commitPosition() === commitBefore, 'what is not possible commits nothing');
      }
      election.doWork(this.#cluster.now());
      this.#cluster.run(stepNs);
    } catch (error) {
      // A lie that was believed shows in an assertion, or in the checker of the virtual cluster.
      if (!(error instanceof InvariantError) && !(error instanceof Violation)) {
        throw error;
      }
      hold(this.#isLiedTo, `what is not possible ends no member: ${error.message}`);
      this.renew();
      return `ended the member: ${error.message.replaceAll(/\d+/g, '')}`;
    }
    const termId = election.candidateTermId();
    hold(Number.isSafeInteger(termId) && termId >= termBefore, 'a term is exact and never falls');
    hold(Number.isSafeInteger(election.commitPosition()), 'a commit position is exact');
    hold(Number.isSafeInteger(election.leadershipTermId()), 'a leadership term is exact');
    return `${adapter.invalidCount} ${isDropped} ${termId > termBefore} ${election.state()}`;
  }
}

export function consensusMessagesTarget(): FuzzTarget {
  const hostile = new Hostile();
  return {
    name: 'consensus-messages',
    generate(random) {
      const to = random.below(3);
      const from = random.chance(1, 12) ? random.below(256) : (to + 1 + random.below(2)) % 3;
      const schema = random.pick(SPOKEN) as MessageSchema;
      const values = valuesAt(hostile.election(to), from);
      const evilCount = random.chance(1, 6) ? 0 : 1 + random.below(2);
      const step = random.chance(1, 3) ? 129 : 0;
      return joined(Uint8Array.of(to + step), encodeMessage(schema, values, random, evilCount));
    },
    run(input) {
      const template = input.length > 5 ? input[3] : -1;
      const to = input[0] ?? 0;
      const outcome = hostile.tell(to % 3, input.subarray(1), to >= 128 ? STEP_NS : 0);
      return `${template} ${outcome}`;
    },
  };
}
