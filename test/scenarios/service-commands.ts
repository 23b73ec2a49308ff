// service-commands.ts: messages that make the service do something beyond counting them.
//
// They are as deterministic as the rest of it: the same message does the same on every member. The
// one exception is named after what it is for.

import type { ClientSession, Cluster } from '../../src/service/clustered-service.js';
import type { LedgerService } from '../../src/simulator/ledger-service.js';
import { COMMAND_HEADER_LENGTH } from '../../src/simulator/ledger-service.js';
import { textOf } from './scenario-client.js';

/** `reply-4000` answers with so many bytes more. */
const REPLY = /^reply-(\d+)/;
/** `tell-3` sends `told-1` to `told-3` into the log, and the next one goes on from there. */
const TELL = /^tell-(\d+)/;

/** `differ-at-2` says something on member 2 that the others do not say. */
const DIFFER = /^differ-at-(\d+)/;

/**
 * Teaches the service of a member `close-me`, `throw-now`, `reply-N`, `tell-N` and `differ-at-N`.
 *
 * @param onTold is given the text of each message that came from a service through the log.
 */
export function addServiceCommands(
  service: LedgerService,
  memberId: number,
  onTold: (text: string) => void,
): void {
  const apply = service.onSessionMessage.bind(service);
  const begin = service.onStart.bind(service);
  let cluster: Cluster | undefined;
  let toldCount = 0;
  service.onStart = (started, snapshot) => {
    cluster = started;
    begin(started, snapshot);
  };
  service.onSessionMessage = (session, timestamp, buffer, offset, length) => {
    apply(session, timestamp, buffer, offset, length);
    const text = textOf(buffer, offset, length);
    for (let rest = Number(TELL.exec(text)?.[1] ?? 0); rest > 0; rest--) {
      const bytes = messageOf(`told-${++toldCount}`);
      cluster?.offer(bytes, 0, bytes.length);
    }
    obey(text, session, (id) => cluster?.closeSession(id));
    if (DIFFER.exec(text)?.[1] === String(memberId)) {
      session.offer(new Uint8Array(1), 0, 1);
    }
  };
  service.onServiceMessage = (_serviceId, _timestamp, buffer, offset, length) => {
    onTold(textOf(buffer, offset, length));
  };
}

/** A text in the form that `textOf` reads. */
function messageOf(text: string): Uint8Array {
  const bytes = new Uint8Array(COMMAND_HEADER_LENGTH + 4 + text.length);
  new DataView(bytes.buffer).setInt32(COMMAND_HEADER_LENGTH, text.length, true);
  bytes.set(new TextEncoder().encode(text), COMMAND_HEADER_LENGTH + 4);
  return bytes;
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
