// A cluster of one member, born in a temporary directory, for tests of the command line.

import { join } from 'node:path';
import type { Test } from 'tape';
import { connectClient, type NodeClient } from '../../src/host/node-client.js';
import { findLocalEndpoints, type LocalEndpoints } from '../../src/tools/free-ports.js';
import { atEnd } from '../support/at-end.js';
import { type CliResult, type RunningCli, runCli, startCli, temporaryDirectory } from './cli.js';

export interface OneMember {
  readonly endpoints: LocalEndpoints;
  readonly directory: string;
  /** Flags of bootstrap and node. */
  readonly flags: readonly string[];
}

/** Ports and flags; nothing is born. */
export async function prepareMember(t: Test): Promise<OneMember> {
  const endpoints = await findLocalEndpoints(1);
  const directory = join(temporaryDirectory(t), 'data');
  const flags = ['--member-id', '0', '--members', endpoints.members, '--directory', directory];
  return { endpoints, directory, flags };
}

export async function bornMember(t: Test): Promise<OneMember> {
  const member = await prepareMember(t);
  expectCode(await runCli('bootstrap', ...member.flags), 0);
  return member;
}

/** Starts the member and waits until it leads. */
export async function runningMember(
  t: Test,
  member: OneMember,
  ...flags: string[]
): Promise<RunningCli> {
  const cli = startCli(t, 'node', ...member.flags, ...flags, '--json');
  await cli.waitFor('"LEADER_READY"');
  return cli;
}

/** A client whose session is open; closed at the end of the test. */
export async function connectTo(
  t: Test,
  member: OneMember,
  onMessage: (view: DataView, offset: number, length: number) => void = () => undefined,
): Promise<NodeClient> {
  const client = await connectClient(
    { ingressEndpoints: member.endpoints.ingress, onFatal: (error) => t.fail(String(error)) },
    { onMessage },
  );
  atEnd(t, () => client.close());
  return client;
}

/** Fails loudly, with what the command said. */
export function expectCode(result: CliResult, code: number): void {
  if (result.code !== code) {
    throw new Error(
      `exit code ${result.code ?? result.signal}, not ${code}: ${result.stdout}${result.stderr}`,
    );
  }
}
