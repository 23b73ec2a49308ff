// summary.ts: what the program says of a file as a whole.

import { printLine } from './output';
import { SegmentReader } from './segment-reader';

function fact(name: string, text: string): void {
  printLine('  ' + name.padEnd(18) + text);
}

function countOf(count: i64, noun: string): string {
  return count.toString() + ' ' + noun;
}

function termLengthText(reader: SegmentReader): string {
  if (reader.termLength == 0) {
    return 'not known: all frames are of the first term';
  }
  const length = reader.termLength.toString();
  return reader.isTermLengthLearnt ? length + ' (learnt from the frames)' : length;
}

function endText(reader: SegmentReader): string {
  if (reader.fault.length > 0) {
    return 'bad frame';
  }
  if (reader.endsEmpty) {
    return 'frame of length zero; what follows was not read';
  }
  return 'end of the file';
}

/** Prints the facts of one file. */
export function printSummary(path: string, reader: SegmentReader, printsHash: bool): void {
  const isGood = reader.fault.length == 0;
  const length = reader.position - reader.begin;
  printLine(path + ': ' + (isGood ? 'good' : 'BAD'));
  fact('positions', reader.begin.toString() + ' to ' + reader.position.toString());
  fact('length', countOf(length, 'bytes'));
  fact('frames', countOf(reader.frameCount, 'data, ') + countOf(reader.paddingCount, 'padding'));
  fact('payload', countOf(reader.payloadLength, 'bytes'));
  fact('padding', countOf(reader.paddingLength, 'bytes'));
  if (length > 0) {
    const first = reader.firstLeadershipTerm.toString();
    fact('leadership terms', first + ' to ' + reader.lastLeadershipTerm.toString());
    fact('term length', termLengthText(reader));
  }
  if (printsHash) {
    fact('hash', reader.hashText());
  }
  fact('ends with', endText(reader));
  if (!isGood) {
    fact('bad frame', 'position ' + reader.position.toString() + ': ' + reader.fault);
  }
}
