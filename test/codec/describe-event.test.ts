// describe-event.test.ts: any message is described as its generated codec encoded it.

import fc from 'fast-check';
import test from 'tape';
import { describeEvent } from '../../src/codec/index.js';
import { ENUMERATIONS, MESSAGES } from '../../src/protocol/schema.js';
import type { FieldSchema, MessageSchema } from '../../src/protocol/schema-types.js';
import { codecOf, encode, enumerationValues, type Values } from '../protocol/message-driver.js';
import { readVector } from '../vectors/read-vector.js';
import { PROPERTY_SETTINGS } from './property-settings.js';

function nameOf(enumeration: string, value: number): string {
  const found = ENUMERATIONS.find(({ name }) => name === enumeration);
  const entry = Object.entries(found?.values ?? {}).find(([, number]) => number === value);
  return entry?.[0] ?? '';
}

/** A value for the encoder and what the description says of it. */
type Pair = readonly [encoded: unknown, described: unknown];

function fieldPair(field: FieldSchema, salt: number): Pair {
  if (typeof field.type !== 'string') {
    const values = enumerationValues(field.type.enumeration);
    const value = values[salt % values.length] ?? 0;
    return [value, nameOf(field.type.enumeration, value)];
  }
  switch (field.type) {
    case 'boolean':
      return [salt % 2 === 0, salt % 2 === 0];
    case 'opaque64':
      return [-BigInt(salt) * 2n ** 40n, -BigInt(salt) * 2n ** 40n];
    case 'int64':
      return [salt * 2 ** 21 - 5, salt * 2 ** 21 - 5];
    case 'int8':
      return [-(salt & 0x7f), -(salt & 0x7f)];
    case 'uint8':
      return [salt & 0xff, salt & 0xff];
    default:
      return [salt, salt];
  }
}

function pairsOf(schema: MessageSchema, salt: number): [Values, Values] {
  const pairs: Record<string, Pair> = {};
  for (const field of schema.fields) {
    pairs[field.name] = fieldPair(field, salt + field.offset);
  }
  for (const [i, { name, encoding }] of schema.varData.entries()) {
    const text = `${name} ${salt}`.slice(0, (salt + i) % 20);
    const value = encoding === 'ascii' ? text : new TextEncoder().encode(text);
    pairs[name] = [value, value];
  }
  for (const { name, fields, varData } of schema.groups) {
    const parts = { ...schema, fields, varData, groups: [] };
    const entries = Array.from({ length: salt % 4 }, (_, i) => pairsOf(parts, salt + i));
    pairs[name] = [entries.map(([encoded]) => encoded), entries.map(([, described]) => described)];
  }
  const side = (index: 0 | 1) =>
    Object.fromEntries(Object.entries(pairs).map(([name, pair]) => [name, pair[index]]));
  return [side(0), side(1)];
}

test('every message of the table is described field by field', async (t) => {
  for (const schema of MESSAGES) {
    const codec = await codecOf(schema.name);
    for (const salt of [0, 1, 6, 1000]) {
      const [encoded, described] = pairsOf(schema, salt);
      const bytes = new Uint8Array(4096).fill(0xee);
      const length = encode(codec, encoded, new DataView(bytes.buffer), 0);
      const event = describeEvent(bytes.subarray(0, length + 3));
      const isSame =
        event?.name === schema.name &&
        event.templateId === schema.templateId &&
        event.version === schema.version &&
        event.rest.length === 3 &&
        !event.isCutShort;
      if (!isSame) {
        t.fail(`${schema.name}: ${event?.name}, ${event?.rest.length} bytes are left`);
      }
      t.deepEqual(event?.fields, described, `${schema.name} ${salt}`);
    }
  }
  t.end();
});

test('the payload of an application stands behind the session header', (t) => {
  const payload = Uint8Array.from([...readVector('session-message-header'), 1, 2, 3]);
  const event = describeEvent(payload);
  t.equal(event?.name, 'SessionMessageHeader');
  t.deepEqual([...(event?.rest ?? [])], [1, 2, 3]);
  t.end();
});

test('fields that an older sender left out are absent', (t) => {
  const older = describeEvent(readVector('canvass-position-version-8'));
  t.equal(older?.name, 'CanvassPosition');
  t.notOk('protocolVersion' in (older?.fields ?? {}));
  const newer = describeEvent(readVector('canvass-position-version-99'));
  t.ok('protocolVersion' in (newer?.fields ?? {}));
  t.equal(newer?.rest.length, 0, 'what a newer sender added is stepped over');
  t.end();
});

test('an unknown template has no name, and another schema is not described', (t) => {
  const bytes = readVector('session-message-header').slice();
  bytes.set([0xe7, 0x03], 2);
  t.deepEqual([describeEvent(bytes)?.name, describeEvent(bytes)?.templateId], ['', 999]);
  bytes.set([1, 0], 4);
  t.equal(describeEvent(bytes), undefined);
  t.equal(describeEvent(new Uint8Array(7)), undefined);
  t.end();
});

test('a value beyond 2^53 is described exactly', (t) => {
  const bytes = readVector('commit-position').slice();
  bytes.set([1, 0, 0, 0, 0, 0, 0, 0x70], 8);
  t.equal(describeEvent(bytes)?.fields.leadershipTermId, 0x7000000000000001n);
  t.end();
});

test('no payload makes the description throw', async (t) => {
  const ids = fc.constantFrom(...MESSAGES.map((m) => [m.templateId, m.schemaId] as const));
  const bodies = fc.uint8Array({ minLength: 8, maxLength: 200 });
  const property = fc.property(ids, bodies, fc.boolean(), ([templateId, schemaId], body, tidy) => {
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    view.setUint16(2, templateId, true);
    view.setUint16(4, schemaId, true);
    if (tidy) {
      view.setUint16(0, body[0] ?? 0, true);
    }
    const event = describeEvent(body);
    return event !== undefined && event.rest.length <= body.length;
  });
  t.doesNotThrow(() => fc.assert(property, { ...PROPERTY_SETTINGS, numRuns: 3000 }));
  t.end();
});
