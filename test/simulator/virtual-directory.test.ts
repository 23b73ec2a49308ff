// Names on the simulated disk: what a directory sync makes durable, and what a power cut may lose.

import fc from 'fast-check';
import test from 'tape';
import { OpenMode, StorageResult } from '../../src/ports/storage.js';
import { Disk, filled } from './harness.js';

/** Names and contents (one byte each) of the root. */
function namesOf(disk: Disk): string {
  return disk.disk
    .listCached('')
    .map((name) => `${name}=${disk.disk.snapshotCached(name)?.bytes()[0] ?? '-'}`)
    .join(' ');
}

/** Writes and syncs a file of one byte; its name is not synced. */
function putFile(disk: Disk, path: string, value: number): void {
  const file = disk.open(path);
  disk.write(file, 0, filled(1, value));
  disk.done(disk.storage.sync(file));
  disk.done(disk.storage.close(file));
}

test('a synced file without a synced name may be gone, a synced name stays', (t) => {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 40; seed++) {
    const disk = new Disk(seed);
    putFile(disk, 'a', 1);
    disk.done(disk.storage.syncDirectory(''));
    putFile(disk, 'b', 2);
    t.deepEqual(disk.disk.listDurable(''), ['a']);
    disk.restart('power');
    outcomes.add(namesOf(disk));
  }
  t.deepEqual([...outcomes].sort(), ['a=1', 'a=1 b=2']);
  t.end();
});

test('a rename leaves the old or the new file under the name, never none and never a part', (t) => {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    const disk = new Disk(seed);
    putFile(disk, 'state', 1);
    disk.done(disk.storage.syncDirectory(''));
    putFile(disk, 'state.new', 2);
    disk.done(disk.storage.rename('state.new', 'state'));
    t.equal(namesOf(disk), 'state=2');
    disk.restart('power');
    outcomes.add(namesOf(disk));
  }
  t.deepEqual([...outcomes].sort(), ['state=1', 'state=1 state.new=2', 'state=2']);
  t.end();
});

test('a renamed file that was not synced may be there without its bytes', (t) => {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    const disk = new Disk(seed);
    const file = disk.open('state.new');
    disk.write(file, 0, filled(1, 2));
    disk.done(disk.storage.rename('state.new', 'state'));
    disk.done(disk.storage.syncDirectory(''));
    disk.restart('power');
    outcomes.add(namesOf(disk));
  }
  t.deepEqual([...outcomes].sort(), ['state=-', 'state=0', 'state=2']);
  t.end();
});

test('a removed file may return until its directory is synced', (t) => {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 40; seed++) {
    const disk = new Disk(seed);
    putFile(disk, 'a', 1);
    disk.done(disk.storage.syncDirectory(''));
    t.equal(disk.done(disk.storage.remove('a')).result, StorageResult.Ok);
    t.equal(disk.done(disk.storage.remove('a')).result, StorageResult.NotFound);
    if (seed % 2 === 0) {
      disk.done(disk.storage.syncDirectory(''));
    }
    disk.restart('power');
    outcomes.add(`${seed % 2 === 0 ? 'synced' : 'unsynced'}: ${namesOf(disk)}`);
  }
  t.deepEqual([...outcomes].sort(), ['synced: ', 'unsynced: ', 'unsynced: a=1']);
  t.end();
});

test('a file in a directory whose own name was not synced may be out of reach', (t) => {
  let lostCount = 0;
  for (let seed = 0; seed < 40; seed++) {
    const disk = new Disk(seed);
    disk.done(disk.storage.makeDirectory('d'));
    putFile(disk, 'd/a', 1);
    disk.done(disk.storage.syncDirectory('d'));
    t.equal(disk.disk.snapshotDurable('d/a'), undefined);
    disk.restart('power');
    lostCount += disk.disk.snapshotCached('d/a') === undefined ? 1 : 0;
  }
  t.ok(lostCount > 5 && lostCount < 35, `${lostCount} of 40 lost the directory`);
  t.end();
});

test('changes of one directory survive in their order, those of two independently', (t) => {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 300; seed++) {
    const disk = new Disk(seed);
    for (const directory of ['x', 'y']) {
      disk.done(disk.storage.makeDirectory(directory));
    }
    disk.done(disk.storage.syncDirectory(''));
    for (const path of ['x/1', 'y/1', 'x/2', 'y/2']) {
      putFile(disk, path, 1);
    }
    disk.restart('power');
    outcomes.add(`${disk.disk.listCached('x').join('')}|${disk.disk.listCached('y').join('')}`);
  }
  t.equal(outcomes.size, 9, 'each of nothing, 1 and 12 in each directory');
  t.notOk([...outcomes].some((outcome) => /^2|\|2/.test(outcome)));
  t.end();
});

test('a rename between directories survives whole, and its sync covers the past of both', (t) => {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 100; seed++) {
    const disk = new Disk(seed);
    for (const directory of ['x', 'y']) {
      disk.done(disk.storage.makeDirectory(directory));
    }
    putFile(disk, 'x/a', 1);
    disk.done(disk.storage.syncDirectory(''));
    disk.done(disk.storage.syncDirectory('x'));
    putFile(disk, 'x/b', 2);
    disk.done(disk.storage.rename('x/a', 'y/a'));
    if (seed >= 50) {
      disk.done(disk.storage.syncDirectory('y'));
    }
    disk.restart('power');
    const names = `${disk.disk.listCached('x').join('')}|${disk.disk.listCached('y').join('')}`;
    outcomes.add(`${seed < 50 ? 'unsynced' : 'synced'} ${names}`);
  }
  t.deepEqual([...outcomes].sort(), ['synced b|a', 'unsynced ab|', 'unsynced a|', 'unsynced b|a']);
  t.end();
});

test('directories and files refuse what would lose something', (t) => {
  const disk = new Disk(1);
  const { storage } = disk;
  disk.done(storage.makeDirectory('d'));
  putFile(disk, 'd/a', 1);
  putFile(disk, 'b', 2);
  t.equal(disk.done(storage.remove('d')).result, StorageResult.Denied, 'a directory with names');
  t.equal(disk.done(storage.rename('b', 'd')).result, StorageResult.Denied);
  t.equal(disk.done(storage.rename('d', 'd/e')).result, StorageResult.Denied);
  t.equal(disk.done(storage.rename('c', 'b')).result, StorageResult.NotFound);
  t.equal(disk.done(storage.rename('b', 'e/b')).result, StorageResult.NotFound);
  t.equal(disk.done(storage.rename('b', 'b')).result, StorageResult.Ok);
  t.equal(disk.done(storage.list('b')).result, StorageResult.NotFound);
  t.deepEqual(disk.done(storage.list('')).names, ['b', 'd']);
  t.deepEqual(disk.done(storage.list('d')).names, ['a']);
  disk.done(storage.remove('d/a'));
  t.equal(disk.done(storage.remove('d')).result, StorageResult.Ok);
  t.deepEqual(disk.done(storage.list('')).names, ['b']);
  t.end();
});

test('an open file outlives its name', (t) => {
  const disk = new Disk(1);
  const file = disk.open('a');
  disk.write(file, 0, filled(3, 1));
  disk.done(disk.storage.remove('a'));
  disk.write(file, 3, filled(1, 2));
  t.deepEqual([...disk.read(file, 0, 10)], [1, 1, 1, 2]);
  t.equal(disk.done(disk.storage.open('a', OpenMode.Read)).result, StorageResult.NotFound);
  t.end();
});

// --- Against a naive model: the names of one directory are a string, and its history since the
// last directory sync is kept. A power cut leaves one of the history's strings.

type NameStep =
  | { kind: 'put'; name: string }
  | { kind: 'remove'; name: string }
  | { kind: 'rename'; name: string; target: string }
  | { kind: 'sync' }
  | { kind: 'kill' }
  | { kind: 'power' };

const name = fc.constantFrom('a', 'b', 'c');
const nameStep: fc.Arbitrary<NameStep> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('put' as const), name }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), name }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('rename' as const), name, target: name }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'sync' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'kill' as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'power' as const }) },
);

function textOf(names: ReadonlyMap<string, number>): string {
  const sorted = [...names.keys()].sort();
  return sorted.map((key) => `${key}=${names.get(key)}`).join(' ');
}

/** Does an elementary step on the disk and on the model. */
function change(disk: Disk, names: Map<string, number>, step: NameStep, value: number): void {
  if (step.kind === 'put') {
    putFile(disk, step.name, value);
    names.set(step.name, value);
  } else if (step.kind === 'remove') {
    disk.done(disk.storage.remove(step.name));
    names.delete(step.name);
  } else if (step.kind === 'rename') {
    disk.done(disk.storage.rename(step.name, step.target));
    const moved = names.get(step.name);
    if (moved !== undefined) {
      names.delete(step.name);
      names.set(step.target, moved);
    }
  }
}

function followsModel(seed: number, steps: readonly NameStep[]): boolean {
  const disk = new Disk(seed);
  let names = new Map<string, number>();
  let history = [new Map(names)];
  for (const [index, step] of steps.entries()) {
    if (step.kind === 'put') {
      // A new file each time, so that contents tell files apart.
      change(disk, names, { kind: 'remove', name: step.name }, 0);
      history.push(new Map(names));
    }
    change(disk, names, step, index + 1);
    history.push(new Map(names));
    if (step.kind === 'sync') {
      disk.done(disk.storage.syncDirectory(''));
      history = [new Map(names)];
    } else if (step.kind === 'kill' || step.kind === 'power') {
      disk.restart(step.kind);
    }
    if (step.kind === 'power') {
      const left = history.find((past) => textOf(past) === namesOf(disk));
      if (left === undefined) {
        return false;
      }
      names = new Map(left);
      history = [new Map(left)];
    }
    if (namesOf(disk) !== textOf(names)) {
      return false;
    }
  }
  return true;
}

test('names behave as a naive model, through syncs, kills and power cuts', (t) => {
  fc.assert(fc.property(fc.maxSafeNat(), fc.array(nameStep, { maxLength: 25 }), followsModel), {
    seed: 1,
    numRuns: 400,
  });
  t.end();
});
