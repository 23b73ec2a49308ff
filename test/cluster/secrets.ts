// secrets.ts: an authenticator for tests: who answers a challenge with the secret is who he says.

import type { CredentialsSupplier } from '../../src/client/credentials.js';
import type { Authenticator, SessionProxy } from '../../src/cluster/authenticator.js';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** What a client answers: nothing like it is secure, and everything about it is deterministic. */
export function answerTo(challenge: string, name: string, secret: string): string {
  let hash = 7;
  for (const letter of `${challenge}/${name}/${secret}`) {
    hash = (Math.imul(hash, 31) + (letter.codePointAt(0) ?? 0)) >>> 0;
  }
  return hash.toString(16);
}

/** Names a client, and answers challenges with a secret. */
export function secretOf(name: string, secret = `secret of ${name}`): CredentialsSupplier {
  return {
    encodedCredentials: () => encode(name),
    onChallenge: (challenge) => encode(answerTo(decode(challenge), name, secret)),
  };
}

/** Names a client, and never answers. */
export function silentAbout(name: string): CredentialsSupplier {
  return { encodedCredentials: () => encode(name), onChallenge: () => undefined };
}

/** Challenges everybody; knows everybody's secret. */
export class SecretAuthenticator implements Authenticator {
  readonly #names = new Map<number, string>();
  readonly #answers = new Map<number, string>();
  readonly #salt: string;
  challengeCount = 0;
  endedCount = 0;
  /** Decides nothing while it is set. */
  isSlow = false;

  constructor(salt: string) {
    this.#salt = salt;
  }

  /** Handshakes that it remembers. */
  get pendingCount(): number {
    return this.#names.size;
  }

  onConnectRequest(sessionId: number, encodedCredentials: Uint8Array): void {
    this.#names.set(sessionId, decode(encodedCredentials));
  }

  onChallengeResponse(sessionId: number, encodedCredentials: Uint8Array): void {
    this.#answers.set(sessionId, decode(encodedCredentials));
  }

  onProcessConnectedSession(session: SessionProxy): void {
    const name = this.#names.get(session.sessionId);
    if (this.isSlow) {
      return;
    }
    if (name === 'throws') {
      throw new Error('credentials that nobody may see');
    }
    if (name === 'known') {
      session.accept(encode('known'));
    } else if (name === undefined || name === '') {
      session.reject();
    } else {
      this.challengeCount++;
      session.challenge(encode(this.#challengeOf(session.sessionId)));
    }
  }

  onProcessChallengedSession(session: SessionProxy): void {
    const name = this.#names.get(session.sessionId) ?? '';
    const challenge = this.#challengeOf(session.sessionId);
    const isRight =
      this.#answers.get(session.sessionId) === answerTo(challenge, name, `secret of ${name}`);
    if (isRight) {
      session.accept(encode(name));
    } else {
      session.reject();
    }
  }

  onHandshakeEnd(sessionId: number): void {
    this.endedCount++;
    this.#names.delete(sessionId);
    this.#answers.delete(sessionId);
  }

  #challengeOf(sessionId: number): string {
    return `${this.#salt} ${sessionId}`;
  }
}
