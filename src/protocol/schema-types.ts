// schema-types.ts: the shape of the message table in schema.ts.
//
// The table is data: the generator, the tests and the tools that print messages all read it, so a
// new message is one new entry and a run of the generator.

import {
  ARCHIVE_SCHEMA_ID,
  ARCHIVE_SCHEMA_VERSION,
  CLUSTER_SCHEMA_ID,
  CLUSTER_SCHEMA_VERSION,
} from './message-header.js';

/** Wire types. `opaque64` is 64 bits that nobody computes with: a correlation id, a hash. */
export type PrimitiveType =
  | 'int8'
  | 'uint8'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'opaque64'
  | 'boolean';

/** A primitive type, or the name of an enumeration in ENUMERATIONS (an int32 on the wire). */
export type FieldType = PrimitiveType | { readonly enumeration: string };

export interface FieldSchema {
  readonly type: FieldType;
  readonly name: string;
  /** Byte offset within the block. */
  readonly offset: number;
  /** Schema version that added the field; a sender of an older version leaves it out. */
  readonly since: number;
  /** What a decoder returns when the field is left out; absent: the null value of the type. */
  readonly nullValue?: number;
}

export interface VarDataSchema {
  readonly name: string;
  readonly encoding: 'ascii' | 'bytes';
  readonly since: number;
}

/** A repeating group: its entries have a block of their own, each followed by its var data. */
export interface GroupSchema {
  readonly name: string;
  readonly blockLength: number;
  readonly fields: readonly FieldSchema[];
  readonly varData: readonly VarDataSchema[];
}

export interface MessageSchema {
  readonly templateId: number;
  readonly name: string;
  readonly schemaId: number;
  readonly version: number;
  readonly blockLength: number;
  /** One sentence: who says this to whom, and why. */
  readonly summary: string;
  readonly fields: readonly FieldSchema[];
  readonly groups: readonly GroupSchema[];
  readonly varData: readonly VarDataSchema[];
}

export interface EnumerationSchema {
  readonly name: string;
  readonly summary: string;
  readonly values: Readonly<Record<string, number>>;
}

/** A field as it is written in the table: type, name, offset and what is unusual about it. */
export type FieldRow = readonly [
  type: FieldType,
  name: string,
  offset: number,
  options?: { readonly since?: number; readonly nullValue?: number },
];

/** Var data as it is written in the table. */
export type VarDataRow = readonly [encoding: 'ascii' | 'bytes', name: string, since?: number];

/** Length in bytes of a field on the wire. */
export function fieldLength(type: FieldType): number {
  switch (type) {
    case 'int8':
    case 'uint8':
      return 1;
    case 'int64':
    case 'opaque64':
      return 8;
    default:
      return 4;
  }
}

export function fieldOf(row: FieldRow): FieldSchema {
  const [type, name, offset, options] = row;
  const field = { type, name, offset, since: options?.since ?? 0 };
  return options?.nullValue === undefined ? field : { ...field, nullValue: options.nullValue };
}

export function varDataOf(row: VarDataRow): VarDataSchema {
  return { encoding: row[0], name: row[1], since: row[2] ?? 0 };
}

/** Refers to an enumeration of the table. */
export function enumerated(enumeration: string): FieldType {
  return { enumeration };
}

/** A message of the cluster. */
export function cluster(
  templateId: number,
  name: string,
  blockLength: number,
  summary: string,
  fields: readonly FieldRow[],
  varData: readonly VarDataRow[] = [],
  groups: readonly GroupSchema[] = [],
): MessageSchema {
  return {
    templateId,
    name,
    schemaId: CLUSTER_SCHEMA_ID,
    version: CLUSTER_SCHEMA_VERSION,
    blockLength,
    summary,
    fields: fields.map(fieldOf),
    groups,
    varData: varData.map(varDataOf),
  };
}

/** A block of the archive catalog. */
export function archive(
  templateId: number,
  name: string,
  blockLength: number,
  summary: string,
  fields: readonly FieldRow[],
  varData: readonly VarDataRow[] = [],
): MessageSchema {
  const message = cluster(templateId, name, blockLength, summary, fields, varData);
  return { ...message, schemaId: ARCHIVE_SCHEMA_ID, version: ARCHIVE_SCHEMA_VERSION };
}
