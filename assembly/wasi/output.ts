// output.ts: text to a file descriptor, gathered so that a line does not cost a system call.

import { errno, fd_write } from 'bindings/wasi_snapshot_preview1';
import { pause } from './pause';

const STDOUT: u32 = 1;
const STDERR: u32 = 2;
const GATHER_LENGTH_MAX: i32 = 32 * 1024;

let gathered = '';

function writeAll(descriptor: u32, text: string): void {
  const bytes = String.UTF8.encode(text);
  const vector = heap.alloc(12);
  let offset: usize = 0;
  const length = <usize>bytes.byteLength;
  while (offset < length) {
    store<usize>(vector, changetype<usize>(bytes) + offset);
    store<usize>(vector, length - offset, 4);
    const error = fd_write(descriptor, vector, 1, vector + 8);
    if (error == errno.AGAIN || error == errno.INTR) {
      pause();
      continue;
    }
    if (error != errno.SUCCESS) {
      // The reader has gone, as `head` does: nobody is left who could be told.
      break;
    }
    offset += load<usize>(vector, 8);
  }
  heap.free(vector);
}

/** Writes what was gathered. */
export function flush(): void {
  if (gathered.length > 0) {
    writeAll(STDOUT, gathered);
    gathered = '';
  }
}

/** One line of the answer. */
export function printLine(line: string): void {
  gathered += line + '\n';
  if (gathered.length >= GATHER_LENGTH_MAX) {
    flush();
  }
}

/** One line about what is wrong with the call. */
export function complain(line: string): void {
  flush();
  writeAll(STDERR, 'pawl-segment: ' + line + '\n');
}
