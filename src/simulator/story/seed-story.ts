// seed-story.ts: the story of a simulation that failed, by running its seed again and again.

import { Simulation, type SimulationOptions, type SimulationResult } from '../simulation.js';
import { type SeedStory, tellSeed } from './failing-seed.js';

/**
 * Minimises a failed run and tells the smaller one.
 *
 * @param optionsOf makes the options of one run: an application belongs to one run only.
 * @returns undefined for a run that did not fail.
 */
export function storyOf(
  optionsOf: () => SimulationOptions,
  result: SimulationResult,
  runsMax: number,
): SeedStory | undefined {
  const { safetyEndNs, struck, violation } = result;
  if (violation === undefined) {
    return undefined;
  }
  return tellSeed({
    violation,
    struck,
    safetyEndNs,
    runsMax,
    run: (selection, isTraced, untilNs) =>
      new Simulation({
        ...optionsOf(),
        isTraced,
        without: selection.without,
        onlyFaults: selection.only,
        untilNs,
      }).run(),
  });
}
