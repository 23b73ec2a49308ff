// virtual-directory.ts: names: what the running system sees, and what a power cut leaves.
//
// Every change of a name is an entry of a journal until a sync of its directory makes it durable. A
// power cut keeps some of the journal: for each directory the changes up to some moment, chosen for
// each directory by itself. A rename between two directories is one change of both: it survives
// whole or not at all, and pulls with it what happened before it in either. This is how journalling
// file systems behave, except that they keep one order for all directories; a product that is safe
// here does not lean on that.
//
// The sync of a file does not make its name durable, and the sync of a directory makes its names
// durable, not its own name in the directory above.

import { assert } from '../assert.js';
import { StorageResult } from '../ports/storage.js';
import type { Prng } from './prng.js';
import type { VirtualFile } from './virtual-file.js';

export class VirtualDirectory {
  readonly entries = new Map<string, DirectoryEntry>();
  readonly durableEntries = new Map<string, DirectoryEntry>();
}

export type DirectoryEntry = VirtualFile | VirtualDirectory;

/** One change of names since the last sync of its directories. */
interface NameChange {
  /** Where a name goes away, and which. */
  readonly from: VirtualDirectory | undefined;
  readonly fromName: string;
  /** Where a name comes to be, and for what. */
  readonly to: VirtualDirectory | undefined;
  readonly toName: string;
  readonly entry: DirectoryEntry | undefined;
}

/** A name in a directory that exists. */
interface Place {
  readonly directory: VirtualDirectory;
  readonly name: string;
}

const SEGMENT = /^[a-zA-Z0-9._-]+$/;

/** Paths that were split, and their names. A run uses the same few hundred again and again. */
const KNOWN_PATHS = new Map<string, readonly string[]>();
const KNOWN_PATH_COUNT_MAX = 4_096;

/** Splits a path of the storage port; '' is the root. */
export function segmentsOf(path: string): readonly string[] {
  let segments = KNOWN_PATHS.get(path);
  if (segments === undefined) {
    segments = splitPath(path);
    if (KNOWN_PATHS.size >= KNOWN_PATH_COUNT_MAX) {
      KNOWN_PATHS.clear();
    }
    KNOWN_PATHS.set(path, segments);
  }
  return segments;
}

function splitPath(path: string): string[] {
  const segments = path === '' ? [] : path.split('/');
  for (const segment of segments) {
    assert(
      SEGMENT.test(segment) && segment !== '.' && segment !== '..',
      `path '${path}' is relative and made of plain names`,
    );
  }
  return segments;
}

/** One step down a path. */
type Step = (directory: VirtualDirectory, name: string) => DirectoryEntry | undefined;
const ENTRY: Step = (directory, name) => directory.entries.get(name);
const DURABLE_ENTRY: Step = (directory, name) => directory.durableEntries.get(name);

/** The names of one disk. */
export class DirectoryTree {
  #root = new VirtualDirectory();
  #journal: NameChange[] = [];

  /** What is at a path now. */
  find(path: string): DirectoryEntry | undefined {
    return this.#find(path, ENTRY);
  }

  /** What is certain to be at a path after a power cut. */
  findDurable(path: string): DirectoryEntry | undefined {
    return this.#find(path, DURABLE_ENTRY);
  }

  /** Gives an entry its first name. */
  add(path: string, entry: DirectoryEntry): StorageResult {
    const place = this.#place(path);
    if (place === undefined) {
      return StorageResult.NotFound;
    }
    if (place.directory.entries.has(place.name)) {
      return StorageResult.AlreadyExists;
    }
    this.#change({
      from: undefined,
      fromName: '',
      to: place.directory,
      toName: place.name,
      entry,
    });
    return StorageResult.Ok;
  }

  /** Removes a file, or a directory without entries. */
  remove(path: string): StorageResult {
    const place = this.#place(path);
    const entry = place?.directory.entries.get(place.name);
    if (place === undefined || entry === undefined) {
      return StorageResult.NotFound;
    }
    if (entry instanceof VirtualDirectory && entry.entries.size > 0) {
      return StorageResult.Denied;
    }
    this.#change({
      from: place.directory,
      fromName: place.name,
      to: undefined,
      toName: '',
      entry: undefined,
    });
    return StorageResult.Ok;
  }

  /** Renames, replacing a file that has the new name. */
  rename(from: string, to: string): StorageResult {
    const source = this.#place(from);
    const target = this.#place(to);
    const entry = source?.directory.entries.get(source.name);
    if (source === undefined || target === undefined || entry === undefined) {
      return StorageResult.NotFound;
    }
    const replaced = target.directory.entries.get(target.name);
    if (replaced === entry) {
      return StorageResult.Ok;
    }
    const isDirectoryInvolved = entry instanceof VirtualDirectory;
    if (replaced instanceof VirtualDirectory || (isDirectoryInvolved && replaced !== undefined)) {
      return StorageResult.Denied;
    }
    if (isDirectoryInvolved && `${to}/`.startsWith(`${from}/`)) {
      return StorageResult.Denied;
    }
    this.#change({
      from: source.directory,
      fromName: source.name,
      to: target.directory,
      toName: target.name,
      entry,
    });
    return StorageResult.Ok;
  }

  /** Makes the names of a directory durable, with all changes that they depend on. */
  sync(directory: VirtualDirectory): void {
    const needed = new Set<VirtualDirectory>([directory]);
    const isDurable = new Array<boolean>(this.#journal.length).fill(false);
    for (let i = this.#journal.length - 1; i >= 0; i--) {
      const change = this.#journal[i] as NameChange;
      const touched = directoriesOf(change);
      if (touched.some((other) => needed.has(other))) {
        isDurable[i] = true;
        for (const other of touched) {
          needed.add(other);
        }
      }
    }
    const rest: NameChange[] = [];
    for (let i = 0; i < this.#journal.length; i++) {
      const change = this.#journal[i] as NameChange;
      if (isDurable[i]) {
        persist(change);
      } else {
        rest.push(change);
      }
    }
    this.#journal = rest;
  }

  /** Keeps some of the journal, as described above. Returns how many changes were lost. */
  powerCut(random: Prng): number {
    const closed = new Set<VirtualDirectory>();
    const survivors = random.below(4);
    let lostCount = 0;
    for (const change of this.#journal) {
      const touched = directoriesOf(change);
      const isPossible = touched.every((directory) => !closed.has(directory));
      // One cut in four keeps everything, one loses everything, the others stop somewhere.
      if (isPossible && survivors > 0 && (survivors === 1 || random.chance(3, 4))) {
        persist(change);
        continue;
      }
      lostCount++;
      for (const directory of touched) {
        closed.add(directory);
      }
    }
    this.#journal = [];
    restore(this.#root);
    return lostCount;
  }

  /** Every file that has a name, in the order of their names' creation. */
  files(): VirtualFile[] {
    const files: VirtualFile[] = [];
    collectFiles(this.#root, files);
    return files;
  }

  #find(path: string, step: Step): DirectoryEntry | undefined {
    let entry: DirectoryEntry | undefined = this.#root;
    for (const segment of segmentsOf(path)) {
      entry = entry instanceof VirtualDirectory ? step(entry, segment) : undefined;
    }
    return entry;
  }

  #place(path: string): Place | undefined {
    const segments = [...segmentsOf(path)];
    const name = segments.pop();
    assert(name !== undefined, 'the data directory itself is not created, renamed or removed');
    const directory = this.find(segments.join('/'));
    return directory instanceof VirtualDirectory ? { directory, name } : undefined;
  }

  #change(change: NameChange): void {
    change.from?.entries.delete(change.fromName);
    if (change.to !== undefined && change.entry !== undefined) {
      change.to.entries.set(change.toName, change.entry);
    }
    this.#journal.push(change);
  }
}

function directoriesOf(change: NameChange): VirtualDirectory[] {
  const { from, to } = change;
  return [from, to].filter((directory) => directory !== undefined);
}

function persist(change: NameChange): void {
  change.from?.durableEntries.delete(change.fromName);
  if (change.to !== undefined && change.entry !== undefined) {
    change.to.durableEntries.set(change.toName, change.entry);
  }
}

/** Makes the durable names the current ones, below a directory. */
function restore(directory: VirtualDirectory): void {
  directory.entries.clear();
  for (const [name, entry] of directory.durableEntries) {
    directory.entries.set(name, entry);
    if (entry instanceof VirtualDirectory) {
      restore(entry);
    }
  }
}

function collectFiles(directory: VirtualDirectory, files: VirtualFile[]): void {
  for (const entry of directory.entries.values()) {
    if (entry instanceof VirtualDirectory) {
      collectFiles(entry, files);
    } else {
      files.push(entry);
    }
  }
}
