// walk-directory.ts: lets Aeron and Pawl's codec walk the log of any member, and compares the two.
//
//   node --import tsx test/interop/walk-directory.ts DIRECTORY
//
// The directory is only read. While its member runs, the two walks may end at different frames. It
// prints one JSON object; exit code 1 when they disagree.

import { buildJava, reasonToSkip, startJava } from './java.js';
import { type WalkedLog, walkWithCodec } from './recording.js';

const LIMIT_MS = 120_000;

const directory = process.argv[2];
const skipReason = reasonToSkip();
if (directory === undefined || skipReason !== undefined) {
  process.stderr.write(`${skipReason ?? 'name the data directory of a member'}\n`);
  process.exit(2);
}
buildJava();
const peer = startJava('Aeron (walk)', ['walk', `directory=${directory}`]);
const aeron = await peer.report('walked', LIMIT_MS);
const verified = await peer.report('verified', LIMIT_MS);
const replayed = await peer.report('replayed', LIMIT_MS);
await peer.end();
const pawl: WalkedLog = walkWithCodec(directory, {
  termLength: Number(aeron.termLength),
  segmentLength: Number(aeron.segmentLength),
});
const isSame =
  aeron.failure === '' &&
  aeron.sha256 === pawl.sha256 &&
  aeron.frames === pawl.frames &&
  aeron.position === pawl.position &&
  verified.valid === true &&
  verified.stopPosition === pawl.position &&
  replayed.sha256 === aeron.dataSha256;
process.stdout.write(`${JSON.stringify({ isSame, pawl, aeron, verified, replayed }, null, 2)}\n`);
process.exitCode = isSame ? 0 : 1;
