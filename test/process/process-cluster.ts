// process-cluster.ts: three members in processes of their own, their directories and their end.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LogGeometry } from '../../src/archive/log-geometry.js';
import { bootstrapMember } from '../../src/host/bootstrap.js';
import type { NodeMemberStatus } from '../../src/host/node-member.js';
import { findLocalEndpoints } from '../../src/tools/free-ports.js';
import { MemberProcess } from './member-process.js';

export type Durability = 'fsync' | 'page-cache';

export const MEMBER_COUNT = 3;
/** How long a follower waits for its leader before it stands for election. */
export const LEADER_TIMEOUT_MS = 600;
const SERVICE = fileURLToPath(new URL('./ledger-service.js', import.meta.url));
const KIB = 1024;
/** Small, so that terms rotate and segments roll over within seconds. */
const GEOMETRY: LogGeometry = { termLength: 256 * KIB, segmentLength: 1024 * KIB };
const POLL_MS = 20;

export interface ClusterOptions {
  readonly durability: Durability;
  readonly geometry?: LogGeometry;
  /** Modules of the services, by service id; the ledger when not given. */
  readonly services?: readonly string[];
  /** Settings of the cluster besides its members, durability and geometry. */
  readonly cluster?: Readonly<Record<string, unknown>>;
  /** Settings of every member besides its id. */
  readonly member?: Readonly<Record<string, unknown>>;
  /** Members can be given orders to fail from inside; the chance of each is drawn from this. */
  readonly seamSeed?: number;
  readonly environment?: (memberId: number) => Readonly<Record<string, string>>;
}

/** A cluster on the loopback interface, in a temporary directory. */
export class ProcessCluster {
  readonly directory: string;
  readonly ingress: string;
  readonly members: readonly MemberProcess[];
  readonly geometry: LogGeometry;

  private constructor(
    directory: string,
    ingress: string,
    members: readonly MemberProcess[],
    geometry: LogGeometry,
  ) {
    this.directory = directory;
    this.ingress = ingress;
    this.members = members;
    this.geometry = geometry;
    // Also when a signal ends the test.
    process.once('exit', this.#removeFiles);
  }

  /** Births three members and starts them. */
  static async start(options: ClusterOptions): Promise<ProcessCluster> {
    const cluster = await ProcessCluster.#create(options);
    try {
      for (const member of cluster.members) {
        member.start();
      }
      await cluster.settle();
      return cluster;
    } catch (error) {
      await cluster.dispose();
      throw error;
    }
  }

  static async #create(options: ClusterOptions) {
    const { durability, geometry = GEOMETRY, member: extra, services = [SERVICE] } = options;
    const { seamSeed } = options;
    const directory = mkdtempSync(join(tmpdir(), 'pawl-process-'));
    const endpoints = await findLocalEndpoints(MEMBER_COUNT);
    const settings = {
      members: endpoints.members,
      durability,
      logTermLength: geometry.termLength,
      segmentLength: geometry.segmentLength,
      leaderTimeoutMs: LEADER_TIMEOUT_MS,
      ...options.cluster,
    };
    const ports = join(directory, 'ports');
    mkdirSync(ports);
    const members: MemberProcess[] = [];
    for (let memberId = 0; memberId < MEMBER_COUNT; memberId++) {
      const own = join(directory, `member-${memberId}`);
      const file = join(directory, `member-${memberId}.json`);
      const member = { ...extra, memberId };
      await bootstrapMember({ cluster: settings, member, directory: own });
      const content = { cluster: settings, member, directory: own, services };
      writeFileSync(file, JSON.stringify(content));
      const process = new MemberProcess(memberId, own, file);
      if (seamSeed !== undefined) {
        process.seamEnvironment = {
          PAWL_TEST_PORTS: ports,
          PAWL_TEST_MEMBER: String(memberId),
          PAWL_TEST_SEED: String(seamSeed + memberId),
          ...options.environment?.(memberId),
        };
      }
      members.push(process);
    }
    return new ProcessCluster(directory, endpoints.ingress, members, geometry);
  }

  memberOf(memberId: number): MemberProcess {
    const member = this.members[memberId];
    if (member === undefined) {
      throw new Error(`no member ${memberId}`);
    }
    return member;
  }

  /** Statuses of the members that answer. */
  async statuses(): Promise<readonly NodeMemberStatus[]> {
    const statuses = await Promise.all(this.members.map((member) => member.status()));
    return statuses.filter((status) => status !== undefined);
  }

  /**
   * Waits until the members fulfil a condition.
   *
   * @throws Error with what each member says of itself, or as soon as a member ended by itself.
   */
  async waitFor(
    what: string,
    condition: (statuses: readonly NodeMemberStatus[]) => boolean,
    timeoutMs = 20_000,
  ): Promise<readonly NodeMemberStatus[]> {
    const endMs = Date.now() + timeoutMs;
    for (;;) {
      const statuses = await this.statuses();
      if (condition(statuses)) {
        return statuses;
      }
      this.#startWherePortsWereTaken();
      const gone = this.members.find((member) => member.isEndUnexpected);
      if (gone !== undefined || Date.now() > endMs) {
        const why =
          gone === undefined ? `waited ${timeoutMs} ms` : 'a member ended by itself while';
        throw new Error(`${why} waiting for ${what}: ${this.#describe(statuses)}`);
      }
      await pause(POLL_MS);
    }
  }

  /** While a member is down any program of this machine may be given its port, for a while. */
  #startWherePortsWereTaken(): void {
    for (const member of this.members) {
      if (member.isEndUnexpected && /ADDRESS_IN_USE/.test(member.errorOutput)) {
        member.start();
      }
    }
  }

  /** The member that leads, and is followed or will be; waits for one. */
  async leader(): Promise<MemberProcess> {
    const statuses = await this.waitFor('a leader', (all) => leaderOf(all) !== undefined);
    return this.memberOf(leaderOf(statuses)?.memberId ?? -1);
  }

  /** Waits until all members run, vote, and have committed and applied all of the same log. */
  settle(timeoutMs?: number): Promise<readonly NodeMemberStatus[]> {
    return this.waitFor('all members to have all of the log', isSettled, timeoutMs);
  }

  /** Ends everything and leaves nothing behind; with PAWL_KEEP set, the directories. */
  async dispose(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()));
    process.off('exit', this.#removeFiles);
    this.#removeFiles();
  }

  readonly #removeFiles = (): void => {
    if (process.env.PAWL_KEEP === undefined) {
      rmSync(this.directory, { recursive: true, force: true });
    }
  };

  #describe(statuses: readonly NodeMemberStatus[]): string {
    const texts = this.members.map((member) => {
      const status = statuses.find((one) => one.memberId === member.memberId);
      const { end, memberId, errorOutput } = member;
      if (status === undefined) {
        const how = end === undefined ? 'does not answer' : `ended with ${end.signal ?? end.code}`;
        return `member ${memberId} ${how} ${errorOutput}`;
      }
      const { role, state, isVoting, leadershipTermId } = status;
      return (
        `member ${memberId} is ${isVoting ? '' : 'non-voting '}${role} in ${state}, ` +
        `term ${leadershipTermId}, append ${status.appendPosition}, ` +
        `durable ${status.durablePosition}, commit ${status.commitPosition}, ` +
        `service ${status.servicePosition}`
      );
    });
    return `${texts.join('; ')}; files in ${this.directory}`;
  }
}

/** The newest leader that accepts clients. */
export function leaderOf(statuses: readonly NodeMemberStatus[]): NodeMemberStatus | undefined {
  const leading = statuses.filter((status) => status.role === 'leader' && status.isIngressOpen);
  return leading.sort((left, right) => right.leadershipTermId - left.leadershipTermId)[0];
}

function isSettled(statuses: readonly NodeMemberStatus[]): boolean {
  const leader = leaderOf(statuses);
  return (
    leader !== undefined &&
    statuses.length === MEMBER_COUNT &&
    statuses.every(
      (status) =>
        status.isVoting &&
        status.leadershipTermId === leader.leadershipTermId &&
        status.appendPosition === leader.appendPosition &&
        status.commitPosition === leader.appendPosition &&
        status.servicePosition === leader.appendPosition,
    )
  );
}

/** Lets time pass: between faults, never to wait for an effect. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
