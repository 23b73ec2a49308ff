// fault-commands.ts: the commands of a scenario that hurt members, links and clocks.

import { TransferResult } from '../../src/consensus/leadership-transfer.js';
import { TearMode } from '../../src/simulator/virtual-file.js';
import type { VirtualNode } from '../../src/simulator/virtual-node.js';
import { EndKind } from '../../src/simulator/virtual-process.js';
import type { Command } from './commands.js';
import { damage, disk, loseDirectory } from './disk-commands.js';
import { parseDurationNs, type Words } from './script.js';
import type { Stage } from './stage.js';
import { WireAction } from './wire-faults.js';

const NS_PER_MS = 1_000_000;
const LEAVE_LIMIT_NS = 10_000 * NS_PER_MS;

const TEAR_MODES: ReadonlyMap<string, TearMode> = new Map([
  ['keep-all', TearMode.KeepAll],
  ['drop-all', TearMode.DropAll],
  ['prefix', TearMode.Prefix],
  ['scatter', TearMode.Scatter],
]);

/** `all`, or the nodes named. */
function nodesOf(stage: Stage, texts: readonly string[]): VirtualNode[] {
  return texts.includes('all')
    ? stage.cluster.members.map((member) => member.node)
    : texts.map((text) => stage.nodeOf(text));
}

// --- processes ---

/** Ends processes as kill -9 does: what the system had taken survives. */
function crash(stage: Stage, words: Words): void {
  const effect = words.number('before-effect');
  const kind = words.text('losing') === 'unsynced' ? EndKind.PowerCut : EndKind.Kill;
  const tear = TEAR_MODES.get(words.text('tear') ?? 'drop-all');
  for (const node of nodesOf(stage, words.plain)) {
    node.disk.tearMode = tear;
    if (effect === undefined) {
      node.end(kind);
    } else {
      node.process?.endBeforeEffect(effect, kind);
    }
  }
}

function restart(stage: Stage, words: Words): void {
  for (const node of nodesOf(stage, words.plain)) {
    const member = stage.cluster.members.find((each) => each.node === node);
    if (member === undefined) {
      throw new Error('a client is started with connect');
    }
    stage.start(member);
  }
}

function pause(stage: Stage, words: Words): void {
  const durationNs = words.durationNs('for') ?? 3_600_000 * NS_PER_MS;
  for (const node of nodesOf(stage, words.plain)) {
    node.process?.pause(durationNs);
  }
}

function resume(stage: Stage, words: Words): void {
  for (const node of nodesOf(stage, words.plain)) {
    node.process?.resume();
  }
}

/** Keeps one thread busy: `stall 0 main for=300ms`. */
function stall(stage: Stage, words: Words): void {
  const [id = '', threadName = 'main'] = words.plain;
  const thread = stage.nodeOf(id).process?.threads.find((each) => each.name === threadName);
  if (thread === undefined) {
    throw new Error(`node ${id} has no thread ${threadName}`);
  }
  thread.stall(words.durationNs('for') ?? 1_000 * NS_PER_MS);
}

/** A clean shutdown, to its end. */
function leave(stage: Stage, words: Words): void {
  for (const id of words.plain) {
    const simulated = stage.memberOf(id);
    const { process } = simulated.node;
    process?.guard(() => simulated.member?.leave(process.clock.nowNs()));
    process?.threads[0]?.wake();
    const limitNs = stage.world.nowNs + LEAVE_LIMIT_NS;
    stage.world.runUntilTrue(() => simulated.member?.hasLeft !== false, limitNs);
    simulated.node.stop();
  }
}

/** `transfer 0 1`: member 0 is told to hand leadership over to member 1. */
function transfer(stage: Stage, words: Words): void {
  const [from = '', to = ''] = words.plain;
  const { member, node } = stage.memberOf(from);
  const { process } = node;
  const results: TransferResult[] = [];
  process?.guard(() => {
    const nowNs = process.clock.nowNs();
    results.push(member?.transferLeadership(Number(to), nowNs) ?? TransferResult.NotLeader);
  });
  process?.threads[0]?.wake();
  if (results[0] !== TransferResult.Started) {
    throw new Error(`member ${from} does not hand over to ${to}: result ${results[0]}`);
  }
}

/** `may-end 0 1`: their processes may end with an error from here on. */
function mayEnd(stage: Stage, words: Words): void {
  for (const id of words.plain) {
    stage.expectedEnds.add(stage.memberOf(id).memberId);
  }
}

// --- network ---

/** Directed pairs of `0->1`, `0-1` (both ways) or `0` (with everybody, both ways). */
function pairsOf(stage: Stage, text: string): [VirtualNode, VirtualNode][] {
  const [, left = text, arrow, right = ''] = /^(c?\d+)(->|-)(c?\d+)$/.exec(text) ?? [];
  const from = stage.nodeOf(left);
  if (arrow === undefined) {
    const others = stage.world.nodes.filter((node) => node !== from);
    return others.flatMap((other): [VirtualNode, VirtualNode][] => [
      [from, other],
      [other, from],
    ]);
  }
  const to = stage.nodeOf(right);
  return arrow === '->'
    ? [[from, to]]
    : [
        [from, to],
        [to, from],
      ];
}

function cut(stage: Stage, words: Words): void {
  for (const [from, to] of words.plain.flatMap((text) => pairsOf(stage, text))) {
    stage.world.network.block(from, to);
  }
}

function heal(stage: Stage, words: Words): void {
  if (words.plain.length === 0) {
    stage.world.network.heal();
  }
  for (const [from, to] of words.plain.flatMap((text) => pairsOf(stage, text))) {
    stage.world.network.unblock(from, to);
  }
}

/** `partition 0 c1 | 1 2`: nothing passes between the groups. */
function partition(stage: Stage, words: Words): void {
  const groups = words.plain.join(' ').split('|');
  stage.world.network.partition(
    groups.map((group) =>
      nodesOf(
        stage,
        group.split(' ').filter((text) => text !== ''),
      ),
    ),
  );
}

/** `links 0-1 1-2`: of the links between members only these are left. */
function links(stage: Stage, words: Words): void {
  const { network } = stage.world;
  const nodes = stage.cluster.members.map((member) => member.node);
  for (const from of nodes) {
    for (const to of nodes.filter((node) => node !== from)) {
      network.block(from, to);
    }
  }
  if (words.plain.length > 0) {
    heal(stage, words);
  }
}

/** `flap 0-1 every=100ms for=10s`: the link is down and up by turns. */
function flap(stage: Stage, words: Words): void {
  const { network } = stage.world;
  const pairs = words.plain.flatMap((text) => pairsOf(stage, text));
  const periodNs = words.durationNs('every') ?? 100 * NS_PER_MS;
  const endNs = stage.world.nowNs + (words.durationNs('for') ?? 10_000 * NS_PER_MS);
  const toggle = (isDown: boolean): void => {
    const isOver = stage.world.nowNs >= endNs;
    for (const [from, to] of pairs) {
      if (isDown && !isOver) {
        network.block(from, to);
      } else {
        network.unblock(from, to);
      }
    }
    if (!isOver) {
      stage.world.schedule(stage.world.nowNs + periodNs, undefined, () => toggle(!isDown));
    }
  };
  toggle(true);
}

/** `link 0->1 loss=0.1 duplicate=0.1 bandwidth=100000 delay=5ms`. */
function link(stage: Stage, words: Words): void {
  const perMillion = (name: string): number => Math.round((words.number(name) ?? 0) * 1_000_000);
  const delayNs = words.durationNs('delay');
  const options = {
    lossPerMillion: perMillion('loss'),
    duplicatePerMillion: perMillion('duplicate'),
    corruptPerMillion: perMillion('corrupt'),
    bandwidthBytesPerSecond: words.number('bandwidth') ?? 0,
    ...(delayNs === undefined
      ? {}
      : {
          delay: {
            baseNs: delayNs,
            uniformNs: 0,
            exponentialNs: 0,
            spikePerMillion: 0,
            spikeNs: 0,
          },
        }),
  };
  for (const [from, to] of words.plain.flatMap((text) => pairsOf(stage, text))) {
    stage.world.network.setLink(from, to, options);
  }
}

/** `hold append-position from=1 to=0 skip=1 count=3`; `drop`, `copy` and `damage` alike. */
function wire(action: WireAction): Command {
  return (stage, words) => {
    const from = words.text('from');
    const to = words.text('to');
    const skip = words.number('skip') ?? 0;
    const count = words.number('count') ?? Number.POSITIVE_INFINITY;
    const at = words.number('at') ?? 0;
    const xor = words.number('xor') ?? 0;
    for (const kind of words.plain) {
      stage.wire.add({
        action,
        kind,
        from: from === undefined ? undefined : stage.nodeOf(from),
        to: to === undefined ? undefined : stage.nodeOf(to),
        skip,
        count,
        at,
        xor,
      });
    }
  };
}

/** Ends the rules for kinds of datagrams, or all rules. */
function undrop(stage: Stage, words: Words): void {
  for (const kind of words.plain.length === 0 ? [undefined] : words.plain) {
    stage.wire.end(kind);
  }
}

/** Sends what was held or copied. */
function release(stage: Stage, words: Words): void {
  for (const kind of words.plain) {
    stage.print(`${kind}: ${stage.wire.release(kind)} arrive now`);
  }
}

// --- clocks ---

/** `clock 0 wall=3600s` jumps; `clock 0 rate=1050` runs at 1050/1000. */
function clock(stage: Stage, words: Words): void {
  const wall = words.text('wall');
  const rate = words.number('rate');
  for (const node of nodesOf(stage, words.plain)) {
    if (wall !== undefined) {
      node.oscillator.jumpWall(parseDurationNs(wall) / NS_PER_MS);
    }
    if (rate !== undefined) {
      node.setClockRate(rate, 1000);
    }
  }
}

export const FAULT_COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['crash', crash],
  ['restart', restart],
  ['pause', pause],
  ['resume', resume],
  ['stall', stall],
  ['leave', leave],
  ['transfer', transfer],
  ['may-end', mayEnd],
  ['cut', cut],
  ['heal', heal],
  ['partition', partition],
  ['links', links],
  ['link', link],
  ['flap', flap],
  ['drop', wire(WireAction.Drop)],
  ['hold', wire(WireAction.Hold)],
  ['copy', wire(WireAction.Copy)],
  ['damage-datagram', wire(WireAction.Damage)],
  ['undrop', undrop],
  ['release', release],
  ['clock', clock],
  ['disk', disk],
  ['damage', damage],
  ['lose-directory', loseDirectory],
]);
