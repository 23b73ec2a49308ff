// application.ts: what runs on a simulated cluster in place of the ledger and its clients.

import type { Position } from '../position.js';
import type { ServiceContainer } from '../service/service-container.js';
import type { CommandSource, SimulatedClient } from './workload.js';

/** A service, those who use it, and what was seen of both. One for a run. */
export interface Application {
  /** Commands that the log holds. */
  readonly commandCount: number;
  /** Messages that have reached clients. */
  readonly answerCount: number;
  /** A member's process starts. */
  makeService(memberId: number): ServiceContainer;
  commandsOf(clientId: number): CommandSource;
  /** The clients are made. */
  onClients(clients: readonly SimulatedClient[]): void;
  /** A member's service is given a frame of the log, before the service sees it. */
  onFragment(
    view: DataView,
    offset: number,
    length: number,
    flags: number,
    position: Position,
  ): void;
}
