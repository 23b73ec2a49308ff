// node-settings.ts: what a member is started with, from a file and from flags; flags win.

import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import type { ClusterSettings, MemberSettings } from '../cluster/cluster-config.js';
import { SERVICE_COUNT_MAX } from '../cluster/services.js';
import { ErrorCode, PawlError } from '../errors.js';
import type { IdleStrategy } from '../host/event-loop.js';
import { integerOption, wordOption } from './options.js';
import { isBuiltIn } from './service-loader.js';

const MEMBER_ID_MAX = 2 ** 31 - 1;
const MTU_MAX = 60 * 1024;

export interface NodeSettings {
  readonly cluster: ClusterSettings;
  readonly member: MemberSettings;
  readonly directory: string;
  /** By service id: a built-in name, or the path of a module. */
  readonly services: readonly string[];
  /** Path of a module that exports createAuthenticator; undefined where nobody is asked. */
  readonly authenticator: string | undefined;
  readonly idle: IdleStrategy;
}

/** The file as a whole; the settings inside are checked with those of the other members. */
const fileSchema = z.strictObject({
  cluster: z.record(z.string(), z.unknown()).default({}),
  member: z.record(z.string(), z.unknown()).default({}),
  directory: z.string().min(1).optional(),
  service: z.string().min(1).optional(),
  authenticator: z.string().min(1).optional(),
  services: z.array(z.string().min(1)).min(1).max(SERVICE_COUNT_MAX).optional(),
  idle: z.enum(['event', 'yield']).optional(),
});

/** Flags as the parser gives them; what was not given is undefined. */
export interface NodeFlags {
  config?: string;
  memberId?: number;
  members?: string;
  clusterId?: number;
  directory?: string;
  service?: string[];
  authenticator?: string;
  durability?: 'fsync' | 'page-cache';
  mtu?: number;
  window?: number;
  idle?: IdleStrategy;
  threads?: 'shared' | 'dedicated';
  snapshotBy?: 'service' | 'shadow';
  insecure?: boolean;
  dev?: boolean;
}

/** Adds the flags that say who a member is and where its data lies. */
export function addIdentityFlags(command: Command): Command {
  return command
    .option(
      '-c, --config <file>',
      'JSON file {cluster, member, directory, services, authenticator, idle}',
    )
    .option('--member-id <id>', 'which of the members this is', integerOption(0, MEMBER_ID_MAX))
    .option(
      '--members <list>',
      'all members: id,ingress,consensus,log,catchup,archive|... with host:port for each',
    )
    .option(
      '--cluster-id <id>',
      'number of the cluster; members of another one are refused (default: 0)',
      integerOption(0, Number.MAX_SAFE_INTEGER),
    )
    .option('-d, --directory <dir>', "the member's data directory")
    .option(
      '--durability <level>',
      'what an acknowledged message survives: fsync a power cut, page-cache the death of the ' +
        'process; equal on all members (default: fsync)',
      wordOption(['fsync', 'page-cache']),
    )
    .option(
      '--mtu <bytes>',
      'longest datagram: 1408 on common networks, up to 61440 on loopback (default: 1408)',
      integerOption(288, MTU_MAX),
    )
    .option('--insecure', 'listen off the loopback interface, although nothing is encrypted yet');
}

/** Adds the flags of a member that runs. */
export function addRunFlags(command: Command): Command {
  return command
    .option(
      '-s, --service <module>',
      'module that exports createService, or one of echo, key-value; given again, it names the ' +
        'next service on the same log (default: echo)',
      collected,
    )
    .option(
      '--authenticator <module>',
      'module that exports createAuthenticator, and createAuthorisationService where clients may ' +
        'give orders; on all members or on none (default: clients are not asked who they are)',
    )
    .option(
      '--window <bytes>',
      'receiver window of log and client streams',
      integerOption(4096, 64 * 1024 * 1024),
    )
    .option(
      '--dev',
      'clocks, chance, timers and the network throw when the service uses them inside a callback',
    )
    .option(
      '--idle <strategy>',
      'event sleeps when there is nothing to do, yield uses a whole core (default: event)',
      wordOption(['event', 'yield']),
    )
    .option(
      '--threads <layout>',
      'shared runs the service among everything else, dedicated gives it a thread of its own, so ' +
        'that a callback that takes long costs no election (default: shared)',
      wordOption(['shared', 'dedicated']),
    )
    .option(
      '--snapshot-by <who>',
      'service writes its state where it stands, shadow is a fresh instance on a thread of its ' +
        'own that replays the log since the last snapshot (default: service)',
      wordOption(['service', 'shadow']),
    );
}

function invalid(message: string, cause?: unknown): PawlError {
  return new PawlError(ErrorCode.ConfigurationInvalid, message, 'usage', { cause });
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw invalid(
      `configuration file ${path} cannot be read (${code}): ` +
        'name a file that exists and is readable',
      error,
    );
  }
}

function readFile(path: string): z.output<typeof fileSchema> {
  const text = readText(path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(
      `configuration file ${path} is no JSON: ${(error as Error).message}; correct it there`,
      error,
    );
  }
  const result = fileSchema.safeParse(value);
  if (!result.success) {
    const reasons = result.error.issues
      .map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`)
      .join('; ');
    throw invalid(
      `configuration file ${path} is not valid: ${reasons}; it is an object ` +
        '{cluster, member, directory, services, authenticator, idle}',
    );
  }
  return result.data;
}

/** Leaves out what was not given, so that it does not hide what the file says. */
function given<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as Partial<T>;
}

/** Paths in a file are relative to the file: it means the same wherever Pawl is started. */
function pathIn(file: string | undefined, path: string): string {
  return file === undefined ? resolve(path) : resolve(dirname(file), path);
}

/** Gathers the values of an option that is given more than once. */
function collected(value: string, before: string[] = []): string[] {
  return [...before, value];
}

function servicesOf(flags: NodeFlags, file: z.output<typeof fileSchema> | undefined): string[] {
  if (file?.service !== undefined && file.services !== undefined) {
    throw invalid(
      'the configuration file has service and services: name all services in services, in their ' +
        'order',
    );
  }
  const inFile = file?.services ?? (file?.service === undefined ? undefined : [file.service]);
  const services = flags.service ?? inFile ?? ['echo'];
  const base = flags.service === undefined ? flags.config : undefined;
  return services.map((service) => (isBuiltIn(service) ? service : pathIn(base, service)));
}

/**
 * Reads what a member is started with.
 *
 * @throws PawlError CONFIGURATION_INVALID naming what is missing or wrong and the remedy.
 */
export function readNodeSettings(flags: NodeFlags): NodeSettings {
  const file = flags.config === undefined ? undefined : readFile(flags.config);
  const cluster: Record<string, unknown> = {
    ...file?.cluster,
    ...given({
      clusterId: flags.clusterId,
      members: flags.members,
      durability: flags.durability,
    }),
  };
  const member = {
    ...file?.member,
    ...given({
      memberId: flags.memberId,
      mtuLength: flags.mtu,
      windowLength: flags.window,
      insecure: flags.insecure,
      threads: flags.threads,
      snapshotBy: flags.snapshotBy,
      guard: flags.dev,
    }),
  };
  const directory =
    flags.directory === undefined
      ? file?.directory && pathIn(flags.config, file.directory)
      : resolve(flags.directory);
  if (!('members' in cluster)) {
    throw invalid('no members are given: use --members, or cluster.members in a --config file');
  }
  if (!('memberId' in member)) {
    throw invalid('no member id is given: use --member-id, or member.memberId in a --config file');
  }
  if (directory === undefined) {
    throw invalid('no data directory is given: use --directory, or directory in a --config file');
  }
  const authenticator =
    flags.authenticator === undefined
      ? file?.authenticator && pathIn(flags.config, file.authenticator)
      : resolve(flags.authenticator);
  if (authenticator !== undefined && !('authentication' in cluster)) {
    cluster.authentication = 'required';
  }
  return {
    authenticator,
    // What the file holds is unknown until it is checked as a whole, by concludeClusterConfig.
    cluster: cluster as unknown as ClusterSettings,
    member: member as unknown as MemberSettings,
    directory,
    services: servicesOf(flags, file),
    idle: flags.idle ?? file?.idle ?? 'event',
  };
}
