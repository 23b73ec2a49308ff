// session-process.ts: the process whose sessions a bench counts.

import { EventLoop } from '../../host/event-loop.js';
import { NodeClock } from '../../host/node-clock.js';
import { NodeEntropy } from '../../host/node-entropy.js';
import { NodeNetwork } from '../../host/node-network.js';
import { Arena } from '../../memory/arena.js';
import { serveParent } from '../child-process.js';
import { until } from '../load-run.js';
import { SessionFleet } from './session-fleet.js';

export interface FleetSpec {
  readonly leader: string;
  readonly countMax: number;
  readonly termLength: number;
  readonly memoryLength: number;
}

/** What `open` answers. */
export interface FleetReport {
  readonly openCount: number;
  readonly seconds: number;
  readonly failure: string | undefined;
}

const OPEN_TIMEOUT_NS = 120e9;

function failProcess(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

const clock = new NodeClock();
let loop: EventLoop | undefined;
let fleet: SessionFleet | undefined;

function connect(value: unknown): void {
  const spec = value as FleetSpec;
  const made = new EventLoop({ clock, idleStrategy: 'event', onFatal: failProcess });
  const network = new NodeNetwork({ onReadable: made.wake });
  fleet = new SessionFleet({
    ...spec,
    arena: Arena.create(spec.memoryLength),
    network,
    entropy: new NodeEntropy(),
  });
  made.add(fleet);
  loop = made;
}

async function open(value: unknown): Promise<FleetReport> {
  const count = Number(value);
  const sessions = fleet;
  if (sessions === undefined) {
    throw new Error('connect comes before open');
  }
  const beganNs = clock.nowNs();
  sessions.want(count);
  loop?.wake();
  await until(
    () => sessions.openCount >= count || sessions.failure !== undefined,
    clock,
    OPEN_TIMEOUT_NS,
  );
  const seconds = (clock.nowNs() - beganNs) / 1e9;
  return { openCount: sessions.openCount, seconds, failure: sessions.failure };
}

serveParent({ connect, open }, () => process.exit(0));
