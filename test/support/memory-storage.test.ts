import test from 'tape';
import { OpenMode } from '../../src/ports/storage.js';
import { MemoryStorage, SECTOR_LENGTH } from './memory-storage.js';

/** Opens a new file; completions give the handle. */
function create(storage: MemoryStorage): number {
  let handle = 0;
  storage.open('file', OpenMode.Create);
  storage.poll((completion) => {
    handle = completion.value;
  }, 1);
  return handle;
}

test('a sync makes durable what is dirty, also of a file that grew and shrank again', (t) => {
  const storage = new MemoryStorage();
  const file = create(storage);
  const durable = (): number[] => [...new Set(storage.disk.file('file'))];
  storage.setLength(file, 2 * SECTOR_LENGTH);
  storage.sync(file);
  storage.syncDirectory('');
  storage.setLength(file, 8 * SECTOR_LENGTH);
  storage.write(file, SECTOR_LENGTH, new Uint8Array(SECTOR_LENGTH).fill(7), 0, SECTOR_LENGTH);
  storage.setLength(file, 2 * SECTOR_LENGTH);
  storage.sync(file);
  t.deepEqual(durable(), [0, 7], 'the page cache');
  const after = storage.disk.crashed('drop').file('file');
  t.deepEqual([after.length, after[0], after[SECTOR_LENGTH]], [2 * SECTOR_LENGTH, 0, 7]);
  t.end();
});
