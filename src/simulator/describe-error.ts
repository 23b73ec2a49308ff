// describe-error.ts: an error in one line, for reports and timelines.

import { InvariantError } from '../assert.js';
import { PawlError } from '../errors.js';

const FRAME_COUNT = 5;

export function describeError(error: unknown): string {
  if (error instanceof PawlError) {
    return `${error.code}: ${error.message}`;
  }
  if (!(error instanceof Error)) {
    return String(error);
  }
  const text = error instanceof InvariantError ? String(error) : `${error.name}: ${error.message}`;
  return `${text} at ${stackOf(error)}`;
}

/** Where an error comes from: the first frames of its stack, without paths. */
function stackOf(error: Error): string {
  const frames = (error.stack ?? '').split('\n').filter((line) => line.includes(' at '));
  return frames
    .slice(0, FRAME_COUNT)
    .map((line) => line.trim().replace(/^at /, ''))
    .map((line) => line.replace(/\(.*\/([^/]+)\)$/, '($1)'))
    .join(' < ');
}
