// All scenarios, each as a test of its own. See README.md here for the language.

import test from 'tape';
import { playScenario, scenarioNames } from './run-script.js';

for (const name of scenarioNames()) {
  test(`scenario ${name}`, (t) => {
    const { failures, lineCount } = playScenario(name, false);
    t.deepEqual(failures, [], `${lineCount} lines; npm run test:scenarios -- ${name} replays it`);
    t.end();
  });
}
