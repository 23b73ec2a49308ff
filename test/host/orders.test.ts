// An operator's orders to a member: what it refuses, what it waits for, and what it says then.

import test from 'tape';
import { ControlResult } from '../../src/cluster/cluster-control.js';
import type { MemberStatus } from '../../src/cluster/member.js';
import type { MemberOrders } from '../../src/cluster/member-orders.js';
import { ShutdownState } from '../../src/cluster/shutdown.js';
import { TransferResult } from '../../src/consensus/leadership-transfer.js';
import { PawlError } from '../../src/errors.js';
import {
  type OrderedMember,
  orderShutdown,
  orderSnapshot,
  orderSuspension,
} from '../../src/host/cluster-orders.js';
import { handOver } from '../../src/host/hand-over.js';
import { ClusterAction } from '../../src/protocol/codecs/enumerations.js';

const SHORT_MS = 20;
const LEADING: Partial<MemberStatus> = {
  memberId: 0,
  role: 'leader',
  isIngressOpen: true,
  leaderMemberId: 0,
  leadershipTermId: 4,
  servicePosition: 960,
  isSuspended: false,
  shutdownState: ShutdownState.None,
  isHandingOver: false,
};
const ORDERS: MemberOrders = {
  canTakeSnapshot: true,
  snapshotsServed: 0,
  snapshotServedPosition: 0,
  suspensionPosition: 0,
  shutdownPosition: -1,
  shutdownAcknowledged: [],
};

/** A member that answers as a test says. */
class Stub implements OrderedMember {
  state = { ...LEADING };
  known = { ...ORDERS };
  result: ControlResult = ControlResult.Ordered;
  isEnded = false;
  /** What changes when an order has been given. */
  onOrder: () => void = () => undefined;

  status(): MemberStatus {
    return this.state as MemberStatus;
  }
  orders(): MemberOrders {
    return this.known;
  }
  isClosed(): boolean {
    return this.isEnded;
  }
  requestSnapshot(): void {
    this.onOrder();
  }
  orderSuspension(): ControlResult {
    this.onOrder();
    return this.result;
  }
  orderShutdown(): ControlResult {
    this.onOrder();
    return this.result;
  }
}

function stub(change: (member: Stub) => void = () => undefined): Stub {
  const member = new Stub();
  change(member);
  return member;
}

/** What an order comes to: its result, or `CODE: message`. */
async function told(order: Promise<unknown>): Promise<string> {
  try {
    return JSON.stringify(await order);
  } catch (error) {
    return error instanceof PawlError ? `${error.code}: ${error.message}` : String(error);
  }
}

const snapshot = (member: Stub) => told(orderSnapshot(member, SHORT_MS));
const suspend = (member: Stub) => told(orderSuspension(member, ClusterAction.Suspend));
const resume = (member: Stub) => told(orderSuspension(member, ClusterAction.Resume));
const shutdown = (member: Stub) => told(orderShutdown(member, SHORT_MS));

test('an order to a member that does not lead names the member to ask', async (t) => {
  for (const order of [snapshot, suspend, shutdown]) {
    const follower = stub(({ state }) => {
      Object.assign(state, { role: 'follower', leaderMemberId: 2 });
    });
    t.match(await order(follower), /^ORDER_REFUSED: member 0 does not lead.*: ask member 2/);
    const opening = stub(({ state }) => Object.assign(state, { isIngressOpen: false }));
    t.match(await order(opening), /: wait until there is a leader/);
  }
  for (const order of [suspend, shutdown]) {
    const lost = stub((member) => {
      member.result = ControlResult.NotLeader;
    });
    t.match(await order(lost), /^ORDER_REFUSED: member 0 does not lead/, 'it ceased just now');
  }
});

test('an order that cannot be, or is being carried out, is refused with the reason', async (t) => {
  const without = stub((member) => {
    member.known = { ...ORDERS, canTakeSnapshot: false };
  });
  t.match(await snapshot(without), /^ORDER_REFUSED: the service takes no snapshots/);
  const same = stub((member) => {
    member.result = ControlResult.AlreadySo;
  });
  t.match(await suspend(same), /^ORDER_REFUSED: the cluster is suspended already/);
  t.match(await resume(same), /^ORDER_REFUSED: the cluster is not suspended/);
  const busy = stub((member) => {
    member.result = ControlResult.UnderWay;
  });
  t.match(await suspend(busy), /^ORDER_REFUSED: another order is being carried out/);
  t.match(await shutdown(busy), /^ORDER_REFUSED: a shutdown is under way/);
});

test('an order whose leader is lost, or that nobody confirms, tells what is known', async (t) => {
  const losing = () =>
    stub((member) => {
      member.onOrder = () => {
        member.state = { ...LEADING, leadershipTermId: 5 };
      };
    });
  t.match(await snapshot(losing()), /^ORDER_REFUSED: .*ordered or not: member 0 ceased to lead/);
  const ending = stub((member) => {
    member.onOrder = () => {
      member.isEnded = true;
    };
  });
  t.match(await suspend(ending), /^ORDER_REFUSED: the cluster may have been suspended or not/);
  t.match(await snapshot(stub()), /^TIMEOUT: the snapshot did not become an event .* 20 ms/);
  t.match(await shutdown(stub()), /^TIMEOUT: the members did not bring their snapshots to an end/);
});

test('an order that is carried out comes back with its position', async (t) => {
  const taking = stub((member) => {
    member.onOrder = () => {
      member.known = { ...ORDERS, snapshotsServed: 1, snapshotServedPosition: 960 };
    };
  });
  t.equal(await snapshot(taking), '960');
  const suspending = stub((member) => {
    member.onOrder = () => {
      member.state = { ...LEADING, isSuspended: true };
      member.known = { ...ORDERS, suspensionPosition: 480 };
    };
  });
  t.equal(await suspend(suspending), '480');
  const ending = stub((member) => {
    member.onOrder = () => {
      member.state = { ...LEADING, shutdownState: ShutdownState.Ending };
      member.known = { ...ORDERS, shutdownPosition: 960, shutdownAcknowledged: [1, 2] };
    };
  });
  t.equal(await shutdown(ending), '{"logPosition":960,"acknowledged":[1,2]}');
});

/** A transfer to member 1 that begins with a result; then the member's state is another. */
function transfer(result: TransferResult, after: Partial<MemberStatus>): Promise<string> {
  let state = { ...LEADING };
  const leading = {
    begin: () => {
      state = { ...LEADING, ...after };
      return result;
    },
    status: () => state as MemberStatus,
    isClosed: () => false,
  };
  return told(handOver(leading, 1));
}

test('a transfer that is not begun says why, and what to do', async (t) => {
  const cases: [TransferResult, Partial<MemberStatus>, RegExp][] = [
    [TransferResult.NotLeader, { leaderMemberId: 2 }, /member 0 does not lead: ask member 2/],
    [TransferResult.NotLeader, { leaderMemberId: -1 }, /wait until there is a leader/],
    [TransferResult.UnknownTarget, {}, /member 1 is no other member of this cluster/],
    [TransferResult.TargetUnfit, {}, /member 1 has no vote, or does not follow/],
    [TransferResult.UnderWay, {}, /another transfer is under way/],
  ];
  for (const [result, after, expected] of cases) {
    const text = await transfer(result, after);
    t.match(text, expected);
    t.match(text, /^LIMIT_EXCEEDED: /);
  }
});

test('a transfer that comes to something else, or to nothing, says to what', async (t) => {
  const { Started } = TransferResult;
  const next = { leadershipTermId: 5, role: 'follower' } as const;
  t.equal(await transfer(Started, { ...next, leaderMemberId: 1 }), '5', 'the target leads');
  t.match(
    await transfer(Started, { ...next, leaderMemberId: 2 }),
    /^TIMEOUT: leadership was not handed over: member 2 was elected instead/,
  );
  t.match(
    await transfer(Started, {}),
    /^TIMEOUT: .* member 1 did not acknowledge all of the log in time, and member 0 leads on/,
  );
  t.match(
    await transfer(Started, { role: 'follower', leaderMemberId: -1 }),
    /^TIMEOUT: .* nobody led within 3000 ms/,
  );
});
