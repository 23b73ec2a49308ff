// The world: order of events, processes that pause and end, and duty cycles.

import test from 'tape';
import { fixedDelay } from '../../src/simulator/delay.js';
import type { VirtualNode } from '../../src/simulator/virtual-node.js';
import { EndKind } from '../../src/simulator/virtual-process.js';
import { SAME_INSTANT_TURNS_MAX, type VirtualThread } from '../../src/simulator/virtual-thread.js';
import { World } from '../../src/simulator/world.js';
import {
  addPassive,
  agentOf,
  MICROSECOND,
  MILLISECOND,
  openSocket,
  sendBytes,
  socketOptions,
} from './harness.js';

/** A node whose agent notes the local time of each turn. */
function addRecorder(
  world: World,
  turns: number[],
  deadlineNs: () => number = () => Number.POSITIVE_INFINITY,
): VirtualNode {
  const node = world.addNode({ name: `recorder ${world.nodes.length}` });
  node.start((process) => {
    process.spawn('main', () => [
      agentOf({
        doWork(nowNs) {
          turns.push(nowNs);
          return 0;
        },
        deadlineNs,
      }),
    ]);
  });
  return node;
}

test('events run by time, and in the order of scheduling at one instant', (t) => {
  const world = new World(1);
  const order: string[] = [];
  world.schedule(20, undefined, () => order.push('c'));
  world.schedule(10, undefined, () => {
    order.push('a');
    world.schedule(10, undefined, () => order.push('b'));
  });
  world.schedule(20, undefined, () => order.push('d'));
  t.equal(world.runUntil(10), 2);
  t.equal(world.nowNs, 10);
  t.equal(world.runUntil(30), 2);
  t.equal(world.nowNs, 30);
  t.equal(order.join(''), 'abcd');
  t.throws(() => world.schedule(29, undefined, () => undefined), /29 ns/);
  t.notOk(world.step());
  t.end();
});

test('a cancelled event does not run, also while it waits for a paused process', (t) => {
  const world = new World(1);
  const { node } = addPassive(world, 'a');
  let runs = 0;
  const event = world.schedule(10, undefined, () => runs++);
  t.ok(world.cancel(event));
  t.notOk(world.cancel(event));
  const waiting = world.schedule(10, node, () => runs++);
  node.process?.pause(100);
  world.runUntil(50);
  t.ok(world.cancel(waiting));
  world.runUntil(200);
  t.equal(runs, 0);
  t.end();
});

test('events of a process wait while it is paused and vanish when it ends', (t) => {
  const world = new World(1);
  const { node } = addPassive(world, 'a');
  const times: number[] = [];
  world.schedule(10, node, () => times.push(world.nowNs));
  world.schedule(300, node, () => times.push(world.nowNs));
  node.process?.pause(100);
  world.runUntil(20);
  node.process?.pause(50);
  world.runUntil(200);
  t.deepEqual(times, [100], 'the longest pause counts');
  node.kill();
  node.start();
  world.runUntil(400);
  t.deepEqual(times, [100], 'the next incarnation does not get the events of the last');
  t.equal(node.process?.incarnation, 2);
  t.end();
});

test('a thread takes one turn for everything that reaches it at one instant', (t) => {
  const world = new World(1);
  const sender = addPassive(world, 'sender');
  const turns: number[] = [];
  const inbox: number[] = [];
  const node = world.addNode({ name: 'receiver' });
  node.start((process) => {
    process.spawn('main', (ports) => {
      const socket = ports.network.open({
        host: '0.0.0.0',
        port: 7,
        sendBufferLength: 1,
        receiveBufferLength: 1,
        inboxLengthMax: 100,
      });
      return [
        agentOf({
          doWork(nowNs) {
            turns.push(nowNs);
            return socket.poll((buffer, offset) => inbox.push(buffer[offset] as number), 10);
          },
        }),
      ];
    });
  });
  const socket = openSocket(sender, 0);
  const key = socket.keyOf({ host: node.hosts[0] as string, port: 7 });
  world.network.setAllLinks({ delay: fixedDelay(500) });
  turns.length = 0;
  world.runUntil(1000);
  sendBytes(socket, key, 1);
  sendBytes(socket, key, 2);
  sendBytes(socket, key, 3);
  world.runUntil(2000);
  t.deepEqual(inbox, [1, 2, 3]);
  t.deepEqual(turns, [1500, 1500], 'one turn with work, one to see that none is left');
  t.end();
});

test('a turn that is due at the instant of an arrival sees what arrived', (t) => {
  const world = new World(1);
  const sender = openSocket(addPassive(world, 'sender'), 0);
  world.network.setAllLinks({ delay: fixedDelay(500) });
  const polled: number[] = [];
  const node = world.addNode({ name: 'receiver' });
  node.start((process) => {
    process.spawn('main', (ports) => {
      const socket = ports.network.open(socketOptions(node.hosts[0] as string, 7));
      return [
        agentOf({
          doWork(nowNs) {
            const count = socket.poll(() => undefined, 10);
            polled.push(nowNs, count);
            return 0;
          },
          deadlineNs: () => 500,
        }),
      ];
    });
  });
  world.runUntil(0);
  polled.length = 0;
  sendBytes(sender, sender.keyOf({ host: node.hosts[0] as string, port: 7 }), 1);
  world.runUntil(500);
  t.deepEqual(polled, [500, 1]);
  t.end();
});

test('a sleeping thread wakes at the deadline of its agents, on its own clock', (t) => {
  const world = new World(1);
  const turns: number[] = [];
  let next = 10 * MILLISECOND;
  const node = addRecorder(world, turns, () => {
    if (turns.at(-1) === next) {
      next += 10 * MILLISECOND;
    }
    return next;
  });
  world.runUntil(25 * MILLISECOND);
  t.deepEqual(turns, [0, 10 * MILLISECOND, 20 * MILLISECOND]);
  // Twice as fast from 25 ms on: the local 30 ms come at 27.5 ms.
  node.setClockRate(2, 1);
  world.runUntil(27.5 * MILLISECOND - 1);
  t.equal(turns.length, 3);
  world.runUntil(27.5 * MILLISECOND);
  t.deepEqual(turns.slice(3), [30 * MILLISECOND]);
  t.end();
});

test('a thread whose deadline has passed without work lets time go on', (t) => {
  const world = new World(1);
  const turns: number[] = [];
  addRecorder(world, turns, () => 0);
  world.runUntil(10 * MICROSECOND);
  t.equal(turns.length, 11);
  t.end();
});

test('a thread that never comes to rest is an error that names its agents', (t) => {
  const world = new World(1);
  world.addNode({
    name: 'a',
    program: (process) => {
      process.spawn('main', () => [agentOf({ roleName: 'eager', doWork: () => 1 })]);
    },
  });
  world.nodes[0]?.start();
  t.throws(() => world.runUntil(1), new RegExp(`eager.*${SAME_INSTANT_TURNS_MAX}`));
  t.end();
});

test('turns that cost time keep their thread busy', (t) => {
  const world = new World(1);
  const times: number[] = [];
  let thread: VirtualThread | undefined;
  const node = world.addNode({ name: 'a', turnCostNs: 100 });
  node.start((process) => {
    thread = process.spawn('main', () => [
      agentOf({
        doWork(nowNs) {
          times.push(nowNs);
          return times.length < 3 ? 1 : 0;
        },
      }),
    ]);
  });
  world.runUntil(250);
  thread?.wake();
  world.runUntil(1000);
  t.deepEqual(times, [0, 100, 200, 300]);
  thread?.stall(500);
  thread?.wake();
  world.runUntil(2000);
  t.deepEqual(times.slice(4), [1500]);
  t.end();
});

test('threads of a process take turns of their own, and wake each other', (t) => {
  const world = new World(1);
  const order: string[] = [];
  let recorder: VirtualThread | undefined;
  const node = world.addNode({ name: 'a' });
  node.start((process) => {
    process.spawn('loop', () => [
      agentOf({
        doWork() {
          order.push('loop');
          recorder?.wake();
          return 0;
        },
      }),
    ]);
    recorder = process.spawn('recorder', () => [
      agentOf({
        doWork() {
          order.push('recorder');
          return 0;
        },
      }),
    ]);
  });
  world.runUntil(10);
  t.deepEqual(order, ['loop', 'recorder']);
  node.process?.threads[0]?.wake();
  world.runUntil(20);
  t.deepEqual(order.slice(2), ['loop', 'recorder']);
  t.end();
});

test('a pause holds turns back while the clock goes on', (t) => {
  const world = new World(1);
  const turns: number[] = [];
  let next = 10;
  const node = addRecorder(world, turns, () => {
    if ((turns.at(-1) ?? 0) >= next) {
      next += 10;
    }
    return next;
  });
  world.runUntil(5);
  node.process?.pause(30);
  world.runUntil(45);
  t.deepEqual(turns.slice(0, 2), [0, 35]);
  t.end();
});

test('an error of an agent ends the process and the run, unless somebody handles it', (t) => {
  const world = new World(1);
  const node = world.addNode({
    name: 'a',
    program: (process) => {
      process.spawn('main', () => [
        agentOf({
          doWork() {
            throw new Error('the agent failed');
          },
        }),
      ]);
    },
  });
  node.start();
  t.throws(() => world.runUntil(1), /the agent failed/);
  t.equal(node.process, undefined);
  const reports: unknown[] = [];
  node.onFatal = (process, error) => reports.push(process.incarnation, String(error));
  node.start();
  world.runUntil(2);
  t.deepEqual(reports, [2, 'Error: the agent failed']);
  t.equal(node.process, undefined);
  t.end();
});

test('a process can end between two effects of one duty cycle', (t) => {
  for (const effect of [1, 2, 3]) {
    const world = new World(1);
    const receiver = openSocket(addPassive(world, 'receiver'), 7);
    let steps = 0;
    const node = world.addNode({ name: 'a' });
    const bytes = new Uint8Array(1);
    node.start((process) => {
      process.spawn('main', (ports) => {
        const socket = ports.network.open({
          host: node.hosts[0] as string,
          port: 0,
          sendBufferLength: 1,
          receiveBufferLength: 1,
          inboxLengthMax: 1,
        });
        const key = socket.keyOf({ host: '10.0.0.1', port: 7 });
        return [
          agentOf({
            doWork() {
              if (socket.localAddress !== undefined && steps === 0) {
                steps = 1;
                socket.sendTo(bytes, 0, 1, key);
                steps = 2;
                ports.storage.list('');
                steps = 3;
                socket.sendTo(bytes, 0, 1, key);
                steps = 4;
              }
              return 0;
            },
          }),
        ];
      });
      process.endBeforeEffect(effect, EndKind.PowerCut);
    });
    world.runUntil(10);
    t.equal(steps, effect, `the process ended before its effect ${effect}`);
    t.equal(node.process, undefined);
    t.equal(node.disk.counts.powerCuts, 1);
    t.equal(
      receiver.poll(() => undefined, 10),
      effect === 1 ? 0 : 1,
    );
  }
  t.end();
});

test('the end of a process is no failure of it, whoever wraps the signal in an error', (t) => {
  const world = new World(1);
  const node = world.addNode({ name: 'a' });
  const failures: unknown[] = [];
  node.onFatal = (_process, error) => failures.push(error);
  const start = (doWork: (list: () => void) => number): void => {
    node.start((process) => {
      process.spawn('main', (ports) => [
        agentOf({ doWork: () => doWork(() => ports.storage.list('')) }),
      ]);
      process.endBeforeEffect(1, EndKind.Kill);
    });
    world.runUntil(world.nowNs + 10);
    t.equal(node.process, undefined);
  };
  const wrapped = (list: () => void): number => {
    try {
      list();
    } catch (error) {
      throw new Error('a callback threw', { cause: error });
    }
    return 0;
  };
  start(wrapped);
  t.deepEqual(failures, []);
  start(() => {
    throw new Error('it is broken');
  });
  t.equal(failures.length, 1, 'what it throws by itself is one');
  t.end();
});

test('a process that is stopped closes its agents, the last first; a killed one does not', (t) => {
  const world = new World(1);
  const closed: string[] = [];
  const node = world.addNode({
    name: 'a',
    program: (process) => {
      process.spawn('main', () => [
        agentOf({ close: () => closed.push('first') }),
        agentOf({ close: () => closed.push('second') }),
      ]);
    },
  });
  node.start();
  world.runUntil(1);
  node.kill();
  t.deepEqual(closed, []);
  node.start();
  node.stop();
  t.deepEqual(closed, ['second', 'first']);
  t.equal(node.process, undefined);
  t.end();
});

test('entropy is a stream of its own for each thread and incarnation', (t) => {
  const world = new World(1);
  const first = addPassive(world, 'a');
  const drawn = [first.ports.entropy.nextUint32()];
  first.node.kill();
  first.node.start();
  const again = addPassive(new World(1), 'a');
  drawn.push(again.ports.entropy.nextUint32());
  t.equal(drawn[0], drawn[1], 'the same seed draws the same');
  const other = addPassive(new World(2), 'a');
  t.notEqual(other.ports.entropy.nextUint32(), drawn[0]);
  t.end();
});
