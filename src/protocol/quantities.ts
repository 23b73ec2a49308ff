// quantities.ts: sizes and durations as people write them: 64k, 16m, 1g; 500us, 100ms, 5s.
//
// The same notation stands in channel URIs, configuration files and command-line flags.

import { ErrorCode, PawlError } from '../errors.js';

const SIZE_UNITS: ReadonlyMap<string, number> = new Map([
  ['g', 1024 ** 3],
  ['m', 1024 ** 2],
  ['k', 1024],
]);

const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ['s', 1_000_000_000],
  ['ms', 1_000_000],
  ['us', 1_000],
  ['ns', 1],
]);

/** Text quoted for a message, cut where a hostile or mistaken input would flood a terminal. */
export function quoted(text: string): string {
  const lengthMax = 120;
  const cut = text.length > lengthMax ? `${text.slice(0, lengthMax)}...` : text;
  return JSON.stringify(cut);
}

/**
 * Bytes from `4096`, `64k`, `16m` or `1g` (powers of 1024, either case).
 *
 * @param name what the value is, for the message.
 * @throws PawlError when it is not such a size or exceeds 2^53 - 1.
 */
export function parseSize(text: string, name: string): number {
  const match = /^(\d{1,16})([kmg]?)$/i.exec(text);
  const unit = SIZE_UNITS.get(match?.[2]?.toLowerCase() ?? '') ?? 1;
  const bytes = Number(match?.[1] ?? Number.NaN) * unit;
  if (!Number.isSafeInteger(bytes)) {
    throw new PawlError(
      ErrorCode.ArgumentOutOfRange,
      `${name} is ${quoted(text)}: write bytes below 2^53, such as 4096, 64k, 16m or 1g`,
    );
  }
  return bytes;
}

/** The shortest text that `parseSize` reads back as the same number of bytes. */
export function formatSize(bytes: number): string {
  return formatWithUnit(bytes, SIZE_UNITS, '');
}

/**
 * Nanoseconds from `100`, `500us`, `100ms` or `5s` (either case; no unit means nanoseconds).
 *
 * @throws PawlError when it is not such a duration or exceeds 2^53 - 1 ns (104 days).
 */
export function parseDurationNs(text: string, name: string): number {
  const match = /^(\d{1,16})(ns|us|ms|s|)$/i.exec(text);
  const unit = DURATION_UNITS.get(match?.[2]?.toLowerCase() ?? '') ?? 1;
  const durationNs = Number(match?.[1] ?? Number.NaN) * unit;
  if (!Number.isSafeInteger(durationNs)) {
    throw new PawlError(
      ErrorCode.ArgumentOutOfRange,
      `${name} is ${quoted(text)}: write a duration below 104 days, such as 500us, 100ms or 5s`,
    );
  }
  return durationNs;
}

/** The shortest text that `parseDurationNs` reads back as the same number of nanoseconds. */
export function formatDurationNs(durationNs: number): string {
  return formatWithUnit(durationNs, DURATION_UNITS, 'ns');
}

/** Units are ordered from the largest: the first that divides the value is the shortest text. */
function formatWithUnit(
  value: number,
  units: ReadonlyMap<string, number>,
  baseUnit: string,
): string {
  if (value > 0) {
    for (const [unit, factor] of units) {
      if (value % factor === 0) {
        return `${value / factor}${unit}`;
      }
    }
  }
  return `${value}${baseUnit}`;
}
