// simulate.mjs: runs the three services of auctions.mjs in simulated clusters, under faults.
//
//   node examples/simulate-my-service/simulate.mjs [SEEDS]

import { simulate } from 'pawl/simulator';
import { Auctions, bidder, HastyAnswers, HastyAuctions } from './auctions.mjs';

const seeds = Number(process.argv[2] ?? 20);

for (const Service of [Auctions, HastyAuctions, HastyAnswers]) {
  const report = simulate({ service: () => new Service(), workload: bidder, seeds });
  console.log(
    `${Service.name}: ${report.seeds} seeds, ${report.commands} commands, ${report.crashes} ` +
      `crashes, ${report.comparedStates} states and ${report.comparedAnswers} answers compared, ` +
      `${report.failures.length} failures`,
  );
  for (const failure of report.failures) {
    console.log(`seed ${failure.seed}, judge ${failure.judge}: ${failure.message}`);
  }
}
