// text.ts: what a message says, where it lies in a view.

const decoder = new TextDecoder();

export function textOf(view: DataView, offset: number, length: number): string {
  return decoder.decode(new Uint8Array(view.buffer, view.byteOffset + offset, length));
}
