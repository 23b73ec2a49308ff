// message-codecs.ts: every message of the table, decoded from bytes that were tampered with.
//
// What a decoder calls valid can be read to its last field without leaving the bytes.

import { describeEvent } from '../../../src/codec/describe-event.js';
import { messageTemplateId } from '../../../src/protocol/message-header.js';
import { MESSAGES } from '../../../src/protocol/schema.js';
import { type Codec, codecOf, decode } from '../../protocol/message-driver.js';
import { type FuzzTarget, hold, joined } from '../fuzz-target.js';
import { encodeMessage } from '../message-bytes.js';

/** Bytes around the message that no decoder may look at. */
const GUARD_LENGTH = 64;

function run(codec: Codec, message: Uint8Array): string {
  // The bytes end where the message ends: reading on throws, and would be a defect.
  const guarded = joined(new Uint8Array(GUARD_LENGTH).fill(0xa5), message);
  const view = new DataView(guarded.buffer);
  const { name, templateId } = codec.schema;
  const found = messageTemplateId(view, GUARD_LENGTH, message.length, codec.schema.schemaId);
  const isValid = codec.Decoder.isValid(view, GUARD_LENGTH, message.length);
  if (!isValid) {
    return `${name} refused ${found === templateId}`;
  }
  hold(found === templateId, 'what is valid has the right template');
  const values = decode(codec, view, GUARD_LENGTH);
  for (const [field, value] of Object.entries(values)) {
    const isNumber = typeof value !== 'number' || Number.isFinite(value) || Number.isNaN(value);
    hold(isNumber, `${name}.${field} is a number or none`);
  }
  const event = describeEvent(message);
  return `${name} read ${event === undefined ? 'no event' : 'event'}`;
}

export async function messageCodecsTarget(): Promise<FuzzTarget> {
  const codecs = await Promise.all(MESSAGES.map(({ name }) => codecOf(name)));
  return {
    name: 'message-codecs',
    generate(random) {
      const index = random.below(codecs.length);
      const { schema } = codecs[index] as Codec;
      return joined(Uint8Array.of(index), encodeMessage(schema, {}, random, random.below(3)));
    },
    run(input) {
      const codec = codecs[(input[0] ?? 0) % codecs.length] as Codec;
      return run(codec, input.subarray(1));
    },
  };
}
