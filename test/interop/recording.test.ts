// Aeron's own classes judge a recording that Pawl wrote: its decoders walk it frame by frame, its
// ArchiveTool verifies it, and its archive takes it over and replays it.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'tape';
import { buildJava, reasonToSkip, startJava } from './java.js';
import { GEOMETRY, LOG_STREAM_ID, MTU_LENGTH, walkWithCodec, writeRecording } from './recording.js';

const NAME = 'Aeron walks, verifies and replays a Pawl log of several segments';
const LIMIT_MS = 60_000;

const skipReason = reasonToSkip();
if (skipReason === undefined) {
  test(NAME, async (t) => {
    buildJava();
    const directory = mkdtempSync(join(tmpdir(), 'pawl-recording-'));
    t.teardown(() => rmSync(directory, { recursive: true, force: true }));
    const end = writeRecording(directory);
    const own = walkWithCodec(directory, GEOMETRY);
    t.equal(own.position, end, "the recorder's position is where the codec's walk ends");
    t.ok(own.segments >= 3 && own.paddingFrames >= 2, 'there are several segments, and padding');

    const peer = startJava('Aeron (walk)', ['walk', `directory=${directory}`]);
    const walked = await peer.report('walked', LIMIT_MS);
    t.equal(walked.failure, '', 'no frame is out of place');
    t.deepEqual(
      {
        frames: walked.frames,
        paddingFrames: walked.paddingFrames,
        payloadBytes: walked.payloadBytes,
        segments: walked.segments,
        position: walked.position,
        sha256: walked.sha256,
      },
      { ...own },
      "counts, positions, lengths and payload are those of Pawl's codec",
    );
    t.deepEqual(
      [walked.termLength, walked.segmentLength, walked.mtuLength, walked.streamId],
      [GEOMETRY.termLength, GEOMETRY.segmentLength, MTU_LENGTH, LOG_STREAM_ID],
      'the catalog says what the log was born with',
    );

    const verified = await peer.report('verified', LIMIT_MS);
    t.equal(verified.valid, true, 'ArchiveTool verifies all segments');
    t.equal(verified.entries, 1, 'the log is the one recording');
    t.equal(verified.stopPosition, end, 'ArchiveTool finds the end of the log');
    t.comment(String(verified.output));
    t.comment(String(verified.described));

    const replayed = await peer.report('replayed', LIMIT_MS);
    t.equal(replayed.stopPosition, end, "Aeron's archive finds the end of the log");
    t.equal(replayed.complete, true, 'it replays all of it');
    t.equal(replayed.frames, own.frames - own.paddingFrames, 'with as many data frames');
    t.equal(replayed.sha256, walked.dataSha256, 'at the same positions with the same payload');
    t.equal(replayed.errors, 0, 'without an error');
    t.equal(await peer.end(), 0, 'the program ended well');
    t.comment(`${own.frames} frames, ${own.paddingFrames} of them padding, sha256 ${own.sha256}`);
    t.end();
  });
} else {
  test(`${NAME} (not run: ${skipReason})`, { skip: true }, (t) => t.end());
}
