// virtual-messages.ts: how the messages of a virtual member leave, and what must be on its disk by
// then.

import { assert } from '../../src/assert.js';
import type { Election } from '../../src/consensus/election.js';
import type { ElectionEffects, MemberId, NodeState } from '../../src/consensus/election-effects.js';
import type { TermEntry } from '../../src/consensus/term-entries.js';
import type { VirtualCluster } from './virtual-cluster.js';
import type { VirtualLog } from './virtual-log.js';

/** What survives the process. */
export interface Disk {
  nodeState: NodeState;
  entries: TermEntry[];
  log: VirtualLog;
  commitPosition: number;
  incarnation: bigint;
}

type MessageEffects = Pick<ElectionEffects, Extract<keyof ElectionEffects, `send${string}`>>;

/** What all hellos say. */
const CLUSTER = { clusterId: 7, configurationHash: 99n, durability: 0, protocolVersion: 1 };

/** I-11: no message leaves before what it promises is durable. */
export function messageEffects(
  cluster: VirtualCluster,
  from: MemberId,
  disk: Disk,
): MessageEffects {
  const now = () => cluster.now();
  const send = (to: MemberId, kind: string, deliver: (election: Election) => void) =>
    cluster.send(from, to, kind, deliver);
  return {
    sendMemberHello: (to, flags, admittedTermId, admittedPosition) => {
      const hello = {
        memberId: from,
        ...CLUSTER,
        admittedTermId,
        admittedPosition,
        incarnation: disk.incarnation,
        flags,
      };
      send(to, 'hello', (election) => election.onMemberHello(hello, now()));
    },
    sendMemberRefused: (to, reason) =>
      send(to, 'refused', (election) => election.onMemberRefused(from, to, reason, now())),
    sendMemberAdmitted: (to, memberId, incarnation, termId, position) =>
      send(to, 'admitted', (election) =>
        election.onMemberAdmitted(memberId, incarnation, termId, position, now()),
      ),
    sendCanvassPosition: (to, logTermId, position, termId) =>
      send(to, 'canvass', (election) =>
        election.onCanvassPosition(from, logTermId, position, termId, now()),
      ),
    sendRequestVote: (to, logTermId, position, termId) => {
      const { nodeState } = disk;
      const isDurable = nodeState.candidateTermId === termId && nodeState.votedForMemberId === from;
      assert(isDurable, 'a candidate asked before its own vote was durable');
      send(to, 'requestVote', (election) =>
        election.onRequestVote(from, logTermId, position, termId, now()),
      );
    },
    sendVote: (to, termId, logTermId, position, granted) => {
      const { nodeState } = disk;
      assert(nodeState.candidateTermId >= termId, 'a term left before it was durable');
      assert(!granted || nodeState.votedForMemberId === to, 'a vote left before it was durable');
      send(to, 'vote', (election) =>
        election.onVote(from, to, termId, granted, logTermId, position, now()),
      );
    },
    sendNewLeadershipTerm: (to, message) =>
      send(to, 'newTerm', (election) => election.onNewLeadershipTerm(message, now())),
    sendCatchupRequest: (to, termId, logTermId, position, flags) =>
      send(to, 'catchup', (election) =>
        election.onCatchupRequest(from, termId, logTermId, position, flags, now()),
      ),
    sendAppendPosition: (to, termId, position, flags) => {
      assert(disk.nodeState.candidateTermId >= termId, 'acknowledged before it was durable');
      assert(disk.log.end() >= position, 'acknowledged what is not durable');
      send(to, 'append', (election) =>
        election.onAppendPosition(from, termId, position, flags, now()),
      );
    },
    sendCommitPosition: (to, termId, position) =>
      send(to, 'commit', (election) => election.onCommitPosition(from, termId, position, now())),
    ...readEffects(send, from, disk, now),
    sendLeadershipTransfer: (to, termId, target) =>
      send(to, 'transfer', (election) =>
        election.onLeadershipTransfer(from, termId, target, now()),
      ),
  };
}

type Send = (to: MemberId, kind: string, deliver: (election: Election) => void) => void;

function readEffects(
  send: Send,
  from: MemberId,
  disk: Disk,
  now: () => number,
): Pick<MessageEffects, 'sendReadProbe' | 'sendReadAcknowledgement'> {
  return {
    sendReadProbe: (to, termId, round) =>
      send(to, 'probe', (election) => election.reads.onProbe(from, termId, round, now())),
    sendReadAcknowledgement: (to, termId, round) => {
      assert(
        disk.nodeState.candidateTermId >= termId,
        'a term was confirmed before it was durable',
      );
      send(to, 'confirm', (election) => election.reads.onAcknowledgement(from, termId, round));
    },
  };
}
