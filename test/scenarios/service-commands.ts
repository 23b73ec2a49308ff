// service-commands.ts: messages that make the service do something beyond counting them.
//
// They are as deterministic as the rest of it: the same message does the same on every member. The
// one exception is named after what it is for.

import type { ClientSession } from '../../src/service/clustered-service.js';
import type { LedgerService } from '../../src/simulator/ledger-service.js';
import { textOf } from './scenario-client.js';

/** `reply-4000` answers with so many bytes more. */
const REPLY = /^reply-(\d+)/;

/** `differ-at-2` says something on member 2 that the others do not say. */
const DIFFER = /^differ-at-(\d+)/;

/** Teaches the service of a member `close-me`, `throw-now`, `reply-N` and `differ-at-N`. */
export function addServiceCommands(service: LedgerService, memberId: number): void {
  const apply = service.onSessionMessage.bind(service);
  const begin = service.onStart.bind(service);
  let closeSession: (id: number) => void = () => undefined;
  service.onStart = (cluster) => {
    closeSession = (id) => cluster.closeSession(id);
    begin(cluster);
  };
  service.onSessionMessage = (session, timestamp, buffer, offset, length) => {
    apply(session, timestamp, buffer, offset, length);
    const text = textOf(buffer, offset, length);
    obey(text, session, closeSession);
    if (DIFFER.exec(text)?.[1] === String(memberId)) {
      session.offer(new Uint8Array(1), 0, 1);
    }
  };
}

function obey(text: string, session: ClientSession, closeSession: (id: number) => void): void {
  const [, replyLength] = REPLY.exec(text) ?? [];
  if (replyLength !== undefined) {
    session.offer(new Uint8Array(Number(replyLength)), 0, Number(replyLength));
  } else if (text === 'close-me') {
    closeSession(session.id);
  } else if (text === 'throw-now') {
    throw new Error('the service was asked to fail');
  }
}
