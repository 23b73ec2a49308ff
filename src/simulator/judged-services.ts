// judged-services.ts: the services of simulated members, with those who judge what they are told.

import { ServiceContainer } from '../service/service-container.js';
import type { PendingMessageLimits } from '../service/service-messages.js';
import { ChainService } from './chain-service.js';
import { type Acknowledged, CLIENT_COUNT_MAX } from './invariants/acknowledged.js';
import type { Judge } from './invariants/judge.js';
import type { Requests } from './invariants/requests.js';
import { ServiceMessages } from './invariants/service-messages.js';
import { ServiceStates } from './invariants/service-states.js';
import { Timers } from './invariants/timers.js';
import { LedgerService } from './ledger-service.js';
import type { HistoryJudge } from './linearizability/history-judge.js';
import { MessageChain, type MessageOptions } from './message-chain.js';
import type { TimeSource } from './virtual-clock.js';

const PENDING_BYTES_MAX = 64 * 1024 * 1024;

/** Who hears what the ledger does. */
export interface LedgerJudges {
  readonly acknowledged: Acknowledged;
  readonly history: HistoryJudge;
  readonly requests: Requests;
}

/** Judges of one service beside the ledger. */
interface ChainJudges {
  readonly states: ServiceStates;
  readonly timers: Timers;
}

interface MemberServices {
  readonly containers: readonly ServiceContainer[];
  readonly services: readonly (LedgerService | ChainService)[];
}

/** The ledger and, where a run has several services, those that send messages beside it. */
export class JudgedServices {
  readonly messages: ServiceMessages;
  /** Timers of the ledger. */
  readonly timers: Timers;
  readonly #ledgerJudges: LedgerJudges;
  readonly #options: MessageOptions;
  /** Of services 1 and on. */
  readonly #chainJudges: readonly ChainJudges[];
  /** Of the members' last processes. */
  readonly #members = new Map<number, MemberServices>();

  constructor(judge: Judge, time: TimeSource, judges: LedgerJudges, options: MessageOptions) {
    this.messages = new ServiceMessages(judge);
    this.timers = new Timers(judge, time);
    this.#ledgerJudges = judges;
    this.#options = options;
    this.#chainJudges = Array.from({ length: options.serviceCount - 1 }, (_, index) => ({
      states: new ServiceStates(judge, index + 1),
      timers: new Timers(judge, time),
    }));
  }

  /** The services of a member's process, by id. */
  make(memberId: number): readonly ServiceContainer[] {
    const services = [
      this.#makeLedger(memberId),
      ...this.#chainJudges.map((judges, index) => this.#makeChain(memberId, index + 1, judges)),
    ];
    const messageLimits = this.#messageLimits();
    const containers = services.map(
      (service, serviceId) => new ServiceContainer(() => service, { serviceId, messageLimits }),
    );
    this.#members.set(memberId, { containers, services });
    return containers;
  }

  /** An instance of the ledger that takes a snapshot for a member's service. */
  makeShadow(memberId: number): ServiceContainer {
    const service = this.#makeLedger(memberId);
    return new ServiceContainer(() => service, { messageLimits: this.#messageLimits() });
  }

  /** States of the services in a member's last process. */
  stateOf(memberId: number): string {
    const services = this.#members.get(memberId)?.services ?? [];
    return services.map((service) => service.stateHash()).join(' ');
  }

  /** Requests that were answered from what was retained: as the member has it that saw most. */
  repeatedRequestCount(): number {
    const members = [...this.#members.values()];
    return Math.max(0, ...members.map((one) => one.containers[0]?.requests.repeatedCount ?? 0));
  }

  /** Timers that fired, of all services. */
  firedTimerCount(): number {
    return this.#timers().reduce((sum, timers) => sum + timers.firedCount, 0);
  }

  /** Whether everything has come that is due: timers, and messages of services. */
  isSettled(): boolean {
    const isTimely = this.#timers().every((timers) => timers.lateCount() === 0);
    return isTimely && this.messages.waitingCount() === 0;
  }

  #messageLimits(): PendingMessageLimits {
    return { countMax: this.#options.pendingCountMax, bytesMax: PENDING_BYTES_MAX };
  }

  #timers(): Timers[] {
    return [this.timers, ...this.#chainJudges.map(({ timers }) => timers)];
  }

  #makeLedger(memberId: number): LedgerService {
    const { acknowledged, history, requests } = this.#ledgerJudges;
    const observer = {
      onEvent: (position: number, hash: number) => acknowledged.onState(memberId, position, hash),
      onCommand: (
        position: number,
        hash: number,
        client: number,
        sequence: number,
        order: number,
      ) => {
        acknowledged.onState(memberId, position, hash, { client, sequence, order });
        history.onApplied(client % CLIENT_COUNT_MAX, sequence, order);
      },
      onRequest: requests.onExecuted.bind(requests),
      onTimers: this.timers.onEvent.bind(this.timers),
    };
    return new LedgerService(observer, this.#chainOf(memberId, 0));
  }

  #makeChain(memberId: number, serviceId: number, judges: ChainJudges): ChainService {
    const { states, timers } = judges;
    return new ChainService(this.#chainOf(memberId, serviceId), {
      onEvent: (position, hash, timestamp, operations) => {
        states.onState(memberId, position, hash);
        timers.onEvent(position, timestamp, operations);
      },
    });
  }

  #chainOf(memberId: number, serviceId: number): MessageChain {
    const observer = this.messages.observe(memberId, serviceId);
    return new MessageChain(serviceId, this.#options, observer);
  }
}
