// segment.ts: the WASI program pawl-segment: verifies segment files of a log and prints them.
//
// It needs arguments, standard output and either standard input or a directory that the host has
// opened: no time of day, no chance, no environment. So it prints the same under every host.

import { initializeFixedMemory } from './fixed-memory';
import { printFrameHead } from './frame-line';
import { Input } from './input';
import { Options, parseNumber, parseOptions, USAGE } from './options';
import { complain, flush, printLine } from './output';
import { SegmentReader } from './segment-reader';
import { printSummary } from './summary';

const EXIT_GOOD: i32 = 0;
const EXIT_BAD_FRAME: i32 = 1;
const EXIT_USAGE: i32 = 2;

/** The position in a name such as `0-134217728.rec`; 0 when it has none. */
function positionInName(path: string): i64 {
  const slash = path.lastIndexOf('/');
  const name = slash < 0 ? path : path.slice(slash + 1);
  const dash = name.indexOf('-');
  if (dash <= 0 || !name.endsWith('.rec')) {
    return 0;
  }
  const position = parseNumber(name.slice(dash + 1, -4));
  return position > 0 && position % 32 == 0 ? position : 0;
}

function readSegment(path: string, options: Options): i32 {
  const input = Input.open(path);
  if (input.error.length > 0) {
    complain(path + ': ' + input.error);
    return EXIT_USAGE;
  }
  const begin = options.position >= 0 ? options.position : positionInName(path);
  const reader = new SegmentReader(input, options, begin);
  if (options.printsFrames) {
    printFrameHead();
  }
  reader.run();
  const isUnreadable = input.error.length > 0;
  if (isUnreadable) {
    complain(path + ': ' + input.error);
  } else {
    printSummary(path, reader, options.printsHash);
  }
  const isBad = reader.fault.length > 0;
  reader.release();
  input.close();
  return isUnreadable ? EXIT_USAGE : isBad ? EXIT_BAD_FRAME : EXIT_GOOD;
}

function main(): i32 {
  initializeFixedMemory();
  const options = parseOptions(process.argv);
  if (options.printsHelp) {
    printLine(USAGE);
    return EXIT_GOOD;
  }
  if (options.error.length > 0) {
    complain(options.error);
    return EXIT_USAGE;
  }
  let exitCode = EXIT_GOOD;
  for (let i = 0; i < options.files.length; i++) {
    exitCode = max<i32>(exitCode, readSegment(options.files[i], options));
  }
  return exitCode;
}

const exitCode = main();
flush();
if (exitCode != EXIT_GOOD) {
  process.exit(exitCode);
}
