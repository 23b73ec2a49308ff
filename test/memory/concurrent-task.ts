// concurrent-task.ts: what the producers of concurrent.test.ts are told, and what they send.

/** Results that mean: not now. */
export const WaitResult = { Refused: 0, AdminAction: -3 } as const;

export interface ProducerTask {
  readonly kind: 'log' | 'ring';
  readonly memory: WebAssembly.Memory;
  /** Address of the log's metadata, or of the ring. */
  readonly target: number;
  readonly producer: number;
  readonly messageCount: number;
  /** Where this producer prepares its messages. */
  readonly scratch: number;
  /** A word that stays zero. */
  readonly pauseAddress: number;
  /** A word that counts who is ready: all start at once, or there would be no contention. */
  readonly readyAddress: number;
  readonly producerCount: number;
  /** Longest message for one frame or record. */
  readonly claimLengthMax: number;
}

/** Message of a producer: its number, the sequence, and bytes that follow from both. */
export function messageOf(producer: number, sequence: number): Uint8Array {
  // Mostly short, so that claims are frequent; some are longer than a frame.
  const span = sequence % 50 === 0 ? 900 : 60;
  const length = 8 + ((sequence * 131 + producer * 57) % span);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, producer, true);
  view.setInt32(4, sequence, true);
  for (let i = 8; i < length; i++) {
    bytes[i] = (i + sequence * 7 + producer) & 0xff;
  }
  return bytes;
}
