// codec-source-decoder.ts: source text of the decoders.
//
// A decoder must survive every byte sequence: `isValid` checks all lengths once, and accessors
// called after it said true stay inside the message. Fields that a sender of an older version left
// out read as their null value; a longer block of a newer version is skipped over.

import type {
  FieldSchema,
  GroupSchema,
  MessageSchema,
  VarDataSchema,
} from '../src/protocol/schema-types.js';
import { fieldLength } from '../src/protocol/schema-types.js';
import { at, capitalized, constants, signature } from './codec-source-encoder.js';

function member(...lines: readonly string[]): string[] {
  return ['', ...lines.map((line) => (line === '' ? '' : `  ${line}`))];
}

function getter(name: string, type: string, since: number, nullText: string, read: string) {
  const guard =
    since === 0 ? [] : [`  if (this.actingVersion < ${since}) {`, `    return ${nullText};`, '  }'];
  return member(`${name}(): ${type} {`, ...guard, `  return ${read};`, '}');
}

function fieldGetter(field: FieldSchema): string[] {
  const { name, offset, since } = field;
  const type = typeof field.type === 'string' ? field.type : 'int32';
  const nullText = (otherwise: string) =>
    field.nullValue === undefined ? otherwise : String(field.nullValue);
  switch (type) {
    case 'int8':
      return getter(name, 'number', since, nullText('-128'), `this.view.getInt8(${at(offset)})`);
    case 'uint8':
      return getter(name, 'number', since, nullText('255'), `this.view.getUint8(${at(offset)})`);
    case 'int32': {
      const read = `this.view.getInt32(${at(offset)}, true)`;
      return getter(name, 'number', since, nullText('NULL_INT'), read);
    }
    case 'uint32': {
      const read = `this.view.getUint32(${at(offset)}, true)`;
      return getter(name, 'number', since, nullText('4294967295'), read);
    }
    case 'int64': {
      const read = `readInt64(this.view, ${at(offset)})`;
      return getter(name, 'number', since, nullText('NULL_LONG'), read);
    }
    case 'boolean': {
      const read = `this.view.getInt32(${at(offset)}, true) === 1`;
      return getter(name, 'boolean', since, 'false', read);
    }
    case 'opaque64':
      return opaqueGetters(name, offset);
  }
}

function opaqueGetters(name: string, offset: number): string[] {
  const low = `this.view.getUint32(${at(offset)}, true)`;
  const high = `this.view.getUint32(${at(offset + 4)}, true)`;
  return [
    ...getter(name, 'bigint', 0, '', `this.view.getBigInt64(${at(offset)}, true)`),
    ...getter(`${name}Low`, 'number', 0, '', low),
    ...getter(`${name}High`, 'number', 0, '', high),
  ];
}

function varDataGetters(data: VarDataSchema, index: number, start: string): string[] {
  const name = data.name;
  const text = data.encoding === 'ascii';
  const absent = data.since === 0 ? [] : [`  if (this.actingVersion < ${data.since}) {`];
  const guard = (value: string) =>
    absent.length === 0 ? [] : [...absent, `    return ${value};`, '  }'];
  return [
    ...member(
      `/** Offset in the view of the first byte of ${name}. */`,
      `${name}Offset(): number {`,
      `  return varDataOffset(this.view, ${start}, ${index});`,
      '}',
    ),
    ...member(
      `/** Length of ${name} in bytes. */`,
      `${name}Length(): number {`,
      ...guard('0'),
      `  return this.view.getUint32(this.${name}Offset() - 4, true);`,
      '}',
    ),
    ...member(
      `${name}(): ${text ? 'string' : 'Uint8Array'} {`,
      ...guard(text ? "''" : 'new Uint8Array(0)'),
      `  return ${text ? 'readAscii' : 'readBytes'}(this.view, ` +
        `this.${name}Offset(), this.${name}Length());`,
      '}',
    ),
  ];
}

/** Statements that return whether the block of the acting version is long enough. */
function blockChecks(fields: readonly FieldSchema[]): string[] {
  const ends = new Map<number, number>();
  for (const field of fields) {
    const end = field.offset + fieldLength(field.type);
    ends.set(field.since, Math.max(ends.get(field.since) ?? 0, end));
  }
  const versions = [...ends.keys()].sort((a, b) => b - a);
  return versions.flatMap((since) => {
    const acting = since === 0 ? '' : `actingVersion >= ${since} && `;
    return [`  if (${acting}actingBlockLength < ${ends.get(since)}) {`, '    return false;', '  }'];
  });
}

/** Expression for the number of variable data in the acting version. */
function varDataCount(varData: readonly VarDataSchema[]): string {
  const initial = varData.filter((data) => data.since === 0).length;
  const added = varData.filter((data) => data.since > 0);
  if (added.length === 0) {
    return String(initial);
  }
  const since = added[0]?.since ?? 0;
  return `actingVersion >= ${since} ? ${varData.length} : ${initial}`;
}

function groupSkip(group: GroupSchema): string {
  const last = group.fields[group.fields.length - 1];
  const blockLengthMin = last === undefined ? 0 : last.offset + fieldLength(last.type);
  return `${blockLengthMin}, ${group.varData.length}`;
}

function validMembers(message: MessageSchema): string[] {
  const count = varDataCount(message.varData);
  const conditional = count.includes('?');
  const walk: string[] = [
    ...message.groups.map(
      (group) => `  cursor = skipGroup(view, cursor, end, ${groupSkip(group)});`,
    ),
    ...(conditional ? [`  const count = ${count};`] : []),
    ...(message.varData.length > 0
      ? [`  cursor = skipVarData(view, cursor, end, ${conditional ? 'count' : count});`]
      : []),
  ];
  return [
    ...headerCheck(message),
    ...member(
      '/** Whether block and variable data lie in `length` bytes from the block on. */',
      ...signature(
        'static isBodyValid',
        [
          'view: DataView',
          'offset: number',
          'length: number',
          `actingBlockLength = ${message.blockLength}`,
          ...(usesVersion(message) ? [`actingVersion = ${message.version}`] : []),
        ],
        'boolean',
      ),
      ...blockChecks(message.fields),
      '  const end = offset + length;',
      `  ${walk.length > 0 ? 'let' : 'const'} cursor = offset + actingBlockLength;`,
      '  if (offset < 0 || cursor > end || end > view.byteLength) {',
      '    return false;',
      '  }',
      ...(walk.length > 0 ? [...walk, '  return cursor >= 0;'] : ['  return true;']),
      '}',
    ),
  ];
}

function headerCheck(message: MessageSchema): string[] {
  const version = usesVersion(message);
  const args = ['view', 'start', 'rest', 'blockLength', ...(version ? ['version'] : [])];
  return member(
    '/** Whether header, block and variable data lie in `length` bytes from the header on. */',
    'static isValid(view: DataView, offset: number, length: number): boolean {',
    `  const templateId = messageTemplateId(view, offset, length, ${message.schemaId});`,
    `  if (templateId !== ${message.templateId}) {`,
    '    return false;',
    '  }',
    '  const blockLength = messageBlockLength(view, offset);',
    ...(version ? ['  const version = messageVersion(view, offset);'] : []),
    '  const start = offset + MESSAGE_HEADER_LENGTH;',
    '  const rest = length - MESSAGE_HEADER_LENGTH;',
    `  return ${message.name}Decoder.isBodyValid(${args.join(', ')});`,
    '}',
  );
}

/** A message without variable parts and later fields reads the same in every version. */
function wrapMembers(message: MessageSchema): string[] {
  const version = usesVersion(message);
  const block = hasVariableParts(message);
  const parameters = version || block ? [block ? 'actingBlockLength' : '_actingBlockLength'] : [];
  const defaults = [
    ...parameters.map((name) => `${name} = ${message.blockLength}`),
    ...(version ? [`actingVersion = ${message.version}`] : []),
  ];
  const args = [
    'view',
    'offset + MESSAGE_HEADER_LENGTH',
    ...(version || block ? ['blockLength'] : []),
    ...(version ? ['version'] : []),
  ];
  return [
    ...member(
      '/** Reads a block that starts at `offset`. */',
      ...signature('wrap', ['view: DataView', 'offset: number', ...defaults], 'this'),
      '  this.view = view;',
      '  this.offset = offset;',
      ...(block ? ['  this.actingBlockLength = actingBlockLength;'] : []),
      ...(version ? ['  this.actingVersion = actingVersion;'] : []),
      '  return this;',
      '}',
    ),
    ...member(
      '/** Reads the message whose header is at `offset`. Check `isValid` first. */',
      'wrapAndApplyHeader(view: DataView, offset: number): this {',
      ...(version || block ? ['  const blockLength = messageBlockLength(view, offset);'] : []),
      ...(version ? ['  const version = messageVersion(view, offset);'] : []),
      `  return this.wrap(${args.join(', ')});`,
      '}',
    ),
  ];
}

function hasVariableParts(message: MessageSchema): boolean {
  return message.varData.length > 0 || message.groups.length > 0;
}

function usesVersion(message: MessageSchema): boolean {
  return [...message.fields, ...message.varData].some((item) => item.since > 0);
}

function groupMembers(message: MessageSchema, group: GroupSchema, index: number): string[] {
  const type = `${message.name}${capitalized(group.name)}Decoder`;
  const skips = message.groups
    .slice(0, index)
    .map(
      (before) => `  at = skipGroup(this.view, at, this.view.byteLength, ${groupSkip(before)});`,
    );
  return member(
    `/** The entries of ${group.name}: call \`next()\` on the result until it returns false. */`,
    `${group.name}(): ${type} {`,
    `  ${skips.length > 0 ? 'let' : 'const'} at = this.offset + this.actingBlockLength;`,
    ...skips,
    `  return new ${type}(this.view, at);`,
    '}',
  );
}

export function decoderClass(message: MessageSchema): string[] {
  const version = usesVersion(message);
  const block = hasVariableParts(message);
  const start = 'this.offset + this.actingBlockLength';
  if (message.groups.length > 0 && message.varData.length > 0) {
    throw new Error(`${message.name}: variable data behind groups is not generated yet`);
  }
  return [
    `/** Reads ${message.name}. */`,
    `export class ${message.name}Decoder {`,
    ...constants(message),
    '  private view = EMPTY_VIEW;',
    '  private offset = 0;',
    ...(block ? ['  private actingBlockLength = 0;'] : []),
    ...(version ? ['  private actingVersion = 0;'] : []),
    ...validMembers(message),
    ...wrapMembers(message),
    ...message.fields.flatMap(fieldGetter),
    ...message.groups.flatMap((group, index) => groupMembers(message, group, index)),
    ...message.varData.flatMap((data, index) => varDataGetters(data, index, start)),
    '}',
  ];
}

export function groupDecoderClass(message: MessageSchema, group: GroupSchema): string[] {
  const name = `${message.name}${capitalized(group.name)}Decoder`;
  return [
    `/** Reads the entries of ${group.name}. */`,
    `export class ${name} {`,
    '  private readonly view: DataView;',
    '  private readonly actingBlockLength: number;',
    '  private remaining: number;',
    '  private offset: number;',
    '  private end: number;',
    ...member(
      'constructor(view: DataView, at: number) {',
      '  this.view = view;',
      '  this.actingBlockLength = view.getUint16(at, true);',
      '  this.remaining = view.getUint16(at + 2, true);',
      '  this.offset = at + GROUP_HEADER_LENGTH;',
      '  this.end = this.offset;',
      '}',
    ),
    ...member(
      '/** Moves on to the next entry; false when there is none. */',
      'next(): boolean {',
      '  if (this.remaining === 0) {',
      '    return false;',
      '  }',
      '  this.remaining--;',
      '  this.offset = this.end;',
      '  const start = this.offset + this.actingBlockLength;',
      `  this.end = skipVarData(this.view, start, this.view.byteLength, ${group.varData.length});`,
      '  return true;',
      '}',
    ),
    ...group.fields.flatMap(fieldGetter),
    ...group.varData.flatMap((data, index) =>
      varDataGetters(data, index, 'this.offset + this.actingBlockLength'),
    ),
    '}',
  ];
}
