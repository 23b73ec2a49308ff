// exceptions.ts: the error branches that no test and no simulated fault executes, one by one.
//
// An entry that is executed after all, or that names nothing, fails the run: the list only shrinks.

/** One branch that may stay unexecuted. */
export interface BranchException {
  readonly file: string;
  readonly functionName: string;
  /** How the text of the branch begins. */
  readonly text: string;
  /** Why nothing executes it, in one sentence. */
  readonly reason: string;
}

export const EXCEPTIONS: readonly BranchException[] = [];
