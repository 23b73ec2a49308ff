// crc32c-twin.ts: the Castagnoli crc again, twice: bit by bit for truth, by table for comparison.

const POLYNOMIAL = 0x82f63b78;

/** One bit at a time: slow, and obviously the definition. Unsigned. */
export function crc32cBitwise(bytes: Uint8Array, seed = 0): number {
  let crc = ~seed;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    }
  }
  return ~crc >>> 0;
}

/** Eight tables in one array, table i at 256 i. */
const TABLES = buildTables(8);

function buildTables(count: number): Int32Array {
  const tables = new Int32Array(256 * count);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    }
    tables[byte] = crc;
  }
  for (let i = 256; i < tables.length; i++) {
    const previous = tables[i - 256] as number;
    tables[i] = (previous >>> 8) ^ (tables[previous & 0xff] as number);
  }
  return tables;
}

function step8(low: number, high: number): number {
  return (
    (TABLES[0x700 | (low & 0xff)] as number) ^
    (TABLES[0x600 | ((low >>> 8) & 0xff)] as number) ^
    (TABLES[0x500 | ((low >>> 16) & 0xff)] as number) ^
    (TABLES[0x400 | (low >>> 24)] as number) ^
    (TABLES[0x300 | (high & 0xff)] as number) ^
    (TABLES[0x200 | ((high >>> 8) & 0xff)] as number) ^
    (TABLES[0x100 | ((high >>> 16) & 0xff)] as number) ^
    (TABLES[high >>> 24] as number)
  );
}

/** Eight bytes per step, as careful JavaScript would do it. Unsigned. */
export function crc32cSliced(view: DataView, offset: number, length: number, seed = 0): number {
  let crc = ~seed;
  let cursor = offset;
  const end = offset + length;
  while (end - cursor >= 8) {
    crc = step8(crc ^ view.getInt32(cursor, true), view.getInt32(cursor + 4, true));
    cursor += 8;
  }
  while (cursor < end) {
    crc = (crc >>> 8) ^ (TABLES[(crc ^ view.getUint8(cursor)) & 0xff] as number);
    cursor++;
  }
  return ~crc >>> 0;
}

const maskedHeader = new DataView(new ArrayBuffer(32));

/** The crc of a frame: stream fields and the crc itself masked, padding by its header alone. */
export function frameChecksumTwin(view: DataView, offset: number, frameLength: number): number {
  for (let at = 4; at < 32; at += 4) {
    const isMasked = at === 12 || at === 16 || at === 24;
    maskedHeader.setInt32(at, isMasked ? 0 : view.getInt32(offset + at), false);
  }
  maskedHeader.setInt32(0, frameLength, true);
  const crc = crc32cSliced(maskedHeader, 0, 32);
  const isPadding = view.getUint16(offset + 6, true) === 0;
  return isPadding ? crc : crc32cSliced(view, offset + 32, frameLength - 32, crc);
}
