// wire-view.ts: a message between members in a few words.

import type { EventDescription, EventValue } from '../../src/codec/describe-event.js';

type Fields = { readonly [name: string]: EventValue };
type Writer = (fields: Fields) => string;

const logEnd = (f: Fields): string => `log end (${f.logLeadershipTermId}, ${f.logPosition})`;

const WRITERS: ReadonlyMap<string, Writer> = new Map<string, Writer>([
  ['CanvassPosition', (f) => `${logEnd(f)}, candidate term ${f.leadershipTermId}`],
  ['RequestVote', (f) => `term ${f.candidateTermId}, ${logEnd(f)}`],
  [
    'Vote',
    (f) =>
      f.vote === true || f.vote === 'True' || f.vote === 1
        ? `yes in term ${f.candidateTermId}`
        : `no, in term ${f.candidateTermId}, ${logEnd(f)}`,
  ],
  [
    'NewLeadershipTerm',
    (f) =>
      `term ${f.leadershipTermId} from ${f.termBaseLogPosition}, commit ${f.commitPosition}, ` +
      `after term ${f.logLeadershipTermId}: ${f.nextLeadershipTermId} ` +
      `from ${f.nextTermBaseLogPosition}`,
  ],
  ['AppendPosition', (f) => `term ${f.leadershipTermId}, ${f.logPosition}${flags(f)}`],
  ['CommitPosition', (f) => `term ${f.leadershipTermId}, ${f.logPosition}`],
  ['CatchupRequest', (f) => `term ${f.leadershipTermId}, ${logEnd(f)}${flags(f)}`],
  ['MemberAdmitted', (f) => `term ${f.leadershipTermId}, member ${f.memberId} at ${f.logPosition}`],
]);

function flags(fields: Fields): string {
  return fields.flags === 0 ? '' : ` flags ${String(fields.flags)}`;
}

/** `AppendPosition term 0, 640`. */
export function describeMessage(message: EventDescription): string {
  const write = WRITERS.get(message.name);
  return write === undefined ? message.name : `${message.name} ${write(message.fields)}`;
}
