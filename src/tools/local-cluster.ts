// local-cluster.ts: a cluster of processes on this machine's loopback interface, born for one use.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import {
  type ClusterConfig,
  type ClusterSettings,
  concludeClusterConfig,
  type MemberSettings,
} from '../cluster/cluster-config.js';
import { ErrorCode, PawlError } from '../errors.js';
import { bootstrapMember } from '../host/bootstrap.js';
import type { IdleStrategy } from '../host/event-loop.js';
import type { NodeMemberStatus } from '../host/node-member.js';
import { findLocalEndpoints } from './free-ports.js';
import type { NodeProcessStatus } from './node-process.js';
import { type MemberProcessEvent, ProcessMember } from './process-member.js';

const POLL_MS = 15;

export interface LocalClusterOptions {
  readonly memberCount: number;
  /** Where the members' directories are made; a temporary directory by default. */
  readonly directory?: string | undefined;
  readonly cluster?: Partial<Omit<ClusterSettings, 'members'>>;
  readonly member?: Partial<Omit<MemberSettings, 'memberId'>>;
  readonly service?: string;
  /** In place of one: by service id. */
  readonly services?: readonly string[];
  readonly idle?: IdleStrategy;
  readonly onEvent?: (memberId: number, event: MemberProcessEvent) => void;
}

/** Processes that are members of one cluster. */
export class LocalCluster {
  /** Endpoints for clients. */
  readonly ingress: string;
  readonly directory: string;
  readonly members: readonly ProcessMember[];
  readonly config: ClusterConfig;

  private constructor(
    directory: string,
    ingress: string,
    members: readonly ProcessMember[],
    config: ClusterConfig,
  ) {
    this.directory = directory;
    this.ingress = ingress;
    this.members = members;
    this.config = config;
  }

  /** Births the directories and writes a configuration file for each; starts nothing. */
  static async create(options: LocalClusterOptions): Promise<LocalCluster> {
    const directory =
      options.directory === undefined
        ? mkdtempSync(join(tmpdir(), 'pawl-'))
        : resolve(options.directory);
    makeDirectory(directory);
    const { members: memberList, ingress } = await findLocalEndpoints(options.memberCount);
    const cluster = { ...options.cluster, members: memberList };
    const members: ProcessMember[] = [];
    for (let memberId = 0; memberId < options.memberCount; memberId++) {
      const member = { ...options.member, memberId };
      const own = join(directory, `member-${memberId}`);
      const file = join(directory, `member-${memberId}.json`);
      await bootstrapMember({ cluster, member, directory: own });
      const content = {
        cluster,
        member,
        directory: `member-${memberId}`,
        services: options.services ?? [options.service ?? 'echo'],
        idle: options.idle ?? 'event',
      };
      writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
      members.push(new ProcessMember(memberId, own, file, options.onEvent));
    }
    const config = concludeClusterConfig(cluster, { ...options.member, memberId: 0 });
    return new LocalCluster(directory, ingress, members, config);
  }

  async start(): Promise<void> {
    await Promise.all(this.members.map((member) => member.start()));
  }

  memberOf(memberId: number): ProcessMember {
    const member = this.members.find((one) => one.memberId === memberId);
    if (member === undefined) {
      throw new Error(`the cluster has no member ${memberId}`);
    }
    return member;
  }

  /** Statuses of the members that run. */
  async statuses(): Promise<readonly NodeMemberStatus[]> {
    return (await this.reports()).map(({ status }) => status);
  }

  /** Statuses of the members that run, with what their processes use. */
  async reports(): Promise<readonly NodeProcessStatus[]> {
    const reports = await Promise.all(this.members.map((member) => member.statusIfRunning()));
    return reports.filter((report) => report !== undefined);
  }

  /**
   * Waits until the running members fulfil a condition.
   *
   * @param what completes "waited N ms for ..." in the error.
   * @throws PawlError TIMEOUT with what each member says of itself.
   */
  async waitFor(
    what: string,
    condition: (statuses: readonly NodeMemberStatus[]) => boolean,
    timeoutMs: number,
  ): Promise<readonly NodeMemberStatus[]> {
    const endMs = Date.now() + timeoutMs;
    for (;;) {
      const statuses = await this.statuses();
      if (condition(statuses)) {
        return statuses;
      }
      if (Date.now() >= endMs) {
        const said = this.members.map((member) => {
          const status = statuses.find((one) => one.memberId === member.memberId);
          return `member ${member.memberId} ${statusText(status)}`;
        });
        throw new PawlError(
          ErrorCode.Timeout,
          `waited ${timeoutMs} ms for ${what}: ${said.join('; ')}`,
          'environment',
        );
      }
      await new Promise((resolved) => setTimeout(resolved, POLL_MS));
    }
  }

  /** Waits for a leader that accepts clients. */
  async waitForLeader(timeoutMs: number): Promise<ProcessMember> {
    const statuses = await this.waitFor('a leader', (all) => all.some(isLeading), timeoutMs);
    return this.memberOf(statuses.find(isLeading)?.memberId ?? -1);
  }

  /** Stops all members cleanly; returns those that did not end with exit code 0, in words. */
  async stop(): Promise<readonly string[]> {
    const ends = await Promise.all(this.members.map((member) => member.stop()));
    return ends.flatMap((end, index) =>
      end === undefined || end.code === 0
        ? []
        : [`member ${index} ended with ${end.signal ?? `exit code ${end.code}`}`],
    );
  }

  /** Kills what still runs. */
  async killAll(): Promise<void> {
    const running = this.members.filter((member) => member.isRunning);
    await Promise.all(running.map((member) => member.kill()));
  }

  /** Removes the data directories. */
  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** @throws PawlError STORAGE_FAILED naming the directory and the remedy. */
function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new PawlError(
      ErrorCode.StorageFailed,
      `directory ${directory} cannot be made (${code}): name one that can be written`,
      'environment',
      { cause: error },
    );
  }
}

/** Whether a member leads and takes messages of clients. */
export function isLeading(status: NodeMemberStatus): boolean {
  return status.role === 'leader' && status.isIngressOpen;
}

/** Whether all have committed and applied the same, and nothing is left to commit. */
export function isSettled(statuses: readonly NodeMemberStatus[], memberCount: number): boolean {
  const leader = statuses.find(isLeading);
  return (
    leader !== undefined &&
    statuses.length === memberCount &&
    statuses.every(
      (status) =>
        status.appendPosition === leader.appendPosition &&
        status.servicePosition === leader.appendPosition,
    )
  );
}

function statusText(status: NodeMemberStatus | undefined): string {
  if (status === undefined) {
    return 'does not run';
  }
  const { role, state, leadershipTermId, appendPosition, commitPosition, servicePosition } = status;
  return (
    `is ${role} in state ${state}, term ${leadershipTermId}, appended ${appendPosition}, ` +
    `committed ${commitPosition}, applied ${servicePosition}`
  );
}
