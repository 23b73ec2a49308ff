// run.ts: `npm run test:scenarios`: plays all scenarios, or those whose names hold a given text.
//
//   npm run test:scenarios                        plays and compares
//   npm run test:scenarios -- figure-8            only those with `figure-8` in their name
//   npm run test:scenarios -- --rewrite           writes down what they print now
//   npm run test:scenarios -- --print figure-8    prints what they print now

import { playBlocks, playScenario, readScenario, scenarioNames } from './run-script.js';
import { formatScript } from './script.js';

const args = process.argv.slice(2);
const isRewriting = args.includes('--rewrite');
const isPrinting = args.includes('--print');
const parts = args.filter((argument) => !argument.startsWith('--'));
const names = scenarioNames().filter(
  (name) => parts.length === 0 || parts.some((part) => name.includes(part)),
);

let failedCount = 0;
for (const name of names) {
  if (isPrinting) {
    const script = readScenario(name);
    const { blocks, failures } = playBlocks(script);
    process.stdout.write(formatScript({ head: script.head, blocks }));
    process.stdout.write(failures.map((failure) => `FAILED ${failure}\n`).join(''));
    failedCount += failures.length > 0 ? 1 : 0;
    continue;
  }
  const { failures, lineCount } = playScenario(name, isRewriting);
  failedCount += failures.length > 0 ? 1 : 0;
  const state = failures.length > 0 ? 'FAIL' : 'ok  ';
  process.stdout.write(`${state} ${name}: ${lineCount} lines\n`);
  process.stdout.write(failures.map((failure) => `${failure}\n`).join(''));
}
process.stdout.write(`${names.length - failedCount} passed, ${failedCount} failed\n`);
process.exitCode = failedCount > 0 || names.length === 0 ? 1 : 0;
