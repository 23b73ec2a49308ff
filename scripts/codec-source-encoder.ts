// codec-source-encoder.ts: source text of the encoders.

import type {
  FieldSchema,
  GroupSchema,
  MessageSchema,
  VarDataSchema,
} from '../src/protocol/schema-types.js';

/** `detail` becomes `Detail`. */
export function capitalized(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** A block of bytes, indented as a class member. */
function member(...lines: readonly string[]): string[] {
  return ['', ...lines.map((line) => (line === '' ? '' : `  ${line}`))];
}

function setter(name: string, type: string, write: string): string[] {
  return member(`${name}(value: ${type}): this {`, `  ${write}`, '  return this;', '}');
}

/** The head of a method, on one line where it fits. */
export function signature(name: string, parameters: readonly string[], type: string): string[] {
  const line = `${name}(${parameters.join(', ')}): ${type} {`;
  if (line.length + 2 <= 100) {
    return [line];
  }
  return [`${name}(`, ...parameters.map((parameter) => `  ${parameter},`), `): ${type} {`];
}

/** `this.offset + 8`, or `this.offset` for the first byte. */
export function at(offset: number): string {
  return offset === 0 ? 'this.offset' : `this.offset + ${offset}`;
}

function fieldSetter(field: FieldSchema): string[] {
  const { name, offset } = field;
  const type = typeof field.type === 'string' ? field.type : 'int32';
  switch (type) {
    case 'int8':
      return setter(name, 'number', `this.view.setInt8(${at(offset)}, value);`);
    case 'uint8':
      return setter(name, 'number', `this.view.setUint8(${at(offset)}, value);`);
    case 'int32':
      return setter(name, 'number', `this.view.setInt32(${at(offset)}, value, true);`);
    case 'uint32':
      return setter(name, 'number', `this.view.setUint32(${at(offset)}, value, true);`);
    case 'int64':
      return setter(name, 'number', `writeInt64(this.view, ${at(offset)}, value);`);
    case 'boolean':
      return setter(name, 'boolean', `this.view.setInt32(${at(offset)}, value ? 1 : 0, true);`);
    case 'opaque64':
      return [
        ...setter(
          name,
          'bigint',
          `this.view.setBigInt64(${at(offset)}, BigInt.asIntN(64, value), true);`,
        ),
        ...setter(`${name}Low`, 'number', `this.view.setUint32(${at(offset)}, value, true);`),
        ...setter(`${name}High`, 'number', `this.view.setUint32(${at(offset + 4)}, value, true);`),
      ];
  }
}

function varDataSetter(data: VarDataSchema, step: number): string[] {
  const what = data.encoding === 'ascii' ? 'ASCII text' : 'bytes';
  return member(
    `/** Appends ${what}. Variable data is put in the order of the table. */`,
    `put${capitalized(data.name)}(value: Uint8Array | string): this {`,
    `  assert(this.step === ${step}, '${data.name} is put in its turn');`,
    '  this.end = writeVarData(this.view, this.end, value);',
    '  this.step++;',
    '  return this;',
    '}',
  );
}

function groupOpener(message: MessageSchema, group: GroupSchema, step: number): string[] {
  const type = `${message.name}${capitalized(group.name)}Encoder`;
  return member(
    `/** Begins the group; call \`next()\` on the result once per entry. */`,
    `${group.name}Count(count: number): ${type} {`,
    `  assert(this.step === ${step}, '${group.name} comes in its turn');`,
    '  this.step++;',
    `  return this.${group.name}.begin(this.view, this.end, count, this);`,
    '}',
  );
}

function stepCount(message: MessageSchema): number {
  return message.groups.length + message.varData.length;
}

function lengthMembers(message: MessageSchema): string[] {
  const steps = stepCount(message);
  if (steps === 0) {
    return member(
      '/** Length of the message without its header. */',
      'encodedLength(): number {',
      `  return ${message.blockLength};`,
      '}',
    );
  }
  return member(
    '/** Length of the message without its header. All variable data must have been put. */',
    'encodedLength(): number {',
    `  assert(this.step === ${steps}, 'every variable part has been put');`,
    ...message.groups.map(
      ({ name }) => `  assert(this.${name}.isComplete(), '${name} has the entries it announced');`,
    ),
    '  return this.end - this.offset;',
    '}',
  );
}

function wrapMembers(message: MessageSchema): string[] {
  const resets =
    stepCount(message) === 0
      ? []
      : [`  this.end = offset + ${message.blockLength};`, '  this.step = 0;'];
  return [
    ...member(
      '/** Writes at a block that starts at `offset`; bytes not set keep their value. */',
      'wrap(view: DataView, offset: number): this {',
      '  this.view = view;',
      '  this.offset = offset;',
      ...resets,
      '  return this;',
      '}',
    ),
    ...member(
      '/** Writes the header at `offset` and sets the block behind it to zero. */',
      'wrapAndApplyHeader(view: DataView, offset: number): this {',
      `  writeMessageHeader(view, offset, ${message.blockLength}, ${message.templateId}, ` +
        `${message.schemaId}, ${message.version});`,
      `  clearBytes(view, offset + MESSAGE_HEADER_LENGTH, ${message.blockLength});`,
      '  return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);',
      '}',
    ),
  ];
}

export function constants(message: MessageSchema): string[] {
  return [
    `  static readonly TEMPLATE_ID = ${message.templateId};`,
    `  static readonly SCHEMA_ID = ${message.schemaId};`,
    `  static readonly SCHEMA_VERSION = ${message.version};`,
    `  static readonly BLOCK_LENGTH = ${message.blockLength};`,
    '  /** Header and block. */',
    `  static readonly LENGTH_MIN = ${message.blockLength + 8};`,
  ];
}

export function encoderClass(message: MessageSchema): string[] {
  const groupCount = message.groups.length;
  const hasSteps = stepCount(message) > 0;
  return [
    `/** Writes ${message.name}. */`,
    `export class ${message.name}Encoder {`,
    ...constants(message),
    '  private view = EMPTY_VIEW;',
    '  private offset = 0;',
    ...(hasSteps ? ['  private end = 0;', '  private step = 0;'] : []),
    ...message.groups.map(
      (group) =>
        `  private readonly ${group.name} = ` +
        `new ${message.name}${capitalized(group.name)}Encoder();`,
    ),
    ...wrapMembers(message),
    ...message.fields.flatMap(fieldSetter),
    ...message.groups.flatMap((group, index) => groupOpener(message, group, index)),
    ...(groupCount === 0
      ? []
      : member(
          '/** Called by a group that has written an entry. */',
          'groupEnd(end: number): void {',
          '  this.end = end;',
          '}',
        )),
    ...message.varData.flatMap((data, index) => varDataSetter(data, groupCount + index)),
    ...lengthMembers(message),
    '}',
  ];
}

export function groupEncoderClass(message: MessageSchema, group: GroupSchema): string[] {
  const name = `${message.name}${capitalized(group.name)}Encoder`;
  return [
    `/** Writes the entries of ${group.name}. */`,
    `export class ${name} {`,
    '  private view = EMPTY_VIEW;',
    '  private offset = 0;',
    '  private end = 0;',
    '  private step = 0;',
    '  private remaining = 0;',
    '  private parent: GroupOwner | undefined;',
    ...member(
      '/** Writes the head of the group. */',
      ...signature(
        'begin',
        ['view: DataView', 'at: number', 'count: number', 'parent: GroupOwner'],
        'this',
      ),
      `  view.setUint16(at, ${group.blockLength}, true);`,
      '  view.setUint16(at + 2, count, true);',
      '  this.view = view;',
      '  this.end = at + GROUP_HEADER_LENGTH;',
      `  this.step = ${group.varData.length};`,
      '  this.remaining = count;',
      '  this.parent = parent;',
      '  parent.groupEnd(this.end);',
      '  return this;',
      '}',
    ),
    ...member(
      '/** Moves on to the next entry. */',
      'next(): this {',
      "  assert(this.remaining > 0, 'a group has as many entries as its count says');",
      `  assert(this.step === ${group.varData.length}, 'every variable part has been put');`,
      '  this.remaining--;',
      '  this.step = 0;',
      '  this.offset = this.end;',
      `  clearBytes(this.view, this.offset, ${group.blockLength});`,
      `  this.end += ${group.blockLength};`,
      '  this.parent?.groupEnd(this.end);',
      '  return this;',
      '}',
    ),
    ...member(
      '/** Whether every entry has been written, with its variable data. */',
      'isComplete(): boolean {',
      `  return this.remaining === 0 && this.step === ${group.varData.length};`,
      '}',
    ),
    ...group.fields.flatMap(fieldSetter),
    ...group.varData.flatMap((data, index) =>
      varDataSetter(data, index).map((line) =>
        line === '    this.step++;'
          ? '    this.step++;\n    this.parent?.groupEnd(this.end);'
          : line,
      ),
    ),
    '}',
  ];
}
