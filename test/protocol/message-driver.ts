// message-driver.ts: drives the codec of any message of the table by the names in the table, so
// that one property covers all of them and a new message is covered the day it is added.

import { kebabCase } from '../../scripts/codec-source.js';
import { MESSAGE_HEADER_LENGTH } from '../../src/protocol/message-header.js';
import { ENUMERATIONS, MESSAGES } from '../../src/protocol/schema.js';
import type {
  FieldSchema,
  GroupSchema,
  MessageSchema,
  VarDataSchema,
} from '../../src/protocol/schema-types.js';

/** Any codec, addressed by method name. */
type Methods = Record<string, (...values: readonly unknown[]) => unknown>;
interface DecoderClass {
  new (): Methods;
  isValid(view: DataView, offset: number, length: number): boolean;
}

export interface Codec {
  readonly schema: MessageSchema;
  readonly Encoder: new () => Methods;
  readonly Decoder: DecoderClass;
}

export type Values = Readonly<Record<string, unknown>>;

/** The codec of a message of the table. */
export async function codecOf(name: string): Promise<Codec> {
  const schema = MESSAGES.find((candidate) => candidate.name === name);
  if (schema === undefined) {
    throw new Error(`no message ${name}`);
  }
  const path = `../../src/protocol/codecs/${kebabCase(name)}.js`;
  const module = (await import(path)) as Record<string, unknown>;
  return {
    schema,
    Encoder: module[`${name}Encoder`] as new () => Methods,
    Decoder: module[`${name}Decoder`] as DecoderClass,
  };
}

function call(target: Methods, name: string, ...values: readonly unknown[]): unknown {
  const method = target[name];
  if (method === undefined) {
    throw new Error(`no method ${name}`);
  }
  return method.call(target, ...values);
}

function capitalized(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function putParts(
  target: Methods,
  fields: readonly FieldSchema[],
  varData: readonly VarDataSchema[],
  values: Values,
): void {
  for (const field of fields) {
    call(target, field.name, values[field.name]);
  }
  for (const data of varData) {
    call(target, `put${capitalized(data.name)}`, values[data.name]);
  }
}

function putGroup(encoder: Methods, group: GroupSchema, entries: readonly Values[]): void {
  const target = call(encoder, `${group.name}Count`, entries.length) as Methods;
  for (const entry of entries) {
    call(target, 'next');
    putParts(target, group.fields, group.varData, entry);
  }
}

/** Encodes at an offset; returns the length with the header. */
export function encode(codec: Codec, values: Values, view: DataView, offset: number): number {
  const { schema } = codec;
  const encoder = new codec.Encoder();
  call(encoder, 'wrapAndApplyHeader', view, offset);
  for (const group of schema.groups) {
    putGroup(encoder, group, values[group.name] as readonly Values[]);
  }
  putParts(encoder, schema.fields, schema.varData, values);
  return MESSAGE_HEADER_LENGTH + (call(encoder, 'encodedLength') as number);
}

function getParts(
  source: Methods,
  fields: readonly FieldSchema[],
  varData: readonly VarDataSchema[],
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const { name, type } of fields) {
    values[name] = call(source, name);
    if (type === 'opaque64') {
      const low = BigInt(call(source, `${name}Low`) as number);
      const high = BigInt(call(source, `${name}High`) as number);
      values[`${name} by halves`] = BigInt.asIntN(64, (high << 32n) | low);
    }
  }
  for (const { name } of varData) {
    values[name] = call(source, name);
    values[`${name} length`] = call(source, `${name}Length`);
  }
  return values;
}

/** Calls every accessor of a decoder. */
export function decode(codec: Codec, view: DataView, offset: number): Record<string, unknown> {
  const { schema } = codec;
  const decoder = new codec.Decoder();
  call(decoder, 'wrapAndApplyHeader', view, offset);
  const values = getParts(decoder, schema.fields, schema.varData);
  for (const group of schema.groups) {
    const source = call(decoder, group.name) as Methods;
    const entries: Values[] = [];
    while (call(source, 'next') === true) {
      entries.push(getParts(source, group.fields, group.varData));
    }
    values[group.name] = entries;
  }
  return values;
}

/** What `decode` returns for values that were encoded. */
export function expectedParts(
  fields: readonly FieldSchema[],
  varData: readonly VarDataSchema[],
  values: Values,
): Record<string, unknown> {
  const expected: Record<string, unknown> = {};
  for (const { name, type } of fields) {
    expected[name] = values[name];
    if (type === 'opaque64') {
      expected[`${name} by halves`] = values[name];
    }
  }
  for (const { name } of varData) {
    const value = values[name] as string | Uint8Array;
    expected[name] = value;
    expected[`${name} length`] = value.length;
  }
  return expected;
}

export function expectedValues(schema: MessageSchema, values: Values): Record<string, unknown> {
  const expected = expectedParts(schema.fields, schema.varData, values);
  for (const group of schema.groups) {
    expected[group.name] = (values[group.name] as readonly Values[]).map((entry) =>
      expectedParts(group.fields, group.varData, entry),
    );
  }
  return expected;
}

/** Values that an enumeration has. */
export function enumerationValues(name: string): readonly number[] {
  const found = ENUMERATIONS.find((enumeration) => enumeration.name === name);
  return Object.values(found?.values ?? {});
}
