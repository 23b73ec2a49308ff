// shipped-services.test.ts: nothing that a client sends makes a shipped service throw: every member
// would end at that event, and again at each start.

import fc from 'fast-check';
import test from 'tape';
import {
  type ClientQuery,
  type ClientRequest,
  type ClientSession,
  type ClusteredService,
  EgressResult,
} from '../../src/service/clustered-service.js';
import { REQUEST_HEADER_LENGTH, Replier } from '../../src/service/request.js';
import type { SnapshotImage } from '../../src/service/snapshot-publication.js';
import * as echoService from '../../src/tools/services/echo-service.js';
import {
  decodeAnswer,
  encodeRequest,
  KEY_LENGTH_MAX,
  type KeyValueAnswer,
  KeyValueOperation,
  type KeyValueRequest,
  KeyValueResult,
  REQUEST_HEAD_LENGTH,
  VALUE_LENGTH_MAX,
} from '../../src/tools/services/key-value-messages.js';
import * as keyValueService from '../../src/tools/services/key-value-service.js';

const SETTINGS = { seed: 20_261_130, numRuns: 400 } as const;
const MIB = 1024 * 1024;
const ANSWER_LENGTH_MAX = 16 * MIB;
/** Where the bytes of a message begin in its view, as in a log. */
const OFFSET = 32;

/** A service, and the last thing that it told its client. */
class Asked {
  readonly service: ClusteredService;
  /** Longest message to the client, bytes. */
  readonly lengthMax: number;
  answer: Uint8Array | undefined;

  constructor(service: ClusteredService, lengthMax = ANSWER_LENGTH_MAX) {
    this.service = service;
    this.lengthMax = lengthMax;
  }

  /** Gives it bytes as a message, a request and a query. */
  give(bytes: Uint8Array): void {
    this.message(bytes);
    this.request(bytes);
    this.query(bytes);
  }

  message(bytes: Uint8Array): void {
    this.answer = undefined;
    const session = { isClosing: false, offer: this.#take } as unknown as ClientSession;
    this.service.onSessionMessage(session, 0, viewOf(bytes), OFFSET, bytes.length);
  }

  request(bytes: Uint8Array): Uint8Array | undefined {
    this.answer = undefined;
    const request = { reply: this.#take } as unknown as ClientRequest;
    this.service.onRequest?.(request, 0, viewOf(bytes), OFFSET, bytes.length);
    return this.answer;
  }

  query(bytes: Uint8Array): Uint8Array | undefined {
    this.answer = undefined;
    const query = { reply: this.#take } as unknown as ClientQuery;
    this.service.onQuery?.(query, viewOf(bytes), OFFSET, bytes.length);
    return this.answer;
  }

  readonly #take = (buffer: ArrayBufferView, offset: number, length: number): number => {
    if (length > this.lengthMax) {
      return EgressResult.TooLong;
    }
    this.answer = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length).slice();
    return length;
  };
}

function viewOf(bytes: Uint8Array): DataView {
  const memory = new Uint8Array(OFFSET + bytes.length + OFFSET);
  memory.set(bytes, OFFSET);
  return new DataView(memory.buffer);
}

function ask(store: Asked, request: KeyValueRequest): KeyValueAnswer {
  return decodeAnswer(store.request(encodeRequest(request)) as Uint8Array);
}

/** A store that starts from a snapshot with one value, as former versions took it. */
function storeWith(key: string, value: Uint8Array): Asked {
  const store = new Asked(keyValueService.createService());
  const name = new TextEncoder().encode(key);
  const entry = new Uint8Array(4 + name.length + value.length);
  new DataView(entry.buffer).setUint32(0, name.length, true);
  entry.set(name, 4);
  entry.set(value, 4 + name.length);
  const image: Pick<SnapshotImage, 'read'> = {
    read: (handler) => {
      for (const record of [new Uint8Array(8), entry]) {
        handler(new DataView(record.buffer), 0, record.length);
      }
    },
  };
  store.service.onStart?.({ logPosition: () => 0 } as never, image as SnapshotImage);
  return store;
}

/** What looks like a request, with lengths that fit or do not. */
const requests = fc
  .record({
    operation: fc.nat(6),
    lengths: fc.array(
      fc.oneof(
        fc.nat(40),
        fc.constantFrom(0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff, 2 ** 24),
      ),
      { minLength: 3, maxLength: 3 },
    ),
    rest: fc.uint8Array({ maxLength: 120 }),
    isExact: fc.boolean(),
  })
  .map(({ operation, lengths, rest, isExact }) => {
    const sum = lengths.reduce((total, one) => total + (one === 0xffff_ffff ? 0 : one), 0);
    const length = isExact && sum < 1_000 ? sum : rest.length;
    const bytes = new Uint8Array(REQUEST_HEAD_LENGTH + length);
    const view = new DataView(bytes.buffer);
    view.setUint8(0, operation);
    for (const [index, one] of lengths.entries()) {
      view.setUint32(4 + 4 * index, one, true);
    }
    bytes.set(rest.subarray(0, length), REQUEST_HEAD_LENGTH);
    return bytes;
  });

const commands = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  requests,
  requests.map((request) =>
    Uint8Array.from([...new Uint8Array(REQUEST_HEADER_LENGTH), ...request]),
  ),
);

for (const [name, createService] of [
  ['echo', echoService.createService],
  ['key/value', keyValueService.createService],
] as const) {
  test(`no bytes as commands make a callback of the ${name} service throw`, (t) => {
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 20 }), fc.nat(64), (given, lengthMax) => {
        const asked = new Asked(createService(), lengthMax);
        for (const bytes of given) {
          asked.give(bytes);
        }
      }),
      SETTINGS,
    );
    t.pass('none did');
    t.end();
  });
}

test('a value or a key that could never be answered is refused, and changes nothing', (t) => {
  const store = new Asked(keyValueService.createService());
  const { CompareAndSet, Delete, Get, Put } = KeyValueOperation;
  const longest = new Uint8Array(VALUE_LENGTH_MAX).fill(7);
  t.equal(ask(store, { operation: Put, key: 'k', value: longest }).result, KeyValueResult.Ok);
  const hash = store.service.stateHash?.();
  for (const operation of [Put, CompareAndSet]) {
    const key = operation === Put ? 'k' : 'absent';
    for (const length of [VALUE_LENGTH_MAX + 1, 1.5 * MIB, 15 * MIB]) {
      const { result } = ask(store, { operation, key, value: new Uint8Array(length) });
      t.equal(result, KeyValueResult.TooLong, `a value of ${length} bytes`);
    }
    const long = 'x'.repeat(KEY_LENGTH_MAX + 1);
    t.equal(ask(store, { operation, key: long }).result, KeyValueResult.TooLong, 'a long key');
  }
  t.equal(store.service.stateHash?.(), hash, 'nothing was changed');
  t.equal(ask(store, { operation: Get, key: 'k' }).value.length, VALUE_LENGTH_MAX);
  const mismatch = ask(store, { operation: CompareAndSet, key: 'k', value: new Uint8Array(1) });
  t.equal(mismatch.result, KeyValueResult.Mismatch);
  t.equal(mismatch.value.length, VALUE_LENGTH_MAX, 'the longest value is answered');
  t.equal(ask(store, { operation: Delete, key: 'k' }).result, KeyValueResult.Ok);
  t.end();
});

test('a value from a snapshot that is too long for an answer is answered without it', (t) => {
  const store = storeWith('k', new Uint8Array(1.5 * MIB).fill(7));
  const { CompareAndSet, Get, Put } = KeyValueOperation;
  for (const operation of [Get, CompareAndSet]) {
    const answer = ask(store, { operation, key: 'k', value: new Uint8Array(3) });
    t.equal(answer.result, KeyValueResult.TooLong);
    t.equal(answer.value.length, 0);
  }
  const query = decodeAnswer(
    store.query(encodeRequest({ operation: Get, key: 'k' })) as Uint8Array,
  );
  t.equal(query.result, KeyValueResult.TooLong, 'a query likewise');
  ask(store, { operation: Put, key: 'k', value: new Uint8Array(3) });
  t.equal(ask(store, { operation: Get, key: 'k' }).value.length, 3, 'and it can be replaced');
  t.end();
});

test('an answer beyond what the cluster lets a service say is given without its value', (t) => {
  const store = new Asked(keyValueService.createService(), 100);
  const { Get, Put } = KeyValueOperation;
  ask(store, { operation: Put, key: 'k', value: new Uint8Array(200) });
  const get = encodeRequest({ operation: Get, key: 'k' });
  store.message(Uint8Array.from([...new Uint8Array(REQUEST_HEADER_LENGTH), ...get]));
  const body = store.answer?.subarray(REQUEST_HEADER_LENGTH) as Uint8Array;
  t.equal(decodeAnswer(body).result, KeyValueResult.TooLong, 'of a message');
  t.equal(ask(store, { operation: Get, key: 'k' }).result, KeyValueResult.TooLong);
  t.equal(decodeAnswer(store.query(get) as Uint8Array).result, KeyValueResult.TooLong);
  t.end();
});

test('a replier that is given a longer body than it has room for says so', (t) => {
  const session = { offer: () => 0 } as unknown as ClientSession;
  const request = viewOf(new Uint8Array(REQUEST_HEADER_LENGTH));
  const replier = new Replier(16);
  t.equal(replier.reply(session, request, OFFSET, new Uint8Array(17)), EgressResult.TooLong);
  t.equal(replier.reply(session, request, OFFSET, 17), EgressResult.TooLong);
  t.end();
});
