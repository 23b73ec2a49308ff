// stop-reason.ts: why the frames of a block end where they do.

/** `end` and `empty` are how a good log ends; `cut-short` asks for more bytes; others are bad. */
export type StopReason =
  | 'end'
  | 'empty'
  | 'cut-short'
  | 'frame-length'
  | 'version'
  | 'type'
  | 'term-overrun'
  | 'term-offset'
  | 'term-id'
  | 'leadership-term'
  | 'checksum'
  | 'no-length';

/** By the STOP_ numbers of codec.wasm. A full index is not a reason: the walk goes on. */
const REASONS: readonly (StopReason | undefined)[] = [
  'end',
  'empty',
  'cut-short',
  undefined,
  'frame-length',
  'version',
  'type',
  'term-overrun',
  'term-offset',
  'term-id',
  'leadership-term',
  'checksum',
  'no-length',
];

const TEXTS: Readonly<Record<StopReason, string>> = {
  end: 'every byte belongs to a good frame',
  empty: 'nothing was written from here on',
  'cut-short': 'the bytes end before the frame does',
  'frame-length': 'the frame length is not possible',
  version: 'the frame has an unknown version',
  type: 'the frame is neither data nor padding',
  'term-overrun': 'the frame ends beyond its term',
  'term-offset': 'the frame names another term offset',
  'term-id': 'the frame names another term id',
  'leadership-term': 'the frame belongs to another leadership term',
  checksum: 'the checksum does not fit the bytes',
  'no-length': 'the frame length is zero, but the rest of the header is not',
};

export function stopReasonOf(stop: number): StopReason {
  return REASONS[stop] ?? 'end';
}

/** A reason in words. */
export function describeStop(reason: StopReason): string {
  return TEXTS[reason];
}
