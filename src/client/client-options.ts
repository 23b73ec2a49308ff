// client-options.ts: settings of a client, validated as a whole.

import { z } from 'zod';
import { ErrorCode, PawlError } from '../errors.js';
import { parseIngressEndpoints } from '../protocol/member-endpoints.js';
import { EGRESS_STREAM_ID_DEFAULT } from '../protocol/streams.js';

const NS_PER_MS = 1_000_000;
const KIB = 1024;
const MIB = 1024 * KIB;

const schema = z.strictObject({
  /** `id=host:port,...` of the members' ingress endpoints. */
  ingressEndpoints: z.string().min(1),
  /** Where egress is received; port 0 lets the system choose. */
  egressChannel: z.string().default('aeron:udp?endpoint=127.0.0.1:0'),
  egressStreamId: z.int().default(EGRESS_STREAM_ID_DEFAULT),
  mtuLength: z
    .int()
    .min(288)
    .max(60 * KIB)
    .multipleOf(32)
    .default(1408),
  /**
   * Bytes of one term buffer of the ingress stream; a message is at most an eighth of it. It takes
   * three of them of the leader's memory.
   */
  ingressTermLength: z
    .int()
    .min(64 * KIB)
    .max(64 * MIB)
    .default(256 * KIB),
  egressTermLengthMax: z
    .int()
    .min(64 * KIB)
    .max(1024 * MIB)
    .default(64 * MIB),
  windowLength: z
    .int()
    .min(4 * KIB)
    .max(64 * MIB)
    .default(512 * KIB),
  /** Longest message received, bytes. */
  messageLengthMax: z
    .int()
    .min(1)
    .max(16 * MIB)
    .default(16 * MIB),
  connectTimeoutMs: z.number().min(1).max(3_600_000).default(10_000),
  /** Time between two requests for a session to the same member. */
  connectRetryMs: z.number().min(1).max(60_000).default(250),
  /** Sent when nothing else was; well below the cluster's session timeout. */
  keepAliveIntervalMs: z.number().min(1).max(60_000).default(1_000),
  /** How long a new leader is waited for before the session is given up. */
  newLeaderTimeoutMs: z.number().min(1).max(3_600_000).default(10_000),
});

export type ClientOptions = z.input<typeof schema>;

export interface ConcludedClientOptions extends z.output<typeof schema> {
  readonly connectTimeoutNs: number;
  readonly connectRetryNs: number;
  readonly keepAliveIntervalNs: number;
  readonly newLeaderTimeoutNs: number;
}

/**
 * Validates a client's settings.
 *
 * @throws PawlError CONFIGURATION_INVALID naming the setting and the remedy.
 */
export function concludeClientOptions(options: ClientOptions): ConcludedClientOptions {
  const result = schema.safeParse(options);
  if (!result.success) {
    const reasons = result.error.issues
      .map((issue) => `${issue.path.join('.')}: ${issue.message}`)
      .join('; ');
    throw new PawlError(
      ErrorCode.ConfigurationInvalid,
      `the client options are invalid: ${reasons}`,
    );
  }
  parseIngressEndpoints(result.data.ingressEndpoints);
  const values = result.data;
  return Object.freeze({
    ...values,
    connectTimeoutNs: values.connectTimeoutMs * NS_PER_MS,
    connectRetryNs: values.connectRetryMs * NS_PER_MS,
    keepAliveIntervalNs: values.keepAliveIntervalMs * NS_PER_MS,
    newLeaderTimeoutNs: values.newLeaderTimeoutMs * NS_PER_MS,
  });
}
