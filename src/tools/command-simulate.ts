// command-simulate.ts: the options of `pawl simulate`; the simulator does the rest.

import type { Command } from 'commander';
import { integerOption } from './options.js';

const SEED_MAX = 2 ** 32 - 1;
const SEED_COUNT_MAX = 1_000_000;

export interface SimulateFlags {
  /** How many seeds to run. */
  readonly seeds: number;
  readonly firstSeed: number;
  /** One seed alone; wins over the other two. */
  readonly seed?: number;
  /** Which faults are injected. */
  readonly profile?: string;
  /** Prints every event of the run. */
  readonly trace?: boolean;
  readonly json?: boolean;
}

/** Runs the seeds, prints the report and returns the exit code. */
export type SimulateRunner = (flags: SimulateFlags) => number | Promise<number>;

export function addSimulateCommand(program: Command, run: SimulateRunner): void {
  program
    .command('simulate')
    .summary('run whole clusters on a virtual network and disk')
    .description(
      'Run whole clusters in one thread over a virtual clock, network and disk, with faults drawn ' +
        'from a seed, and check after every event that nothing promised is broken. A seed repeats ' +
        'its run exactly.',
    )
    .option('--seeds <n>', 'how many seeds to run', integerOption(1, SEED_COUNT_MAX), 100)
    .option('--first-seed <seed>', 'the first of them', integerOption(0, SEED_MAX), 1)
    .option('--seed <seed>', 'run this seed alone, to look at it', integerOption(0, SEED_MAX))
    .option('--profile <name>', 'which faults are injected')
    .option('--trace', 'print every event')
    .option('--json', 'print one JSON object')
    .action(async (flags: SimulateFlags) => {
      process.exitCode = await run(flags);
    });
}
