// The event loop of one thread. Turns are counted, not timed.

import test, { type Test } from 'tape';
import { InvariantError } from '../../src/assert.js';
import {
  EventLoop,
  type EventLoopOptions,
  TURN_PASS_COUNT_MAX,
} from '../../src/host/event-loop.js';
import { NodeClock } from '../../src/host/node-clock.js';
import { NodeNetwork } from '../../src/host/node-network.js';
import { WakeCell } from '../../src/host/wake-cell.js';
import type { Agent } from '../../src/ports/agent.js';
import { atEnd } from '../support/at-end.js';
import { until } from '../support/until.js';

/** An agent that does what a test says. */
class ScriptedAgent implements Agent {
  readonly roleName: string;
  callCount = 0;
  closeCount = 0;
  deadline = Infinity;
  work: (nowNs: number) => number = () => 0;

  constructor(roleName = 'scripted') {
    this.roleName = roleName;
  }
  doWork(nowNs: number): number {
    this.callCount += 1;
    return this.work(nowNs);
  }
  deadlineNs(): number {
    return this.deadline;
  }
  close(): void {
    this.closeCount += 1;
  }
}

const clock = new NodeClock();

function loopOf(t: Test, options: Partial<EventLoopOptions> = {}): EventLoop {
  const onFatal = (error: unknown) => {
    throw error;
  };
  const loop = new EventLoop({ clock, onFatal, ...options });
  atEnd(t, () => loop.close());
  return loop;
}

/** Lets Node's loop go round a number of times. */
async function rounds(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('an idle loop runs one turn and then no more', async (t) => {
  const loop = loopOf(t);
  const agent = new ScriptedAgent();
  loop.add(agent);
  await until(() => agent.callCount === 1, 'the agent was called');
  await rounds(200);
  t.equal(loop.counters.turnCount, 1);
  t.equal(loop.counters.idleTurnCount, 1);
  t.equal(loop.counters.timerCount, 0);
  t.end();
});

test('any number of wakes makes one turn', async (t) => {
  const loop = loopOf(t);
  const agent = new ScriptedAgent();
  loop.add(agent);
  await rounds(5);
  const before = loop.counters.turnCount;
  for (let i = 0; i < 100; i++) {
    loop.wake();
  }
  await rounds(10);
  t.equal(loop.counters.turnCount, before + 1);
  t.end();
});

test('a turn repeats while work is done, up to its bound, and goes on in the next', async (t) => {
  const loop = loopOf(t);
  const agent = new ScriptedAgent();
  let left = TURN_PASS_COUNT_MAX + 2;
  agent.work = () => {
    left -= 1;
    return left > 0 ? 1 : 0;
  };
  loop.add(agent);
  await until(() => left <= 0, 'the work is done');
  await rounds(5);
  t.equal(loop.counters.turnCount, 2);
  t.equal(loop.counters.passCount, TURN_PASS_COUNT_MAX + 2);
  t.end();
});

test('a wake from within a turn is not lost', async (t) => {
  const loop = loopOf(t);
  const agent = new ScriptedAgent();
  agent.work = () => {
    if (agent.callCount === 1) {
      loop.wake();
    }
    return 0;
  };
  loop.add(agent);
  await until(() => agent.callCount === 2, 'the agent was called again');
  await rounds(20);
  t.equal(agent.callCount, 2);
  t.end();
});

test('a deadline is kept by one timer and never early', async (t) => {
  const loop = loopOf(t);
  const agent = new ScriptedAgent();
  let firedAt = 0;
  const dueNs = clock.nowNs() + 20e6;
  agent.deadline = dueNs;
  agent.work = (nowNs) => {
    if (nowNs < agent.deadline) return 0;
    firedAt = nowNs;
    agent.deadline = Infinity;
    return 1;
  };
  loop.add(agent);
  await until(() => firedAt > 0, 'the deadline was seen');
  t.ok(firedAt >= dueNs);
  t.equal(loop.counters.timerCount, 1);
  t.ok(loop.counters.turnCount <= 3, `${loop.counters.turnCount} turns`);
  t.end();
});

test('a deadline a few microseconds away is waited for without a timer', async (t) => {
  const loop = loopOf(t);
  const agent = new ScriptedAgent();
  let isDone = false;
  agent.work = (nowNs) => {
    if (agent.deadline === Infinity && !isDone) {
      agent.deadline = nowNs + 0.03e6;
    } else if (nowNs >= agent.deadline) {
      agent.deadline = Infinity;
      isDone = true;
    }
    return 0;
  };
  loop.add(agent);
  await until(() => isDone, 'the deadline was seen');
  t.equal(loop.counters.timerCount, 0);
  t.end();
});

test('a deadline that moves nearer is kept, and one that moves away costs a turn', async (t) => {
  const loop = loopOf(t);
  const agent = new ScriptedAgent();
  agent.deadline = clock.nowNs() + 60_000e6;
  loop.add(agent);
  await rounds(5);
  agent.deadline = clock.nowNs() + 100e6;
  loop.wake();
  await rounds(2);
  agent.deadline = clock.nowNs() + 60_000e6;
  loop.wake();
  await until(() => loop.counters.timerCount === 1, 'the nearer timer fired');
  await rounds(20);
  t.equal(loop.counters.turnCount, 4);
  t.end();
});

test('the yield strategy turns without a pause', async (t) => {
  const loop = loopOf(t, { idleStrategy: 'yield' });
  loop.add(new ScriptedAgent());
  await until(() => loop.counters.turnCount > 100, 'a hundred turns were run');
  loop.close();
  const before = loop.counters.turnCount;
  await rounds(10);
  t.equal(loop.counters.turnCount, before);
  t.end();
});

test('what an agent throws ends the loop and is handed over once', async (t) => {
  const errors: unknown[] = [];
  const loop = loopOf(t, { onFatal: (error) => errors.push(error) });
  const good = new ScriptedAgent();
  const bad = new ScriptedAgent();
  bad.work = () => {
    throw new InvariantError('commit never moves back');
  };
  loop.add(bad);
  loop.add(good);
  await until(() => errors.length > 0, 'the error was handed over');
  loop.wake();
  await rounds(10);
  t.equal(errors.length, 1);
  t.ok(errors[0] instanceof InvariantError);
  t.equal(good.callCount, 0, 'no agent is called after it');
  t.ok(loop.isClosed);
  t.end();
});

test('an error while asking for deadlines is handed over too', async (t) => {
  const errors: unknown[] = [];
  const loop = loopOf(t, { onFatal: (error) => errors.push(error) });
  const agent = new ScriptedAgent();
  agent.deadline = Number.NaN;
  loop.add(agent);
  await until(() => errors.length > 0, 'the error was handed over');
  t.match(String(errors[0]), /a deadline is a time or Infinity/);
  t.end();
});

test('agents may be added and removed by agents, and are closed in reverse', async (t) => {
  const loop = loopOf(t);
  const closed: string[] = [];
  const agents = ['first', 'second', 'third'].map((name) => new ScriptedAgent(name));
  const [first, second, third] = agents as [ScriptedAgent, ScriptedAgent, ScriptedAgent];
  for (const agent of agents) {
    agent.close = () => closed.push(agent.roleName);
  }
  first.work = () => {
    if (first.callCount === 1) {
      loop.remove(second);
      loop.add(third);
    }
    return 0;
  };
  loop.add(first);
  loop.add(second);
  await until(() => third.callCount > 0, 'the agent that was added is called');
  t.equal(second.callCount, 0, 'the agent that was removed is not');
  loop.close();
  loop.close();
  t.deepEqual(closed, ['third', 'first']);
  t.end();
});

test('turns that are too long are counted', async (t) => {
  const loop = loopOf(t, { stallThresholdNs: 1e6 });
  const agent = new ScriptedAgent();
  agent.work = (nowNs) => {
    while (agent.callCount === 1 && clock.nowNs() < nowNs + 2e6);
    return 0;
  };
  loop.add(agent);
  await until(() => loop.counters.turnCount === 1, 'one turn was run');
  t.equal(loop.counters.stalledTurnCount, 1);
  t.ok(loop.counters.longestTurnNs >= 2e6);
  t.end();
});

test('datagrams that arrive together are handled in one turn', async (t) => {
  const loop = loopOf(t);
  const network = new NodeNetwork({ onReadable: loop.wake });
  const options = { sendBufferLength: 1 << 20, receiveBufferLength: 1 << 20 };
  const local = { host: '127.0.0.1', port: 0, inboxLengthMax: 1 << 20, ...options };
  const server = network.open(local);
  const client = network.open({ ...local, remote: server.localAddress ?? local });
  const agent = new ScriptedAgent();
  const batches: number[] = [];
  agent.work = () => {
    const count = server.poll(() => undefined, 100);
    if (count > 0) batches.push(count);
    return count;
  };
  loop.add(agent);
  await rounds(5);
  for (let i = 0; i < 20; i++) {
    client.send(new Uint8Array(200), 0, 200);
  }
  await until(() => batches.length > 0, 'a batch was handled');
  t.deepEqual(batches, [20]);
  network.close();
  t.end();
});

test('a signal wakes a sleeping loop, and none is lost between looking and sleeping', async (t) => {
  const wakeCell = WakeCell.create();
  const loop = loopOf(t, { wakeCell });
  const agent = new ScriptedAgent();
  agent.work = () => {
    if (agent.callCount === 1) {
      wakeCell.signal();
    }
    return 0;
  };
  loop.add(agent);
  await until(() => agent.callCount === 2, 'the signal from within the turn was seen');
  await rounds(20);
  for (let calls = 3; calls < 30; calls++) {
    wakeCell.signal();
    wakeCell.signal();
    await until(() => agent.callCount >= calls, `signal ${calls} was seen`);
  }
  await rounds(20);
  t.ok(agent.callCount < 70, `${agent.callCount} turns for 27 pairs of signals`);
  t.end();
});

test('a loop that ends leaves no wait behind, whatever has woken it last', async (t) => {
  const wakeCell = WakeCell.create();
  const waiterCount = () => Atomics.notify(wakeCell.cells, wakeCell.index);
  const loop = loopOf(t, { wakeCell });
  const agent = new ScriptedAgent();
  loop.add(agent);
  await until(() => agent.callCount === 1, 'the loop has looked for work');
  await rounds(5);
  agent.work = () => {
    loop.close();
    return 0;
  };
  loop.wake();
  await until(() => loop.isClosed, 'the loop has ended in a turn that no signal began');
  t.equal(waiterCount(), 0, 'nobody waits on its cell');
  t.end();
});
