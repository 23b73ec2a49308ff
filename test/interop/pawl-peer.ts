// pawl-peer.ts: the Pawl side of the interop tests, a program of its own.
//
//   pawl-peer.ts publish   channel=aeron:udp?endpoint=... stream=N small=N large=N limitSeconds=N
//   pawl-peer.ts subscribe channel=aeron:udp?endpoint=... stream=N small=N large=N limitSeconds=N
//
// A subscriber may join late: from=-1 takes the first message that arrives as the first.
// It reports in lines of JSON, as the Java side does, and ends when its standard input is closed.

import { ADMIN_ACTION, CLOSED, MAX_POSITION_EXCEEDED } from '../../assembly/layout/frame.js';
import { EventLoop } from '../../src/host/event-loop.js';
import { NodeClock } from '../../src/host/node-clock.js';
import { NodeEntropy } from '../../src/host/node-entropy.js';
import { NodeNetwork } from '../../src/host/node-network.js';
import { Arena } from '../../src/memory/arena.js';
import type { Agent } from '../../src/ports/agent.js';
import { FragmentAssembler } from '../../src/transport/fragment-assembler.js';
import type { Image } from '../../src/transport/image.js';
import { Transport } from '../../src/transport/transport.js';
import { Content } from './content.js';

/** Holds an image of Aeron's default terms of 16 MiB, three of them. */
const ARENA_LENGTH = 128 * 1024 * 1024;
/** The longest message is an eighth of a term. */
const TERM_LENGTH = 1024 * 1024;
/** Messages per duty cycle, so that sending and receiving take turns. */
const OFFER_LIMIT = 512;
const FRAGMENT_LIMIT = 1024;

const options = new Map(
  process.argv.slice(3).map((argument) => {
    const equals = argument.indexOf('=');
    return [argument.slice(0, equals), argument.slice(equals + 1)] as const;
  }),
);

function text(name: string): string {
  const value = options.get(name);
  if (value === undefined) {
    throw new Error(`${name}= is missing`);
  }
  return value;
}

function report(event: string, fields: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
}

function fail(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  process.exit(1);
}

const streamId = Number(text('stream'));
const content = new Content({ small: Number(text('small')), large: Number(text('large')) });
const loop = new EventLoop({ clock: new NodeClock(), onFatal: fail });
const network = new NodeNetwork({ onReadable: loop.wake });
const transport = new Transport({
  arena: Arena.create(ARENA_LENGTH),
  network,
  entropy: new NodeEntropy(),
  config: { termLength: TERM_LENGTH },
});

/** Publishes the whole content, then closes at once: the transport sends the rest. */
function publisher(): Agent {
  const publication = transport.addPublication(text('channel'), streamId);
  report('started', {});
  let sequence = 0;
  let length = 0;
  let refusedCount = 0;

  function finish(): void {
    const position = publication.position();
    publication.close();
    const sha256 = content.digest();
    const { sessionId } = publication;
    report('sent', { messages: sequence, position, sessionId, sha256, refusedCount });
  }

  function offerNext(): boolean {
    if (length === 0) {
      length = content.fill(sequence);
      content.hashFilled(length);
    }
    const result = publication.offer(content.buffer, 0, length);
    if (result === CLOSED || result === MAX_POSITION_EXCEEDED || publication.failure) {
      fail(publication.failure ?? `offer ${sequence} answered ${result}`);
    }
    if (result >= 0) {
      sequence++;
      length = 0;
    }
    refusedCount += result < 0 ? 1 : 0;
    return result >= 0 || result === ADMIN_ACTION;
  }

  return {
    roleName: 'publisher',
    doWork(): number {
      let count = 0;
      while (sequence < content.count && count < OFFER_LIMIT && offerNext()) {
        count++;
      }
      if (sequence === content.count && !publication.isClosed) {
        finish();
      }
      return count;
    },
    deadlineNs: () => Infinity,
    close: () => publication.close(),
  };
}

/** Takes one stream to its end, compares every byte, and reports what it saw. */
class Subscriber implements Agent {
  readonly roleName = 'subscriber';
  readonly #subscription = transport.addSubscription(text('channel'), streamId, {
    onAvailableImage: () => {
      this.#imageCount++;
    },
    onUnavailableImage: (image) => this.#end(image),
  });
  readonly #assembler = new FragmentAssembler((view, offset, length) => {
    this.#take(view, offset, length);
  });
  /** Reports when this many messages have arrived. */
  readonly #progressAt = Number(options.get('progressAt') ?? -1);
  /** Sequence number of the next message; negative while the first one of a late joiner decides. */
  #next = Number(options.get('from') ?? 0);
  #firstSequence = -1;
  #firstMismatch = -1;
  #messageCount = 0;
  #byteCount = 0;
  #imageCount = 0;
  #isEndOfStream = false;
  #isReady = false;

  doWork(): number {
    this.#reportReady();
    const subscription = this.#subscription;
    const count = subscription.poll(this.#assembler.onFragment, FRAGMENT_LIMIT);
    this.#isEndOfStream ||= subscription.images.some((image) => image.isEndOfStream);
    return count;
  }

  deadlineNs(): number {
    return Infinity;
  }

  close(): void {
    this.#subscription.close();
  }

  #reportReady(): void {
    const { failure, localEndpoint } = this.#subscription;
    if (failure !== undefined) {
      fail(failure);
    }
    if (!this.#isReady && localEndpoint !== undefined) {
      this.#isReady = true;
      report('ready', { endpoint: `${localEndpoint.host}:${localEndpoint.port}` });
    }
  }

  #take(view: DataView, offset: number, length: number): void {
    if (this.#firstSequence < 0) {
      this.#next = this.#next < 0 ? view.getInt32(offset, true) : this.#next;
      this.#firstSequence = this.#next;
    }
    if (!content.take(this.#next, view, offset, length) && this.#firstMismatch < 0) {
      this.#firstMismatch = this.#next;
    }
    this.#byteCount += length;
    this.#messageCount++;
    this.#next++;
    if (this.#messageCount === this.#progressAt) {
      report('progress', {});
    }
    if (this.#next === content.count) {
      this.#reportReceived();
    }
  }

  #reportReceived(): void {
    report('received', {
      messages: this.#messageCount,
      bytes: this.#byteCount,
      firstMismatch: this.#firstMismatch,
      firstSequence: this.#firstSequence,
      complete: true,
      sha256: content.digest(),
    });
  }

  #end(image: Image): void {
    const isEnd = this.#isEndOfStream || image.isEndOfStream;
    report('ended', {
      endOfStream: isEnd && this.#next === content.count,
      images: this.#imageCount,
      endedImages: 1,
    });
  }
}

process.stdin.resume();
process.stdin.on('end', () => {
  report('closed', { errors: 0, counters: transport.counters });
  loop.close();
  network.close();
  clearTimeout(limit);
});
const limit = setTimeout(
  () => fail(`the time is over: ${JSON.stringify(transport.counters)}`),
  Number(text('limitSeconds')) * 1000,
);
loop.add(transport);
loop.add(process.argv[2] === 'publish' ? publisher() : new Subscriber());
