// term-rebuild.ts: a stream of datagrams that are lost, doubled, reordered and changed, rebuilt by
// core.wasm beside its twin.
//
// Whatever arrives: what is contiguous equals what was sent, a changed datagram is refused as a
// whole, and when everything has arrived at last, every byte is there.

import { LogPair, pattern } from '../../memory/log-pair.js';
import { Choices, evilNumber, type FuzzTarget, hold, randomBytes } from '../fuzz-target.js';

const TERM_LENGTH = 64 * 1024;
const GEOMETRY = {
  termLength: TERM_LENGTH,
  mtu: 1408,
  initialTermId: 2 ** 31 - 2,
  sessionId: -5,
  streamId: 1001,
} as const;
const STARTS = [0, TERM_LENGTH - 320, 2 ** 31 - 64, 2 ** 45 + 3 * TERM_LENGTH - 96] as const;
const MESSAGE_LENGTHS = [0, 1, 31, 32, 100, 700, 1376, 1377, 4000, 9000] as const;

interface Datagram {
  readonly position: number;
  readonly bytes: Uint8Array;
}

function writeSource(start: number, choices: Choices): LogPair {
  const source = new LogPair({ ...GEOMETRY, startPosition: start });
  source.setChecksum(true, 3);
  source.setLimit(start + 2 * TERM_LENGTH);
  for (let count = 1 + (choices.byte() % 24); count > 0; count--) {
    const length = MESSAGE_LENGTHS[choices.byte() % MESSAGE_LENGTHS.length] ?? 0;
    source.append(pattern(length, count));
  }
  return source;
}

function cut(source: LogPair, start: number, blockLengthMax: number): Datagram[] {
  const datagrams: Datagram[] = [];
  for (let position = start; ; ) {
    const { length, advance } = source.nextBlock(position, source.twin.tail, blockLengthMax);
    if (length === 0) {
      return datagrams;
    }
    datagrams.push({ position, bytes: source.blockBytes(position, length) });
    position += advance;
  }
}

/** Changes something that the checksum covers or that says where the frame belongs. */
function changed(bytes: Uint8Array, choices: Choices): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  const at = choices.below(copy.length);
  switch (choices.byte() % 3) {
    case 0:
      copy[at] = (copy[at] ?? 0) ^ (1 << (choices.byte() & 7));
      return copy;
    case 1:
      view.setInt32((choices.byte() % 8) * 4, choices.uint32() | 0, true);
      return copy;
    default:
      return copy.subarray(0, at);
  }
}

/** Maltreats the stream; answers how the datagrams fared. */
function deliver(image: LogPair, datagrams: readonly Datagram[], choices: Choices): string {
  let refused = 0;
  let inserted = 0;
  for (let step = 0; step < 80 && choices.hasMore; step++) {
    const { bytes } = datagrams[choices.byte() % datagrams.length] as Datagram;
    const isChanged = choices.byte() % 4 === 0;
    const result = image.insert(isChanged ? changed(bytes, choices) : bytes);
    refused += result < 0 ? 1 : 0;
    inserted += result > 0 ? 1 : 0;
    if (choices.byte() % 4 === 0) {
      image.advance();
      image.findGap();
    }
  }
  return `${Math.min(refused, 4)} refused, ${Math.min(inserted, 4)} inserted`;
}

export function termRebuildTarget(): FuzzTarget {
  return {
    name: 'term-rebuild',
    generate: (random) => {
      const bytes = randomBytes(random, 32 + random.below(300));
      bytes[random.below(bytes.length)] = evilNumber(random) & 0xff;
      return bytes;
    },
    run(input) {
      const choices = new Choices(input);
      const start = STARTS[choices.byte() % STARTS.length] ?? 0;
      const source = writeSource(start, choices);
      const image = new LogPair({ ...GEOMETRY, startPosition: start });
      image.setChecksum(true, 0);
      const datagrams = cut(source, start, 1408);
      const fate = deliver(image, datagrams, choices);
      const half = image.advance();
      hold(half <= source.twin.tail, 'no more than was sent is contiguous');
      for (const { bytes } of datagrams) {
        image.insert(bytes);
      }
      const whole = image.advance();
      image.check();
      hold(whole === source.twin.tail, `all ${source.twin.tail} is there, not ${whole}`);
      const sent = Buffer.from(source.arena.u8.subarray(source.base, source.log.meta));
      const rebuilt = Buffer.from(image.arena.u8.subarray(image.base, image.log.meta));
      hold(rebuilt.equals(sent), 'every byte is the one that was sent');
      source.release();
      image.release();
      return `${STARTS.indexOf(start as 0)} ${fate} ${half === whole}`;
    },
  };
}
