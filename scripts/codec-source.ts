// codec-source.ts: turns the message table into the source text of the codecs.
//
// One file per message with an encoder and a decoder, one file with the enumerations, one with the
// template ids. Every class reads and writes its own view with constant offsets: nothing is shared
// between messages that a JIT would have to dispatch on.

import { ENUMERATIONS, MESSAGES } from '../src/protocol/schema.js';
import type {
  EnumerationSchema,
  FieldSchema,
  FieldType,
  GroupSchema,
  MessageSchema,
  VarDataSchema,
} from '../src/protocol/schema-types.js';
import { fieldLength } from '../src/protocol/schema-types.js';
import { decoderClass, groupDecoderClass } from './codec-source-decoder.js';
import { encoderClass, groupEncoderClass } from './codec-source-encoder.js';

const LINE_LENGTH_MAX = 100;

/** File name to source text. */
export function codecFiles(): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const message of MESSAGES) {
    checkMessage(message);
    files.set(`${kebabCase(message.name)}.ts`, messageFile(message));
  }
  files.set('enumerations.ts', enumerationsFile(ENUMERATIONS));
  files.set('template-ids.ts', templateIdsFile(MESSAGES));
  return files;
}

/** `SessionOpenEvent` becomes `session-open-event`. */
export function kebabCase(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, '$1-$2').toLowerCase();
}

/** The table is written by hand: overlapping fields or a short block are found here. */
function checkMessage(message: MessageSchema): void {
  checkBlock(message.name, message.fields, message.blockLength);
  for (const group of message.groups) {
    checkBlock(`${message.name}.${group.name}`, group.fields, group.blockLength);
  }
}

function checkBlock(name: string, fields: readonly FieldSchema[], blockLength: number): void {
  let end = 0;
  for (const field of fields) {
    if (field.offset < end) {
      throw new Error(`${name}.${field.name} at ${field.offset} overlaps the field before it`);
    }
    end = field.offset + fieldLength(field.type);
  }
  if (end > blockLength) {
    throw new Error(`${name} has a block of ${blockLength} bytes, its fields need ${end}`);
  }
}

function typeText(type: FieldType): string {
  return typeof type === 'string' ? type : type.enumeration;
}

function fieldTable(fields: readonly FieldSchema[]): string[] {
  return fields.map((field) => {
    const since = field.since > 0 ? ` since version ${field.since}` : '';
    const offset = String(field.offset).padStart(4);
    return `//  ${offset}  ${field.name}: ${typeText(field.type)}${since}`;
  });
}

function varDataTable(varData: readonly VarDataSchema[]): string[] {
  return varData.map((data) => {
    const since = data.since > 0 ? ` since version ${data.since}` : '';
    return `//   var  ${data.name}: length u32, ${data.encoding}${since}`;
  });
}

function groupTable(group: GroupSchema): string[] {
  return [
    `// group  ${group.name}: block length u16, count u16, then per entry`,
    ...[...fieldTable(group.fields), ...varDataTable(group.varData)].map(
      (line) => `//        ${line.slice(2)}`,
    ),
  ];
}

function messageFile(message: MessageSchema): string {
  const body = [
    ...message.groups.flatMap((group) => [
      ...groupEncoderClass(message, group),
      '',
      ...groupDecoderClass(message, group),
      '',
    ]),
    ...encoderClass(message),
    '',
    ...decoderClass(message),
  ].join('\n');
  return [
    `// ${kebabCase(message.name)}.ts: template ${message.templateId} of schema ` +
      `${message.schemaId}.`,
    '// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.',
    '//',
    `// ${message.summary}`,
    '//',
    ...fieldTable(message.fields),
    ...message.groups.flatMap(groupTable),
    ...varDataTable(message.varData),
    `//  ${String(message.blockLength).padStart(4)}  length of the block`,
    '',
    ...imports(body),
    '',
    body,
    '',
  ].join('\n');
}

/** Where each helper that a codec may use comes from; a file imports those that occur in it. */
const HELPERS: readonly (readonly [path: string, names: readonly string[]])[] = [
  ['../../assert.js', ['assert']],
  [
    '../encoding.js',
    [
      'clearBytes',
      'EMPTY_VIEW',
      'GROUP_HEADER_LENGTH',
      'GroupOwner',
      'NULL_INT',
      'NULL_LONG',
      'NULL_OPAQUE',
      'readAscii',
      'readBytes',
      'readInt64',
      'skipGroup',
      'skipVarData',
      'varDataOffset',
      'writeInt64',
      'writeVarData',
    ],
  ],
  [
    '../message-header.js',
    [
      'holdsMessageHeader',
      'MESSAGE_HEADER_LENGTH',
      'messageBlockLength',
      'messageTemplateId',
      'messageVersion',
      'writeMessageHeader',
    ],
  ],
];

function imports(body: string): string[] {
  const lines: string[] = [];
  for (const [path, names] of HELPERS) {
    const used = names
      .filter((name) => new RegExp(`\\b${name}\\b`).test(body))
      .map((name) => (name === 'GroupOwner' ? `type ${name}` : name));
    if (used.length === 0) {
      continue;
    }
    const line = `import { ${used.join(', ')} } from '${path}';`;
    if (line.length <= LINE_LENGTH_MAX) {
      lines.push(line);
    } else {
      lines.push('import {', ...used.map((name) => `  ${name},`), `} from '${path}';`);
    }
  }
  return lines;
}

function enumerationsFile(enumerations: readonly EnumerationSchema[]): string {
  const lines = [
    '// enumerations.ts: the values of int32 fields that name something.',
    '// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.',
    '//',
    '// A decoder returns the number as it came: a newer peer may send values not listed here.',
  ];
  for (const enumeration of enumerations) {
    const { name: type } = enumeration;
    const values = Object.entries(enumeration.values);
    lines.push(
      '',
      `/** ${enumeration.summary} */`,
      `export const ${enumeration.name} = {`,
      ...values.map(([name, value]) => `  ${name}: ${value},`),
      '} as const;',
      `export type ${type} = (typeof ${type})[keyof typeof ${type}];`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function templateIdsFile(messages: readonly MessageSchema[]): string {
  const lines = [
    '// template-ids.ts: the template id of each message of the cluster.',
    '// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.',
    '',
    'export const TemplateId = {',
    ...messages
      .filter((message) => message.schemaId === messages[0]?.schemaId)
      .map((message) => `  ${message.name}: ${message.templateId},`),
    '} as const;',
    'export type TemplateId = (typeof TemplateId)[keyof typeof TemplateId];',
  ];
  return `${lines.join('\n')}\n`;
}
