// simulated-security.ts: who is asked who he is in a simulated cluster, and how he proves it.
//
// Nothing of it is secret, and everything about it repeats with the seed: what is tested is the
// handshake, not the cipher.

import type { CredentialsSupplier } from '../client/credentials.js';
import type { Authenticator, SessionProxy } from '../cluster/authenticator.js';
import type { Prng } from './prng.js';
import type { MemberSecurity } from './simulated-cluster.js';

/** A decision is put off with this chance, in millionths: it may depend on another system. */
const DELAY_PER_MILLION = 300_000;
/** Credentials without a challenge are enough for clients whose name has this length. */
const TRUSTED_NAME_LENGTH = 7;

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function answerTo(challenge: string, name: string): string {
  let hash = 0x811c9dc5;
  for (const letter of `${challenge}/${name}`) {
    hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  }
  return hash.toString(16);
}

/** A client that is who it says. */
export function credentialsOf(name: string): CredentialsSupplier {
  return {
    encodedCredentials: () => encode(name),
    onChallenge: (challenge) => encode(answerTo(decode(challenge), name)),
  };
}

interface Pending {
  name: string;
  answer: string;
  challenge: string;
}

/** Challenges most clients, and takes its time with some. */
export class SimulatedAuthenticator implements Authenticator {
  readonly #random: Prng;
  readonly #pending = new Map<number, Pending>();

  constructor(random: Prng) {
    this.#random = random;
  }

  onConnectRequest(sessionId: number, encodedCredentials: Uint8Array): void {
    const challenge = `${this.#random.below(2 ** 31)}`;
    this.#pending.set(sessionId, { name: decode(encodedCredentials), answer: '', challenge });
  }

  onChallengeResponse(sessionId: number, encodedCredentials: Uint8Array): void {
    const pending = this.#pending.get(sessionId);
    if (pending !== undefined) {
      pending.answer = decode(encodedCredentials);
    }
  }

  onProcessConnectedSession(session: SessionProxy): void {
    const pending = this.#pending.get(session.sessionId);
    if (this.#random.chance(DELAY_PER_MILLION, 1_000_000)) {
      return;
    }
    if (pending === undefined || pending.name === '') {
      session.reject();
    } else if (pending.name.length === TRUSTED_NAME_LENGTH) {
      session.accept(encode(pending.name));
    } else {
      session.challenge(encode(pending.challenge));
    }
  }

  onProcessChallengedSession(session: SessionProxy): void {
    const pending = this.#pending.get(session.sessionId);
    if (this.#random.chance(DELAY_PER_MILLION, 1_000_000)) {
      return;
    }
    if (pending !== undefined && pending.answer === answerTo(pending.challenge, pending.name)) {
      session.accept(encode(pending.name));
    } else {
      session.reject();
    }
  }

  onHandshakeEnd(sessionId: number): void {
    this.#pending.delete(sessionId);
  }
}

/** Makes an authenticator for each process of a member, each with a stream of chance of its own. */
export function makeSecurity(random: Prng): (memberId: number) => MemberSecurity {
  let count = 0;
  return (memberId) => ({
    authenticator: new SimulatedAuthenticator(random.fork(`authenticator ${memberId} ${count++}`)),
  });
}
