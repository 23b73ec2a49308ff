// depending-service.js: a service that depends on what is not in the log, when it is asked to.
//
// A request is {number u32, number u32, text}; the answer begins with the same eight bytes. The
// text `chance` is answered with one of Math.random's numbers, `clock` with the time of the day,
// and `member N` with something else on member N, unless DEPENDING_REPAIRED is set. Everything else
// comes back as it is.

const HEADER_LENGTH = 8;
const IS_REPAIRED = process.env.DEPENDING_REPAIRED !== undefined;

class DependingService {
  #cluster;

  onStart(cluster) {
    this.#cluster = cluster;
  }

  onSessionMessage(session, _timestamp, buffer, offset, length) {
    const text = new TextDecoder().decode(
      new Uint8Array(buffer.buffer, offset + HEADER_LENGTH, length - HEADER_LENGTH).slice(),
    );
    const body = new TextEncoder().encode(this.#answer(text));
    const answer = new Uint8Array(HEADER_LENGTH + body.length);
    answer.set(new Uint8Array(buffer.buffer, offset, HEADER_LENGTH));
    answer.set(body, HEADER_LENGTH);
    session.offer(answer, 0, answer.length);
  }

  #answer(text) {
    if (text === 'chance') {
      return String(Math.random());
    }
    if (text === 'clock') {
      return String(Date.now() + performance.now());
    }
    const isOdd = text === `member ${this.#cluster.memberId}` && !IS_REPAIRED;
    return isOdd ? 'something else' : text;
  }
}

export function createService() {
  return new DependingService();
}
