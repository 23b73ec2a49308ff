// read-log.mjs: reads a segment with pawl/codec, as any program would, and prints what it sees.
//
//   node|deno run -A|bun read-log.mjs CODEC FILE TERM_LENGTH       CODEC is the built pawl/codec

import { readFileSync } from 'node:fs';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

const [codecPath, path, termLength] = process.argv.slice(2);
const { describeEvent, LogCodec } = await import(pathToFileURL(codecPath).href);

const bytes = new Uint8Array(readFileSync(path));
const place = { termLength: Number(termLength) };
const codec = await LogCodec.load();
const hasher = codec.hasher();
hasher.update(bytes, 0);

const show = (_name, value) => (typeof value === 'bigint' ? `${value}n` : value);
for (const frame of codec.frames(bytes, place)) {
  const { payload, ...header } = frame;
  const { rest, ...event } = describeEvent(payload) ?? {};
  const line = { ...header, crc: codec.crc32c(payload), ...event, restLength: rest?.length };
  console.log(JSON.stringify(line, show));
}
console.log(JSON.stringify({ ...LogCodec.create().verify(bytes, place), hash: hasher.digest() }));
