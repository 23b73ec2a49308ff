// echo-client.mjs: says something to the echo service, and hears it again.
//
//   node examples/echo-client.mjs 0=127.0.0.1:9001,1=127.0.0.1:9011,2=127.0.0.1:9021

import { connect } from 'pawl';

const [ingressEndpoints, ...words] = process.argv.slice(2);
if (ingressEndpoints === undefined) {
  console.error('usage: node echo-client.mjs ID=HOST:PORT,... [words]');
  process.exit(2);
}

const session = await connect({ ingressEndpoints });
const text = words.join(' ') || 'hello';
const { bytes, timestamp } = await session.request(new TextEncoder().encode(text));
const when = new Date(timestamp).toISOString();
console.log(`'${new TextDecoder().decode(bytes)}' is in the log since ${when}`);
session.close();
