// config.ts: the settings of a cluster and a member, as a JSON file of an operator holds them.

import type { ClientOptions } from '../../../src/client/client-options.js';
import { concludeClientOptions } from '../../../src/client/client-options.js';
import {
  type ClusterSettings,
  concludeClusterConfig,
  type MemberSettings,
} from '../../../src/cluster/cluster-config.js';
import { PawlError } from '../../../src/errors.js';
import type { Prng } from '../../../src/simulator/prng.js';
import { type FuzzTarget, hold } from '../fuzz-target.js';

const MEMBERS = [
  '0,127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,127.0.0.1:4,127.0.0.1:5',
  '0,10.0.0.1:1,10.0.0.1:2,10.0.0.1:3,10.0.0.1:4,10.0.0.1:5|' +
    '1,[::1]:1,[::1]:2,[::1]:3,[::1]:4,[::1]:5',
  '',
] as const;

/** Values that a field does not expect, as JSON. */
const EVIL_VALUES = [
  'null',
  'true',
  '""',
  '[]',
  '{}',
  '-1',
  '0',
  '1',
  '0.5',
  '1e308',
  '9007199254740992',
  '65536',
  '67108864',
  '"fsync"',
  '"page-cache"',
  '"__proto__"',
  '{"__proto__":{"polluted":true}}',
] as const;

const CLUSTER_FIELDS = [
  'clusterId',
  'members',
  'durability',
  'logTermLength',
  'segmentLength',
  'sessionCountMax',
  'egressBufferLengthMax',
  'heartbeatIntervalMs',
  'leaderTimeoutMs',
  'electionTimeoutMs',
  'electionStatusIntervalMs',
  'sessionTimeoutMs',
  'clockSkewMaxMs',
  '__proto__',
  'constructor',
] as const;
const MEMBER_FIELDS = [
  'memberId',
  'mtuLength',
  'windowLength',
  'streamTermLength',
  'socketBufferLength',
  'memoryLength',
  'serviceFragmentLimit',
  'insecure',
  '__proto__',
  'toString',
] as const;
const CLIENT_FIELDS = [
  'ingressEndpoints',
  'egressChannel',
  'egressStreamId',
  'mtuLength',
  'ingressTermLength',
  'windowLength',
  'keepAliveIntervalMs',
  'connectTimeoutMs',
  'newLeaderTimeoutMs',
  '__proto__',
] as const;

function object(random: Prng, fixed: string[], fields: readonly string[]): string {
  const parts = [...fixed];
  for (let count = random.below(3); count > 0; count--) {
    parts.push(`"${random.pick(fields)}":${random.pick(EVIL_VALUES)}`);
  }
  return `{${parts.join(',')}}`;
}

function conclude(text: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `no JSON ${error instanceof SyntaxError}`;
  }
  const file = (typeof value === 'object' && value !== null ? value : {}) as {
    cluster?: ClusterSettings;
    member?: MemberSettings;
    client?: ClientOptions;
  };
  const outcomes: string[] = [];
  const tried = (what: () => string): void => {
    try {
      outcomes.push(what());
    } catch (error) {
      if (!(error instanceof PawlError)) {
        throw error;
      }
      outcomes.push(`${error.code} ${error.message.replaceAll(/[\d.]+/g, '').slice(0, 80)}`);
    }
  };
  tried(() => {
    const config = concludeClusterConfig(
      file.cluster as ClusterSettings,
      file.member as MemberSettings,
    );
    const { endpoints, member } = config;
    hold(
      endpoints.some((e) => e.memberId === member.memberId),
      'a member is in its list',
    );
    hold(config.segmentLength % config.logTermLength === 0, 'segments hold whole terms');
    hold(config.sessionTimeoutNs > 0, 'a session has a timeout');
    return `cluster of ${endpoints.length}`;
  });
  tried(() => {
    const options = concludeClientOptions(file.client as ClientOptions);
    hold(options.mtuLength % 32 === 0, 'frames are aligned');
    return 'client';
  });
  return outcomes.join('; ');
}

export function configTarget(): FuzzTarget {
  return {
    name: 'config',
    generate(random) {
      const members = `"members":${JSON.stringify(random.pick(MEMBERS))}`;
      const cluster = object(random, [members], CLUSTER_FIELDS);
      const member = object(random, ['"memberId":0'], MEMBER_FIELDS);
      const client = object(random, ['"ingressEndpoints":"0=127.0.0.1:9000"'], CLIENT_FIELDS);
      const text = `{"cluster":${cluster},"member":${member},"client":${client}}`;
      return new Uint8Array(Buffer.from(text));
    },
    run(input) {
      const outcome = conclude(Buffer.from(input).toString('utf8'));
      hold(!('polluted' in {}), 'no prototype was changed');
      hold(Object.keys(Object.prototype).length === 0, 'no prototype has new properties');
      return outcome;
    },
  };
}
