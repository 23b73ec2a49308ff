// Reads source files for the tests of order. It tells code from comments and strings without a
// parser: enough for rules about words and braces, and it depends on no compiler's interface.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface SourceFile {
  readonly path: string;
  readonly text: string;
  /** Comments are blank; offsets and line ends are those of the text. */
  readonly uncommented: string;
  /** Comments and the insides of strings, templates and regular expressions are blank. */
  readonly code: string;
}

const SKIPPED_FOLDERS = ['node_modules', 'generated', 'dist', 'build', 'target'];

/** Every file below a folder with one of the endings, in a fixed order; none if it is missing. */
export function filesBelow(path: string, endings: readonly string[]): string[] {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return endings.some((e) => path.endsWith(e)) ? [path] : [];
  const names = readdirSync(path).filter((name) => !SKIPPED_FOLDERS.includes(name));
  return names.sort().flatMap((name) => filesBelow(join(path, name), endings));
}

export function readSource(path: string): SourceFile {
  const text = readFileSync(path, 'utf8');
  return { path, text, ...mask(text) };
}

export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

/** The module names that a file imports or re-exports, and whether only types are taken. */
export function importsOf(
  source: SourceFile,
): { specifier: string; typeOnly: boolean; line: number }[] {
  const pattern =
    /\b(?:(?:import|export)\b([^;'"`]*?)\bfrom\s*|import\s*\(\s*|import\s+)(['"])([^'"\n]+)\2/g;
  const found = [];
  for (const match of source.uncommented.matchAll(pattern)) {
    if (source.code[match.index] !== source.uncommented[match.index]) continue;
    const typeOnly = /^\s*type\b/.test(match[1] ?? '');
    found.push({ specifier: match[3] ?? '', typeOnly, line: lineOf(source.text, match.index) });
  }
  return found;
}

const WORD_BEFORE_EXPRESSION = /(?:^|[^\w$.])(?:return|typeof|case|in|of|void|throw|do|else)$/;

/** A slash begins a regular expression where a value cannot have ended just before it. */
function beginsRegularExpression(codeBefore: string): boolean {
  const before = codeBefore.slice(-200).trimEnd();
  if (before === '' || WORD_BEFORE_EXPRESSION.test(before)) return true;
  return /[(,=:[!&|?{};+\-*%<>~^]/.test(before.slice(-1));
}

/** The offset just behind a quoted string, which ends at its line's end at the latest. */
function endOfString(text: string, start: number): number {
  const quote = text[start];
  let at = start + 1;
  while (at < text.length && text[at] !== quote && text[at] !== '\n') {
    at += text[at] === '\\' ? 2 : 1;
  }
  return at + 1;
}

function endOfRegularExpression(text: string, start: number): number {
  let inClass = false;
  let at = start + 1;
  while (at < text.length && text[at] !== '\n' && (inClass || text[at] !== '/')) {
    if (text[at] === '[') inClass = true;
    if (text[at] === ']') inClass = false;
    at += text[at] === '\\' ? 2 : 1;
  }
  return at + 1;
}

/** The offset behind the next literal part of a template: behind its end or behind a `${`. */
function endOfTemplatePart(text: string, start: number): { end: number; opensCode: boolean } {
  let at = start;
  while (at < text.length && text[at] !== '`') {
    if (text.startsWith('${', at)) return { end: at + 2, opensCode: true };
    at += text[at] === '\\' ? 2 : 1;
  }
  return { end: at + 1, opensCode: false };
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, ' ');
}

class Masker {
  uncommented = '';
  code = '';
  at = 0;
  /** One entry per open `${`: how many braces are open inside it. */
  private readonly templates: number[] = [];
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  run(): void {
    while (this.at < this.text.length) this.step();
  }

  private step(): void {
    const { text, at } = this;
    if (text.startsWith('//', at)) this.comment(indexOrEnd(text, '\n', at));
    else if (text.startsWith('/*', at)) this.comment(indexOrEnd(text, '*/', at) + 2);
    else if (text[at] === "'" || text[at] === '"') this.literal(endOfString(text, at));
    else if (text[at] === '`') this.template(at + 1);
    else if (text[at] === '}' && this.templates.at(-1) === 0) {
      this.templates.pop();
      this.template(at + 1);
    } else if (text[at] === '/' && beginsRegularExpression(this.code)) {
      this.literal(endOfRegularExpression(text, at));
    } else this.character();
  }

  private comment(end: number): void {
    const part = blank(this.text.slice(this.at, end));
    this.uncommented += part;
    this.code += part;
    this.at = Math.min(end, this.text.length);
  }

  /** Keeps the first and the last character in the code, so that a value is still seen there. */
  private literal(end: number): void {
    const part = this.text.slice(this.at, end);
    this.uncommented += part;
    this.code += part.length < 2 ? part : part[0] + blank(part.slice(1, -1)) + part.slice(-1);
    this.at += part.length;
  }

  private template(start: number): void {
    const { end, opensCode } = endOfTemplatePart(this.text, start);
    const part = this.text.slice(this.at, end);
    this.uncommented += part;
    this.code += blank(part);
    this.at += part.length;
    if (opensCode) this.templates.push(0);
  }

  private character(): void {
    const character = this.text[this.at] ?? '';
    const depth = this.templates.length - 1;
    if (depth >= 0 && character === '{') this.templates[depth] = (this.templates[depth] ?? 0) + 1;
    if (depth >= 0 && character === '}') this.templates[depth] = (this.templates[depth] ?? 0) - 1;
    this.uncommented += character;
    this.code += character;
    this.at += 1;
  }
}

function indexOrEnd(text: string, part: string, from: number): number {
  const index = text.indexOf(part, from);
  return index < 0 ? text.length : index;
}

/** Blanks comments, and in a second copy also the insides of literals. */
export function mask(text: string): { uncommented: string; code: string } {
  const masker = new Masker(text);
  masker.run();
  return { uncommented: masker.uncommented, code: masker.code };
}

export interface FunctionSpan {
  readonly line: number;
  readonly lineCount: number;
}

const CONTROL_HEAD = /(?:^|[^\w$.])(?:if|for|while|switch|catch|with)\s*(?:await\s*)?$/;

/** The offset of the parenthesis that opens what closes at the given offset. */
function openingOf(code: string, close: number): number {
  let depth = 0;
  for (let at = close; at >= 0; at--) {
    if (code[at] === ')') depth += 1;
    if (code[at] === '(') depth -= 1;
    if (depth === 0) return at;
  }
  return -1;
}

/** Says where the function begins whose body opens here, or -1 when this brace opens none. */
function functionStart(code: string, brace: number): number {
  const head = code.slice(Math.max(0, brace - 2000), brace);
  const offset = brace - head.length;
  const arrow = /=>\s*$/.exec(head);
  if (arrow) return offset + arrow.index;
  // What may stand between the parameters and the body is a return type without braces.
  const result = /\)\s*(?::[^(){};=]*)?$/.exec(head);
  if (!result) return -1;
  const open = openingOf(code, offset + result.index);
  if (open < 0 || CONTROL_HEAD.test(code.slice(Math.max(0, open - 40), open))) return -1;
  return open;
}

/** The functions of a file by their bodies, as first line and number of lines. */
export function functionsOf(source: SourceFile): FunctionSpan[] {
  const { code } = source;
  const open: number[] = [];
  const spans: FunctionSpan[] = [];
  for (let at = 0; at < code.length; at++) {
    if (code[at] === '{') open.push(functionStart(code, at));
    if (code[at] === '}') {
      const start = open.pop() ?? -1;
      if (start < 0) continue;
      const line = lineOf(code, start);
      spans.push({ line, lineCount: lineOf(code, at) - line + 1 });
    }
  }
  return spans;
}
