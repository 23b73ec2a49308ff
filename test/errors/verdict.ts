// verdict.ts: which error branches were executed, which may be left out, and what is wrong.

import type { ErrorBranch } from './error-branches.js';
import type { BranchException } from './exceptions.js';

/** The sums of one room. */
export interface RoomCount {
  readonly room: string;
  readonly branches: number;
  readonly executed: number;
  readonly excepted: number;
}

export interface Verdict {
  readonly rooms: readonly RoomCount[];
  /** Neither executed nor excepted. */
  readonly missing: readonly ErrorBranch[];
  /** Excepted, and executed or gone. */
  readonly stale: readonly BranchException[];
  readonly excepted: readonly { branch: ErrorBranch; reason: string }[];
}

/** The room of a file in src/. */
function roomOf(file: string): string {
  return file.split('/')[1] ?? file;
}

function isMeant(exception: BranchException, branch: ErrorBranch): boolean {
  return (
    exception.file === branch.file &&
    exception.functionName === branch.functionName &&
    branch.text.startsWith(exception.text)
  );
}

/** Compares what there is with what ran and with what may be left out. */
export function judge(
  branches: readonly ErrorBranch[],
  isExecuted: (branch: ErrorBranch) => boolean,
  exceptions: readonly BranchException[],
): Verdict {
  const open = branches.filter((branch) => !isExecuted(branch));
  const used = new Set<BranchException>();
  const missing: ErrorBranch[] = [];
  const excepted: { branch: ErrorBranch; reason: string }[] = [];
  for (const branch of open) {
    const exception = exceptions.find((candidate) => isMeant(candidate, branch));
    if (exception === undefined) {
      missing.push(branch);
    } else {
      used.add(exception);
      excepted.push({ branch, reason: exception.reason });
    }
  }
  const rooms = [...new Set(branches.map((branch) => roomOf(branch.file)))].map((room) => {
    const isHere = (branch: ErrorBranch): boolean => roomOf(branch.file) === room;
    const count = branches.filter(isHere).length;
    return {
      room,
      branches: count,
      executed: count - open.filter(isHere).length,
      excepted: excepted.filter(({ branch }) => isHere(branch)).length,
    };
  });
  return { rooms, missing, stale: exceptions.filter((e) => !used.has(e)), excepted };
}
