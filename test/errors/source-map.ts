// source-map.ts: from a place in a source file to the place in the code that was run.
//
// Version 3 of the source map format: per line of the generated code, segments of base-64 numbers
// of variable length, each the difference to the one before.

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const DIGIT_BITS = 5;
const CONTINUATION = 1 << DIGIT_BITS;

/** One segment. All numbers count from 0. */
export interface Segment {
  readonly generatedLine: number;
  readonly generatedColumn: number;
  readonly line: number;
  readonly column: number;
}

/** Reads the numbers of one segment. */
export function decodeNumbers(text: string): number[] {
  const numbers: number[] = [];
  let value = 0;
  let shift = 0;
  for (const character of text) {
    const digit = DIGITS.indexOf(character);
    if (digit < 0) {
      throw new Error(`a source map holds the character '${character}'`);
    }
    value += (digit & (CONTINUATION - 1)) << shift;
    if ((digit & CONTINUATION) !== 0) {
      shift += DIGIT_BITS;
    } else {
      numbers.push((value & 1) === 1 ? -(value >>> 1) : value >>> 1);
      value = 0;
      shift = 0;
    }
  }
  return numbers;
}

/** Reads the segments of a map with one source, in the order of that source. */
export function decodeMappings(mappings: string): Segment[] {
  const segments: Segment[] = [];
  let line = 0;
  let column = 0;
  mappings.split(';').forEach((text, generatedLine) => {
    let generatedColumn = 0;
    for (const part of text === '' ? [] : text.split(',')) {
      const [ahead = 0, , lineStep, columnStep] = decodeNumbers(part);
      generatedColumn += ahead;
      if (lineStep !== undefined && columnStep !== undefined) {
        line += lineStep;
        column += columnStep;
        segments.push({ generatedLine, generatedColumn, line, column });
      }
    }
  });
  return segments.sort((a, b) => a.line - b.line || a.column - b.column);
}

/** The first segment of a source at or after one place and before another. */
export function segmentWithin(
  segments: readonly Segment[],
  from: { readonly line: number; readonly column: number },
  end: { readonly line: number; readonly column: number },
): Segment | undefined {
  const isBefore = (a: { line: number; column: number }, b: typeof end): boolean =>
    a.line < b.line || (a.line === b.line && a.column < b.column);
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(segments[middle] as Segment, from)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  const segment = segments[low];
  return segment !== undefined && isBefore(segment, end) ? segment : undefined;
}
