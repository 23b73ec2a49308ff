// options.ts: the command line of the program.

import { TERM_LENGTH_MAX, TERM_LENGTH_MIN } from '../layout/frame';
import { POSITION_MAX } from '../logbuffer/metadata';

export const USAGE: string =
  'usage: pawl-segment [--summary|--frames] [--hash] [--term-length N] [--position N]\n' +
  '                    [--initial-term-id N] FILE...\n' +
  '\n' +
  'Verifies segment files of a log, frame by frame, and prints what is in them. FILE is a\n' +
  'segment below a directory that the host has opened, or - for the standard input.\n' +
  '\n' +
  '  --summary            one block of facts per file (the default)\n' +
  '  --frames             one line per frame, then the summary\n' +
  '  --hash               also the hash of the frames, to compare two members\' segments\n' +
  '  --term-length N      bytes of a term; without it they are learnt from the frames\n' +
  '  --position N         position of the first byte; without it the number in the name of the\n' +
  '                       file, as 134217728 in 0-134217728.rec, else 0\n' +
  '  --initial-term-id N  term id at position 0; 0 in the log of a cluster\n' +
  '  --help               this text\n' +
  '\n' +
  'A file ends at its first frame of length zero; what follows is not read.\n' +
  'Exit code: 0 all frames are good, 1 a bad frame, 2 wrong usage or an unreadable file.';

/** What the command line asks for. */
export class Options {
  printsFrames: bool = false;
  printsHash: bool = false;
  printsHelp: bool = false;
  /** 0: learnt from the frames. */
  termLength: i32 = 0;
  /** -1: taken from the file's name. */
  position: i64 = -1;
  initialTermId: i32 = 0;
  files: string[] = [];
  /** What is wrong; empty when nothing is. */
  error: string = '';
}

/** A decimal number, or i64.MIN_VALUE when the text is none that fits in 15 digits. */
export function parseNumber(text: string): i64 {
  const isNegative = text.startsWith('-');
  const begin = isNegative ? 1 : 0;
  if (text.length == begin || text.length > begin + 16) {
    return i64.MIN_VALUE;
  }
  let value: i64 = 0;
  for (let i = begin; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) {
      return i64.MIN_VALUE;
    }
    value = value * 10 + <i64>digit;
  }
  return isNegative ? -value : value;
}

function isTermLength(value: i64): bool {
  return value >= TERM_LENGTH_MIN && value <= TERM_LENGTH_MAX && popcnt<i64>(value) == 1;
}

/** Takes an option that has a value. Returns false when there is no such option. */
function takeValue(options: Options, name: string, text: string): bool {
  const value = parseNumber(text);
  if (name == '--term-length') {
    if (!isTermLength(value)) {
      options.error = '--term-length is ' + text + ': use a power of two from 65536 to 1073741824';
    }
    options.termLength = <i32>value;
  } else if (name == '--position') {
    if (value < 0 || value > POSITION_MAX || value % 32 != 0) {
      options.error = '--position is ' + text + ': use a multiple of 32 from 0 to 2^53 - 32';
    }
    options.position = value;
  } else if (name == '--initial-term-id') {
    if (value < <i64>i32.MIN_VALUE || value > <i64>i32.MAX_VALUE) {
      options.error = '--initial-term-id is ' + text + ': use an integer of 32 bits';
    }
    options.initialTermId = <i32>value;
  } else {
    return false;
  }
  return true;
}

function takeFlag(options: Options, name: string): bool {
  if (name == '--frames') {
    options.printsFrames = true;
  } else if (name == '--summary') {
    options.printsFrames = false;
  } else if (name == '--hash') {
    options.printsHash = true;
  } else if (name == '--help') {
    options.printsHelp = true;
  } else {
    return false;
  }
  return true;
}

/** Reads the arguments behind the program's name. */
export function parseOptions(parameters: string[]): Options {
  const options = new Options();
  for (let i = 1; i < parameters.length && options.error.length == 0; i++) {
    const parameter = parameters[i];
    if (!parameter.startsWith('--')) {
      options.files.push(parameter);
    } else if (!takeFlag(options, parameter)) {
      const value = i + 1 < parameters.length ? parameters[i + 1] : '';
      if (takeValue(options, parameter, value)) {
        i++;
      } else {
        options.error = 'unknown option ' + parameter + ': --help lists all';
      }
    }
  }
  if (options.error.length == 0 && options.files.length == 0 && !options.printsHelp) {
    options.error = 'no file was named: name a segment, or - for the standard input';
  }
  return options;
}
