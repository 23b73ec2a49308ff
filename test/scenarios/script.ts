// script.ts: the text of a scenario: a head comment, and blocks of commands with what they print.
//
// A block is some lines of commands, a line of four dashes, and the lines that they are expected to
// print; blank lines stand between blocks. A block without dashes prints nothing. A command that
// begins with `#` says something to the reader and is kept.

const SEPARATOR = '----';

/** Commands, and what they print. */
export interface Block {
  readonly commands: readonly string[];
  readonly expected: readonly string[];
}

export interface Script {
  /** Lines of the head comment without their `#`: what it shows, and why it matters. */
  readonly head: readonly string[];
  readonly blocks: readonly Block[];
}

/** Reads a script. Throws for a text without a head comment: each says what it is for. */
export function parseScript(text: string): Script {
  const groups = text
    .split(/\n\s*\n/)
    .map((group) => group.split('\n').filter((line) => line.trim() !== ''))
    .filter((lines) => lines.length > 0);
  const [first, ...rest] = groups;
  if (first === undefined || !first.every((line) => line.startsWith('#'))) {
    throw new Error('a scenario begins with comment lines and a blank line behind them');
  }
  return { head: first.map((line) => line.replace(/^#\s?/, '')), blocks: rest.map(parseBlock) };
}

function parseBlock(lines: readonly string[]): Block {
  const at = lines.indexOf(SEPARATOR);
  return at < 0
    ? { commands: lines, expected: [] }
    : { commands: lines.slice(0, at), expected: lines.slice(at + 1) };
}

/** Writes a script with what its blocks print. */
export function formatScript(script: Script): string {
  const head = script.head.map((line) => `# ${line}`.trimEnd());
  const blocks = script.blocks.map(({ commands, expected }) =>
    expected.length === 0 ? commands : [...commands, SEPARATOR, ...expected],
  );
  return `${[head, ...blocks].map((lines) => lines.join('\n')).join('\n\n')}\n`;
}

const NS_PER_UNIT: ReadonlyMap<string, number> = new Map([
  ['us', 1_000],
  ['ms', 1_000_000],
  ['s', 1_000_000_000],
]);

/** Reads a duration as `250ms` or `2s`. */
export function parseDurationNs(text: string): number {
  const [, number, unit] = /^(-?[\d.]+)(us|ms|s)$/.exec(text) ?? [];
  if (number === undefined || unit === undefined) {
    throw new Error(`'${text}' is no duration: write it as 500us, 250ms or 2s`);
  }
  return Number(number) * (NS_PER_UNIT.get(unit) as number);
}

/** The words of one command: plain ones in their order, and those of the form `name=value`. */
export class Words {
  readonly plain: readonly string[];
  readonly #named = new Map<string, string>();
  readonly #used = new Set<string>();

  constructor(line: string) {
    const tokens = line.split(/\s+/).filter((token) => token !== '');
    const isNamed = (token: string): boolean => /^[a-z][a-z-]*=./.test(token);
    this.plain = tokens.filter((token) => !isNamed(token));
    for (const token of tokens.filter(isNamed)) {
      const at = token.indexOf('=');
      this.#named.set(token.slice(0, at), token.slice(at + 1));
    }
  }

  text(name: string): string | undefined {
    this.#used.add(name);
    return this.#named.get(name);
  }

  number(name: string): number | undefined {
    const text = this.text(name);
    const value = text === undefined ? undefined : Number(text);
    if (value !== undefined && !Number.isFinite(value)) {
      throw new Error(`${name}=${text} is no number`);
    }
    return value;
  }

  durationNs(name: string): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : parseDurationNs(text);
  }

  /** Throws when the command has a `name=value` that nothing has asked for. */
  checkUsed(): void {
    const unused = [...this.#named.keys()].filter((name) => !this.#used.has(name));
    if (unused.length > 0) {
      throw new Error(`${unused.join(', ')} means nothing here`);
    }
  }
}

/** `m1..m4` is m1 m2 m3 m4; everything else is itself. */
export function expandRange(token: string): string[] {
  const [, prefix, first, otherPrefix, last] = /^(.*?)(\d+)\.\.(.*?)(\d+)$/.exec(token) ?? [];
  if (prefix === undefined || prefix !== otherPrefix) {
    return [token];
  }
  const from = Number(first);
  return Array.from({ length: Number(last) - from + 1 }, (_, index) => `${prefix}${from + index}`);
}

/** Texts as a reader likes them: a run of numbered ones as `m1..m4`. */
export function foldTexts(texts: readonly string[]): string {
  const folded: string[] = [];
  for (let at = 0; at < texts.length; ) {
    const text = texts[at] as string;
    const [, prefix = '', number = ''] = /^(.*?)(\d+)$/.exec(text) ?? [];
    let end = at + 1;
    while (number !== '' && texts[end] === `${prefix}${Number(number) + end - at}`) {
      end++;
    }
    if (end - at > 2) {
      folded.push(`${text}..${texts[end - 1]}`);
    } else {
      folded.push(...texts.slice(at, end));
    }
    at = end;
  }
  return folded.join(' ');
}
