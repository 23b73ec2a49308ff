// records.ts: the small records of a data directory: vote, mark, terms, birth, catalog.
//
// Whatever they hold: recovery refuses with a typed error, or finds a state that makes sense; it
// never leaves a vote where a slot was damaged, and a second recovery finds what the first left.

import { describeDirectory } from '../../../src/archive/describe.js';
import type { RecoveredDirectory } from '../../../src/archive/member-directory.js';
import { KNOWN_INCARNATION_COUNT_MAX } from '../../../src/archive/node-state-file.js';
import { recordChecksum } from '../../../src/archive/record-checksum.js';
import { PawlError } from '../../../src/errors.js';
import type { Arena } from '../../../src/memory/arena.js';
import {
  type LogImage,
  makeArena,
  recover,
  runOn,
  TERM_LENGTH,
} from '../../archive/archive-world.js';
import { directoryWith } from '../../archive/damaged-log.js';
import type { MemoryDisk } from '../../support/memory-storage.js';
import { type FuzzTarget, hold, joined, mutate } from '../fuzz-target.js';

/** Greatest position that a forged mark may name. */
const POSITION_MAX = 4 * 1024 * 1024;

const FILES = [
  'node-state.dat',
  'durable-mark.dat',
  'recording.log',
  'birth.dat',
  'archive.catalog',
] as const;

/** Bytes that a checksum covers, and where it stands behind them, by file. */
const CHECKED: Readonly<Record<string, { unit: number; checksumAt: number }>> = {
  'node-state.dat': { unit: 512, checksumAt: 508 },
  'durable-mark.dat': { unit: 512, checksumAt: 508 },
  'recording.log': { unit: 64, checksumAt: 60 },
  'birth.dat': { unit: 48, checksumAt: 44 },
};

/** Writes the checksums that the changed bytes should have, so that their content is looked at. */
function withChecksums(file: string, bytes: Uint8Array): Uint8Array {
  const format = CHECKED[file];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; format !== undefined && at + format.unit <= bytes.length; at += format.unit) {
    const unit = bytes.subarray(at, at + format.unit);
    if (unit.some((byte) => byte !== 0)) {
      const checksum = recordChecksum(bytes, at, format.checksumAt);
      view.setUint32(at + format.checksumAt, checksum, true);
    }
  }
  return bytes;
}

function checkRecovered(found: RecoveredDirectory, isDamaged: boolean): void {
  const { appendPosition, commitPosition, logTermId, mark, nodeState } = found;
  for (const position of [appendPosition, commitPosition, mark.durablePosition]) {
    hold(Number.isSafeInteger(position) && position >= 0, `position ${position} is one`);
  }
  hold(Number.isSafeInteger(logTermId) && logTermId >= -1, `term ${logTermId} is one`);
  hold(commitPosition <= mark.durablePosition, 'what is committed is durable');
  const { candidateTermId, incarnations } = nodeState.state;
  hold(Number.isSafeInteger(candidateTermId) && candidateTermId >= -1, 'a candidate term is one');
  hold(incarnations.length <= KNOWN_INCARNATION_COUNT_MAX, 'incarnations are bounded');
  for (const { admittedTermId, admittedPosition } of incarnations) {
    hold(Number.isSafeInteger(admittedTermId) && admittedTermId >= -1, 'an admission has a term');
    hold(Number.isSafeInteger(admittedPosition) && admittedPosition >= -1, 'and a position');
  }
  hold(!isDamaged || !nodeState.state.voting, 'a vote that was damaged does not count');
}

function summary(found: RecoveredDirectory): string {
  const { appendPosition, health, logTermId, mark, nodeState } = found;
  return JSON.stringify([appendPosition, health, logTermId, mark, nodeState.state]);
}

function recoverTwice(disk: MemoryDisk, arena: Arena, isVoteDamaged: boolean): string {
  let first: RecoveredDirectory;
  try {
    first = recover(disk, arena);
  } catch (error) {
    if (!(error instanceof PawlError)) {
      throw error;
    }
    hold(error.category !== 'fatal', `a record is no device failure: ${error.message}`);
    return `${error.code} ${error.message.slice(0, 24)}`;
  }
  checkRecovered(first, isVoteDamaged);
  const fileCount = disk.names.size;
  const second = recover(disk, arena);
  hold(summary(second) === summary(first), 'a second recovery finds what the first left');
  hold(second.warnings.length <= first.warnings.length, 'and warns of nothing new');
  const description = runOn(disk, (storage) => describeDirectory(storage, arena));
  hold(
    description.appendPosition === first.appendPosition,
    `describe finds ${description.appendPosition}, recovery ${summary(first)}`,
  );
  hold(fileCount === disk.names.size, 'no file comes or goes');
  return `${first.health.kind} ${nodeKind(first)} ${first.warnings.map((w) => w.slice(0, 18))}`;
}

function nodeKind(found: RecoveredDirectory): string {
  return found.nodeState.state.voting ? 'voting' : 'non-voting';
}

export function recordsTarget(): FuzzTarget {
  const arena = makeArena();
  const { disk: sound } = directoryWith(
    arena,
    (image: LogImage) => image.until(3000, 200),
    (image) => image.ends[2] ?? 0,
  );
  for (const name of [...sound.names.keys()].filter((each) => each.endsWith('.rec'))) {
    hold(sound.file(name).length >= TERM_LENGTH, 'segments have their length');
  }
  return {
    name: 'records',
    generate(random) {
      const index = random.below(FILES.length);
      const file = FILES[index] as string;
      const bytes = mutate(sound.file(file).slice(), random, []);
      return joined(Uint8Array.of(index, random.below(2)), bytes.slice(0, 4096));
    },
    run(input) {
      const file = FILES[(input[0] ?? 0) % FILES.length] as string;
      const isChecked = (input[1] ?? 0) % 2 === 1;
      const bytes = input.slice(2);
      const disk = sound.clone();
      if (isChecked && file === 'durable-mark.dat' && isAbsurd(bytes)) {
        return 'a mark that no log of this size has';
      }
      const changed = isChecked ? withChecksums(file, bytes) : bytes;
      const isSame = Buffer.compare(changed, sound.file(file)) === 0;
      disk.put(file, changed);
      const isVoteDamaged = file === 'node-state.dat' && !isChecked && !isSame;
      const kind = isVoteDamaged && hasWholeSlots(changed, sound.file(file)) ? 'spare' : file;
      return `${kind} ${recoverTwice(disk, arena, isVoteDamaged && kind !== 'spare')}`;
    },
  };
}

/** Bytes behind the two slots are no part of the record. */
function hasWholeSlots(changed: Uint8Array, sound: Uint8Array): boolean {
  return Buffer.compare(changed.subarray(0, sound.length), sound) === 0;
}

/** A mark whose checksum fits is believed: up to it, what is not there is searched for. */
function isAbsurd(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const offsets = [16, 512 + 16].filter((offset) => offset + 8 <= bytes.length);
  return offsets.some((offset) => view.getBigUint64(offset, true) > BigInt(POSITION_MAX));
}
