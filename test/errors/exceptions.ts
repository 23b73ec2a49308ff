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

export const EXCEPTIONS: readonly BranchException[] = [
  {
    file: 'src/cluster/consensus-effects.ts',
    functionName: 'ConsensusEffects.#finishOpening',
    text: 'return 0;',
    reason:
      'A new log publication has room for the first event of its term from the start; should ' +
      'that change, the event is appended in the next duty cycle.',
  },
  {
    file: 'src/cluster/member-assembly.ts',
    functionName: 'assembleLog',
    text: 'inputs.onFatal(error)',
    reason:
      'Hands on what CheckedReader gives up on, which its own test executes; in a whole member ' +
      'the scrub looks at such a place first and ends it.',
  },
  {
    file: 'src/cluster/response-channel.ts',
    functionName: 'usableEndpoint',
    text: 'throw error;',
    reason:
      'Reached by a defect of the channel parser alone, which throws a PawlError for any text.',
  },
  {
    file: 'src/host/engine-worker.ts',
    functionName: 'onEnd',
    text: 'endProcess(text.message)',
    reason:
      'The process ends by SIGKILL in it, so V8 writes no counts; test/process/' +
      'dedicated-threads.test.ts sees the process end so.',
  },
  {
    file: 'src/host/engine-worker.ts',
    functionName: 'endProcess',
    text: 'process.emitWarning',
    reason:
      'The standard error cannot be written to, and the process ends by SIGKILL in the next ' +
      'statement, so V8 writes no counts.',
  },
  {
    file: 'src/host/file-lock.ts',
    functionName: 'openLockFile',
    text: 'throw new LockedError',
    reason: 'Only macOS, the BSDs and Windows have an open that takes the lock.',
  },
  {
    file: 'src/host/file-lock.ts',
    functionName: 'asError',
    text: 'new Error(String(error))',
    reason: 'node:fs throws nothing but errors; the type of what is caught does not say so.',
  },
];
