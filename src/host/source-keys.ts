// source-keys.ts: small integers that stand for peer addresses on one socket.
//
// Anyone can send from any number of forged addresses, so what is remembered is bounded: addresses
// that only sent something live in two generations of a cache. An address that is used moves to the
// younger one; when that is full the older one is forgotten. Addresses that were asked for by
// `keyOf` are peers of ours and are kept. A key is never given to a second address, so an old key
// can only be unknown, never wrong.

import { assert } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';
import type { SocketAddress } from '../ports/network.js';

/** Most source addresses remembered in one generation, unless they were asked for. */
export const SOURCE_KEYS_MAX = 4096;
/** Most addresses that may be asked for on one socket. */
export const PEER_KEYS_MAX = 65_536;

/** What is known under a key. Invariant: never changes, so it is handed out as it is. */
interface Entry extends SocketAddress {
  readonly key: number;
}

/** Keys by host and port: two lookups cost less than building a joined string per datagram. */
class Generation {
  readonly #ports = new Map<string, Map<number, Entry>>();
  readonly #keys = new Map<number, Entry>();

  get count(): number {
    return this.#keys.size;
  }

  find(host: string, port: number): Entry | undefined {
    return this.#ports.get(host)?.get(port);
  }

  at(key: number): Entry | undefined {
    return this.#keys.get(key);
  }

  add(entry: Entry): void {
    let ports = this.#ports.get(entry.host);
    if (ports === undefined) {
      ports = new Map();
      this.#ports.set(entry.host, ports);
    }
    ports.set(entry.port, entry);
    this.#keys.set(entry.key, entry);
  }
}

/** Maps addresses to keys and back. Keys are positive and increasing. */
export class SourceKeys {
  readonly #sourceKeysMax: number;
  readonly #peers = new Generation();
  #young = new Generation();
  #old = new Generation();
  #nextKey = 1;
  /** The last source, because datagrams mostly come in runs from one peer. */
  #last: Entry | undefined;

  constructor(sourceKeysMax: number = SOURCE_KEYS_MAX) {
    assert(sourceKeysMax > 0, 'a socket remembers at least one source');
    this.#sourceKeysMax = sourceKeysMax;
  }

  /** The key of a datagram's source. It stays known at least until as many others were used. */
  keyOfSource(host: string, port: number): number {
    const last = this.#last;
    if (last !== undefined && last.port === port && last.host === host) {
      return last.key;
    }
    const entry = this.#peers.find(host, port) ?? this.#useSource(host, port);
    this.#last = entry;
    return entry.key;
  }

  /**
   * The key of a peer, which is kept as long as the socket.
   *
   * @throws PawlError LIMIT_EXCEEDED when PEER_KEYS_MAX are kept already.
   */
  keyOfPeer(host: string, port: number): number {
    const known = this.#peers.find(host, port);
    if (known !== undefined) {
      return known.key;
    }
    if (this.#peers.count >= PEER_KEYS_MAX) {
      throw new PawlError(
        ErrorCode.LimitExceeded,
        `no key for ${host}:${port}: this socket already has ${PEER_KEYS_MAX} peers; ` +
          'use a socket per group of peers',
        'environment',
      );
    }
    const source = this.#young.find(host, port) ?? this.#old.find(host, port);
    const entry = source ?? this.#entryOf(host, port);
    this.#peers.add(entry);
    return entry.key;
  }

  /** The address behind a key; undefined when it was forgotten or never given out. */
  find(key: number): SocketAddress | undefined {
    const last = this.#last;
    if (last !== undefined && last.key === key) {
      return last;
    }
    return this.#peers.at(key) ?? this.#young.at(key) ?? this.#useOld(key);
  }

  #useSource(host: string, port: number): Entry {
    const young = this.#young.find(host, port);
    if (young !== undefined) {
      return young;
    }
    const entry = this.#old.find(host, port) ?? this.#entryOf(host, port);
    this.#addYoung(entry);
    return entry;
  }

  #useOld(key: number): Entry | undefined {
    const entry = this.#old.at(key);
    if (entry !== undefined) {
      this.#addYoung(entry);
    }
    return entry;
  }

  #addYoung(entry: Entry): void {
    if (this.#young.count >= this.#sourceKeysMax) {
      this.#old = this.#young;
      this.#young = new Generation();
    }
    this.#young.add(entry);
  }

  #entryOf(host: string, port: number): Entry {
    const key = this.#nextKey;
    this.#nextKey += 1;
    return { key, host, port };
  }
}
