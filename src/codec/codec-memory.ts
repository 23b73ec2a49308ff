// codec-memory.ts: one instance of codec.wasm, and the copying of bytes into its memory.

import { ErrorCode, PawlError } from '../errors.js';
import type { CodecExports } from './codec-exports.js';

/** Blocks are examined in pieces of this length; a longer frame makes a piece longer. */
export const CHUNK_LENGTH = 256 * 1024;

/** An instance with its memory. Every use of it copies its input there first, so uses can mix. */
export class CodecMemory {
  readonly exports: CodecExports;
  private bytes: Uint8Array;
  private dataView: DataView;

  constructor(module: WebAssembly.Module) {
    const { exports } = new WebAssembly.Instance(module);
    this.exports = exports as unknown as CodecExports;
    this.exports.initialize();
    this.bytes = new Uint8Array(this.exports.memory.buffer);
    this.dataView = new DataView(this.exports.memory.buffer);
  }

  /** The whole memory. Valid until the next `stage`, which may move it. */
  view(): DataView {
    return this.dataView;
  }

  /**
   * Copies a part of some bytes into the memory.
   *
   * @returns the address of the copy.
   * @throws PawlError MemoryExhausted when there is no room for it.
   */
  stage(bytes: Uint8Array, offset: number, length: number): number {
    const address = this.exports.reserve(length);
    if (address === 0) {
      throw new PawlError(
        ErrorCode.MemoryExhausted,
        `the codec cannot hold ${length} bytes at once: hand over fewer bytes, or free memory`,
        'environment',
      );
    }
    // Growing replaces the buffer, and every view of the old one is empty from then on.
    if (this.bytes.buffer !== this.exports.memory.buffer) {
      this.bytes = new Uint8Array(this.exports.memory.buffer);
      this.dataView = new DataView(this.exports.memory.buffer);
    }
    this.bytes.set(bytes.subarray(offset, offset + length), address);
    return address;
  }

  /** Copies bytes out of the memory. */
  copyOut(address: number, length: number): Uint8Array {
    return this.bytes.slice(address, address + length);
  }

  copyIn(address: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, address);
  }
}
