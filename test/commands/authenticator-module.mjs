// Lets in who says `open sesame`, and lets `operator` give orders: a module for --authenticator.

const decode = (bytes) => new TextDecoder().decode(bytes);

export function createAuthenticator() {
  const credentials = new Map();
  return {
    onConnectRequest: (id, bytes) => credentials.set(id, decode(bytes)),
    onChallengeResponse: (id, bytes) => credentials.set(id, decode(bytes)),
    onProcessConnectedSession(session) {
      session.challenge(new TextEncoder().encode('the word?'));
    },
    onProcessChallengedSession(session) {
      const [name = '', word = ''] = (credentials.get(session.sessionId) ?? '').split(':');
      if (word === 'open sesame') {
        session.accept(new TextEncoder().encode(name));
      } else {
        session.reject();
      }
    },
    onHandshakeEnd: (id) => credentials.delete(id),
  };
}

export function createAuthorisationService() {
  return {
    isAuthorised: (_protocol, _action, _type, principal) => decode(principal) === 'operator',
  };
}
