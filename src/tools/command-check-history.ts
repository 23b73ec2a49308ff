// command-check-history.ts: `pawl check-history` tells whether a history is linearizable.

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { ErrorCode, PawlError } from '../errors.js';
import { ExitCode } from '../host/exit-codes.js';
import {
  CHECK_LIMITS,
  type CheckResult,
  checkHistory,
  type KeyViolation,
} from '../simulator/linearizability/check.js';
import { explainViolation, keyText, valueAfter } from '../simulator/linearizability/explanation.js';
import {
  FAILED_COMPARISONS,
  type FailedComparison,
  type HistoryValue,
  MODELS,
  type ModelName,
} from '../simulator/linearizability/history.js';
import {
  HISTORY_FORMATS,
  type HistoryFormat,
  type ReadHistory,
  readHistory,
} from '../simulator/linearizability/history-text.js';
import type { SearchVerdict } from '../simulator/linearizability/search.js';
import { integerOption, scalarOption, wordOption } from './options.js';
import { grouped, printJson, printLine } from './output.js';

const OPERATIONS_MAX = 10_000_000;
const STEPS_MAX = 1_000_000_000_000;
/** Violations that are explained in words; all are counted. */
const EXPLAINED_MAX = 5;

const EXIT_CODES: Readonly<Record<SearchVerdict, ExitCode>> = {
  linearizable: ExitCode.Ok,
  violation: ExitCode.NotLinearizable,
  unknown: ExitCode.VerdictUnknown,
};

interface CheckHistoryFlags {
  readonly format?: HistoryFormat;
  readonly model?: ModelName;
  readonly failedCas: FailedComparison;
  readonly initial: HistoryValue;
  readonly operationsMax: number;
  readonly stepsMax: number;
  readonly json?: boolean;
}

async function readText(file: string): Promise<string> {
  try {
    if (file !== '-') {
      return readFileSync(file, 'utf8');
    }
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) {
      chunks.push(chunk as Buffer);
    }
    return Buffer.concat(chunks).toString('utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new PawlError(
      ErrorCode.HistoryInvalid,
      `history ${file} cannot be read (${code ?? String(error)}): name a file, or - for the ` +
        'standard input',
      'usage',
      { cause: error },
    );
  }
}

/** What was read, for people. */
function headText(file: string, { format, history, ignoredLineCount, model }: ReadHistory): string {
  const { droppedCount, eventCount, operations, unknownCount } = history;
  return (
    `${file}: ${format}, model ${model}, ${grouped(eventCount)} events, ` +
    `${grouped(operations.length)} operations (${grouped(unknownCount)} of unknown outcome), ` +
    `${grouped(droppedCount)} that tell nothing left out, ${grouped(ignoredLineCount)} other lines`
  );
}

function resultText(file: string, read: ReadHistory, result: CheckResult, initial: HistoryValue) {
  const { keyCount, stepCount, unknowns, verdict, violations } = result;
  const keys = `${grouped(keyCount)} ${keyCount === 1 ? 'key' : 'keys'}`;
  return [
    headText(file, read),
    ...violations.slice(0, EXPLAINED_MAX).flatMap((one) => explainViolation(one, initial)),
    ...unknowns.map(({ key, reason }) => `${keyText(key)} was not judged: ${reason}`),
    `${verdict.toUpperCase()}: ${keys}, ${violations.length} not linearizable, ` +
      `${unknowns.length} unknown, ${grouped(stepCount)} steps`,
  ].join('\n');
}

function violationJson(violation: KeyViolation, initial: HistoryValue) {
  const { key, longestOrder, operation, prefixEventCount } = violation;
  return {
    key: key ?? null,
    prefixEvents: prefixEventCount,
    operation,
    longestOrder,
    valueAfterLongestOrder: valueAfter(longestOrder, initial),
    explanation: explainViolation(violation, initial),
  };
}

function resultJson(file: string, read: ReadHistory, result: CheckResult, initial: HistoryValue) {
  const { droppedCount, eventCount, operations, unknownCount } = read.history;
  return {
    file,
    verdict: result.verdict,
    format: read.format,
    model: read.model,
    events: eventCount,
    operations: operations.length,
    unknownOutcomes: unknownCount,
    dropped: droppedCount,
    otherLines: read.ignoredLineCount,
    keys: result.keyCount,
    steps: result.stepCount,
    violations: result.violations.map((violation) => violationJson(violation, initial)),
    unknowns: result.unknowns.map(({ key, reason }) => ({ key: key ?? null, reason })),
  };
}

async function checkFile(file: string, flags: CheckHistoryFlags): Promise<void> {
  const { failedCas, format, initial, json: isJson, model, operationsMax, stepsMax } = flags;
  const read = readHistory(await readText(file), {
    ...(format === undefined ? {} : { format }),
    ...(model === undefined ? {} : { model }),
    failedComparison: failedCas,
  });
  const limits = { operationsMax, stepsMax };
  const result = checkHistory(read.history, { initialValue: initial, limits });
  if (isJson === true) {
    printJson(resultJson(file, read, result, initial));
  } else {
    printLine(resultText(file, read, result, initial));
  }
  process.exitCode = EXIT_CODES[result.verdict];
}

export function addCheckHistoryCommand(program: Command): void {
  program
    .command('check-history')
    .summary('tell whether a history is linearizable')
    .description(
      'Tell whether a history of operations on registers or keys is linearizable: whether one ' +
        'order of them, in which each takes effect between its invocation and its end, explains ' +
        'all results. Operations of unknown outcome may have taken effect at any later time, or ' +
        'never. Exit code 0 when it is linearizable, 11 when it is not, 12 when a limit came ' +
        'first, 2 when it cannot be read.',
    )
    .argument('<file>', 'the history, or - for the standard input')
    .option('--format <name>', 'json-lines or jepsen (default: seen)', wordOption(HISTORY_FORMATS))
    .option('--model <name>', 'register or key-value (default: seen)', wordOption(MODELS))
    .option(
      '--failed-cas <meaning>',
      'a compare-and-set that failed tells nothing (drop) or that it did not match (mismatch)',
      wordOption(FAILED_COMPARISONS),
      'drop',
    )
    .option('--initial <json>', 'what every key holds at first', scalarOption, null)
    .option(
      '--operations-max <n>',
      'operations of one key that are judged',
      integerOption(1, OPERATIONS_MAX),
      CHECK_LIMITS.operationsMax,
    )
    .option(
      '--steps-max <n>',
      'steps that the search may take for one key',
      integerOption(1, STEPS_MAX),
      CHECK_LIMITS.stepsMax,
    )
    .option('--json', 'print one JSON object')
    .action(checkFile);
}
