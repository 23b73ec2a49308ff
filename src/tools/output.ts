// output.ts: where the commands print: results on the standard output, progress where it does not
// disturb them.

/** Prints one line of the result. */
export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Prints a result as one JSON object on one line. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Where a command tells what it is doing. */
export interface Progress {
  /** A step: stays on the screen. */
  step(text: string): void;
  /** A number that moves: replaces the line before it on a terminal, and is dropped elsewhere. */
  live(text: string): void;
}

const CLEAR_LINE = '\r\u001b[K';

/** Progress on the standard output, or on the standard error when the output is JSON. */
export function progressOf(isJson: boolean): Progress {
  const stream = isJson ? process.stderr : process.stdout;
  const isTerminal = stream.isTTY === true;
  let isLive = false;
  return {
    step(text) {
      stream.write(`${isLive ? CLEAR_LINE : ''}${text}\n`);
      isLive = false;
    },
    live(text) {
      if (isTerminal) {
        stream.write(`${CLEAR_LINE}${text}`);
        isLive = true;
      }
    },
  };
}

/** Whole numbers with thin groups of three, as people read them. */
export function grouped(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',');
}

/** Columns aligned for reading: the first to the left, the others to the right. */
export function tableText(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return rows.map(line).join('\n');
}
