// services.ts: the services of a member, as its consensus module sees them.
//
// Each consumes the log by itself, at its own pace: one that is slow holds none of the others back.
// What the member has consumed is what all of them have.

import { assert } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';
import type { Position } from '../position.js';
import type { LiveLog } from './log-poller.js';
import {
  ANSWERING_SERVICE_ID,
  type Role,
  type ServiceHost,
  type ServiceHostContext,
} from './service-host.js';

/** Services that a member may run. */
export const SERVICE_COUNT_MAX = 16;

/** The services of one member, by id. */
export class Services {
  readonly hosts: readonly ServiceHost[];

  /** @throws PawlError CONFIGURATION_INVALID unless there are as many as the cluster has. */
  constructor(hosts: readonly ServiceHost[], serviceCount: number) {
    if (hosts.length !== serviceCount) {
      throw new PawlError(
        ErrorCode.ConfigurationInvalid,
        `cluster.serviceCount is ${serviceCount}, and the member is given ${hosts.length} ` +
          'services: give it as many as the other members have, in the same order',
      );
    }
    assert(
      hosts.every((host, id) => host.serviceId === id),
      'services stand in the order of their ids',
    );
    this.hosts = hosts;
  }

  /** End of what all services have consumed. */
  get position(): Position {
    let least = Number.POSITIVE_INFINITY;
    for (const host of this.hosts) {
      least = Math.min(least, host.position);
    }
    return least;
  }

  /** The service that answers requests and queries. */
  get answering(): ServiceHost {
    const host = this.hosts[ANSWERING_SERVICE_ID];
    assert(host !== undefined, 'a member has one service at least');
    return host;
  }

  /** Greatest version of its state that each service reads; -1 for one that takes no snapshot. */
  get snapshotVersions(): readonly number[] {
    return this.hosts.map((host) => host.snapshotVersion);
  }

  /** A snapshot holds the state of all services or is none. */
  get canTakeSnapshots(): boolean {
    return this.hosts.every((host) => host.snapshotVersion >= 0);
  }

  /** Whether all take more of the snapshot that the member starts from. */
  get canLoad(): boolean {
    return this.hosts.every((host) => host.canLoad);
  }

  /** Whether all were told that the member leaves, or never started. */
  get isTerminated(): boolean {
    return this.hosts.every((host) => host.isTerminated);
  }

  start(contextOf: (serviceId: number) => ServiceHostContext): void {
    for (const host of this.hosts) {
      host.start(contextOf(host.serviceId));
    }
  }

  /** One message of a service's section of the snapshot that the member starts from. */
  loadSnapshot(serviceId: number, view: DataView, offset: number, length: number): void {
    this.hosts[serviceId]?.loadSnapshot(view, offset, length);
  }

  setLive(live: LiveLog | undefined): void {
    for (const host of this.hosts) {
      host.setLive(live);
    }
  }

  onRoleChange(role: Role): void {
    for (const host of this.hosts) {
      host.onRoleChange(role);
    }
  }

  /** Each consumes the log up to a position; returns work done. */
  doWork(limit: Position): number {
    let work = 0;
    for (const host of this.hosts) {
      work += host.doWork(limit);
    }
    return work;
  }

  /** Tells all that the member leaves. Returns what the first threw that did. */
  terminate(): PawlError | undefined {
    let failure: PawlError | undefined;
    for (const host of this.hosts) {
      try {
        host.terminate();
      } catch (error) {
        if (!(error instanceof PawlError)) {
          throw error;
        }
        failure ??= error;
      }
    }
    return failure;
  }

  close(): void {
    for (const host of this.hosts) {
      host.close();
    }
  }
}
