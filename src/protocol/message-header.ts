// message-header.ts: the eight bytes that precede every message of the cluster.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-------------------------------+-------------------------------+
//  |      Block Length (u16)       |      Template Id (u16)        |  0
//  +-------------------------------+-------------------------------+
//  |       Schema Id (u16)         |        Version (u16)          |  4
//  +-------------------------------+-------------------------------+

/** Messages of the cluster: Aeron's and Pawl's own. */
export const CLUSTER_SCHEMA_ID = 111;
export const CLUSTER_SCHEMA_VERSION = 17;
/** Blocks of the archive catalog. */
export const ARCHIVE_SCHEMA_ID = 101;
export const ARCHIVE_SCHEMA_VERSION = 14;

export const HEADER_BLOCK_LENGTH_OFFSET = 0;
export const HEADER_TEMPLATE_ID_OFFSET = 2;
export const HEADER_SCHEMA_ID_OFFSET = 4;
export const HEADER_VERSION_OFFSET = 6;
export const MESSAGE_HEADER_LENGTH = 8;

/** The bytes end before the header does. */
export const TOO_SHORT = -1;
/** The header names another schema. */
export const SCHEMA_MISMATCH = -2;

/** Writes a message header. */
export function writeMessageHeader(
  view: DataView,
  offset: number,
  blockLength: number,
  templateId: number,
  schemaId: number,
  version: number,
): void {
  view.setUint16(offset + HEADER_BLOCK_LENGTH_OFFSET, blockLength, true);
  view.setUint16(offset + HEADER_TEMPLATE_ID_OFFSET, templateId, true);
  view.setUint16(offset + HEADER_SCHEMA_ID_OFFSET, schemaId, true);
  view.setUint16(offset + HEADER_VERSION_OFFSET, version, true);
}

/** Whether a range lies within a view and has room for a message header. */
export function holdsMessageHeader(view: DataView, offset: number, length: number): boolean {
  return offset >= 0 && length >= MESSAGE_HEADER_LENGTH && offset + length <= view.byteLength;
}

/**
 * Which message is this? Never throws, whatever the bytes.
 *
 * @param offset of the message header in the view.
 * @param length of header and message.
 * @returns the template id, or TOO_SHORT or SCHEMA_MISMATCH (negative).
 */
export function messageTemplateId(
  view: DataView,
  offset: number,
  length: number,
  schemaId: number = CLUSTER_SCHEMA_ID,
): number {
  if (!holdsMessageHeader(view, offset, length)) {
    return TOO_SHORT;
  }
  if (view.getUint16(offset + HEADER_SCHEMA_ID_OFFSET, true) !== schemaId) {
    return SCHEMA_MISMATCH;
  }
  return view.getUint16(offset + HEADER_TEMPLATE_ID_OFFSET, true);
}

/** Block length that the sender's version of the message has. */
export function messageBlockLength(view: DataView, offset: number): number {
  return view.getUint16(offset + HEADER_BLOCK_LENGTH_OFFSET, true);
}

/** Schema version of the sender. */
export function messageVersion(view: DataView, offset: number): number {
  return view.getUint16(offset + HEADER_VERSION_OFFSET, true);
}
