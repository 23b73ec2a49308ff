import { mkdirSync, rmSync } from 'node:fs';
import { writeRecording, walkWithCodec, GEOMETRY } from './recording.js';
rmSync('/tmp/j/rec', { recursive: true, force: true }); mkdirSync('/tmp/j/rec');
console.log(writeRecording('/tmp/j/rec'));
console.log(walkWithCodec('/tmp/j/rec', GEOMETRY));
