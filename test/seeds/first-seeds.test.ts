// The seeds 1 to 100 of the smoke: see seed-range.ts.

import { testSeeds } from './seed-range.js';

testSeeds(1, 100);
