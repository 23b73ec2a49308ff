// describe-event.ts: which message a payload holds, and what it says.
//
// Reads any message of the table by the table, so that a tool shows new messages without new code.
// A sender of an older version leaves fields out: they are absent. One of a newer version sends
// more than we know: that is stepped over.

import { readAscii, readBytes, readInt64, VAR_DATA_LENGTH_LENGTH } from '../protocol/encoding.js';
import {
  HEADER_SCHEMA_ID_OFFSET,
  HEADER_TEMPLATE_ID_OFFSET,
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageVersion,
} from '../protocol/message-header.js';
import { ENUMERATIONS, MESSAGES } from '../protocol/schema.js';
import {
  type FieldSchema,
  fieldLength,
  type GroupSchema,
  type MessageSchema,
  type VarDataSchema,
} from '../protocol/schema-types.js';

/** An opaque value or one beyond 2^53 is a bigint; an enumeration is the name of its value. */
export type EventValue = number | bigint | boolean | string | Uint8Array | readonly EventFields[];
export type EventFields = { readonly [name: string]: EventValue };

export interface EventDescription {
  /** Name of the message, as `SessionOpenEvent`; empty for an unknown template. */
  readonly name: string;
  readonly templateId: number;
  readonly schemaId: number;
  readonly version: number;
  readonly fields: EventFields;
  /** Bytes behind the message: the application's, behind a SessionMessageHeader. */
  readonly rest: Uint8Array;
  /** Whether the payload ends before the message does; the fields are then those that it holds. */
  readonly isCutShort: boolean;
}

const MESSAGE_BY_ID = new Map(MESSAGES.map((m) => [m.schemaId * 65_536 + m.templateId, m]));
const ENUMERATION_NAMES = new Map(
  ENUMERATIONS.map(({ name, values }) => {
    const names = Object.entries(values).map(([text, value]) => [value, text] as const);
    return [name, new Map(names)];
  }),
);

/** Steps through a payload; once something does not fit, nothing more is read. */
class PayloadReader {
  readonly view: DataView;
  cursor: number;
  isCutShort = false;

  constructor(view: DataView, cursor: number) {
    this.view = view;
    this.cursor = cursor;
  }

  /** Offset of the next `length` bytes, or -1 when there are not so many. */
  take(length: number): number {
    if (this.isCutShort || this.cursor + length > this.view.byteLength) {
      this.isCutShort = true;
      return -1;
    }
    const at = this.cursor;
    this.cursor += length;
    return at;
  }

  varData(schemas: readonly VarDataSchema[], version: number, fields: Record<string, EventValue>) {
    for (const { name, encoding, since } of schemas) {
      if (since > version) {
        return;
      }
      const lengthAt = this.take(VAR_DATA_LENGTH_LENGTH);
      const length = lengthAt < 0 ? 0 : this.view.getUint32(lengthAt, true);
      const at = this.take(length);
      if (at < 0) {
        return;
      }
      const isText = encoding === 'ascii';
      fields[name] = isText ? readAscii(this.view, at, length) : readBytes(this.view, at, length);
    }
  }
}

function readLong(view: DataView, at: number): number | bigint {
  const value = readInt64(view, at);
  return Number.isSafeInteger(value) ? value : view.getBigInt64(at, true);
}

function readField(view: DataView, at: number, type: FieldSchema['type']): EventValue {
  if (typeof type !== 'string') {
    const value = view.getInt32(at, true);
    return ENUMERATION_NAMES.get(type.enumeration)?.get(value) ?? value;
  }
  switch (type) {
    case 'int8':
      return view.getInt8(at);
    case 'uint8':
      return view.getUint8(at);
    case 'int32':
      return view.getInt32(at, true);
    case 'uint32':
      return view.getUint32(at, true);
    case 'boolean':
      return view.getInt32(at, true) !== 0;
    case 'int64':
      return readLong(view, at);
    case 'opaque64':
      return view.getBigInt64(at, true);
  }
}

/** Reads the fields of a block that the sender's version and block length have. */
function readBlock(
  reader: PayloadReader,
  schemas: readonly FieldSchema[],
  blockLength: number,
  version: number,
): Record<string, EventValue> {
  const at = reader.cursor;
  const present = Math.min(blockLength, reader.view.byteLength - at);
  const fields: Record<string, EventValue> = {};
  for (const { name, type, offset, since } of schemas) {
    if (since <= version && offset + fieldLength(type) <= present) {
      fields[name] = readField(reader.view, at + offset, type);
    }
  }
  reader.take(blockLength);
  return fields;
}

function readGroup(reader: PayloadReader, group: GroupSchema, version: number): EventFields[] {
  const at = reader.take(4);
  const blockLength = at < 0 ? 0 : reader.view.getUint16(at, true);
  const entryCount = at < 0 ? 0 : reader.view.getUint16(at + 2, true);
  const entries: EventFields[] = [];
  for (let i = 0; i < entryCount && !reader.isCutShort; i++) {
    const fields = readBlock(reader, group.fields, blockLength, version);
    reader.varData(group.varData, version, fields);
    entries.push(fields);
  }
  return entries;
}

function readMessage(reader: PayloadReader, message: MessageSchema, version: number): EventFields {
  const fields = readBlock(reader, message.fields, messageBlockLength(reader.view, 0), version);
  for (const group of message.groups) {
    fields[group.name] = readGroup(reader, group, version);
  }
  reader.varData(message.varData, version, fields);
  return fields;
}

/**
 * Says which message of the cluster a payload holds. Never throws, whatever the bytes.
 *
 * @param payload of a frame that begins a message. The message header must be its first bytes.
 * @returns the description, or undefined when there is not even a header of a schema we know.
 */
export function describeEvent(payload: Uint8Array): EventDescription | undefined {
  if (payload.length < MESSAGE_HEADER_LENGTH) {
    return undefined;
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const templateId = view.getUint16(HEADER_TEMPLATE_ID_OFFSET, true);
  const schemaId = view.getUint16(HEADER_SCHEMA_ID_OFFSET, true);
  if (!MESSAGES.some((message) => message.schemaId === schemaId)) {
    return undefined;
  }
  const version = messageVersion(view, 0);
  const message = MESSAGE_BY_ID.get(schemaId * 65_536 + templateId);
  const reader = new PayloadReader(view, MESSAGE_HEADER_LENGTH);
  const fields = message === undefined ? {} : readMessage(reader, message, version);
  return {
    name: message?.name ?? '',
    templateId,
    schemaId,
    version,
    fields,
    rest: payload.subarray(Math.min(reader.cursor, payload.length)),
    isCutShort: reader.isCutShort,
  };
}
