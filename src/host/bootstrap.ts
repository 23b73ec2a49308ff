// bootstrap.ts: births a member's data directory, once.

import type { Birth } from '../archive/birth.js';
import { bootstrapDirectory } from '../archive/member-directory.js';
import {
  type ClusterSettings,
  concludeClusterConfig,
  fixedAtBirth,
  type MemberSettings,
} from '../cluster/cluster-config.js';
import { openDataDirectory } from './data-directory.js';
import { NodeClock } from './node-clock.js';
import { NodeEntropy } from './node-entropy.js';
import { runStorageTask } from './run-task.js';

export interface BootstrapMemberOptions {
  readonly cluster: ClusterSettings;
  readonly member: MemberSettings;
  readonly directory: string;
}

/** What was born. */
export interface BornMember {
  readonly directory: string;
  readonly clusterId: number;
  readonly memberId: number;
  /** Random 64 bits that tell this directory from any other, in hexadecimal. */
  readonly incarnation: string;
}

/**
 * Births a blank directory as a voting member of a new cluster.
 *
 * @throws PawlError DIRECTORY_ALREADY_BORN, DIRECTORY_IN_USE, CONFIGURATION_INVALID, or what the
 *   disk says.
 */
export async function bootstrapMember(options: BootstrapMemberOptions): Promise<BornMember> {
  const config = concludeClusterConfig(options.cluster, options.member);
  const directory = openDataDirectory(options.directory, true);
  const birth = await runStorageTask(directory, (storage) =>
    bootstrapDirectory(storage, {
      ...fixedAtBirth(config),
      configurationHash: config.configurationHash,
      voting: true,
      mtuLength: config.member.mtuLength,
      entropy: new NodeEntropy(),
      wallMs: new NodeClock().wallMs(),
    }),
  );
  return bornMemberOf(directory, birth);
}

/** A directory and who it is, in words that programs and people read. */
export function bornMemberOf(directory: string, birth: Birth): BornMember {
  const { high, low } = birth.incarnation;
  return {
    directory,
    clusterId: birth.clusterId,
    memberId: birth.memberId,
    incarnation: high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0'),
  };
}
