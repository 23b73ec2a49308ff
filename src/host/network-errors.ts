// network-errors.ts: what an operator is told when a socket cannot be opened.

import { isIP, SocketAddress as NodeSocketAddress } from 'node:net';
import { ErrorCode, PawlError } from '../errors.js';
import type { DatagramOptions, SocketAddress } from '../ports/network.js';

const PORT_MAX = 65_535;
/** Ports below this one are privileged on most systems. */
const PRIVILEGED_PORT_END = 1024;

/** `host:port`, with the brackets that IPv6 needs. */
export function addressText(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The way in which the system writes a numeric host, so that one address has one text. */
export function canonicalHost(host: string): string {
  // IPv4 has one text only, and a scoped address (fe80::1%eth0) is not understood by Node's class.
  if (isIP(host) !== 6 || host.includes('%')) {
    return host;
  }
  return new NodeSocketAddress({ address: host, family: 'ipv6' }).address;
}

/** The errno name of an error of the system, or ''. */
export function errnoOf(error: unknown): string {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : '';
}

function addressInvalid(message: string): PawlError {
  return new PawlError(ErrorCode.AddressInvalid, message, 'usage');
}

/** Why an address cannot be used; undefined when it can. */
export function checkAddress(address: SocketAddress, portMin: number): PawlError | undefined {
  if (isIP(address.host) === 0) {
    return addressInvalid(
      `host '${address.host}' is not a numeric address: names are resolved by the operator, so ` +
        'write IPv4 as 127.0.0.1 and IPv6 as ::1',
    );
  }
  if (!Number.isInteger(address.port) || address.port < portMin || address.port > PORT_MAX) {
    return addressInvalid(
      `port ${address.port} of host ${address.host} is out of range: ` +
        `use an integer from ${portMin} to ${PORT_MAX}`,
    );
  }
  return undefined;
}

/** Why a socket cannot be opened with these options; undefined when it can be tried. */
export function checkDatagramOptions(options: DatagramOptions): PawlError | undefined {
  const remote = options.remote;
  const failure = checkAddress(options, 0) ?? (remote && checkAddress(remote, 1));
  if (failure === undefined && remote !== undefined && isIP(remote.host) !== isIP(options.host)) {
    return addressInvalid(
      `${addressText(remote.host, remote.port)} cannot be reached from ` +
        `${addressText(options.host, options.port)}: use two addresses of one family`,
    );
  }
  return failure;
}

/** The error that an operator sees for an error of `bind`. */
function bindFailure(errno: string, text: string, port: number, cause: unknown): PawlError {
  const options = { cause };
  switch (errno) {
    case 'EADDRINUSE':
      return new PawlError(
        ErrorCode.AddressInUse,
        `UDP ${text} is in use: stop the process that holds it, or choose another port`,
        'environment',
        options,
      );
    case 'EADDRNOTAVAIL':
      return new PawlError(
        ErrorCode.AddressInvalid,
        `UDP ${text} is not an address of this machine: use one that is, or 127.0.0.1`,
        'environment',
        options,
      );
    case 'EACCES':
    case 'EPERM': {
      const remedy =
        port > 0 && port < PRIVILEGED_PORT_END
          ? `choose a port from ${PRIVILEGED_PORT_END} on, or grant CAP_NET_BIND_SERVICE`
          : 'the system forbids it: see its firewall and sandbox';
      return new PawlError(
        ErrorCode.AddressInvalid,
        `UDP ${text} is not permitted (${errno}): ${remedy}`,
        'environment',
        options,
      );
    }
    case 'EMFILE':
    case 'ENFILE':
      return new PawlError(
        ErrorCode.NetworkFailed,
        `no file left for UDP ${text} (${errno}): raise the limit of open files (ulimit -n)`,
        'environment',
        options,
      );
    default:
      return new PawlError(
        ErrorCode.NetworkFailed,
        `cannot open UDP ${text}: ${cause instanceof Error ? cause.message : String(cause)}`,
        'environment',
        options,
      );
  }
}

/** Turns an error of opening a socket into one that names the address and the remedy. */
export function openFailure(cause: unknown, options: DatagramOptions): PawlError {
  return bindFailure(errnoOf(cause), addressText(options.host, options.port), options.port, cause);
}

/** Turns an error of connecting a socket into one that names the peer. */
export function connectFailure(cause: unknown, remote: SocketAddress): PawlError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new PawlError(
    ErrorCode.NetworkFailed,
    `cannot reach UDP ${addressText(remote.host, remote.port)}: ${text}; ` +
      'check the address and the routes of this machine',
    'environment',
    { cause },
  );
}
