// frame.ts: where every byte of a frame, a control datagram and the log buffer metadata lies.
//
// This is the one definition of these numbers. It compiles both as AssemblyScript (core.wasm,
// codec.wasm) and as TypeScript (src/), so it imports nothing and holds 32-bit constants only;
// `i32` is a plain number to TypeScript. Everything on the wire and on disk is little-endian.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------------------------------------------------------+
//  |                      Frame Length (i32)                       |  0
//  +---------------+---------------+-------------------------------+
//  |  Version (u8) |  Flags (u8)   |          Type (u16)           |  4
//  +---------------+---------------+-------------------------------+
//  |                      Term Offset (i32)                        |  8
//  +---------------------------------------------------------------+
//  |                      Session Id (i32)                         | 12
//  +---------------------------------------------------------------+
//  |                      Stream Id (i32)                          | 16
//  +---------------------------------------------------------------+
//  |                      Term Id (i32)                            | 20
//  +---------------------------------------------------------------+
//  |              Reserved Value, low half: crc32c                 | 24
//  +---------------------------------------------------------------+
//  |   Reserved Value, high half: low 32 bits of leadership term   | 28
//  +---------------------------------------------------------------+
//  |                      Payload ...                              | 32

// ---- Header that all frames and datagrams share ----

/** Length of header and payload, unaligned. Written last: 0 is not yet there, < 0 is claimed. */
export const FRAME_LENGTH_OFFSET: i32 = 0;
export const FRAME_VERSION_OFFSET: i32 = 4;
export const FRAME_FLAGS_OFFSET: i32 = 5;
export const FRAME_TYPE_OFFSET: i32 = 6;
export const FRAME_COMMON_HEADER_LENGTH: i32 = 8;
/** The only version of the frame header that exists. */
export const FRAME_VERSION: i32 = 0;

// ---- Types ----

export const FRAME_TYPE_PAD: i32 = 0;
export const FRAME_TYPE_DATA: i32 = 1;
export const FRAME_TYPE_NAK: i32 = 2;
export const FRAME_TYPE_SM: i32 = 3;
export const FRAME_TYPE_ERR: i32 = 4;
export const FRAME_TYPE_SETUP: i32 = 5;
export const FRAME_TYPE_RTTM: i32 = 6;
export const FRAME_TYPE_RES: i32 = 7;
export const FRAME_TYPE_ATS_DATA: i32 = 8;
export const FRAME_TYPE_ATS_SM: i32 = 9;
export const FRAME_TYPE_ATS_SETUP: i32 = 10;
export const FRAME_TYPE_RSP_SETUP: i32 = 11;
export const FRAME_TYPE_EXT: i32 = 0xffff;

// ---- Data and padding frames ----

export const DATA_TERM_OFFSET_OFFSET: i32 = 8;
export const DATA_SESSION_ID_OFFSET: i32 = 12;
export const DATA_STREAM_ID_OFFSET: i32 = 16;
export const DATA_TERM_ID_OFFSET: i32 = 20;
export const DATA_RESERVED_VALUE_OFFSET: i32 = 24;
/** Low half of the reserved value: crc32c of the frame (between members). */
export const DATA_CHECKSUM_OFFSET: i32 = 24;
/** High half of the reserved value: low 32 bits of the leadership term (between members). */
export const DATA_LEADERSHIP_TERM_OFFSET: i32 = 28;
export const DATA_HEADER_LENGTH: i32 = 32;

export const DATA_FLAG_BEGIN: i32 = 0x80;
export const DATA_FLAG_END: i32 = 0x40;
export const DATA_FLAG_END_OF_STREAM: i32 = 0x20;
export const DATA_FLAG_REVOKED: i32 = 0x10;
/** Begin and end at once: the whole message is in this one frame. */
export const DATA_FLAGS_UNFRAGMENTED: i32 = 0xc0;

/** Frames start at multiples of this in a term, a datagram and a segment file. */
export const FRAME_ALIGNMENT: i32 = 32;
export const FRAME_ALIGNMENT_MASK: i32 = 31;

// ---- SETUP (40 bytes): announces a stream ----

export const SETUP_TERM_OFFSET_OFFSET: i32 = 8;
export const SETUP_SESSION_ID_OFFSET: i32 = 12;
export const SETUP_STREAM_ID_OFFSET: i32 = 16;
export const SETUP_INITIAL_TERM_ID_OFFSET: i32 = 20;
export const SETUP_ACTIVE_TERM_ID_OFFSET: i32 = 24;
export const SETUP_TERM_LENGTH_OFFSET: i32 = 28;
export const SETUP_MTU_OFFSET: i32 = 32;
export const SETUP_TTL_OFFSET: i32 = 36;
export const SETUP_LENGTH: i32 = 40;
export const SETUP_FLAG_SEND_RESPONSE_SETUP: i32 = 0x80;
export const SETUP_FLAG_GROUP: i32 = 0x40;

// ---- Status message (36 bytes, optionally a group tag): the receiver's window ----

export const SM_SESSION_ID_OFFSET: i32 = 8;
export const SM_STREAM_ID_OFFSET: i32 = 12;
export const SM_CONSUMPTION_TERM_ID_OFFSET: i32 = 16;
export const SM_CONSUMPTION_TERM_OFFSET_OFFSET: i32 = 20;
export const SM_RECEIVER_WINDOW_OFFSET: i32 = 24;
/** Opaque i64. */
export const SM_RECEIVER_ID_OFFSET: i32 = 28;
export const SM_LENGTH: i32 = 36;
/** Opaque i64, present when the frame is at least SM_LENGTH_WITH_GROUP_TAG long. */
export const SM_GROUP_TAG_OFFSET: i32 = 36;
export const SM_LENGTH_WITH_GROUP_TAG: i32 = 44;
export const SM_FLAG_SEND_SETUP: i32 = 0x80;
export const SM_FLAG_END_OF_STREAM: i32 = 0x40;

// ---- NAK (28 bytes): asks for a range again ----

export const NAK_SESSION_ID_OFFSET: i32 = 8;
export const NAK_STREAM_ID_OFFSET: i32 = 12;
export const NAK_TERM_ID_OFFSET: i32 = 16;
export const NAK_TERM_OFFSET_OFFSET: i32 = 20;
export const NAK_RANGE_LENGTH_OFFSET: i32 = 24;
export const NAK_LENGTH: i32 = 28;

// ---- RTTM (40 bytes): round-trip measurement ----

export const RTTM_SESSION_ID_OFFSET: i32 = 8;
export const RTTM_STREAM_ID_OFFSET: i32 = 12;
/** i64 nanoseconds of the asker's clock, echoed. */
export const RTTM_ECHO_TIMESTAMP_OFFSET: i32 = 16;
/** i64 nanoseconds that the answerer held it. */
export const RTTM_RECEPTION_DELTA_OFFSET: i32 = 24;
export const RTTM_RECEIVER_ID_OFFSET: i32 = 32;
export const RTTM_LENGTH: i32 = 40;
export const RTTM_FLAG_REPLY: i32 = 0x80;

// ---- ERR (40 bytes and a text): a receiver rejects an image ----

export const ERR_SESSION_ID_OFFSET: i32 = 8;
export const ERR_STREAM_ID_OFFSET: i32 = 12;
export const ERR_RECEIVER_ID_OFFSET: i32 = 16;
export const ERR_GROUP_TAG_OFFSET: i32 = 24;
export const ERR_CODE_OFFSET: i32 = 32;
export const ERR_TEXT_LENGTH_OFFSET: i32 = 36;
export const ERR_TEXT_OFFSET: i32 = 40;
export const ERR_HEADER_LENGTH: i32 = 40;
export const ERR_TEXT_LENGTH_MAX: i32 = 1023;
export const ERR_FLAG_HAS_GROUP_TAG: i32 = 0x08;

// ---- Response setup (20 bytes) ----

export const RSP_SETUP_SESSION_ID_OFFSET: i32 = 8;
export const RSP_SETUP_STREAM_ID_OFFSET: i32 = 12;
export const RSP_SETUP_RESPONSE_SESSION_ID_OFFSET: i32 = 16;
export const RSP_SETUP_LENGTH: i32 = 20;

// ---- Terms, datagrams and messages: the limits ----

export const TERM_LENGTH_MIN: i32 = 65536;
export const TERM_LENGTH_MAX: i32 = 1073741824;
/** Terms of one log buffer; term count modulo this is the partition. */
export const PARTITION_COUNT: i32 = 3;
/** The longest payload of a UDP datagram that is a multiple of the frame alignment. */
export const MTU_LENGTH_MAX: i32 = 65504;
/** Room for a header and no payload: less could carry nothing. */
export const MTU_LENGTH_MIN: i32 = 32;
export const MTU_LENGTH_DEFAULT: i32 = 1408;
/** A message is at most an eighth of a term, and at most this. */
export const MESSAGE_LENGTH_MAX: i32 = 16777216;
export const MESSAGE_TERM_SHARE_SHIFT: i32 = 3;

// ---- Result codes of offer, claim and append: all negative ----

export const NOT_CONNECTED: i32 = -1;
export const BACK_PRESSURED: i32 = -2;
/** The log rotated a term underneath the caller: try again at once. */
export const ADMIN_ACTION: i32 = -3;
export const CLOSED: i32 = -4;
export const MAX_POSITION_EXCEEDED: i32 = -5;

// ---- Log buffer metadata: follows the three terms ----
//
// [ term 0 ][ term 1 ][ term 2 ][ metadata, 4096 bytes ]

export const LOG_METADATA_LENGTH: i32 = 4096;

/** Tail counter of partition p at 8 p: i64, term id in the high half, term offset in the low. */
export const LOG_TAIL_COUNTERS_OFFSET: i32 = 0;
export const LOG_TAIL_COUNTER_LENGTH: i32 = 8;
export const LOG_ACTIVE_TERM_COUNT_OFFSET: i32 = 24;

/** i64; the largest i64 until the stream has ended. */
export const LOG_END_OF_STREAM_POSITION_OFFSET: i32 = 128;
export const LOG_IS_CONNECTED_OFFSET: i32 = 136;
export const LOG_ACTIVE_TRANSPORT_COUNT_OFFSET: i32 = 140;

/** Opaque i64. */
export const LOG_CORRELATION_ID_OFFSET: i32 = 256;
export const LOG_INITIAL_TERM_ID_OFFSET: i32 = 264;
export const LOG_DEFAULT_FRAME_HEADER_LENGTH_OFFSET: i32 = 268;
export const LOG_MTU_LENGTH_OFFSET: i32 = 272;
export const LOG_TERM_LENGTH_OFFSET: i32 = 276;
export const LOG_PAGE_SIZE_OFFSET: i32 = 280;
export const LOG_PUBLICATION_WINDOW_LENGTH_OFFSET: i32 = 284;
export const LOG_RECEIVER_WINDOW_LENGTH_OFFSET: i32 = 288;
export const LOG_SOCKET_SNDBUF_LENGTH_OFFSET: i32 = 292;
export const LOG_OS_DEFAULT_SOCKET_SNDBUF_LENGTH_OFFSET: i32 = 296;
export const LOG_OS_MAX_SOCKET_SNDBUF_LENGTH_OFFSET: i32 = 300;
export const LOG_SOCKET_RCVBUF_LENGTH_OFFSET: i32 = 304;
export const LOG_OS_DEFAULT_SOCKET_RCVBUF_LENGTH_OFFSET: i32 = 308;
export const LOG_OS_MAX_SOCKET_RCVBUF_LENGTH_OFFSET: i32 = 312;
export const LOG_MAX_RESEND_OFFSET: i32 = 316;

export const LOG_DEFAULT_FRAME_HEADER_OFFSET: i32 = 320;
export const LOG_DEFAULT_FRAME_HEADER_LENGTH_MAX: i32 = 128;

export const LOG_ENTITY_TAG_OFFSET: i32 = 448;
export const LOG_RESPONSE_CORRELATION_ID_OFFSET: i32 = 456;
export const LOG_LINGER_TIMEOUT_NS_OFFSET: i32 = 464;
export const LOG_UNTETHERED_WINDOW_LIMIT_TIMEOUT_NS_OFFSET: i32 = 472;
export const LOG_UNTETHERED_RESTING_TIMEOUT_NS_OFFSET: i32 = 480;
export const LOG_GROUP_OFFSET: i32 = 488;
export const LOG_IS_RESPONSE_OFFSET: i32 = 489;
export const LOG_REJOIN_OFFSET: i32 = 490;
export const LOG_RELIABLE_OFFSET: i32 = 491;
export const LOG_SPARSE_OFFSET: i32 = 492;
export const LOG_SIGNAL_EOS_OFFSET: i32 = 493;
export const LOG_SPIES_SIMULATE_CONNECTION_OFFSET: i32 = 494;
export const LOG_TETHER_OFFSET: i32 = 495;
export const LOG_IS_PUBLICATION_REVOKED_OFFSET: i32 = 496;
export const LOG_TYPE_OFFSET: i32 = 497;
export const LOG_UNTETHERED_LINGER_TIMEOUT_NS_OFFSET: i32 = 500;

export const LOG_TYPE_CONCURRENT_PUBLICATION: i32 = 0;
export const LOG_TYPE_EXCLUSIVE_PUBLICATION: i32 = 1;
export const LOG_TYPE_IMAGE: i32 = 2;
