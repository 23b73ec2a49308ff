// suspension.ts: I-15: a suspended cluster takes nothing from clients, and fires no timer.
//
// Where it is suspended stands in the log itself: the frames between the two events are looked at
// before any service gets them.

import { ClusterActionRequestDecoder } from '../../protocol/codecs/cluster-action-request.js';
import { ClusterAction } from '../../protocol/codecs/enumerations.js';
import { TemplateId } from '../../protocol/codecs/template-ids.js';
import { messageTemplateId } from '../../protocol/message-header.js';
import type { Judge } from './judge.js';

const FLAG_BEGIN = 0x80;

const FORBIDDEN: ReadonlyMap<number, string> = new Map([
  [TemplateId.SessionMessageHeader, 'a message'],
  [TemplateId.RequestHeader, 'a request'],
  [TemplateId.SessionOpenEvent, 'the opening of a session'],
  [TemplateId.TimerEvent, 'a timer'],
  [TemplateId.ServiceTimerEvent, 'a timer'],
  [TemplateId.ServiceMessageHeader, 'a message of a service'],
]);

interface Interval {
  /** Position after the event that suspends. */
  readonly from: number;
  /** Position after the event that resumes. */
  to: number;
}

/** Watches the frames that services are given. */
export class Suspension {
  readonly #judge: Judge;
  readonly #action = new ClusterActionRequestDecoder();
  readonly #intervals: Interval[] = [];
  #seenPosition = 0;

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  /** Times that the cluster was suspended. */
  get count(): number {
    return this.#intervals.length;
  }

  /** A member's service is about to get a fragment that ends at a position. */
  onFragment(
    view: DataView,
    offset: number,
    length: number,
    flags: number,
    position: number,
  ): void {
    if ((flags & FLAG_BEGIN) === 0) {
      return;
    }
    const templateId = messageTemplateId(view, offset, length);
    const forbidden = FORBIDDEN.get(templateId);
    if (forbidden !== undefined && this.#isSuspendedAt(position)) {
      this.#judge.report(
        'I-15',
        `the log has ${forbidden} that ends at position ${position}, where the cluster is ` +
          'suspended',
      );
    }
    if (position > this.#seenPosition) {
      this.#seenPosition = position;
      if (templateId === TemplateId.ClusterActionRequest) {
        this.#onAction(this.#action.wrapAndApplyHeader(view, offset).action(), position);
      }
    }
  }

  #onAction(action: number, position: number): void {
    const last = this.#intervals.at(-1);
    const isOpen = last !== undefined && last.to === Number.POSITIVE_INFINITY;
    if (action === ClusterAction.Suspend && !isOpen) {
      this.#intervals.push({ from: position, to: Number.POSITIVE_INFINITY });
    } else if (action === ClusterAction.Resume && isOpen) {
      last.to = position;
    }
  }

  #isSuspendedAt(position: number): boolean {
    return this.#intervals.some(({ from, to }) => position > from && position <= to);
  }
}
