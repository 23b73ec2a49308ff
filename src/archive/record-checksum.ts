// record-checksum.ts: crc32c of the small records of the control path.
//
// Frames are checked by core.wasm, in batches. A record of at most one sector is read a few times
// in the life of a process, and must be readable where there is no arena: a byte table is enough.

/** Castagnoli polynomial, bits reversed. */
const POLYNOMIAL = 0x82f63b78;

const TABLE: Int32Array = makeTable();

function makeTable(): Int32Array {
  const table = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) {
      value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
    }
    table[byte] = value;
  }
  return table;
}

/** crc32c of a range, as an unsigned 32-bit integer. */
export function recordChecksum(bytes: Uint8Array, offset: number, length: number): number {
  let crc = -1;
  for (let index = offset; index < offset + length; index++) {
    crc = (TABLE[(crc ^ (bytes[index] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}
