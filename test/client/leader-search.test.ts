// leader-search.test.ts: a client's list of members may be old or in the wrong order.

import test from 'tape';
import { BACK_PRESSURED } from '../../assembly/layout/frame.js';
import { concludeClientOptions } from '../../src/client/client-options.js';
import { NO_CREDENTIALS } from '../../src/client/credentials.js';
import type { IngressWriter } from '../../src/client/ingress-writer.js';
import { LeaderSearch } from '../../src/client/leader-search.js';
import { ErrorCode, PawlError } from '../../src/errors.js';
import type { ExclusivePublication } from '../../src/transport/exclusive-publication.js';
import type { Transport } from '../../src/transport/transport.js';

const MS = 1_000_000;
const SECOND = 1_000 * MS;

/** A stream as far as a search looks at it. */
class FakeStream {
  readonly endpoint: string;
  isConnected = false;
  isClosed = false;
  refusal: string | undefined;
  closedNs = -1;
  readonly #nowNs: () => number;

  constructor(endpoint: string, nowNs: () => number) {
    this.endpoint = endpoint;
    this.#nowNs = nowNs;
  }

  close(): void {
    this.closedNs = this.isClosed ? this.closedNs : this.#nowNs();
    this.isClosed = true;
    this.isConnected = false;
  }
}

class Stage {
  /** Addresses where a stream is taken. */
  readonly reachable = new Set<string>();
  readonly opened: FakeStream[] = [];
  /** Whom it asked, and when, milliseconds. */
  readonly asked: string[] = [];
  readonly search: LeaderSearch;
  hasMemory = true;
  /** The memory of a stream is there again in the turn after it was closed, and no other. */
  isScarce = false;
  /** What is answered when somebody is asked. */
  offerResult = 1;
  nowNs = 0;

  constructor(ingressEndpoints: string, reachable: readonly string[]) {
    this.reachable = new Set(reachable);
    const transport = {
      canAddPublication: () => this.hasMemory && !(this.isScarce && this.#hasClosed()),
      addPublication: (channel: string) => {
        if (!transport.canAddPublication()) {
          throw new PawlError(ErrorCode.MemoryExhausted, 'no bytes free', 'environment');
        }
        const endpoint = channel.slice(channel.indexOf('=') + 1);
        const stream = new FakeStream(endpoint, () => this.nowNs);
        this.opened.push(stream);
        return stream;
      },
    };
    const writer = {
      connect: (stream: unknown) => {
        this.asked.push(`${(stream as FakeStream).endpoint} at ${this.nowNs / MS}`);
        return this.offerResult;
      },
    };
    this.search = new LeaderSearch({
      transport: transport as unknown as Transport,
      options: concludeClientOptions({ ingressEndpoints, connectRetryMs: 250 }),
      writer: writer as unknown as IngressWriter,
      credentials: NO_CREDENTIALS,
      correlationId: 1n,
    });
  }

  #hasClosed(): boolean {
    return this.opened.some(({ closedNs }) => closedNs === this.nowNs);
  }

  /** Streams to reachable addresses connect a millisecond after they were opened. */
  ask(): void {
    this.search.ask('127.0.0.1:9', this.nowNs);
    for (const stream of this.opened) {
      stream.isConnected = !stream.isClosed && this.reachable.has(stream.endpoint);
    }
  }

  run(durationNs: number): void {
    for (const endNs = this.nowNs + durationNs; this.nowNs < endNs; this.nowNs += MS) {
      this.ask();
    }
  }

  open(): string[] {
    return this.opened.filter(({ isClosed }) => !isClosed).map(({ endpoint }) => endpoint);
  }
}

function endpointOf(stream: ExclusivePublication | undefined): string | undefined {
  return (stream as unknown as FakeStream | undefined)?.endpoint;
}

test('a member that a redirect finds at another address is asked there at once', (t) => {
  const stage = new Stage('0=a:1,1=old:1', ['a:1', 'b:1']);
  stage.run(5 * MS);
  stage.search.onRedirect(1, '0=a:1,1=b:1');
  stage.run(5 * MS);
  t.deepEqual(stage.asked, ['a:1 at 1', 'b:1 at 6']);
  t.deepEqual(stage.open(), ['a:1', 'b:1'], 'nothing leads to the old address any more');
  t.equal(endpointOf(stage.search.finish(1, '0=a:1,1=b:1')), 'b:1');
  t.end();
});

test('members whose ids the client had mixed up are asked by their own ids', (t) => {
  const stage = new Stage('0=b:1,1=a:1', ['a:1', 'b:1']);
  stage.run(5 * MS);
  stage.search.onRedirect(1, '0=a:1,1=b:1');
  stage.run(5 * MS);
  t.deepEqual(stage.open(), ['a:1', 'b:1']);
  t.equal(endpointOf(stage.search.finish(1, '0=a:1,1=b:1')), 'b:1');
  t.end();
});

test('a leader that answers before anybody else keeps the stream that leads to it', (t) => {
  const stage = new Stage('0=b:1,1=a:1', ['a:1', 'b:1']);
  stage.run(5 * MS);
  t.equal(endpointOf(stage.search.finish(1, '0=a:1,1=b:1')), 'b:1');
  t.deepEqual(stage.open(), ['b:1'], 'and no other');
  t.equal(stage.opened.length, 2);
  t.end();
});

test('a member that is reached under another name than its own keeps its stream', (t) => {
  const stage = new Stage('0=name:1,1=b:1', ['name:1', 'b:1']);
  stage.run(5 * MS);
  stage.search.onRedirect(0, '0=a:1,1=b:1');
  stage.run(5 * MS);
  t.equal(stage.opened.length, 2);
  t.equal(endpointOf(stage.search.finish(0, '0=a:1,1=b:1')), 'name:1');
  t.end();
});

test('a leader that was asked by the name of another is asked by its own', (t) => {
  const stage = new Stage('0=dead:1,1=name:1', ['name:1', 'a:1']);
  stage.run(5 * MS);
  t.equal(stage.search.finish(0, '0=a:1,1=b:1'), undefined, 'no stream is known to lead to it');
  stage.run(5 * MS);
  t.deepEqual(stage.asked, ['name:1 at 1', 'a:1 at 6']);
  t.equal(endpointOf(stage.search.finish(0, '0=a:1,1=b:1')), 'a:1');
  t.deepEqual(stage.open(), ['a:1']);
  t.end();
});

test('a stream to a new address waits for the memory of the one that it replaces', (t) => {
  const stage = new Stage('0=a:1,1=old:1', ['a:1', 'b:1']);
  stage.run(5 * MS);
  stage.search.onRedirect(1, '0=a:1,1=b:1');
  stage.hasMemory = false;
  stage.run(5 * MS);
  t.deepEqual(stage.open(), ['a:1']);
  stage.hasMemory = true;
  stage.run(5 * MS);
  t.deepEqual(stage.asked, ['a:1 at 1', 'b:1 at 11']);
  t.end();
});

test('a redirect that changes nothing has the leader asked soon, not at round-trip speed', (t) => {
  const stage = new Stage('0=a:1,1=b:1', ['a:1', 'b:1']);
  stage.run(2 * MS);
  const timer = (): number => stage.search.deadlineNs(stage.nowNs) / MS;
  t.equal(timer(), 252, 'the next retry');
  stage.search.onRedirect(1, '0=a:1,1=b:1');
  t.equal(timer(), 21, 'sooner');
  for (let turn = 0; turn < 200; turn++) {
    stage.search.onRedirect(1, '0=a:1,1=b:1');
    stage.ask();
    stage.nowNs += MS;
  }
  const times = stage.asked.filter((text) => text.startsWith('b')).map((text) => text.slice(7));
  t.deepEqual(times.slice(0, 4), ['1', '21', '41', '61']);
  t.equal(times.length, 11);
  t.end();
});

test('a leader whose stream has no room is asked again in a while, not at once', (t) => {
  const stage = new Stage('0=a:1,1=b:1', ['a:1', 'b:1']);
  stage.run(2 * MS);
  stage.nowNs = 30 * MS;
  stage.search.onRedirect(1, '0=a:1,1=b:1');
  stage.offerResult = BACK_PRESSURED;
  stage.asked.length = 0;
  stage.ask();
  t.deepEqual(stage.asked, ['b:1 at 30']);
  const timer = (): number => stage.search.deadlineNs(stage.nowNs) / MS;
  t.equal(timer(), 50);
  stage.nowNs = timer() * MS;
  stage.offerResult = 1;
  stage.ask();
  t.deepEqual(stage.asked.slice(1), ['b:1 at 50']);
  t.equal(timer(), 300, 'and then at the next retry');
  t.end();
});

for (const isScarce of [false, true]) {
  const memory = isScarce ? 'scarce' : 'at hand';
  test(`members that disagree take turns no faster than they can answer, memory ${memory}`, (t) => {
    const stage = new Stage('0=a:1,1=old:1', ['a:1']);
    stage.isScarce = isScarce;
    for (let turn = 0; turn < 2_000; turn++) {
      stage.search.onRedirect(1, turn % 2 === 0 ? '0=a:1,1=b:1' : '0=a:1,1=c:1');
      stage.ask();
      stage.nowNs += MS;
    }
    t.ok(stage.opened.length <= 2 + (2 * SECOND) / (250 * MS), `${stage.opened.length} streams`);
    t.ok(stage.opened.length > 5, 'and each has its turn');
    t.equal(stage.open().length, 2);
    t.end();
  });
}

test('a stream for which there is no memory is opened when there is, and nobody throws', (t) => {
  const stage = new Stage('0=a:1,1=b:1', ['a:1', 'b:1']);
  stage.hasMemory = false;
  stage.run(3 * MS);
  t.deepEqual(stage.open(), []);
  t.match(stage.search.refusals(), /no memory for a stream .* to member 0 \(a:1\).*member 1/);
  t.equal(stage.search.refusal(), undefined, 'it may come back');
  t.ok(stage.search.deadlineNs(stage.nowNs) > stage.nowNs);
  t.equal(stage.search.openTo(1), undefined);
  stage.hasMemory = true;
  stage.run(3 * MS);
  t.deepEqual(stage.asked, ['a:1 at 4', 'b:1 at 4']);
  t.equal(stage.search.refusals(), '');
  t.equal(endpointOf(stage.search.openTo(1)), 'b:1');
  t.end();
});

test('whoever refuses a stream at a former address of the leader does not speak for it', (t) => {
  const stage = new Stage('0=a:1,1=old:1', ['a:1', 'b:1']);
  stage.run(5 * MS);
  (stage.opened[1] as FakeStream).refusal = 'no memory';
  stage.search.onRedirect(1, '0=a:1,1=b:1');
  t.equal(stage.search.refusal(), undefined);
  stage.run(5 * MS);
  (stage.opened[2] as FakeStream).refusal = 'no memory here';
  const told = 'member 1 (b:1) does not take its stream: no memory here';
  t.equal(stage.search.refusal(), told, 'the leader does');
  t.equal(stage.search.refusals(), told);
  t.end();
});

test('a member that is no longer listed is asked no more', (t) => {
  const stage = new Stage('0=a:1,7=b:1', ['a:1', 'b:1']);
  stage.run(5 * MS);
  stage.search.onRedirect(1, '0=a:1,1=b:1');
  stage.run(5 * MS);
  t.deepEqual(stage.open(), ['a:1', 'b:1']);
  t.equal(stage.opened.length, 3, 'one was opened anew, under its id');
  t.end();
});
