// simulate() with services that take snapshots: members start from them, and one that is wrong is
// found where it is loaded.

import test from 'tape';
import type {
  ClientRequest,
  ClientSession,
  Cluster,
  ClusteredService,
} from '../../../src/service/clustered-service.js';
import { SnapshotMap } from '../../../src/service/snapshot-map.js';
import type {
  SnapshotImage,
  SnapshotPublication,
} from '../../../src/service/snapshot-publication.js';
import {
  type SimulateOptions,
  type SimulateReport,
  simulate,
} from '../../../src/simulator/index.js';
import type { EventOutputs } from '../../../src/simulator/user/event-outputs.js';
import {
  type ServiceObserver,
  type WatchedEvent,
  WatchedService,
} from '../../../src/simulator/user/watched-service.js';
import { textOf } from '../../support/text.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Counts words, in a map and in all. */
class Words implements ClusteredService {
  readonly snapshotVersion: number = 3;
  readonly counts = new SnapshotMap<string, number>();
  total = 0;

  onStart(_cluster: Cluster, image?: SnapshotImage): void {
    if (image !== undefined && image.version !== this.snapshotVersion) {
      throw new Error(`the snapshot is of version ${image.version}`);
    }
    image?.read((buffer, offset, length) => this.load(textOf(buffer, offset, length)));
  }

  load(record: string): void {
    const [word = '', count] = record.split(' ');
    if (count === undefined) {
      this.total = Number(word);
    } else {
      this.counts.set(word, Number(count));
    }
  }

  onTakeSnapshot(snapshot: SnapshotPublication): void {
    const total = encoder.encode(this.head());
    snapshot.offer(total, 0, total.length);
    snapshot.offerView(
      this.counts.snapshot((word, count, output) => {
        const record = encoder.encode(`${word} ${count}`);
        output.offer(record, 0, record.length);
      }),
    );
  }

  head(): string {
    return String(this.total);
  }

  onSessionMessage(
    _session: ClientSession,
    _timestamp: number,
    buffer: DataView,
    offset: number,
    length: number,
  ): void {
    const word = textOf(buffer, offset, length);
    this.counts.set(word, (this.counts.get(word) ?? 0) + 1);
    this.total++;
  }
}

function run<S extends ClusteredService>(
  service: () => S,
  options: Partial<SimulateOptions<S>> = {},
): SimulateReport {
  return simulate<S>({
    workload: ({ random }) => ({ next: () => random.pick(['one', 'two', 'three']) }),
    seeds: 6,
    seconds: 4,
    members: 3,
    faults: ['kill'],
    minimize: false,
    service,
    ...options,
  });
}

test('members take snapshots of a service and start from them, with its version', (t) => {
  const { failures, restarts, snapshotLoads, snapshots } = run(() => new Words());
  t.deepEqual(failures, []);
  t.ok(snapshots > 6, `${snapshots} snapshots`);
  t.ok(snapshotLoads > 3 && snapshotLoads <= restarts, `${snapshotLoads} starts from them`);
  t.end();
});

test('a service without onTakeSnapshot is given the whole log at each start', (t) => {
  class Plain implements ClusteredService {
    count = 0;
    onSessionMessage(): void {
      this.count++;
    }
  }
  const { failures, snapshots } = run(() => new Plain(), { seeds: 1 });
  t.deepEqual([failures.length, snapshots], [0, 0]);
  t.end();
});

test('a snapshot that leaves out a part of the state is found where it is loaded', (t) => {
  class Forgetful extends Words {
    override load(record: string): void {
      if (record.includes(' ')) {
        super.load(record);
      }
    }
  }
  const { divergence, judge, message } = run(() => new Forgetful()).failures[0] ?? {};
  t.equal(judge, 'divergence', message ?? 'no failure');
  t.equal(divergence?.eventKind, 'load');
  t.match(message ?? '', /the event: the start from a snapshot of this position/);
  t.match(message ?? '', /state\.total: \d+ on member \d.*, 0 on member \d \(process \d+\)/);
  t.match(message ?? '', /likely cause: onTakeSnapshot leaves a part of the state out/);
  t.end();
});

test('a snapshot that differs from member to member, or changes the state, is found', (t) => {
  class Dated extends Words {
    override head(): string {
      return `${this.total}.${Date.now()}`;
    }
  }
  const dated = run(() => new Dated()).failures[0];
  t.match(dated?.message ?? '', /writes another snapshot than member/);
  t.match(dated?.message ?? '', /output 1 of this event: into the snapshot: '\d+\.\d+' on member/);
  t.match(dated?.message ?? '', /cause: the service called Date\.now\(\) while it handled this/);
  class Counting extends Words {
    snapshotCount = 0;
    override head(): string {
      this.snapshotCount++;
      return super.head();
    }
  }
  const counting = run(() => new Counting()).failures[0];
  t.match(counting?.message ?? '', /before onTakeSnapshot, .* after onTakeSnapshot/);
  t.end();
});

test('a snapshot that the service does not read ends its member', (t) => {
  class Deaf extends Words {
    override onStart(): void {
      this.total = 0;
    }
  }
  const { judge, message } = run(() => new Deaf()).failures[0] ?? {};
  t.equal(judge, 'fatal');
  t.match(message ?? '', /call snapshot\.read\(handler\) in onStart/);
  t.end();
});

test('requests are passed to the service, and that no workload sends any is said', (t) => {
  class Answering extends Words {
    onRequest(
      request: ClientRequest,
      _timestamp: number,
      buffer: DataView,
      offset: number,
      length: number,
    ): void {
      const answer = encoder.encode(`${textOf(buffer, offset, length)} of ${request.requestId}`);
      request.reply(answer, 0, answer.length);
    }
  }
  const { warnings } = run(() => new Answering(), { seeds: 1, seconds: 1 });
  t.match(warnings.join('; '), /has an onRequest, and no workload of simulate\(\) sends requests/);
  const events: string[] = [];
  const note = (event: WatchedEvent, outputs: EventOutputs): void => {
    events.push(`${event.kind} ${decoder.decode(event.bytes)}, ${outputs.count} outputs`);
  };
  const nothing = (): void => undefined;
  const observer: ServiceObserver = {
    ...{ onEnter: nothing, onLeave: () => undefined, onBeforeEvent: nothing, onEvent: note },
    ...{ onBeforeLocal: nothing, onAfterLocal: nothing },
    ...{ onBeforeQuery: nothing, onAfterQuery: nothing },
  };
  const watched = new WatchedService(new Answering(), observer, 0);
  t.equal(new WatchedService(new Words(), observer, 0).onRequest, undefined, 'only if it has one');
  const answers: string[] = [];
  const request = {
    ...{ session: { id: 7 } as ClientSession, clientId: 7, requestId: 4, replyLengthMax: 100 },
    reply: (buffer: ArrayBufferView, offset: number, length: number): number => {
      answers.push(textOf(buffer as DataView, offset, length));
      return length;
    },
  };
  watched.onRequest?.(request, 0, new DataView(encoder.encode('hello').buffer), 0, 5);
  t.deepEqual(answers, ['hello of 4']);
  t.deepEqual(events, ['request hello, 1 outputs']);
  t.end();
});
