// exercise.ts: a cluster under load whose books are balanced after every fault.

import type { NodeMemberStatus } from '../../src/host/node-member.js';
import { LedgerClient, type SessionLedger, sum } from './ledger-client.js';
import { LogAudit } from './log-audit.js';
import { type ClusterOptions, leaderOf, ProcessCluster } from './process-cluster.js';
import { RegisterHistory } from './register-recorder.js';
import type { Workload } from './workload.js';

const CLIENT_COUNT = 2;
const RATE = 600;
/** Clients whose messages carry commands on registers. */
const REGISTER_CLIENT_COUNT = 2;
const REGISTER_RATE = 100;
/** What the registers' clients do is drawn from it; when they do it is not. */
const REGISTER_SEED = 7;

/** What the ledger service counts; part of its state, so equal on all members. */
export interface LedgerCounts {
  readonly order: number;
  readonly misplaced: number;
  readonly fired: number;
  readonly cancelled: number;
  readonly pending: number;
  readonly misfired: number;
  readonly requests: number;
  readonly repeated: number;
}

/** Reads the counts out of the state hash. */
export function ledgerCounts(status: NodeMemberStatus | undefined): LedgerCounts {
  const [, order = 0, misplaced = 0, fired = 0, cancelled = 0, pending = 0, ...rest] = (
    status?.stateHash ?? ''
  )
    .split('-')
    .map(Number);
  const [misfired = 0, requests = 0, repeated = 0] = rest;
  return { order, misplaced, fired, cancelled, pending, misfired, requests, repeated };
}

/** What a round came to. */
export interface Balance {
  /** What did not hold; empty when all did. */
  readonly problems: readonly string[];
  readonly text: string;
}

/** A cluster, its clients, and the audit of both. */
export class Exercise {
  readonly cluster: ProcessCluster;
  readonly clients: readonly LedgerClient[];
  readonly audit: LogAudit;
  readonly history = new RegisterHistory(REGISTER_SEED);
  /** False where logs are purged between audits: then states, orders and log ends are compared. */
  isLogKept = true;
  #reportedCount = 0;
  readonly #eventCounts = new Map<number, number>();

  private constructor(cluster: ProcessCluster, workload: Workload | undefined) {
    this.cluster = cluster;
    this.audit = new LogAudit(cluster.geometry);
    this.clients = Array.from({ length: CLIENT_COUNT + REGISTER_CLIENT_COUNT }, (_, index) =>
      index < CLIENT_COUNT
        ? new LedgerClient(index + 1, cluster.ingress, RATE, workload)
        : new LedgerClient(index + 1, cluster.ingress, REGISTER_RATE, this.history),
    );
  }

  /** @param workload makes the commands of the clients that do not use registers. */
  static async start(options: ClusterOptions, workload?: Workload): Promise<Exercise> {
    return new Exercise(await ProcessCluster.start(options), workload);
  }

  get sessions(): readonly SessionLedger[] {
    return this.clients.flatMap((client) => client.sessions);
  }

  get acknowledgedCount(): number {
    return sum(this.clients, (client) => client.acknowledgedCount);
  }

  /** Writes go on, or start. */
  resume(): void {
    for (const client of this.clients) {
      client.resume();
    }
  }

  /** Waits until a number of further messages is acknowledged: the cluster works. */
  async acknowledgeMore(count: number): Promise<void> {
    const goal = this.acknowledgedCount + count;
    await this.cluster.waitFor(
      `${count} more acknowledged messages`,
      () => this.acknowledgedCount >= goal,
    );
  }

  /**
   * Stops the writes, waits until all members have everything, and compares all there is: logs,
   * states, leaders, and what the clients were told. Writes stay stopped.
   */
  async balance(): Promise<Balance> {
    const idle = await Promise.all(this.clients.map((client) => client.quiesce()));
    const statuses = await this.cluster.settle();
    const problems: string[] = [];
    idle.forEach((isIdle, index) => {
      const owed = this.clients[index]?.owedCount ?? 0;
      if (!isIdle) {
        problems.push(`client ${index + 1} is owed ${owed} replies by a leader that lives`);
      }
    });
    const states = statuses.map((one) => `${one.stateHash} at ${one.stateHashPosition}`);
    if (new Set(states).size !== 1) {
      problems.push(`the states differ: ${states.join(', ')}`);
    }
    const { misfired, misplaced, order, repeated } = ledgerCounts(statuses[0]);
    if (misplaced !== 0) {
      problems.push(`${misplaced} messages were applied twice or out of order`);
    }
    if (misfired !== 0) {
      problems.push(`${misfired} timers fired twice, or after they were cancelled`);
    }
    if (repeated !== 0) {
      problems.push(`${repeated} requests were executed twice`);
    }
    this.#noteLeaders();
    const limit = leaderOf(statuses)?.commitPosition ?? 0;
    problems.push(...this.#checkOrders(order));
    if (this.isLogKept) {
      this.#auditLogs(limit, order, problems);
    }
    for (const session of this.sessions) {
      problems.push(...session.problems.splice(0));
    }
    problems.push(...this.audit.problems.slice(this.#reportedCount));
    this.#reportedCount = this.audit.problems.length;
    return { problems, text: this.#text(limit, leaderOf(statuses)?.leadershipTermId ?? -1) };
  }

  /** Ends everything, also after a failure. */
  async dispose(): Promise<void> {
    for (const client of this.clients) {
      client.close();
    }
    await this.cluster.dispose();
  }

  #auditLogs(limit: number, order: number, problems: string[]): void {
    const directories = this.cluster.members.map((member) => member.directory);
    this.audit.audit(directories, limit);
    if (order !== this.audit.messageCount) {
      problems.push(`${order} messages were applied, ${this.audit.messageCount} are in the log`);
    }
    for (const session of this.sessions) {
      this.audit.checkSession(session);
    }
  }

  /** The order of an acknowledged message that was lost would be given to another one. */
  #checkOrders(appliedCount: number): readonly string[] {
    const orders = this.sessions.flatMap((session) => [...session.acknowledged.values()]);
    const twice = orders.length - new Set(orders).size;
    const beyond = orders.filter((order) => order > appliedCount).length;
    return [
      ...(twice > 0 ? [`${twice} acknowledged messages have the place of another one`] : []),
      ...(beyond > 0 ? [`${beyond} acknowledged messages are beyond what was applied`] : []),
    ];
  }

  #noteLeaders(): void {
    for (const member of this.cluster.members) {
      const from = this.#eventCounts.get(member.memberId) ?? 0;
      for (const { event, role, leadershipTermId } of member.events.slice(from)) {
        if (event === 'role' && role === 'leader') {
          this.audit.noteLeader(Number(leadershipTermId), member.memberId, 'its own word');
        }
      }
      this.#eventCounts.set(member.memberId, member.events.length);
    }
  }

  #text(limit: number, termId: number): string {
    const sent = sum(this.sessions, (session) => session.sentCount);
    const unknown = sum(this.sessions, (session) => session.unknown.size);
    const inLog = sum(this.sessions, (session) => this.audit.unknownInLog(session));
    return (
      `term ${termId}, log ${limit}, sent ${sent} = acknowledged ${this.acknowledgedCount} + ` +
      `unknown ${unknown} (${inLog} of them in the log), sessions ${this.sessions.length}`
    );
  }
}
