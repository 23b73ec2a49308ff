// The judge of histories inside the simulation: what services say must be explained by one order,
// and the order of the log must be that of time. A service that lies the same way on every member
// has equal states everywhere, and nobody but this judge sees it.

import test, { type Test } from 'tape';
import { ArenaPool, Simulation } from '../../src/simulator/index.js';
import { Judge } from '../../src/simulator/invariants/judge.js';
import { AnswerOrder } from '../../src/simulator/linearizability/answer-order.js';
import { HistoryJudge } from '../../src/simulator/linearizability/history-judge.js';
import {
  NO_REGISTER,
  RegisterAction,
  type RegisterCommand,
  Registers,
} from '../../src/simulator/register-commands.js';

const SECOND = 1_000_000_000;
/** Some of these seeds send no command on registers, which is why not all find the liar. */
const SEED_COUNT = 12;
const FOUND_COUNT_MIN = 2;

type Apply = Registers['apply'];

/** Runs seeds with registers that behave otherwise; answers what the judges said of each. */
function runWith(t: Test, apply: (honest: Apply) => Apply): readonly (string | undefined)[] {
  const honest = Registers.prototype.apply;
  t.teardown(() => {
    Registers.prototype.apply = honest;
  });
  const arenas = new ArenaPool();
  return Array.from({ length: SEED_COUNT }, (_, index) => {
    Registers.prototype.apply = apply(honest);
    const result = new Simulation({ seed: index + 1, arenas, safetyNs: 4 * SECOND }).run();
    return result.violation?.invariant;
  });
}

test('honest registers are linearizable under faults, and their histories are judged', (t) => {
  const arenas = new ArenaPool();
  let operationCount = 0;
  for (let seed = 1; seed <= SEED_COUNT; seed++) {
    const simulation = new Simulation({ seed, arenas, safetyNs: 4 * SECOND });
    const { violation } = simulation.run();
    const { result } = simulation.judges.history;
    t.equal(violation, undefined, `seed ${seed}`);
    t.equal(result?.verdict, 'linearizable', `${result?.operationCount} operations`);
    operationCount += result?.operationCount ?? 0;
  }
  t.ok(operationCount > 200, `${operationCount} operations in all`);
  t.end();
});

test('a service that forgets a write is found, although all members agree', (t) => {
  const verdicts = runWith(t, (honest) => {
    // Which ones it forgets follows from the command, so that a snapshot changes nothing in it.
    return function (this: Registers, view, offset, length) {
      const isPut = length > 8 && view.getInt32(offset + 4, true) === RegisterAction.Put;
      const isForgotten = isPut && view.getInt32(offset + 8, true) % 2 === 0;
      return isForgotten ? 0 : honest.call(this, view, offset, length);
    };
  });
  const found = verdicts.filter((invariant) => invariant === 'linearizability').length;
  const other = verdicts.filter((one) => one !== undefined && one !== 'linearizability');
  t.deepEqual(other, [], 'no other judge sees it');
  t.ok(found >= FOUND_COUNT_MIN, `${found} of ${SEED_COUNT} seeds`);
  t.end();
});

test('a service that answers a get with an older value is found', (t) => {
  const verdicts = runWith(t, (honest) => {
    const last = new WeakMap<Registers, Map<number, number>>();
    return function (this: Registers, view, offset, length) {
      const result = honest.call(this, view, offset, length);
      const isGet =
        result !== NO_REGISTER && view.getInt32(offset + 4, true) === RegisterAction.Get;
      const values = last.get(this) ?? new Map<number, number>();
      last.set(this, values);
      if (!isGet) {
        return result;
      }
      const key = view.getInt32(offset + 8, true);
      const older = values.get(key) ?? result;
      values.set(key, result);
      return older;
    };
  });
  const found = verdicts.filter((invariant) => invariant === 'linearizability').length;
  t.ok(found >= FOUND_COUNT_MIN, `${found} of ${SEED_COUNT} seeds`);
  t.end();
});

test('what began after an answer must stand behind it in the log', (t) => {
  const order = new AnswerOrder();
  order.onInvoke(1);
  order.onInvoke(2);
  t.equal(order.onApplied(2, 1), undefined);
  order.onAnswered(1);
  order.onInvoke(3);
  t.equal(order.onApplied(1, 2), undefined, 'it began before the answer');
  t.match(order.onApplied(3, 1) ?? '', /number 1 of the log, and began after number 1 had/);
  t.equal(order.onApplied(3, 1), undefined, 'another member applies it too');
  t.equal(order.onApplied(9, 1), undefined, 'nobody sent it');
  t.end();
});

const COMMAND: RegisterCommand = { action: RegisterAction.Put, key: 7, expected: 0, written: 5 };
const GET: RegisterCommand = { ...COMMAND, action: RegisterAction.Get, written: 0 };

function judged(play: (history: HistoryJudge) => void): { judge: Judge; history: HistoryJudge } {
  const judge = new Judge({ nowNs: 0 });
  const history = new HistoryJudge(judge);
  play(history);
  history.finish();
  return { judge, history };
}

test('a history that no order explains, and a late answer, are reported', (t) => {
  const stale = judged((history) => {
    history.onInvoke(0, 1, COMMAND);
    history.onOk(0, 1, 1, 0);
    history.onInvoke(1, 1, GET);
    history.onOk(1, 1, 2, 0);
  });
  t.equal(stale.judge.violation?.invariant, 'linearizability');
  t.match(stale.judge.violation?.message ?? '', /cannot be placed: process 1:1 get gave null/);
  const unanswered = judged((history) => {
    history.onInvoke(0, 1, COMMAND);
    history.onInvoke(1, 1, GET);
    history.onOk(1, 1, 1, 5);
  });
  t.equal(unanswered.judge.violation, undefined, 'an unanswered put may have taken effect');
  t.equal(unanswered.history.result?.operationCount, 2);
  const late = judged((history) => {
    history.onInvoke(0, 1);
    history.onApplied(0, 1, 5);
    history.onOk(0, 1, 5, 0);
    history.onInvoke(1, 1);
    history.onApplied(1, 1, 4);
  });
  t.equal(late.judge.violation?.invariant, 'linearizability');
  t.match(late.judge.violation?.message ?? '', /command 1 of client 1: it is number 4 of the log/);
  t.end();
});
