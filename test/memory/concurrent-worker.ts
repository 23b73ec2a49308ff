// concurrent-worker.ts: a producer on a thread of its own, for concurrent.test.ts.

import { parentPort, workerData } from 'node:worker_threads';
import { Arena } from '../../src/memory/arena.js';
import { messageOf, type ProducerTask, WaitResult } from './concurrent-task.js';

const task = workerData as ProducerTask;
const arena = Arena.attach(task.memory);
const { core } = arena;

/** Lets other threads run; the word is never notified. */
function pause(): void {
  Atomics.wait(arena.i32, task.pauseAddress >> 2, 0, 0.2);
}

/** Waits until every producer is there: threads take longer to start than to produce. */
function awaitStart(): void {
  const index = task.readyAddress >> 2;
  Atomics.add(arena.i32, index, 1);
  while (Atomics.load(arena.i32, index) < task.producerCount) {
    pause();
  }
}

/** Repeats until the log or ring takes a message. */
function insist(attempt: () => number): void {
  for (let attempts = 0; ; attempts++) {
    const result = attempt();
    if (result > WaitResult.Refused) {
      return;
    }
    // Whoever sleeps at every refusal hardly meets the others.
    if (result !== WaitResult.AdminAction && attempts % 64 === 63) {
      pause();
    }
  }
}

function toLog(sequence: number): void {
  const message = messageOf(task.producer, sequence);
  arena.u8.set(message, task.scratch);
  if (sequence % 3 > 0 || message.length > task.claimLengthMax) {
    insist(() => core.concurrentAppend(task.target, task.scratch, message.length));
    return;
  }
  let payload = 0;
  insist(() => {
    payload = core.concurrentClaim(task.target, message.length);
    return payload;
  });
  if (sequence % 7 === 0) {
    core.concurrentAbort(task.target, payload);
    toLogByAppend(message.length);
    return;
  }
  arena.u8.set(message, payload);
  core.concurrentCommit(task.target, payload);
}

function toLogByAppend(length: number): void {
  insist(() => core.concurrentAppend(task.target, task.scratch, length));
}

function toRing(sequence: number): void {
  const message = messageOf(task.producer, sequence).subarray(0, task.claimLengthMax);
  arena.u8.set(message, task.scratch);
  insist(() => core.ringWrite(task.target, task.producer + 1, task.scratch, message.length));
}

awaitStart();
const produce = task.kind === 'log' ? toLog : toRing;
for (let sequence = 0; sequence < task.messageCount; sequence++) {
  produce(sequence);
}
parentPort?.postMessage('done');
