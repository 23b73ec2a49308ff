// host-port.ts: `host:port` as it stands in channels and member lists, IPv6 in brackets.

import { ErrorCode, PawlError } from '../errors.js';
import { quoted } from './quantities.js';

export const PORT_MAX = 65535;
/** The longest host name that the domain name system can hold. */
export const HOST_LENGTH_MAX = 253;

export interface HostPort {
  /** Name, IPv4 address, or IPv6 address without its brackets. */
  readonly host: string;
  /** 0 to PORT_MAX; 0 lets the operating system choose. */
  readonly port: number;
}

const NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$/;
const BRACKETED = /^\[([0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]+)?)\]$/;

/**
 * Reads `host:port` or `[address]:port`.
 *
 * @param name what the value is, for the message.
 * @throws PawlError of code ADDRESS_INVALID.
 */
export function parseHostPort(text: string, name: string): HostPort {
  const colon = text.lastIndexOf(':');
  const hostText = colon < 0 ? text : text.slice(0, colon);
  const portText = colon < 0 ? '' : text.slice(colon + 1);
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : PORT_MAX + 1;
  if (port > PORT_MAX) {
    throw invalid(text, name, `the port must be a number from 0 to ${PORT_MAX}`);
  }
  const bracketed = BRACKETED.exec(hostText)?.[1];
  if (bracketed !== undefined && isIpv6(bracketed)) {
    return { host: bracketed, port };
  }
  if (hostText.includes(':')) {
    throw invalid(text, name, 'an IPv6 address must be valid and stand in brackets');
  }
  if (!NAME.test(hostText) || hostText.length > HOST_LENGTH_MAX) {
    const limit = `the host must be a name or address of 1 to ${HOST_LENGTH_MAX} characters`;
    throw invalid(text, name, limit);
  }
  return { host: hostText, port };
}

/** Prints an address so that `parseHostPort` reads it back. */
export function formatHostPort(address: HostPort): string {
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

/** Eight groups of hexadecimal digits, or fewer with one `::`; the last two may be an IPv4. */
function isIpv6(text: string): boolean {
  const address = text.split('%')[0] ?? '';
  const halves = address.split('::');
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  const last = groups[groups.length - 1] ?? '';
  const isIpv4Last = last.includes('.');
  const count = groups.length + (isIpv4Last ? 1 : 0);
  const hexadecimal = isIpv4Last ? groups.slice(0, -1) : groups;
  return (
    hexadecimal.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group)) &&
    (!isIpv4Last || isIpv4(last)) &&
    (halves.length === 1 ? count === 8 : halves.length === 2 && count < 8)
  );
}

function isIpv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256);
}

function invalid(text: string, name: string, limit: string): PawlError {
  return new PawlError(
    ErrorCode.AddressInvalid,
    `${name} is ${quoted(text)}: ${limit}; write host:port, such as localhost:9000 or [::1]:9000`,
  );
}
