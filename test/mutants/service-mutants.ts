// service-mutants.ts: famous bugs of sessions, services and clients.

import type { Mutant } from './mutant.js';

const HASHED_MESSAGE =
  'this.#outputs.addBytes(OutputKind.Message, sessionId, buffer, offset, length);';
const SENT = 'this.#sent(this.#writer.message(publication, buffer, offset, length))';

export const SERVICE_MUTANTS: readonly Mutant[] = [
  {
    id: 'B34',
    bug: 'padding at the end of the log is never consumed',
    source: 'Aeron 1619',
    breaks: 'a reader of the archive stays before the padding that ends a segment',
    judges: ['liveness'],
    edits: [
      {
        file: 'src/cluster/log-poller.ts',
        find: 'this.#scannedEnd = this.#position + (f64[(area + SCAN_END_OFFSET) >> 3] as number);',
        replace: `const { i32 } = this.#arena;
    const last = (area + SCAN_HEADER_LENGTH + (count - 1) * SCAN_ENTRY_LENGTH) >> 2;
    this.#scannedEnd =
      count === 0
        ? this.#position
        : this.#positionAfter(i32[last] as number, i32[last + 1] as number);`,
      },
    ],
  },
  {
    id: 'B35',
    bug: 'each member decides by its own role which sessions it drops',
    source: 'Aeron 635 and 875',
    breaks: 'the service of a new leader loses the sessions that the log has opened',
    judges: ['states'],
    edits: [
      {
        file: 'src/service/service-container.ts',
        find: '    if (role !== this.role) {\n',
        replace: `    if (role === 'leader') {
      for (const session of this.#sessions.values()) {
        this.#sessions.close(session.id);
      }
    }
    if (role !== this.role) {
`,
      },
    ],
  },
  {
    id: 'B32a',
    bug: 'messages that a service had sent are lost when the leader changes',
    source: 'Aeron 1466 and 1879',
    breaks: 'a new leader takes what is on its way for proposed, because a leader before it had',
    judges: ['messages', 'liveness'],
    edits: [
      {
        file: 'src/service/service-messages.ts',
        find: '    this.#cursor.forget();',
        replace:
          '    const logged = this.#loggedOf(this.#serviceId);\n' +
          '    this.#cursor.propose(this.#pending, logged, this.#pending.size, () => true);',
      },
    ],
  },
  {
    id: 'B32b',
    bug: 'messages of a service are doubled: what has not come back is sent again',
    source: 'Aeron 1703',
    breaks: 'a leader proposes anew when the log had no room, and nobody looks at the numbers',
    judges: ['messages'],
    edits: [
      {
        file: 'src/service/service-messages.ts',
        find: '    if (sequence !== this.#loggedOf(serviceId) + 1) {',
        replace: '    if (sequence < 1) {',
      },
      {
        file: 'src/cluster/service-proposer.ts',
        find: '    this.hasMore = false;\n    let work = 0;\n',
        replace: `    if (this.hasMore) {
      this.startTerm(this.#leadershipTermId);
    }
    this.hasMore = false;
    let work = 0;
`,
      },
      {
        file: 'src/cluster/service-proposer.ts',
        find: '      hit(Mark.ServiceMessageBackPressured);\n',
        replace: '      this.hasMore = true;\n',
      },
      {
        file: 'src/cluster/service-proposer.ts',
        find: 'messageCount === MESSAGE_PROPOSAL_LIMIT ||',
        replace: 'messageCount > 0 ||',
      },
    ],
  },
  {
    id: 'B32c',
    bug: 'messages on their way are in the memory of the members alone',
    source: 'Aeron 1703 and 1466',
    breaks: 'a snapshot leaves out the messages that the log has not got yet',
    judges: ['messages', 'liveness', 'states'],
    edits: [
      {
        file: 'src/service/message-snapshot.ts',
        find: '    if (message === undefined) {\n',
        replace: '    if (message !== undefined || message === undefined) {\n',
      },
    ],
  },
  {
    id: 'B35b',
    bug: 'what a service may put out depends on a socket of its leader',
    source: 'Aeron Cluster services that stop at a back-pressured offer',
    breaks: 'a leader whose client takes nothing now drops what its service says to it',
    judges: ['outputs'],
    edits: [
      {
        file: 'src/service/output-hasher.ts',
        find: HASHED_MESSAGE,
        replace: `const egress = this.#egress as { isPressed?: (id: number) => boolean };
    if (egress.isPressed?.(sessionId) === true) {
      return;
    }
    ${HASHED_MESSAGE}`,
      },
      {
        file: 'src/cluster/egress.ts',
        find: '  requestClose(sessionId: number): void {\n',
        replace: `  isPressed(sessionId: number): boolean {
    const connection = this.#connectionOf(sessionId);
    return connection !== undefined && !connection.queue.isEmpty;
  }

  requestClose(sessionId: number): void {
`,
      },
    ],
  },
  {
    id: 'B20b',
    bug: 'a snapshot lacks a part of the state that belongs to its position',
    source: 'etcd 13766 and 14685',
    breaks: 'a member that starts from a snapshot takes it that nothing was put out before',
    judges: ['outputs', 'I-10'],
    edits: [
      {
        file: 'src/service/service-container.ts',
        find: '      onOutputs: (hash) => this.#outputs?.begin(logPosition, hash),',
        replace: '      onOutputs: () => this.#outputs?.begin(logPosition, NO_OUTPUT),',
      },
    ],
  },
  {
    id: 'B42',
    bug: 'a command that was taken is proposed again and again',
    source: 'RedisRaft 13',
    breaks: 'a message that had waited for room in the log stays in its place',
    judges: ['I-12'],
    edits: [
      {
        file: 'src/cluster/ingress-adapter.ts',
        find: '    source.stalled = undefined;\n    return true;',
        replace: '    return true;',
      },
    ],
  },
  {
    id: 'B25',
    bug: 'clients are served before what was there before is replayed',
    source: 'etcd 3879, and 316 by aphyr',
    breaks: 'a new leader sends what its service says to commands of earlier terms',
    judges: ['I-12', 'I-14'],
    edits: [
      {
        file: 'src/cluster/egress.ts',
        find: `    this.#leadershipTermId = leadershipTermId;
    this.#ingressEndpoints = ingressEndpoints;`,
        replace: `    this.#leadershipTermId = leadershipTermId;
    this.#isOpen = true;
    this.#ingressEndpoints = ingressEndpoints;`,
      },
    ],
  },
  {
    id: 'B43',
    bug: 'a message whose answer is missing is sent again to the next leader, and applied twice',
    source: 'Raft dissertation 6.3, Kudu 568',
    breaks: 'the client repeats its last message when it has a new leader',
    judges: ['I-12'],
    edits: [
      {
        file: 'src/client/cluster-client.ts',
        find: `    return this.#sent(this.#writer.message(publication, buffer, offset, length));
  }
`,
        replace: `    const result = ${SENT};
    if (result > 0) {
      this.lastMessage = buffer.slice(offset, offset + length);
    }
    return result;
  }

  lastMessage = new Uint8Array(0);
  isRepeating = false;
`,
      },
      {
        file: 'src/client/cluster-client.ts',
        find: '    this.#handlers.onNewLeader?.(termId, this.leaderMemberId);',
        replace: `    this.isRepeating = this.lastMessage.length > 0;
    this.#handlers.onNewLeader?.(termId, this.leaderMemberId);`,
      },
      {
        file: 'src/client/cluster-client.ts',
        find: '        this.#keepAlive(nowNs);\n',
        replace: `        this.#keepAlive(nowNs);
        if (this.isRepeating) {
          const { lastMessage } = this;
          this.isRepeating = this.offer(lastMessage, 0, lastMessage.length) < 0;
        }
`,
      },
    ],
  },
];
