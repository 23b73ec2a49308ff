// index.ts: what does an operation of core.wasm cost, beside careful TypeScript that does the same?
//
//   node --import tsx bench/wasm/index.ts          prints a table
//   node --import tsx bench/wasm/index.ts --json   prints one JSON object
//
// The twin keeps no atomics and serves one thread only, so it is given an easier task. Numbers of a
// shared machine scatter: compare the two columns of one run, not runs.

import { execFileSync } from 'node:child_process';
import { cpus, release, type } from 'node:os';
import { type BenchCase, benchCases, sinkValue } from './cases.js';
import { type Measurement, measureInTurns } from './measure.js';

interface Row {
  readonly name: string;
  readonly wasm: Measurement;
  readonly twin: Measurement;
}

function commit(): string {
  try {
    const args = ['rev-parse', '--short', 'HEAD'];
    return execFileSync('git', args, { encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch (error) {
    return `unknown (${error instanceof Error ? error.name : 'no git'})`;
  }
}

function environment() {
  const processors = cpus();
  return {
    machine: `${processors.length} x ${processors[0]?.model ?? 'unknown processor'}`,
    system: `${type()} ${release()}`,
    node: process.version,
    commit: commit(),
  };
}

function runCase({ name, unit, wasm, twin }: BenchCase): Row {
  const [wasmResult, twinResult] = measureInTurns([wasm, twin], unit);
  if (wasmResult === undefined || twinResult === undefined) {
    throw new Error(`${name} was not measured`);
  }
  return { name, wasm: wasmResult, twin: twinResult };
}

function tableLine(name: string, wasm: string, twin: string, ratio: string): string {
  return `${name.padEnd(58)} ${wasm.padStart(12)} ${twin.padStart(12)} ${ratio.padStart(8)}`;
}

function formatNs(ns: number): string {
  return ns >= 1000 ? ns.toFixed(0) : ns.toFixed(1);
}

function printTable(rows: readonly Row[]): void {
  const { machine, system, node, commit: revision } = environment();
  console.log(`${machine}, ${system}, Node ${node}, commit ${revision}`);
  console.log('nanoseconds per operation, median of 25 chunks\n');
  console.log(tableLine('operation', 'core.wasm', 'TypeScript', 'ratio'));
  for (const { name, wasm, twin } of rows) {
    const ratio = (twin.medianNs / wasm.medianNs).toFixed(1);
    console.log(tableLine(name, formatNs(wasm.medianNs), formatNs(twin.medianNs), ratio));
  }
}

const rows = benchCases().map(runCase);
if (process.argv.includes('--json')) {
  console.log(JSON.stringify({ ...environment(), rows }));
} else {
  printTable(rows);
}
if (!Number.isFinite(sinkValue())) {
  throw new Error('a benchmark computed nonsense');
}
