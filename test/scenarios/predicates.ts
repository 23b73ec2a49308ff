// predicates.ts: what a script may expect, or run until. Each answers why it does not hold.

import type { MemberStatus } from '../../src/cluster/member.js';
import { MemberRole } from '../../src/consensus/election-state.js';
import { TERM_NULL } from '../../src/position.js';
import { areMembersEqual } from '../../src/simulator/convergence.js';
import { framesOnDisk } from './log-view.js';
import { expandRange, parseDurationNs } from './script.js';
import type { Stage } from './stage.js';

/** Undefined when it holds; otherwise what is the case instead. */
export type Finding = string | undefined;
type Predicate = (stage: Stage, words: readonly string[]) => Finding;

const NS_PER_MS = 1_000_000;

/** Judges `[not] name arguments`. */
export function judgePredicate(stage: Stage, words: readonly string[]): Finding {
  const [first = '', ...rest] = words;
  if (first === 'not') {
    return judgePredicate(stage, rest) === undefined ? `${rest.join(' ')} is the case` : undefined;
  }
  const predicate = PREDICATES.get(first);
  if (predicate === undefined) {
    const known = [...PREDICATES.keys()].sort().join(', ');
    throw new Error(`nobody knows the predicate '${first}': there are ${known}`);
  }
  return predicate(stage, rest);
}

function statusOf(stage: Stage, id: string | undefined): MemberStatus | undefined {
  return stage.memberOf(id ?? '').member?.status();
}

/** What is asked about at every step, which a whole status would be too slow for. */
interface Glimpse {
  readonly memberId: number;
  readonly leads: boolean;
  readonly takesIngress: boolean;
  readonly termId: number;
}

function running(stage: Stage): Glimpse[] {
  return stage.cluster.members.flatMap(({ member, memberId }) => {
    const election = member?.observe()?.election;
    return member === undefined
      ? []
      : [
          {
            memberId,
            leads: election?.role() === MemberRole.Leader,
            takesIngress: election?.isIngressOpen() ?? false,
            termId: election?.leadershipTermId() ?? TERM_NULL,
          },
        ];
  });
}

/** Splits `a b at 0 1`: the words before `at`, and the members behind it or all that run. */
function splitAt(stage: Stage, words: readonly string[]): [string[], string[]] {
  const at = words.indexOf('at');
  const ids = running(stage).map((glimpse) => String(glimpse.memberId));
  return at < 0 ? [[...words], ids] : [words.slice(0, at), words.slice(at + 1)];
}

/** Judges `= 3`, `<= 5` or, of durations, `<= 40ms`. */
function compare(value: number, words: readonly string[], unit = ''): Finding {
  const [operator = '', text = ''] = words;
  const limit = /[a-z]$/.test(text) ? parseDurationNs(text) / NS_PER_MS : Number(text);
  const comparison = COMPARISONS.get(operator);
  if (comparison === undefined || Number.isNaN(limit)) {
    throw new Error(`'${words.join(' ')}' compares nothing: write = 3, <= 3, >= 3, < 3 or > 3`);
  }
  return comparison(value, limit) ? undefined : `it is ${value}${unit}`;
}

const COMPARISONS: ReadonlyMap<string, (value: number, limit: number) => boolean> = new Map([
  ['=', (value: number, limit: number) => value === limit],
  ['<=', (value: number, limit: number) => value <= limit],
  ['>=', (value: number, limit: number) => value >= limit],
  ['<', (value: number, limit: number) => value < limit],
  ['>', (value: number, limit: number) => value > limit],
]);

/** Of the members that take ingress, that of the greatest term. */
function latestLeader(stage: Stage): Glimpse | undefined {
  const leaders = running(stage).filter((glimpse) => glimpse.takesIngress);
  return leaders.sort((a, b) => b.termId - a.termId)[0];
}

function leader(stage: Stage, ids: readonly string[]): Finding {
  const latest = latestLeader(stage);
  if (latest === undefined) {
    return 'no member takes ingress';
  }
  const isWanted = ids.length === 0 || ids.includes(String(latest.memberId));
  return isWanted ? undefined : `member ${latest.memberId} leads`;
}

/** Claims of leadership, by members that believe in it. */
function noLeader(stage: Stage): Finding {
  const leaders = running(stage).filter((glimpse) => glimpse.leads);
  return leaders.length === 0 ? undefined : `member ${leaders[0]?.memberId} leads`;
}

function equal(stage: Stage, ids: readonly string[]): Finding {
  if (ids.length === 0) {
    const isEqual = areMembersEqual(stage.cluster, stage.judges);
    return isEqual ? undefined : 'not all members vote and have one state';
  }
  const states = ids.map((id) => {
    const status = statusOf(stage, id);
    const isBehind = status === undefined || status.servicePosition < status.appendPosition;
    return isBehind ? `${id} is behind` : `${status.appendPosition} ${stage.judges.stateOf(+id)}`;
  });
  return states.every((state) => state === states[0]) ? undefined : states.join(', ');
}

function applied(stage: Stage, words: readonly string[]): Finding {
  const [texts, ids] = splitAt(stage, words);
  for (const id of ids) {
    const known = new Set(stage.applied[Number(id)]);
    const missing = texts.flatMap(expandRange).find((text) => !known.has(text));
    if (missing !== undefined) {
      return `member ${id} has not applied ${missing}`;
    }
  }
  return undefined;
}

/** Nobody's service has ever seen it, in no process that runs. */
function unapplied(stage: Stage, words: readonly string[]): Finding {
  const [texts, ids] = splitAt(stage, words);
  for (const id of ids) {
    const found = texts.flatMap(expandRange).find((t) => stage.applied[Number(id)]?.includes(t));
    if (found !== undefined) {
      return `member ${id} has applied ${found}`;
    }
  }
  return undefined;
}

/** Whether messages lie in logs on disks, committed or not, of members that run or not. */
function inLog(stage: Stage, words: readonly string[]): Finding {
  const [texts, ids] = splitAt(stage, words);
  for (const id of ids) {
    const known = new Set(framesOnDisk(stage.memberOf(id)).map((frame) => frame.text));
    const missing = texts.flatMap(expandRange).find((text) => !known.has(text));
    if (missing !== undefined) {
      return `the log of member ${id} lacks ${missing}`;
    }
  }
  return undefined;
}

function outcome(name: 'answered' | 'unknown' | 'waiting'): Predicate {
  return (stage, [id = '', ...words]) => {
    const client = stage.clientOf(id);
    const known = new Set(client.texts(name));
    if (words[0] === 'all') {
      const others = ['answered', 'unknown', 'waiting'] as const;
      const count = others.filter((other) => other !== name).flatMap((o) => client.texts(o)).length;
      return count === 0 && client.isIdle ? undefined : `${count} are not, or not sent`;
    }
    const missing = words.flatMap(expandRange).find((text) => !known.has(text));
    return missing === undefined ? undefined : `${missing} is not ${name}`;
  };
}

function counter(stage: Stage, [id, name = '', ...words]: readonly string[]): Finding {
  const value = statusOf(stage, id)?.counters[name];
  if (value === undefined) {
    throw new Error(`member ${id} does not run, or has no counter ${name}`);
  }
  return compare(value, words);
}

function mode(name: string, value: (status: MemberStatus) => string | boolean): Predicate {
  return (stage, [id, wanted]) => {
    const status = statusOf(stage, id);
    const found = status === undefined ? 'not running' : String(value(status));
    return found === (wanted ?? 'true') ? undefined : `${name} of member ${id}: ${found}`;
  };
}

function hasEnded(stage: Stage, [id, code]: readonly string[]): Finding {
  const ends = stage.endCodes.filter((end) => String(end.memberId) === id);
  return ends.some((end) => code === undefined || end.code === code)
    ? undefined
    : `its ends: ${ends.map((end) => end.code).join(', ') || 'none'}`;
}

const PREDICATES: ReadonlyMap<string, Predicate> = new Map<string, Predicate>([
  ['leader', leader],
  ['no-leader', noLeader],
  ['equal', equal],
  ['applied', applied],
  ['unapplied', unapplied],
  ['in-log', inLog],
  ['answered', outcome('answered')],
  ['unknown', outcome('unknown')],
  ['waiting', outcome('waiting')],
  [
    'resolved',
    (stage, [id = '']) => {
      const client = stage.clientOf(id);
      const waiting = client.texts('waiting');
      return waiting.length === 0 && client.isIdle ? undefined : `${waiting.length} wait`;
    },
  ],
  ['counter', counter],
  ['state', mode('state', (status) => status.state)],
  ['role', mode('role', (status) => status.role)],
  ['voting', mode('vote', (status) => status.isVoting)],
  ['follows', mode('leader', (status) => String(status.leaderMemberId))],
  ['ended', hasEnded],
  ['suspended', mode('suspended', (status) => status.isSuspended)],
  ['up', (stage, [id]) => (statusOf(stage, id) === undefined ? 'it is down' : undefined)],
  ['down', (stage, [id]) => (statusOf(stage, id) === undefined ? undefined : 'it runs')],
  [
    'term',
    (stage, words) => compare(Math.max(...running(stage).map((each) => each.termId)), words),
  ],
  ['reigns', (stage, words) => compare(stage.reigns.length, words)],
  ['commit', (stage, [id, ...words]) => compare(statusOf(stage, id)?.commitPosition ?? -1, words)],
  ['append', (stage, [id, ...words]) => compare(statusOf(stage, id)?.appendPosition ?? -1, words)],
  [
    'snapshot',
    (stage, [id, ...words]) => compare(statusOf(stage, id)?.snapshotPosition ?? -1, words),
  ],
  ['sessions', (stage, [id, ...words]) => compare(statusOf(stage, id)?.sessionCount ?? -1, words)],
  [
    'gap',
    (stage, [id = '', ...words]) =>
      compare(stage.clientOf(id).longestGapNs / NS_PER_MS, words, ' ms'),
  ],
  ['held', (stage, [kind = '', ...words]) => compare(stage.wire.keptCount(kind), words)],
  [
    'connected',
    (stage, [id = '', termId = String(latestLeader(stage)?.termId ?? 'any')]) => {
      const { client, isConnected } = stage.clientOf(id);
      const isInTerm = termId === 'any' || String(client?.leadershipTermId) === termId;
      return isConnected && isInTerm
        ? undefined
        : `it is ${client?.state} in term ${client?.leadershipTermId}`;
    },
  ],
  [
    'closed',
    (stage, [id = '', code]) => {
      const { endCode } = stage.clientOf(id);
      const isWanted = endCode !== undefined && (code === undefined || code === endCode);
      return isWanted ? undefined : `its session ${endCode ?? 'is open'}`;
    },
  ],
]);
