// directory-losses.ts: members that lose what they hold: all of it, a record of it, or what came
// since a former directory, which is put back in the place of the one that followed it.
//
// One member at a time, and only while all others have theirs, so that they are a quorum.

import type { NodeState } from '../archive/node-state-file.js';
import { POSITION_NULL, TERM_NULL } from '../position.js';
import type { DiskDamage } from './disk-damage.js';
import { decayLog } from './fault-atlas.js';
import { durableMarkPosition, durableNodeState } from './invariants/durable-records.js';
import type { Prng } from './prng.js';
import type { SimulatedCluster, SimulatedMember } from './simulated-cluster.js';
import type { Targets } from './targets.js';
import type { DirectoryTree } from './virtual-directory.js';

/** What was done. */
export interface LossCounts {
  lostDirectories: number;
  formerDirectories: number;
  damagedLogs: number;
}

type Say = (member: SimulatedMember, what: string) => void;

/** When a directory was admitted: TERM_NULL for one that was born with its vote. */
type Admission = Pick<NodeState, 'admittedTermId' | 'admittedPosition'>;

const NEVER: Admission = { admittedTermId: TERM_NULL, admittedPosition: POSITION_NULL };

/** Takes from members what they hold. */
export class DirectoryLosses {
  readonly counts: LossCounts = { lostDirectories: 0, formerDirectories: 0, damagedLogs: 0 };
  /** Members that have lost something since they were last started with all they have. */
  readonly blankMembers = new Set<number>();
  /** The member that has lost something and was not seen with a vote since: one at a time. */
  blankMemberId: number | undefined = undefined;
  /** Told before something is lost. */
  onLost: ((memberId: number) => void) | undefined = undefined;
  readonly #cluster: SimulatedCluster;
  readonly #targets: Targets;
  readonly #damage: DiskDamage;
  readonly #say: Say;
  /** By member: a directory that was replaced by an empty one. */
  readonly #former = new Map<number, DirectoryTree>();
  /** Of the directory that followed a former one, which is back: its vote is of no use yet. */
  #outdatedBy: Admission | undefined;

  constructor(cluster: SimulatedCluster, targets: Targets, damage: DiskDamage, say: Say) {
    this.#cluster = cluster;
    this.#targets = targets;
    this.#damage = damage;
    damage.atlas.blankMember = () => this.blankMemberId;
    this.#say = say;
  }

  /** A member comes back with an empty disk. */
  loseDirectory(): void {
    const member = this.#pickVictim();
    if (member !== undefined) {
      this.#replace(member);
    }
  }

  /** A member has the directory back that it had before it lost one; without, it loses its own. */
  exchangeDirectory(): void {
    const member = this.#pickVictim((one) => !this.#former.has(one.memberId) || this.#isKnown(one));
    if (member === undefined) {
      return;
    }
    const { memberId, node } = member;
    const former = this.#former.get(memberId);
    if (former === undefined) {
      const isWhole = !this.#damage.isDamaged(member);
      const directory = this.#replace(member);
      if (isWhole) {
        this.#former.set(memberId, directory);
      }
      return;
    }
    this.counts.formerDirectories++;
    this.#say(member, 'is killed, and a former directory is put back');
    node.kill();
    this.#outdatedBy = durableNodeState(node.disk) ?? NEVER;
    this.onLost?.(memberId);
    node.disk.exchange(former);
    this.#damage.forgetSnapshots(memberId);
    this.#former.delete(memberId);
  }

  /** A byte of the log rots, where the next start looks: the member must notice and say so. */
  damageLog(random: Prng): void {
    const member = this.#pickVictim();
    if (member === undefined) {
      return;
    }
    const { config, memberId, node } = member;
    const end = durableMarkPosition(node.disk) - 1;
    if (end < 0) {
      return;
    }
    const position = random.between(end - (end % config.logTermLength), end);
    this.counts.damagedLogs++;
    node.kill();
    if (random.chance(1, 3)) {
      this.onLost?.(memberId);
      this.#say(member, `is killed, and ${this.#damage.spoilRecord(member)} is damaged`);
      return;
    }
    this.#say(member, `is killed, and its log is damaged at ${position}`);
    const mask = 1 + random.below(255);
    decayLog(member, position, (before) => before.map((byte) => byte ^ mask), 1);
  }

  /** The member that had lost something has a vote, perhaps not durably yet, or a former one. */
  onVote(memberId: number): void {
    const { node } = this.#cluster.members[memberId] as SimulatedMember;
    const state = durableNodeState(node.disk);
    const outdated = this.#outdatedBy;
    if (state?.voting === true && (outdated === undefined || isLater(state, outdated))) {
      this.blankMemberId = undefined;
      this.#outdatedBy = undefined;
    }
  }

  /** A start found that nothing is missing: whatever is missing from now on has gone since. */
  onWhole(memberId: number): void {
    if (memberId !== this.blankMemberId) {
      this.blankMembers.delete(memberId);
    }
  }

  #replace(member: SimulatedMember): DirectoryTree {
    const { memberId, node } = member;
    this.counts.lostDirectories++;
    this.#say(member, 'is killed and loses its directory');
    node.kill();
    this.onLost?.(memberId);
    const directory = node.disk.reformat();
    this.#damage.forgetSnapshots(memberId);
    return directory;
  }

  /**
   * Whether all others are certain to know that a member's directory was admitted: whoever does not
   * cannot tell a former one from it.
   */
  #isKnown({ memberId, node }: SimulatedMember): boolean {
    const own = durableNodeState(node.disk);
    return this.#cluster.members.every((other) => {
      const state = durableNodeState(other.node.disk);
      const known = state?.incarnations.find((one) => one.memberId === memberId);
      return other.memberId === memberId || (!!known && !!own && isSame(known, own));
    });
  }

  /** A member that may lose what it holds: only while all others have theirs. */
  #pickVictim(
    isFit: (member: SimulatedMember) => boolean = () => true,
  ): SimulatedMember | undefined {
    const isComplete = this.#cluster.members.every(
      ({ member, node }) =>
        member?.observe()?.election.isVoting() === true && durableNodeState(node.disk)?.voting,
    );
    if (this.blankMemberId !== undefined || !isComplete) {
      return undefined;
    }
    const member = this.#targets.pickMember();
    if (!this.#damage.atlas.mayLoseAll(member.memberId) || !isFit(member)) {
      return undefined;
    }
    this.blankMemberId = member.memberId;
    this.blankMembers.add(member.memberId);
    return member;
  }
}

function isSame(a: Admission, b: Admission): boolean {
  return a.admittedTermId === b.admittedTermId && a.admittedPosition === b.admittedPosition;
}

function isLater(a: Admission, b: Admission): boolean {
  return a.admittedTermId === b.admittedTermId
    ? a.admittedPosition > b.admittedPosition
    : a.admittedTermId > b.admittedTermId;
}
