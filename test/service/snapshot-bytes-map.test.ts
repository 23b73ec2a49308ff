// The map of bytes against a plain Map, while it is frozen, written and changed at random.

import fc from 'fast-check';
import test from 'tape';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { SnapshotBytesMap } from '../../src/service/snapshot-bytes-map.js';
import type { SnapshotView } from '../../src/service/snapshot-publication.js';
import { SnapshotRecords } from '../../src/service/snapshot-records.js';
import { Prng } from '../../src/simulator/prng.js';

const SETTINGS = { seed: 20_261_129, numRuns: 60 } as const;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

/** A record as text: what `snapshot` writes of an entry. */
function recordText(bytes: Uint8Array): string {
  const keyLength = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const [key, value] = [bytes.subarray(4, 4 + keyLength), bytes.subarray(4 + keyLength)];
  return `${decoder.decode(key)}=${decoder.decode(value)}`;
}

function walk(view: SnapshotView, records: string[], count: number): boolean {
  for (let left = count; left > 0; left--) {
    const isWritten = view.next({
      offer: (buffer, offset, length) => {
        const start = buffer.byteOffset + offset;
        records.push(recordText(new Uint8Array(buffer.buffer, start, length)));
      },
    });
    if (!isWritten) {
      return false;
    }
  }
  return true;
}

function contentOf(map: SnapshotBytesMap): string[] {
  const content: string[] = [];
  map.forEach((key, value) => {
    content.push(`${decoder.decode(key)}=${decoder.decode(value)}`);
  });
  return content;
}

const texts = (model: Map<string, string>): string[] =>
  [...model].map(([key, value]) => `${key}=${value}`);

/** One frozen view and what it has to write. */
interface Frozen {
  readonly view: SnapshotView;
  readonly expected: string[];
  readonly written: string[];
}

/** Changes, freezes and walks by chance; answers what differed, or undefined. */
function play(seed: number, stepCount: number, keyCount: number): string | undefined {
  const random = new Prng(seed);
  const map = new SnapshotBytesMap();
  const model = new Map<string, string>();
  let frozen: Frozen | undefined;
  // Phases of growth and of decay: holes have to be closed, and slots to be moved.
  for (let step = 0; step < stepCount; step++) {
    const isDecay = Math.floor(step / keyCount) % 3 === 2;
    const key = `k${random.below(keyCount)}`;
    const dice = random.below(100);
    if (dice < (isDecay ? 15 : 70)) {
      const value = 'v'.repeat(random.below(random.chance(1, 50) ? 9_000 : 90)) + step;
      map.set(bytesOf(key), bytesOf(value));
      model.set(key, value);
    } else if (dice < 90) {
      if (map.delete(bytesOf(key)) !== model.delete(key)) {
        return `step ${step}: another answer to the deletion of ${key}`;
      }
    } else if (dice < 92 && frozen === undefined) {
      frozen = { view: map.snapshot(), expected: texts(model), written: [] };
    } else if (frozen !== undefined && !walk(frozen.view, frozen.written, random.below(200))) {
      frozen.view.close();
      if (frozen.written.join() !== frozen.expected.join()) {
        return `step ${step}: the view wrote ${frozen.written.length} other entries`;
      }
      frozen = undefined;
    } else if (frozen !== undefined && random.chance(1, 100)) {
      frozen.view.close();
      frozen = undefined;
    }
    const found = map.get(bytesOf(key));
    if ((found && decoder.decode(found)) !== model.get(key) || map.size !== model.size) {
      return `step ${step}: ${key} is not what it was set to`;
    }
  }
  return contentOf(map).join() === texts(model).join() ? undefined : 'the order differs';
}

test('a map of bytes does what a Map does, in its order, frozen or not', (t) => {
  fc.assert(
    fc.property(fc.nat(), fc.constantFrom(3, 40, 2_500), (seed, keyCount) => {
      const difference = play(seed, 8_000, keyCount);
      if (difference !== undefined) {
        throw new Error(difference);
      }
    }),
    SETTINGS,
  );
  t.pass(`${SETTINGS.numRuns} runs`);
  t.end();
});

test('what a view writes loads into a map that is written the same', (t) => {
  const map = new SnapshotBytesMap();
  for (let index = 0; index < 5_000; index++) {
    map.set(bytesOf(`key ${index % 3_000}`), bytesOf(`value ${index}`));
    map.delete(bytesOf(`key ${(index * 7) % 4_000}`));
  }
  map.set(new Uint8Array(0), new Uint8Array(0));
  const loaded = new SnapshotBytesMap();
  const view = map.snapshot();
  while (
    view.next({
      offer: (buffer, offset, length) =>
        loaded.load(new DataView(buffer.buffer, buffer.byteOffset), offset, length),
    })
  );
  view.close();
  t.deepEqual(contentOf(loaded), contentOf(map));
  t.ok(loaded.has(new Uint8Array(0)), 'the empty key as well');
  t.end();
});

test('memory is used again: changes in place do not let a map grow', (t) => {
  const map = new SnapshotBytesMap();
  const value = new Uint8Array(1_000);
  for (let index = 0; index < 20_000; index++) {
    map.set(bytesOf(`${index % 500}`), value);
  }
  const before = map.entryBytes;
  for (let round = 0; round < 3; round++) {
    const view = map.snapshot();
    for (let index = 0; index < 20_000; index++) {
      map.set(bytesOf(`${index % 500}`), value);
    }
    view.close();
  }
  t.equal(map.entryBytes, before, 'nor do views that are given up');
  t.equal(map.size, 500);
  const long = new Uint8Array(9 * 1024 * 1024).fill(7);
  map.set(bytesOf('long'), long);
  t.equal(map.get(bytesOf('long'))?.length, long.length, 'an entry longer than a slab');
  t.end();
});

test('an entry that no snapshot can hold is refused, and changes nothing', (t) => {
  const map = new SnapshotBytesMap();
  const key = bytesOf('key');
  const longest = 16 * 1024 * 1024 - 4 - key.length;
  map.set(key, bytesOf('value'));
  try {
    map.set(key, new Uint8Array(longest + 1));
    t.fail('it was taken');
  } catch (error) {
    t.ok(error instanceof PawlError && error.code === ErrorCode.LimitExceeded);
    const { message } = error as Error;
    t.match(message, /key of 3 bytes and a value of 16777210 .* 16777212 bytes .* parts/);
  }
  t.deepEqual(contentOf(map), ['key=value']);
  map.set(key, new Uint8Array(longest));
  const records = new SnapshotRecords();
  records.offerView(map.snapshot());
  let length = 0;
  records.next((_bytes, _offset, recordLength) => {
    length = recordLength;
  });
  t.equal(length, 16 * 1024 * 1024, 'the longest entry is a record');
  t.equal(records.oversizeLength, 0);
  records.close();
  t.end();
});
