// Tidying up at the end of a test, the last thing first: a process that writes into a folder is
// gone before the folder is removed.

import type { Test } from 'tape';

type TidyUp = () => unknown;

const stacks = new WeakMap<Test, TidyUp[]>();

/** Runs an action when the test has ended, after those that were registered later. */
export function atEnd(t: Test, action: TidyUp): void {
  const known = stacks.get(t);
  if (known !== undefined) {
    known.push(action);
    return;
  }
  const stack = [action];
  stacks.set(t, stack);
  t.teardown(async () => {
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      await next();
    }
  });
}
