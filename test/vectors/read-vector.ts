// read-vector.ts: reads a golden vector: hexadecimal bytes, everything behind # is a comment.
//
// The vectors are written from the layout tables, not printed by the code under test.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIRECTORY = dirname(fileURLToPath(import.meta.url));

/** The bytes of `test/vectors/<name>.hex`. */
export function readVector(name: string): Uint8Array {
  const text = readFileSync(join(DIRECTORY, `${name}.hex`), 'utf8');
  const digits = text.replace(/#.*$/gm, '').trim().split(/\s+/);
  return Uint8Array.from(digits, (byte) => {
    if (!/^[0-9a-f]{2}$/.test(byte)) {
      throw new Error(`${name}.hex holds "${byte}", which is not a byte`);
    }
    return Number.parseInt(byte, 16);
  });
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
