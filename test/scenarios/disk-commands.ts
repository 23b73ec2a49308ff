// disk-commands.ts: the commands of a scenario that hurt disks and what lies on them.

import { segmentBaseOf, segmentFileName } from '../../src/archive/log-geometry.js';
import { StorageResult } from '../../src/ports/storage.js';
import { fixedDelay } from '../../src/simulator/delay.js';
import { OperationKind } from '../../src/simulator/storage-operation.js';
import { DISK_CAPACITY_BYTES, type VirtualDisk } from '../../src/simulator/virtual-disk.js';
import { framesOnDisk } from './log-view.js';
import type { Words } from './script.js';
import { STEADY_STORAGE, type Stage } from './stage.js';

const NS_PER_MS = 1_000_000;
const SECTOR_LENGTH = 512;
const KIB = 1024;

/** `disk 1 slow sync=1ms`, `hang`, `resume`, `fail-sync`, `fail-write`, `full`, `room`, `well`. */
export function disk(stage: Stage, words: Words): void {
  const [id = '', what = ''] = words.plain;
  const member = stage.memberOf(id);
  const target = member.node.disk;
  switch (what) {
    case 'slow':
      target.latency = {
        ...STEADY_STORAGE,
        sync: fixedDelay(words.durationNs('sync') ?? 100 * NS_PER_MS),
      };
      break;
    case 'hang':
      hang(target, words.text('file'));
      break;
    case 'resume':
      target.resume();
      break;
    case 'fail-sync':
      stage.expectedEnds.add(member.memberId);
      failNext(target, OperationKind.Sync, words.text('file'));
      break;
    case 'fail-write':
      stage.expectedEnds.add(member.memberId);
      failNext(target, OperationKind.Write, words.text('file'));
      break;
    case 'full':
      stage.expectedEnds.add(member.memberId);
      target.capacityBytes -= target.freeBytes - (words.number('free') ?? 0);
      break;
    case 'room':
      target.capacityBytes -= target.freeBytes - (words.number('kib') ?? 0) * KIB;
      break;
    case 'well':
      target.latency = STEADY_STORAGE;
      target.capacityBytes = DISK_CAPACITY_BYTES;
      target.faultHook = undefined;
      break;
    default:
      throw new Error(`a disk cannot be '${what}'`);
  }
}

/** Nothing completes any more, or nothing that is done to one file. */
function hang(target: VirtualDisk, path: string | undefined): void {
  if (path === undefined) {
    target.hang();
  } else {
    target.faultHook = ({ path: of }) => (of.includes(path) ? { isHung: true } : undefined);
  }
}

/** The next operation of a kind fails, once. */
function failNext(target: VirtualDisk, kind: OperationKind, path: string | undefined): void {
  target.faultHook = (operation) => {
    const isMeant = path === undefined || operation.path.includes(path);
    if (operation.kind !== kind || !isMeant) {
      return undefined;
    }
    target.faultHook = undefined;
    return { result: StorageResult.InputOutput };
  };
}

/** `damage 1 log at=m3` or `damage 1 node-state.dat sector=0`, of a member that is down. */
export function damage(stage: Stage, words: Words): void {
  const [id = '', what = ''] = words.plain;
  const member = stage.memberOf(id);
  if (member.node.process !== undefined) {
    throw new Error(`member ${id} runs: crash it first`);
  }
  stage.hurtDirectories.add(member.memberId);
  stage.expectedEnds.add(member.memberId);
  if (what === 'log') {
    const text = words.text('at') ?? '';
    const frame = framesOnDisk(member).find((each) => each.text === text);
    if (frame === undefined) {
      throw new Error(`the log of member ${id} holds no ${text}`);
    }
    const base = segmentBaseOf(frame.position, member.config.segmentLength);
    member.node.disk.flipBits(segmentFileName(base), frame.end - 1 - base, 1);
    member.node.disk.flipBits(segmentFileName(base), frame.position + 40 - base, 1);
    return;
  }
  if (what.startsWith('node-state')) {
    stage.judges.votes.onLostDirectory(member.memberId);
  }
  const at = (words.number('sector') ?? 0) * SECTOR_LENGTH + (words.number('offset') ?? 20);
  member.node.disk.flipBits(what, at, words.number('xor') ?? 1);
}

/** A disk is replaced by an empty one. */
export function loseDirectory(stage: Stage, words: Words): void {
  for (const id of words.plain) {
    const member = stage.memberOf(id);
    member.node.kill();
    stage.hurtDirectories.add(member.memberId);
    stage.judges.votes.onLostDirectory(member.memberId);
    member.node.disk.reformat();
  }
}
