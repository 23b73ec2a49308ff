// codec-properties.test.ts: what holds for the codec of every message of the table, whatever the
// values and whatever bytes a network delivers.
//
// Every view ends exactly where the message ends, so that a read outside throws a RangeError.

import fc from 'fast-check';
import test from 'tape';
import { MESSAGE_HEADER_LENGTH } from '../../src/protocol/message-header.js';
import { MESSAGES } from '../../src/protocol/schema.js';
import type { FieldSchema, MessageSchema, VarDataSchema } from '../../src/protocol/schema-types.js';
import {
  type Codec,
  codecOf,
  decode,
  encode,
  enumerationValues,
  expectedValues,
  type Values,
} from './message-driver.js';
import { PROPERTY_SETTINGS } from './property-settings.js';

const BUFFER_LENGTH = 16_384;

function fieldArbitrary(field: FieldSchema): fc.Arbitrary<unknown> {
  if (typeof field.type !== 'string') {
    return fc.constantFrom(...enumerationValues(field.type.enumeration));
  }
  switch (field.type) {
    case 'int8':
      return fc.integer({ min: -128, max: 127 });
    case 'uint8':
      return fc.integer({ min: 0, max: 255 });
    case 'int32':
      return fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    case 'uint32':
      return fc.integer({ min: 0, max: 2 ** 32 - 1 });
    case 'boolean':
      return fc.boolean();
    case 'int64':
      return fc.oneof(fc.maxSafeInteger(), fc.constantFrom(-(2 ** 63), 2 ** 63, -1, 0, 2 ** 32));
    case 'opaque64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
  }
}

function varDataArbitrary(data: VarDataSchema): fc.Arbitrary<unknown> {
  return data.encoding === 'ascii'
    ? fc
        .array(fc.integer({ min: 0, max: 127 }), { maxLength: 40 })
        .map((codes) => String.fromCharCode(...codes))
    : fc.uint8Array({ maxLength: 40 });
}

function partsArbitrary(
  fields: readonly FieldSchema[],
  varData: readonly VarDataSchema[],
): Record<string, fc.Arbitrary<unknown>> {
  return Object.fromEntries([
    ...fields.map((field) => [field.name, fieldArbitrary(field)]),
    ...varData.map((data) => [data.name, varDataArbitrary(data)]),
  ]);
}

function valuesArbitrary(schema: MessageSchema): fc.Arbitrary<Values> {
  const groups = schema.groups.map((group) => [
    group.name,
    fc.array(fc.record(partsArbitrary(group.fields, group.varData)), { maxLength: 3 }),
  ]);
  return fc.record({
    ...partsArbitrary(schema.fields, schema.varData),
    ...Object.fromEntries(groups),
  });
}

/** The encoded message in a view that ends with it; the buffer before held other bytes. */
function encoded(codec: Codec, values: Values, offset: number): DataView {
  const bytes = new Uint8Array(BUFFER_LENGTH).fill(0xa5);
  const length = encode(codec, values, new DataView(bytes.buffer), offset);
  return new DataView(bytes.buffer.slice(0, offset + length));
}

function hasPadding(schema: MessageSchema): boolean {
  return schema.templateId === 1002 || schema.templateId === 1011;
}

for (const schema of MESSAGES) {
  const values = valuesArbitrary(schema);
  const offsets = fc.integer({ min: 0, max: 64 });

  test(`${schema.name} decodes to the values that were encoded`, async (t) => {
    const codec = await codecOf(schema.name);
    const property = fc.property(values, offsets, (input, offset) => {
      const view = encoded(codec, input, offset);
      if (!codec.Decoder.isValid(view, offset, view.byteLength - offset)) {
        throw new Error('what was encoded is not valid');
      }
      const actual = decode(codec, view, offset);
      const expected = expectedValues(schema, input);
      if (!deepEqual(actual, expected)) {
        throw new Error(`decoded ${show(actual)}, encoded ${show(expected)}`);
      }
    });
    t.doesNotThrow(() => fc.assert(property, PROPERTY_SETTINGS));
    t.end();
  });

  test(`${schema.name} cut short anywhere is not valid`, async (t) => {
    const codec = await codecOf(schema.name);
    const property = fc.property(values, (input) => {
      const view = encoded(codec, input, 0);
      for (let length = 0; length < view.byteLength; length++) {
        const cut = new DataView(view.buffer, 0, length);
        if (codec.Decoder.isValid(cut, 0, length) || codec.Decoder.isValid(view, 0, length)) {
          throw new Error(`valid with ${length} of ${view.byteLength} bytes`);
        }
      }
    });
    t.doesNotThrow(() => fc.assert(property, { ...PROPERTY_SETTINGS, numRuns: 20 }));
    t.end();
  });

  test(`${schema.name} with changed bytes never reads outside or throws`, async (t) => {
    const codec = await codecOf(schema.name);
    const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 8,
    });
    let validCount = 0;
    const property = fc.property(values, changes, fc.nat(), (input, edits, cut) => {
      const whole = encoded(codec, input, 0);
      const length = cut % 3 === 0 ? cut % (whole.byteLength + 1) : whole.byteLength;
      const view = new DataView(whole.buffer, 0, length);
      for (const [at, byte] of edits) {
        if (length > 0) {
          view.setUint8(at % length, byte);
        }
      }
      if (codec.Decoder.isValid(view, 0, length)) {
        validCount++;
        decode(codec, view, 0);
      }
    });
    t.doesNotThrow(() => fc.assert(property, PROPERTY_SETTINGS));
    t.ok(validCount > 0, `${validCount} of the changed messages were still valid`);
    t.end();
  });

  test(`${schema.name} carries nothing of what the buffer held before`, async (t) => {
    const codec = await codecOf(schema.name);
    const input = fc.sample(values, { seed: PROPERTY_SETTINGS.seed, numRuns: 1 })[0] as Values;
    const view = encoded(codec, input, 0);
    const zeroed = new Uint8Array(BUFFER_LENGTH);
    const length = encode(codec, input, new DataView(zeroed.buffer), 0);
    t.deepEqual(new Uint8Array(view.buffer), zeroed.subarray(0, length));
    if (hasPadding(schema)) {
      const end = MESSAGE_HEADER_LENGTH + schema.blockLength;
      t.equal(view.getInt32(end - 4, true), 0, 'padding at the end of the block is zero');
    }
    t.end();
  });
}

function deepEqual(a: unknown, b: unknown): boolean {
  return show(a) === show(b);
}

function show(value: unknown): string {
  return JSON.stringify(value, (_key, item) => {
    if (typeof item === 'bigint') {
      return `${item}n`;
    }
    if (Object.is(item, -0)) {
      return 0;
    }
    return item instanceof Uint8Array ? [...item] : item;
  });
}
