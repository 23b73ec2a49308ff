// input.ts: reads a file below one of the directories that the host has opened, or standard input.

import {
  errno,
  errnoToString,
  fd_close,
  fd_prestat_dir_name,
  fd_prestat_get,
  fd_read,
  lookupflags,
  path_open,
  prestat,
  rights,
} from 'bindings/wasi_snapshot_preview1';
import { pause } from './pause';

const STDIN: u32 = 0;
/** The host's directories are open from here on, without a gap. */
const FIRST_DIRECTORY: u32 = 3;

/** A directory of the host and what it calls it. */
class Directory {
  constructor(public descriptor: u32, public name: string) {}
}

function openDirectories(): Directory[] {
  const directories: Directory[] = [];
  const out = heap.alloc(8);
  for (let descriptor = FIRST_DIRECTORY; ; descriptor++) {
    if (fd_prestat_get(descriptor, changetype<prestat>(out)) != errno.SUCCESS) {
      break;
    }
    const length = load<usize>(out, 4);
    const text = heap.alloc(length + 1);
    if (fd_prestat_dir_name(descriptor, text, length) == errno.SUCCESS) {
      let name = String.UTF8.decodeUnsafe(text, length, true);
      while (name.length > 1 && name.endsWith('/')) {
        name = name.slice(0, -1);
      }
      directories.push(new Directory(descriptor, name));
    }
    heap.free(text);
  }
  heap.free(out);
  return directories;
}

/** The part of a path below a directory, or an empty text when it does not lie there. */
function pathBelow(directory: string, path: string): string {
  if (directory == '.') {
    return path.startsWith('/') ? '' : path;
  }
  const prefix = directory.endsWith('/') ? directory : directory + '/';
  return path.startsWith(prefix) ? path.slice(prefix.length) : '';
}

/** Bytes that are read from front to back. */
export class Input {
  /** What is wrong; empty when nothing is. */
  error: string = '';
  private out: usize = heap.alloc(16);

  private constructor(private descriptor: u32) {}

  /** Opens a file, or standard input for `-`. Check `error`. */
  static open(path: string): Input {
    const input = new Input(STDIN);
    if (path != '-') {
      input.openFile(path);
    }
    return input;
  }

  private openFile(path: string): void {
    const directories = openDirectories();
    let best: Directory | null = null;
    for (let i = 0; i < directories.length; i++) {
      const directory = directories[i];
      const isBelow = pathBelow(directory.name, path).length > 0;
      if (isBelow && (best == null || directory.name.length > best.name.length)) {
        best = directory;
      }
    }
    if (best == null) {
      this.error = 'it lies below no directory that the host has opened';
      return;
    }
    const text = String.UTF8.encode(pathBelow(best.name, path));
    const error = path_open(
      best.descriptor,
      lookupflags.SYMLINK_FOLLOW,
      changetype<usize>(text),
      <usize>text.byteLength,
      0,
      rights.FD_READ,
      0,
      0,
      this.out,
    );
    if (error != errno.SUCCESS) {
      this.error = 'it cannot be opened: ' + errnoToString(error);
      return;
    }
    this.descriptor = load<u32>(this.out);
  }

  /** Fills a range. Returns the bytes read, less than asked for only at the end. */
  read(address: usize, length: i32): i32 {
    let total = 0;
    while (total < length) {
      store<usize>(this.out, address + <usize>total);
      store<usize>(this.out, <usize>(length - total), 4);
      const error = fd_read(this.descriptor, this.out, 1, this.out + 8);
      if (error == errno.AGAIN || error == errno.INTR) {
        pause();
        continue;
      }
      if (error != errno.SUCCESS) {
        this.error = 'it cannot be read: ' + errnoToString(error);
        break;
      }
      const count = load<i32>(this.out, 8);
      if (count == 0) {
        break;
      }
      total += count;
    }
    return total;
  }

  close(): void {
    if (this.descriptor != STDIN) {
      fd_close(this.descriptor);
    }
    heap.free(this.out);
  }
}
