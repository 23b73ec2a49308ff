// service-commands.ts: messages that make the service do something beyond counting them.
//
// They are as deterministic as the rest of it: the same message does the same on every member.

import type { ClientSession } from '../../src/service/clustered-service.js';
import type { LedgerService } from '../../src/simulator/ledger-service.js';
import { textOf } from './scenario-client.js';

/** `reply-4000` answers with so many bytes more. */
const REPLY = /^reply-(\d+)/;

/** Teaches a service `close-me`, `throw-now` and `reply-N`. */
export function addServiceCommands(service: LedgerService): void {
  const apply = service.onSessionMessage.bind(service);
  const begin = service.onStart.bind(service);
  let closeSession: (id: number) => void = () => undefined;
  service.onStart = (cluster, snapshot) => {
    closeSession = (id) => cluster.closeSession(id);
    begin(cluster, snapshot);
  };
  service.onSessionMessage = (session, timestamp, buffer, offset, length) => {
    apply(session, timestamp, buffer, offset, length);
    obey(textOf(buffer, offset, length), session, closeSession);
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
