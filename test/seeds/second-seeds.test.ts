// The seeds 101 to 200 of the smoke: see seed-range.ts.

import { testSeeds } from './seed-range.js';

testSeeds(101, 100);
