// message-bytes.ts: messages of the schema table, with one or two fields that are out of bounds.
//
// The table knows every field's place, so a mutation changes one field of a valid message and not
// only a byte somewhere.

import { MESSAGES } from '../../src/protocol/schema.js';
import {
  type FieldSchema,
  fieldLength,
  type MessageSchema,
} from '../../src/protocol/schema-types.js';
import type { Prng } from '../../src/simulator/prng.js';
import { evilNumber, joined, randomBytes } from './fuzz-target.js';

const HEADER_LENGTH = 8;

/** What a field holds in a message that makes sense to a small cluster. */
export type FieldValues = Readonly<Record<string, number>>;

/** The message of a name. */
export function schemaOf(name: string): MessageSchema {
  const schema = MESSAGES.find((candidate) => candidate.name === name);
  if (schema === undefined) {
    throw new Error(`no message ${name}`);
  }
  return schema;
}

function writeField(view: DataView, at: number, field: FieldSchema, value: number): void {
  switch (fieldLength(field.type)) {
    case 1:
      view.setInt8(at, value);
      break;
    case 4:
      view.setInt32(at, value, true);
      break;
    default:
      view.setBigInt64(at, BigInt.asIntN(64, BigInt(value)), true);
  }
}

/** 64-bit values that are no position, or that only just are one. */
const EVIL_LONGS = [
  -1n,
  0n,
  1n,
  31n,
  32n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n - 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  -(2n ** 63n),
  -(2n ** 53n),
] as const;

function writeEvil(view: DataView, at: number, field: FieldSchema, random: Prng): void {
  if (fieldLength(field.type) === 8) {
    view.setBigInt64(at, random.pick(EVIL_LONGS), true);
  } else {
    writeField(view, at, field, evilNumber(random));
  }
}

function varData(random: Prng, text: string | undefined): Uint8Array {
  const bytes = text === undefined ? randomBytes(random, random.below(40)) : Buffer.from(text);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(
    0,
    random.chance(1, 12) ? evilNumber(random) >>> 0 : bytes.length,
    true,
  );
  return joined(length, bytes);
}

/** A block length that is not that of the table, or that ends where the message does. */
function evilBlockLength(schema: MessageSchema, length: number, random: Prng): number {
  const known = schema.blockLength;
  const rest = length - HEADER_LENGTH;
  const values = [0, known - 8, known - 1, known + 1, known + 8, rest - 1, rest, rest + 1, 65_535];
  return Math.max(0, random.pick(values));
}

/**
 * Encodes a message.
 *
 * @param evilCount how many fields are set to a value that they should not have. The length of the
 *   block is one of them.
 * @param texts what variable data holds, by name; random bytes for others.
 */
export function encodeMessage(
  schema: MessageSchema,
  values: FieldValues,
  random: Prng,
  evilCount: number,
  texts: Readonly<Record<string, string>> = {},
): Uint8Array {
  const block = new Uint8Array(HEADER_LENGTH + schema.blockLength);
  const view = new DataView(block.buffer);
  view.setUint16(0, schema.blockLength, true);
  view.setUint16(2, schema.templateId, true);
  view.setUint16(4, schema.schemaId, true);
  view.setUint16(6, schema.version, true);
  for (const field of schema.fields) {
    writeField(view, HEADER_LENGTH + field.offset, field, values[field.name] ?? 0);
  }
  let isBlockEvil = false;
  for (let count = evilCount; count > 0; count--) {
    const field = schema.fields[random.below(schema.fields.length + 1)];
    if (field === undefined) {
      isBlockEvil = true;
    } else {
      writeEvil(view, HEADER_LENGTH + field.offset, field, random);
    }
  }
  const groups = schema.groups.map((group) => {
    const count = random.below(3);
    const head = new Uint8Array(4 + count * group.blockLength);
    const groupView = new DataView(head.buffer);
    groupView.setUint16(0, random.chance(1, 12) ? random.below(65_536) : group.blockLength, true);
    groupView.setUint16(2, random.chance(1, 12) ? random.below(65_536) : count, true);
    return head;
  });
  const tail = schema.varData.map(({ name }) => varData(random, texts[name]));
  const message = joined(block, ...groups, ...tail);
  if (isBlockEvil) {
    const blockLength = evilBlockLength(schema, message.length, random);
    new DataView(message.buffer).setUint16(0, blockLength, true);
  }
  return message;
}
