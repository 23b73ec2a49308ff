// authenticator.ts: who may open a session, and who may give orders. Implemented by the user.
//
// Polled and synchronous, as everything above the ports: the leader tells an authenticator what has
// arrived, and asks in its duty cycles what it has decided. One that has to ask another system
// decides nothing until that has answered. Nothing here is replicated: what becomes of a session,
// its principal, is put into the log, and no member asks an authenticator about that again.

/** Longest principal, bytes: it is in the log, in every member's memory and in snapshots. */
export const PRINCIPAL_LENGTH_MAX = 512;

/** A client that asks for a session, and what may be decided about it. */
export interface SessionProxy {
  /** Names the handshake; the session itself gets another id. */
  readonly sessionId: number;
  /** Host at which the client receives, as it says itself. */
  readonly address: string;
  /**
   * Has the client prove itself: its answer comes to `onChallengeResponse`. Only once.
   *
   * @param encodedChallenge at most CREDENTIALS_LENGTH_MAX bytes.
   */
  challenge(encodedChallenge: Uint8Array): void;
  /**
   * Lets the client in.
   *
   * @param encodedPrincipal who it is, for services and for the AuthorisationService; at most
   *   PRINCIPAL_LENGTH_MAX bytes, which are copied.
   */
  accept(encodedPrincipal: Uint8Array): void;
  /** Refuses the client. It is told so after a delay, and not why. */
  reject(): void;
}

/**
 * Decides who may open a session. Each member has one of its own; the leader's is asked.
 *
 * `nowMs` is the leader's log time. An error that is thrown rejects the client and is counted.
 */
export interface Authenticator {
  /** A client asks for a session. The bytes are the authenticator's to keep. */
  onConnectRequest(sessionId: number, encodedCredentials: Uint8Array, nowMs: number): void;
  /** A client answers its challenge. */
  onChallengeResponse(sessionId: number, encodedCredentials: Uint8Array, nowMs: number): void;
  /** Asked again and again until it challenges, accepts or rejects, or the time is over. */
  onProcessConnectedSession(session: SessionProxy, nowMs: number): void;
  /** The same after the client has answered its challenge. */
  onProcessChallengedSession(session: SessionProxy, nowMs: number): void;
  /** The handshake is over, whichever way: what is kept about it is of no use any more. */
  onHandshakeEnd?(sessionId: number): void;
}

/** What a module that `--authenticator` names exports as `createAuthenticator`. */
export type AuthenticatorFactory = () => Authenticator;

/** Decides who may give an order over the client protocol. */
export interface AuthorisationService {
  /**
   * @param protocolId of the message schema: 111. @param actionId template id of the message.
   * @param type what is asked for, such as AdminRequestType.Snapshot.
   * @param encodedPrincipal of the session; empty where nobody is asked who he is.
   */
  isAuthorised(
    protocolId: number,
    actionId: number,
    type: number,
    encodedPrincipal: Uint8Array,
  ): boolean;
}

/** Denies everything: orders over the client protocol are for those who have set up who may. */
export const DENY_ALL: AuthorisationService = { isAuthorised: () => false };
