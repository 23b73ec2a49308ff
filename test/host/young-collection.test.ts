// Buffers of datagrams are freed young, before V8 marks the whole heap because of them.

import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { runInNewContext } from 'node:vm';
import test from 'tape';
import {
  NodeNetwork,
  SOCKET_BUFFER_LENGTH,
  YOUNG_COLLECTION_LENGTH,
} from '../../src/host/node-network.js';
import { collectYoung } from '../../src/host/young-collection.js';
import { until } from '../support/until.js';

const DATAGRAM_LENGTH = 60_000;

function isMinor(entry: PerformanceEntry): boolean {
  const { detail } = entry as PerformanceEntry & { readonly detail?: { readonly kind?: number } };
  return detail?.kind === constants.NODE_PERFORMANCE_GC_MINOR;
}

test('a young collection is one, and shows no gc to others', async (t) => {
  collectYoung();
  let count = 0;
  const observer = new PerformanceObserver((list) => {
    count += list.getEntries().filter(isMinor).length;
  });
  observer.observe({ entryTypes: ['gc'] });
  for (let index = 0; index < 100; index++) {
    collectYoung();
  }
  await until(() => count >= 100, 'a collection was observed for each call');
  observer.disconnect();
  t.equal(runInNewContext('typeof gc'), 'undefined', 'the flag is off again');
  t.end();
});

test('buffers are freed once in so many bytes, when the turn that used them is over', async (t) => {
  const events: string[] = [];
  let isTurnDue = false;
  const network = new NodeNetwork({
    onReadable: () => {
      if (!isTurnDue) {
        isTurnDue = true;
        setImmediate(() => {
          isTurnDue = false;
          events.push('turn');
        });
      }
    },
    collectYoung: () => events.push('collection'),
  });
  const socket = network.open({
    host: '127.0.0.1',
    port: 0,
    sendBufferLength: SOCKET_BUFFER_LENGTH,
    receiveBufferLength: SOCKET_BUFFER_LENGTH,
    inboxLengthMax: 4 * YOUNG_COLLECTION_LENGTH,
  });
  const key = socket.keyOf(socket.localAddress ?? { host: '', port: 0 });
  const datagram = new Uint8Array(DATAGRAM_LENGTH);
  const collections = () => events.filter((event) => event === 'collection').length;
  const sendUntilReceived = async (length: number): Promise<void> => {
    while (socket.receivedCount * DATAGRAM_LENGTH < length) {
      const before = socket.receivedCount;
      socket.sendTo(datagram, 0, DATAGRAM_LENGTH, key);
      await until(() => socket.receivedCount > before, 'a datagram came');
    }
  };
  await sendUntilReceived(YOUNG_COLLECTION_LENGTH - DATAGRAM_LENGTH);
  t.equal(collections(), 0, 'not before there are so many');
  await sendUntilReceived(YOUNG_COLLECTION_LENGTH);
  await until(() => collections() > 0, 'they are freed');
  t.equal(events.at(-1), 'collection', 'after the turn that the datagram woke');
  await sendUntilReceived(2 * YOUNG_COLLECTION_LENGTH - DATAGRAM_LENGTH);
  t.equal(collections(), 1, 'and not again before there are as many more');
  network.close();
  t.end();
});
