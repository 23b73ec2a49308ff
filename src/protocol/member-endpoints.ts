// member-endpoints.ts: the addresses of the members, in Aeron's notation.
//
//   members   0,ingress,consensus,log,catchup,archive|1,ingress,...    each address host:port
//   ingress   0=host:port,1=host:port,...                              what a client is told
//
// Both are part of the cluster's configuration and travel in messages, so the printed form is
// canonical: members in ascending order, nothing optional.

import { ErrorCode, PawlError } from '../errors.js';
import { formatHostPort, type HostPort, parseHostPort } from './host-port.js';
import { quoted } from './quantities.js';

/** Bound of the notation; a cluster is limited further by its configuration. */
export const MEMBER_LIST_LENGTH_MAX = 32;
export const MEMBER_ID_MAX = 2 ** 31 - 1;

/** Where one member listens. */
export interface MemberEndpoints {
  readonly memberId: number;
  /** Messages of clients. */
  readonly ingress: HostPort;
  /** Messages of other members. */
  readonly consensus: HostPort;
  /** The log, as a follower receives it. */
  readonly log: HostPort;
  /** The log from the leader's archive, when catching up. */
  readonly catchup: HostPort;
  /** Requests to the archive. */
  readonly archive: HostPort;
}

const ENDPOINT_NAMES = ['ingress', 'consensus', 'log', 'catchup', 'archive'] as const;

/**
 * Reads a member list.
 *
 * @returns the members in ascending order of their ids.
 * @throws PawlError of code CONFIGURATION_INVALID or ADDRESS_INVALID.
 */
export function parseMemberList(text: string): readonly MemberEndpoints[] {
  const members = text.split('|').map(parseMember);
  checkMemberIds(
    members.map((member) => member.memberId),
    text,
  );
  checkDistinctAddresses(members);
  return members.sort((a, b) => a.memberId - b.memberId);
}

/** Prints members so that `parseMemberList` reads them back. */
export function formatMemberList(members: readonly MemberEndpoints[]): string {
  return [...members]
    .sort((a, b) => a.memberId - b.memberId)
    .map((member) => {
      const addresses = ENDPOINT_NAMES.map((name) => formatHostPort(member[name]));
      return [member.memberId, ...addresses].join(',');
    })
    .join('|');
}

/**
 * Reads a list of ingress addresses.
 *
 * @returns address by member id, in ascending order.
 * @throws PawlError of code CONFIGURATION_INVALID or ADDRESS_INVALID.
 */
export function parseIngressEndpoints(text: string): ReadonlyMap<number, HostPort> {
  const entries = text.split(',').map((entry): [number, HostPort] => {
    const equals = entry.indexOf('=');
    if (equals <= 0) {
      throw invalid(`ingress endpoint ${quoted(entry)} has no member id: write 0=host:port`);
    }
    const memberId = parseMemberId(entry.slice(0, equals), entry);
    return [memberId, parseHostPort(entry.slice(equals + 1), `ingress endpoint of ${memberId}`)];
  });
  checkMemberIds(
    entries.map(([memberId]) => memberId),
    text,
  );
  return new Map(entries.sort(([a], [b]) => a - b));
}

/** Prints ingress addresses so that `parseIngressEndpoints` reads them back. */
export function formatIngressEndpoints(endpoints: ReadonlyMap<number, HostPort>): string {
  return [...endpoints]
    .sort(([a], [b]) => a - b)
    .map(([memberId, address]) => `${memberId}=${formatHostPort(address)}`)
    .join(',');
}

/** What clients are told of a member list. */
export function ingressEndpointsOf(
  members: readonly MemberEndpoints[],
): ReadonlyMap<number, HostPort> {
  return new Map(members.map((member) => [member.memberId, member.ingress]));
}

function parseMember(text: string): MemberEndpoints {
  const parts = text.split(',');
  if (parts.length !== 1 + ENDPOINT_NAMES.length) {
    throw invalid(
      `member ${quoted(text)} has ${parts.length} parts: write six, ` +
        `id,${ENDPOINT_NAMES.join(',')}, each address as host:port`,
    );
  }
  const memberId = parseMemberId(parts[0] ?? '', text);
  const address = (index: number): HostPort => {
    const name = ENDPOINT_NAMES[index] ?? '';
    return parseHostPort(parts[index + 1] ?? '', `${name} address of member ${memberId}`);
  };
  return {
    memberId,
    ingress: address(0),
    consensus: address(1),
    log: address(2),
    catchup: address(3),
    archive: address(4),
  };
}

function parseMemberId(text: string, context: string): number {
  const memberId = /^\d{1,10}$/.test(text) ? Number(text) : MEMBER_ID_MAX + 1;
  if (memberId > MEMBER_ID_MAX) {
    throw invalid(
      `member id ${quoted(text)} in ${quoted(context)}: write a number from 0 to ${MEMBER_ID_MAX}`,
    );
  }
  return memberId;
}

function checkMemberIds(memberIds: readonly number[], text: string): void {
  if (memberIds.length > MEMBER_LIST_LENGTH_MAX) {
    throw invalid(
      `member list ${quoted(text)} has ${memberIds.length} members: ` +
        `use at most ${MEMBER_LIST_LENGTH_MAX}`,
    );
  }
  const twice = memberIds.find((memberId, index) => memberIds.indexOf(memberId) !== index);
  if (twice !== undefined) {
    throw invalid(`member ${twice} is listed twice in ${quoted(text)}: give each its own id`);
  }
}

/** Two sockets cannot share an address: found here, not when the second member fails to start. */
function checkDistinctAddresses(members: readonly MemberEndpoints[]): void {
  const owners = new Map<string, string>();
  for (const member of members) {
    for (const name of ENDPOINT_NAMES) {
      const address = formatHostPort(member[name]);
      const owner = owners.get(address);
      const self = `${name} of member ${member.memberId}`;
      if (owner !== undefined && member[name].port !== 0) {
        throw invalid(`${self} and ${owner} both use ${address}: give each its own port`);
      }
      owners.set(address, self);
    }
  }
}

function invalid(message: string): PawlError {
  return new PawlError(ErrorCode.ConfigurationInvalid, message);
}
