// names.ts: who judges a run. Every failure begins with the id and the name of its judge.

/** Judges by id. The numbers are those of the list in docs/invariants.md. */
export const JUDGE_NAMES = {
  'I-1': 'one leader in a term',
  'I-2': 'one vote in a term, remembered',
  'I-3': 'a leader only appends',
  'I-4': 'equal terms and positions have equal logs',
  'I-5': 'a leader holds what was committed before it',
  'I-6': 'all members apply the same frames',
  'I-7': 'committed means held by a quorum of disks, by a frame of the own term',
  'I-8': 'nothing that may only grow goes back',
  'I-9': 'applied, committed and durable positions keep their order',
  'I-10': 'equal snapshots at equal positions',
  'I-11': 'durable before it is told',
  'I-12': 'applied once and answered once',
  'I-13': 'every queue stays below its limit',
  'I-14': 'what was acknowledged is in the log for ever',
  'I-15': 'a suspended cluster takes nothing, and no stranger is let in',
  linearizability: 'answers and reads are as old as the order of the log allows',
  states: 'equal states at equal positions',
  messages: 'a message of a service comes once, in order, and is not forgotten',
  outputs: 'members find no difference in what their services put out',
  timers: 'a timer fires once, not early, and is not forgotten',
  recovery: 'a disk that nobody damaged is found sound',
  shutdown: 'members that end by an order end at one position',
  liveness: 'a healed cluster elects, serves and becomes equal',
  fatal: 'no member and no client ends by an error',
  exception: 'nothing is thrown by the world',
} as const;

/** What a judge says, behind its id and name. The judges of a user's service have no name here. */
export function judgeMessage(id: string, message: string): string {
  const name = (JUDGE_NAMES as Readonly<Record<string, string>>)[id];
  return name === undefined ? message : `${id} (${name}): ${message}`;
}
