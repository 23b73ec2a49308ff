// A simulated file against a naive model: an array of bytes whose history since the last sync is
// kept as whole copies. After a power cut each sector must be one that the history has, and the
// length too; in the modes that damage nothing the whole content must be one of them.

import fc from 'fast-check';
import test from 'tape';
import { SECTOR_LENGTH, TearMode } from '../../src/simulator/virtual-file.js';
import { Disk, filled } from './harness.js';

type FileStep =
  | { kind: 'write'; position: number; length: number; value: number }
  | { kind: 'setLength'; length: number }
  | { kind: 'sync' }
  | { kind: 'kill' }
  | { kind: 'power' };

const fileStep: fc.Arbitrary<FileStep> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      position: fc.nat(9_000),
      length: fc.integer({ min: 0, max: 3_000 }),
      value: fc.integer({ min: 1, max: 255 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('setLength' as const), length: fc.nat(12_000) }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'sync' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'kill' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'power' as const }) },
);

function resized(bytes: Uint8Array, length: number): Uint8Array {
  const result = new Uint8Array(length);
  result.set(bytes.subarray(0, length));
  return result;
}

/** Whether content may be left by a power cut after these contents, the first being durable. */
function isPossible(content: Uint8Array, history: readonly Uint8Array[]): boolean {
  if (!history.some((past) => past.length === content.length)) {
    return false;
  }
  for (let from = 0; from < content.length; from += SECTOR_LENGTH) {
    const to = Math.min(content.length, from + SECTOR_LENGTH);
    const isKnown = history.some((past) => {
      for (let i = from; i < to; i++) {
        if (content[i] !== (past[i] ?? 0)) {
          return false;
        }
      }
      return true;
    });
    if (!isKnown) {
      return false;
    }
  }
  return true;
}

function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, i) => byte === right[i]);
}

/** Whether a mode that damages nothing left one whole content: any, the last or the first. */
function isExact(content: Uint8Array, history: readonly Uint8Array[], mode: TearMode): boolean {
  const candidates =
    mode === TearMode.KeepAll
      ? history.slice(-1)
      : history.slice(0, mode === TearMode.DropAll ? 1 : undefined);
  return candidates.some((past) => equalBytes(past, content));
}

/** What a step that changes the file makes of its content. */
function changed(disk: Disk, file: number, current: Uint8Array, step: FileStep): Uint8Array {
  if (step.kind === 'setLength') {
    disk.done(disk.storage.setLength(file, step.length));
    return resized(current, step.length);
  }
  if (step.kind !== 'write') {
    return current;
  }
  const bytes = filled(step.length, step.value);
  disk.write(file, step.position, bytes);
  const next = resized(current, Math.max(current.length, step.position + step.length));
  next.set(bytes, step.position);
  return next;
}

function isAllowed(
  content: Uint8Array,
  history: Uint8Array[],
  mode: TearMode | undefined,
): boolean {
  const isPlain = mode !== undefined && mode <= TearMode.Prefix;
  return isPossible(content, history) && (!isPlain || isExact(content, history, mode));
}

function followsModel(
  seed: number,
  mode: TearMode | undefined,
  steps: readonly FileStep[],
): boolean {
  const disk = new Disk(seed);
  disk.disk.tearMode = mode;
  let file = disk.open('a');
  disk.done(disk.storage.syncDirectory(''));
  let history: Uint8Array[] = [new Uint8Array(0)];
  for (const step of steps) {
    history.push(changed(disk, file, history.at(-1) as Uint8Array, step));
    if (step.kind === 'sync') {
      disk.done(disk.storage.sync(file));
      history = history.slice(-1);
    } else if (step.kind === 'kill' || step.kind === 'power') {
      disk.restart(step.kind);
      file = disk.open('a');
    }
    if (step.kind === 'power') {
      const content = disk.disk.snapshotCached('a')?.bytes() ?? new Uint8Array(0);
      if (!isAllowed(content, history, mode)) {
        return false;
      }
      history = [content];
    }
    const durable = disk.disk.snapshotDurable('a')?.bytes() ?? new Uint8Array(0);
    const isDurableRight = equalBytes(durable, history[0] as Uint8Array);
    if (!isDurableRight || !equalBytes(disk.read(file, 0, 20_000), history.at(-1) as Uint8Array)) {
      return false;
    }
  }
  return true;
}

test('a file behaves as a naive model, through syncs, kills and power cuts', (t) => {
  const mode = fc.option(fc.constantFrom(...Object.values(TearMode)), { nil: undefined });
  const steps = fc.array(fileStep, { maxLength: 25 });
  fc.assert(fc.property(fc.maxSafeNat(), mode, steps, followsModel), { seed: 1, numRuns: 600 });
  t.pass('600 histories');
  t.end();
});
