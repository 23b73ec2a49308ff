// key-value-client.mjs: writes to the key/value store that ships, exactly once, and reads from it.
//
//   node examples/key-value-client.mjs 0=127.0.0.1:9001,1=127.0.0.1:9011,2=127.0.0.1:9021
//
// Writes are requests: retried over failovers, executed once. Reads are queries: answered by the
// leader's state without the log, and never older than what was written before.

import { connectExactlyOnce } from 'pawl';

const Operation = { Get: 1, Put: 2, CompareAndSet: 4 };
const RESULTS = ['ok', 'not found', 'another value', 'not understood', 'too long'];
/** In place of the length of an expected value: the key must not be there. */
const NO_VALUE = 0xffff_ffff;
const HEAD_LENGTH = 16;

/** Operation u8, lengths of key, value and expected value u32 at 4, 8 and 12, then their bytes. */
function encode(operation, key, value = '', expected = undefined) {
  const parts = [key, value, expected ?? ''].map((text) => new TextEncoder().encode(text));
  const bytes = new Uint8Array(HEAD_LENGTH + parts.reduce((sum, part) => sum + part.length, 0));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, operation);
  for (const [index, part] of parts.entries()) {
    view.setUint32(4 + 4 * index, part.length, true);
  }
  if (expected === undefined) {
    view.setUint32(12, NO_VALUE, true);
  }
  let at = HEAD_LENGTH;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Result u8, log position f64 at 8, then the value. */
function decode({ bytes }) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const value = new TextDecoder().decode(bytes.subarray(HEAD_LENGTH));
  return { result: RESULTS[view.getUint8(0)], logPosition: view.getFloat64(8, true), value };
}

const [ingressEndpoints] = process.argv.slice(2);
if (ingressEndpoints === undefined) {
  console.error('usage: node key-value-client.mjs ID=HOST:PORT,...');
  process.exit(2);
}

const client = await connectExactlyOnce({ ingressEndpoints });
const put = decode(await client.request(encode(Operation.Put, 'greeting', 'hello')));
console.log(`put greeting: ${put.result}`);

const read = await client.query(encode(Operation.Get, 'greeting'), { deadlineMs: 2_000 });
console.log(`get greeting: ${decode(read).value}`);
console.log(`read behind the write: ${read.logPosition >= put.logPosition}`);

const set = encode(Operation.CompareAndSet, 'greeting', 'good morning', 'hello');
console.log(`compare-and-set: ${decode(await client.request(set)).result}`);
console.log(
  `compare-and-set again, as another request: ${decode(await client.request(set)).result}`,
);

const last = decode(await client.query(encode(Operation.Get, 'greeting')));
console.log(`get greeting: ${last.value}`);
client.close();
