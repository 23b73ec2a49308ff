// commands.ts: the commands of a scenario that run time, clients and the trace.

import type { ClusterSettings, MemberSettings } from '../../src/cluster/cluster-config.js';
import type { ArenaPool } from '../../src/simulator/simulated-cluster.js';
import { FAULT_COMMANDS } from './fault-commands.js';
import { describeLog } from './log-view.js';
import { judgePredicate } from './predicates.js';
import { expandRange, parseDurationNs, Words } from './script.js';
import { credentialsIn, SESSION_COMMANDS } from './session-commands.js';
import { type Reign, Stage } from './stage.js';
import { describeMessage } from './wire-view.js';

const KIB = 1024;
const NS_PER_MS = 1_000_000;
const STEP_NS = NS_PER_MS / 10;
const EXPECT_STEP_NS = NS_PER_MS;
const WITHIN_DEFAULT_NS = 20_000 * NS_PER_MS;
const SEED_DEFAULT = 1;
/** Time for the last positions to have arrived everywhere. */
const SETTLE_NS = 500 * NS_PER_MS;

/** Does something on the stage. */
export type Command = (stage: Stage, words: Words) => void;

/** The stage that a script's first command, `cluster`, asks for. */
export function buildStage(line: string, arenas: ArenaPool): Stage {
  const words = new Words(line);
  if (words.plain[0] !== 'cluster') {
    throw new Error(`a scenario begins with the command cluster, not with '${line}'`);
  }
  const kib = (name: string): number | undefined => {
    const value = words.number(name);
    return value === undefined ? undefined : value * KIB;
  };
  const ms = (name: string): number | undefined => {
    const value = words.durationNs(name);
    return value === undefined ? undefined : value / NS_PER_MS;
  };
  const cluster: Partial<ClusterSettings> = defined({
    durability: words.text('durability') as ClusterSettings['durability'],
    sessionCountMax: words.number('sessions-max'),
    sessionTimeoutMs: ms('session-timeout'),
    egressBufferLengthMax: kib('egress-buffer-kib'),
    segmentLength: kib('segment-kib'),
    handshakeTimeoutMs: ms('handshake-timeout'),
    handshakeCountMax: words.number('handshakes-max'),
  });
  const onDivergence = words.text('on-divergence') as MemberSettings['onDivergence'];
  const member: Partial<MemberSettings> = defined({
    windowLength: kib('window-kib'),
    onDivergence,
    // Elsewhere members say nothing about it: the scenes are about something else.
    lowSpaceLength: kib('low-space-kib') ?? 0,
    spaceCheckIntervalMs: 100,
    divergenceIntervalMs: onDivergence === undefined ? 0 : undefined,
  });
  const stage = new Stage({
    arenas,
    seed: words.number('seed') ?? SEED_DEFAULT,
    memberCount: words.number('members') ?? 3,
    linkDelayNs: words.durationNs('delay') ?? NS_PER_MS / 10,
    cluster,
    member,
    isAuthenticated: words.text('authenticated') === 'yes',
  });
  const starts = words.text('start') ?? 'all';
  words.checkUsed();
  for (const one of stage.cluster.members) {
    if (starts === 'all' || starts.split(',').includes(String(one.memberId))) {
      stage.start(one);
    }
  }
  return stage;
}

/** Without the properties that are undefined. */
function defined<T extends object>(values: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(values).filter(([, v]) => v !== undefined)) as T;
}

/** Runs one command. Throws when it is none, or when what it expects is not the case. */
export function runCommand(stage: Stage, line: string): void {
  if (line.startsWith('#')) {
    return;
  }
  const [name = '', ...rest] = line.trim().split(/\s+/);
  const tables = [COMMANDS, FAULT_COMMANDS, SESSION_COMMANDS];
  const command = tables.find((table) => table.has(name))?.get(name);
  if (command === undefined) {
    const known = tables
      .flatMap((table) => [...table.keys()])
      .sort()
      .join(', ');
    throw new Error(`nobody knows the command '${name}': there are ${known}`);
  }
  const words = new Words(rest.join(' '));
  command(stage, words);
  words.checkUsed();
}

function run(stage: Stage, words: Words): void {
  const [first = '', ...condition] = words.plain;
  if (first !== 'until') {
    stage.runUntil(stage.world.nowNs + parseDurationNs(first));
    return;
  }
  const limitNs = stage.world.nowNs + (words.durationNs('within') ?? WITHIN_DEFAULT_NS);
  for (;;) {
    const finding = judgePredicate(stage, condition);
    if (finding === undefined || stage.judge.violation !== undefined) {
      return;
    }
    if (stage.world.nowNs >= limitNs) {
      throw new Error(`not in time: ${condition.join(' ')}: ${finding}`);
    }
    stage.runUntil(stage.world.nowNs + STEP_NS);
  }
}

function expect(stage: Stage, words: Words): void {
  const finding = judgePredicate(stage, words.plain);
  if (finding !== undefined) {
    throw new Error(`expected ${words.plain.join(' ')}: ${finding}`);
  }
}

/** Holds at every moment of a while, looked at each millisecond. */
function expectFor(stage: Stage, words: Words): void {
  const [duration = '', ...condition] = words.plain;
  const endNs = stage.world.nowNs + parseDurationNs(duration);
  while (stage.world.nowNs < endNs && stage.judge.violation === undefined) {
    const finding = judgePredicate(stage, condition);
    if (finding !== undefined) {
      throw new Error(`expected for ${duration} ${condition.join(' ')}: ${finding}`);
    }
    stage.runUntil(stage.world.nowNs + EXPECT_STEP_NS);
  }
}

/** The beginning that is not the subject: a first leader, followers, and the clients named. */
function settle(stage: Stage, words: Words): void {
  stage.takeLines();
  const until = (...condition: string[]): void =>
    run(stage, new Words(['until', ...condition].join(' ')));
  until('leader');
  for (const { member, memberId } of stage.cluster.members) {
    if (member !== undefined) {
      until('state', String(memberId), 'CLOSED');
    }
  }
  for (const id of words.plain) {
    stage.clientOf(id).start({});
    until('connected', id);
  }
  stage.runUntil(stage.world.nowNs + SETTLE_NS);
  stage.takeLines();
  if (stage.judge.violation !== undefined) {
    return;
  }
  const { memberId, termId } = stage.reigns[stage.reigns.length - 1] as Reign;
  stage.say(`member ${memberId}`, `leads term ${termId}`);
}

function connect(stage: Stage, words: Words): void {
  const keepAliveNs = words.durationNs('keep-alive');
  const newLeaderNs = words.durationNs('new-leader-timeout');
  const connectNs = words.durationNs('connect-timeout');
  const credentials = credentialsIn(words);
  for (const id of words.plain) {
    stage.clientOf(id).start({
      ...(keepAliveNs === undefined ? {} : { keepAliveIntervalMs: keepAliveNs / NS_PER_MS }),
      ...(newLeaderNs === undefined ? {} : { newLeaderTimeoutMs: newLeaderNs / NS_PER_MS }),
      ...(connectNs === undefined ? {} : { connectTimeoutMs: connectNs / NS_PER_MS }),
      credentials,
    });
  }
}

function send(stage: Stage, words: Words): void {
  const [id = '', ...texts] = words.plain;
  stage.clientOf(id).send(texts.flatMap(expandRange), words.number('bytes') ?? 0);
}

function load(stage: Stage, words: Words): void {
  const [id = ''] = words.plain;
  const everyNs = words.durationNs('every') ?? 10 * NS_PER_MS;
  stage.clientOf(id).load(everyNs, words.durationNs('for') ?? 1_000 * NS_PER_MS);
}

function leaveClient(stage: Stage, words: Words): void {
  for (const id of words.plain) {
    stage.clientOf(id).leave();
  }
}

/** Where every member stands. */
function state(stage: Stage): void {
  for (const { member, memberId } of stage.cluster.members) {
    const status = member?.status();
    stage.print(
      status === undefined
        ? `member ${memberId}  down`
        : `member ${memberId}  ${status.role} ${status.state} term ${status.leadershipTermId} ` +
            `append ${status.appendPosition} durable ${status.durablePosition} ` +
            `commit ${status.commitPosition} service ${status.servicePosition} ` +
            `sessions ${status.sessionCount}${status.isVoting ? '' : ' without a vote'}`,
    );
  }
}

function log(stage: Stage, words: Words): void {
  const all = stage.cluster.members.map((member) => String(member.memberId));
  for (const id of words.plain.length === 0 ? all : words.plain) {
    stage.print(describeLog(stage.memberOf(id)));
  }
}

/** `trace request-vote vote` shows these messages from now on; `trace off` none. */
function trace(stage: Stage, words: Words): void {
  const kinds = new Set(words.plain);
  if (kinds.has('off')) {
    stage.wire.observer = undefined;
    return;
  }
  stage.wire.observer = (from, to, carried) => {
    for (const { kind, message } of carried) {
      if (kinds.has(kind)) {
        const what = message === undefined ? kind : describeMessage(message);
        stage.say(from.name, `-> ${to.name}: ${what}`);
      }
    }
  };
}

/** `mute states` leaves lines of a topic out, `unmute states` brings them back. */
function mute(stage: Stage, words: Words): void {
  for (const topic of words.plain) {
    stage.muted.add(topic);
  }
}

function unmute(stage: Stage, words: Words): void {
  for (const topic of words.plain) {
    stage.muted.delete(topic);
  }
}

const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['run', run],
  ['expect', expect],
  ['expect-for', expectFor],
  ['settle', settle],
  ['connect', connect],
  ['send', send],
  ['load', load],
  ['leave-client', leaveClient],
  ['state', state],
  ['log', log],
  ['trace', trace],
  ['mute', mute],
  ['unmute', unmute],
]);
