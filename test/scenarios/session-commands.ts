// session-commands.ts: commands about who clients are, and orders of an operator.

import type { CredentialsSupplier } from '../../src/client/credentials.js';
import { ControlResult } from '../../src/cluster/cluster-control.js';
import type { Member } from '../../src/cluster/member.js';
import { ClusterAction } from '../../src/protocol/codecs/enumerations.js';
import { secretOf, silentAbout } from '../cluster/secrets.js';
import type { Command } from './commands.js';
import type { Words } from './script.js';
import type { Stage } from './stage.js';

/** Calls into a member, as its host would, and wakes it. */
function tell(
  stage: Stage,
  id: string,
  call: (member: Member, nowNs: number) => ControlResult,
): ControlResult {
  const { member, node } = stage.memberOf(id);
  const { process } = node;
  const results: ControlResult[] = [];
  process?.guard(() => {
    if (member !== undefined) {
      results.push(call(member, process.clock.nowNs()));
    }
  });
  process?.threads[0]?.wake();
  return results[0] ?? ControlResult.NotLeader;
}

function order(call: (member: Member, nowNs: number) => ControlResult): Command {
  return (stage, words) => {
    const [id = ''] = words.plain;
    const result = tell(stage, id, call);
    if (result !== ControlResult.Ordered) {
      throw new Error(`member ${id} does not do that: result ${result}`);
    }
  };
}

function snapshot(stage: Stage, words: Words): void {
  const [id = ''] = words.plain;
  tell(stage, id, (member) => {
    member.requestSnapshot();
    return ControlResult.Ordered;
  });
}

/**
 * `name=anna secret=wrong`: how a client presents itself; without a name, not at all. With
 * `silent=yes` it is gone when it is challenged.
 */
export function credentialsIn(words: Words): CredentialsSupplier | undefined {
  const name = words.text('name');
  const secret = words.text('secret');
  const isSilent = words.text('silent') === 'yes';
  if (name === undefined) {
    return undefined;
  }
  return isSilent ? silentAbout(name) : secretOf(name, secret);
}

/** `suspend 0`, `resume-cluster 0`, `snapshot 0`, `shutdown 0`: told to member 0. */
export const SESSION_COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['suspend', order((member) => member.orderSuspension(ClusterAction.Suspend))],
  ['resume-cluster', order((member) => member.orderSuspension(ClusterAction.Resume))],
  ['snapshot', snapshot],
  ['shutdown', order((member, nowNs) => member.orderShutdown(nowNs))],
]);
