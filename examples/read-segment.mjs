// read-segment.mjs: reads a segment file of a log with pawl/codec, under Node, Deno or Bun.
//
//   node examples/read-segment.mjs FILE [TERM_LENGTH]
//
// Prints each event and the verdict. The exit code is 0 when every frame is good.

import { readFileSync } from 'node:fs';
import process from 'node:process';
import { describeEvent, describeStop, FrameFlag, FrameType, LogCodec } from 'pawl/codec';

const TERM_LENGTH_DEFAULT = 16 * 1024 * 1024;

/** The name of a segment is `<recording>-<position>.rec`. */
function positionOf(path) {
  const match = /-(\d+)\.rec$/.exec(path);
  return match ? Number(match[1]) : 0;
}

function eventText(frame) {
  if (frame.type === FrameType.Padding) return 'padding';
  if ((frame.flags & FrameFlag.Begin) === 0) return '... continued';
  const event = describeEvent(frame.payload);
  if (event === undefined) return `${frame.payload.length} bytes`;
  const fields = Object.entries(event.fields).map(([name, value]) => `${name}=${value}`);
  const rest = event.rest.length > 0 ? ` + ${event.rest.length} bytes` : '';
  return `${event.name} ${fields.join(' ')}${rest}`;
}

const [path, termLengthText] = process.argv.slice(2);
if (path === undefined) {
  console.error('usage: read-segment.mjs FILE [TERM_LENGTH]');
  process.exit(2);
}
const bytes = new Uint8Array(readFileSync(path));
const place = {
  position: positionOf(path),
  termLength: Number(termLengthText ?? TERM_LENGTH_DEFAULT),
};

const codec = await LogCodec.load();
for (const frame of codec.frames(bytes, place)) {
  console.log(`${frame.position} ${eventText(frame)}`);
}
const verdict = codec.verify(bytes, place);
const hasher = codec.hasher(place.position);
hasher.update(bytes.subarray(0, verdict.validLength), place.position);
console.log(`position ${verdict.position}: ${describeStop(verdict.reason)}`);
console.log(`${verdict.frameCount} frames, hash ${hasher.digest()}`);
process.exitCode = verdict.isGood ? 0 : 1;
