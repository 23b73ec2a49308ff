// run-script.ts: plays one scenario and compares what it prints with what it is expected to print.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { ArenaPool } from '../../src/simulator/simulated-cluster.js';
import { buildStage, runCommand } from './commands.js';
import { type Block, formatScript, parseScript, type Script } from './script.js';
import type { Stage } from './stage.js';

const FOLDER = new URL('./', import.meta.url);
const ENDING = '.txt';

/**
 * Lines may come so much earlier or later than written down: a write more or less on a disk is no
 * other story. All intervals and timeouts of the protocol are several times longer.
 */
const TIME_TOLERANCE_MS = 10;
const TIMED_LINE = /^ *(\d+\.\d) {2}(.*)$/;
/** So many lines before a failure are shown with it. */
const LAST_LINE_COUNT = 40;

const arenas = new ArenaPool();

/** How a scenario went. */
export interface Outcome {
  /** Why it failed; empty when it did not. A rewrite forgives other lines, nothing else. */
  readonly failures: readonly string[];
  readonly lineCount: number;
}

/** Names of all scenarios, in order. */
export function scenarioNames(): string[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith(ENDING))
    .map((name) => name.slice(0, -ENDING.length))
    .sort();
}

export function readScenario(name: string): Script {
  return parseScript(readFileSync(new URL(`${name}${ENDING}`, FOLDER), 'utf8'));
}

/** Plays a scenario; when asked to, writes down what it prints. */
export function playScenario(name: string, isRewriting: boolean): Outcome {
  const script = readScenario(name);
  const { blocks, failures } = playBlocks(script);
  const lineCount = blocks.reduce((sum, block) => sum + block.expected.length, 0);
  const differences = script.blocks.flatMap((block, index) => {
    return differenceOf(block, blocks[index]);
  });
  if (isRewriting && failures.length === 0 && differences.length > 0) {
    writeFileSync(new URL(`${name}${ENDING}`, FOLDER), formatScript({ head: script.head, blocks }));
    return { failures, lineCount };
  }
  return { failures: [...failures, ...differences.slice(0, 1)], lineCount };
}

/** What a script prints now, block by block, up to its first failure. */
export function playBlocks(script: Script): { blocks: Block[]; failures: string[] } {
  const blocks: Block[] = [];
  let stage: Stage | undefined;
  try {
    for (const { commands } of script.blocks) {
      for (const command of commands) {
        if (stage === undefined && !command.startsWith('#')) {
          stage = buildStage(command, arenas);
        } else if (stage !== undefined) {
          play(stage, command);
        }
      }
      blocks.push({ commands, expected: stage?.takeLines() ?? [] });
    }
    return { blocks, failures: stage === undefined ? ['the scenario has no command'] : [] };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const seen = (stage?.takeLines() ?? []).slice(-LAST_LINE_COUNT);
    return { blocks, failures: [[message, ...seen.map((line) => `  ${line}`)].join('\n')] };
  } finally {
    stage?.close();
  }
}

function play(stage: Stage, command: string): void {
  try {
    runCommand(stage, command);
    stage.flushAnswers();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${command}: ${message}`, { cause: error });
  }
  const { violation } = stage.judge;
  if (violation !== undefined) {
    throw new Error(`${command}: ${violation.invariant} is broken: ${violation.message}`);
  }
}

/** Whether two lines tell the same, at times that are not further apart than a few disk writes. */
function isSame(line: string, other: string | undefined): boolean {
  if (line === other || other === undefined) {
    return line === other;
  }
  const [, time, text] = TIMED_LINE.exec(line) ?? [];
  const [, otherTime, otherText] = TIMED_LINE.exec(other) ?? [];
  const apartMs = Math.abs(Number(time) - Number(otherTime));
  return text !== undefined && text === otherText && apartMs <= TIME_TOLERANCE_MS;
}

function differenceOf(expected: Block, actual: Block | undefined): string[] {
  const lines = actual?.expected ?? [];
  const isEqual =
    lines.length === expected.expected.length &&
    lines.every((line, index) => isSame(line, expected.expected[index]));
  if (isEqual) {
    return [];
  }
  const at = lines.findIndex((line, index) => !isSame(line, expected.expected[index]));
  const index = at < 0 ? lines.length : at;
  return [
    `after '${expected.commands.join('; ')}' line ${index + 1} is\n` +
      `  ${lines[index] ?? '(none)'}\n` +
      `and not\n  ${expected.expected[index] ?? '(none)'}`,
  ];
}
