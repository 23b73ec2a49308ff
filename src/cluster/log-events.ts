// log-events.ts: which messages of the log are whole.
//
// Leaders check what they append. That is not enough for a log that lives for ever: it may hold
// what an earlier version let through, and what makes a member end once makes it end at each start.
// So whoever applies the log checks again. It is a function of the bytes alone: every member passes
// over the same messages, and so do its consensus module and its services.

import { ClusterActionRequestDecoder } from '../protocol/codecs/cluster-action-request.js';
import { NewLeadershipTermEventDecoder } from '../protocol/codecs/new-leadership-term-event.js';
import { RequestHeaderDecoder } from '../protocol/codecs/request-header.js';
import { ServiceMessageHeaderDecoder } from '../protocol/codecs/service-message-header.js';
import { ServiceTimerEventDecoder } from '../protocol/codecs/service-timer-event.js';
import { SessionCloseEventDecoder } from '../protocol/codecs/session-close-event.js';
import { SessionMessageHeaderDecoder } from '../protocol/codecs/session-message-header.js';
import { SessionOpenEventDecoder } from '../protocol/codecs/session-open-event.js';
import { TemplateId } from '../protocol/codecs/template-ids.js';
import { TimerEventDecoder } from '../protocol/codecs/timer-event.js';

type IsValid = (view: DataView, offset: number, length: number) => boolean;

/** Every template that a leader appends. */
const CHECKS: ReadonlyMap<number, IsValid> = new Map<number, IsValid>([
  [TemplateId.SessionMessageHeader, SessionMessageHeaderDecoder.isValid],
  [TemplateId.TimerEvent, TimerEventDecoder.isValid],
  [TemplateId.SessionOpenEvent, SessionOpenEventDecoder.isValid],
  [TemplateId.SessionCloseEvent, SessionCloseEventDecoder.isValid],
  [TemplateId.ClusterActionRequest, ClusterActionRequestDecoder.isValid],
  [TemplateId.NewLeadershipTermEvent, NewLeadershipTermEventDecoder.isValid],
  [TemplateId.RequestHeader, RequestHeaderDecoder.isValid],
  [TemplateId.ServiceMessageHeader, ServiceMessageHeaderDecoder.isValid],
  [TemplateId.ServiceTimerEvent, ServiceTimerEventDecoder.isValid],
]);

/**
 * Whether block and variable data of a whole message of the log lie within it. One that is not so
 * has no effect, not even on log time. Templates that are not known are those of newer versions,
 * which nobody here decodes: they count as whole.
 *
 * @param templateId of the message. @param length of the message in bytes, header included.
 */
export function isLogMessageValid(
  templateId: number,
  view: DataView,
  offset: number,
  length: number,
): boolean {
  return CHECKS.get(templateId)?.(view, offset, length) ?? true;
}
