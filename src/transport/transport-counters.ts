// transport-counters.ts: what the transport counted since it was made.
//
// Bad input never throws: it raises one of these. They are plain numbers, so that counting costs an
// addition; whoever shows them copies them.

/** Counters of one transport. None ever falls. */
export class TransportCounters {
  // --- traffic ---
  datagramsSent = 0;
  bytesSent = 0;
  datagramsReceived = 0;
  bytesReceived = 0;
  heartbeatsSent = 0;
  heartbeatsReceived = 0;
  setupsSent = 0;
  setupsReceived = 0;
  statusMessagesSent = 0;
  statusMessagesReceived = 0;
  naksSent = 0;
  naksReceived = 0;
  roundTripsAnswered = 0;
  /** Receivers that rejected our stream, or asked for anything else by an ERR frame. */
  errorFramesReceived = 0;
  /** Senders that were told why their stream is not received here. */
  errorFramesSent = 0;

  // --- sockets ---
  /** Sends that waited because a socket still held too many bytes. */
  sendsBackPressured = 0;
  /** Datagrams that a socket refused for good. */
  sendsFailed = 0;
  /** Times that a socket to a peer was opened again because it could not be opened before. */
  socketsReopened = 0;
  /** Sockets to a peer that could not be opened, and that no warning told of. */
  socketFailuresUntold = 0;

  // --- what was dropped on arrival ---
  /** Not a frame of a known version and geometry. */
  malformedDatagrams = 0;
  /** A frame type that this socket does not expect. */
  unexpectedFrames = 0;
  /** For a stream or session that is not open here. */
  unknownStreams = 0;
  /** A frame that fails its checksum, or lacks one where it is required. */
  checksumMismatches = 0;
  /** From another address than the one that announced the session. */
  sourceMismatches = 0;
  /** Data below what is rebuilt: duplicates, mostly. */
  underruns = 0;
  /** Data beyond the window. */
  overruns = 0;
  /** Status messages whose position cannot be true. */
  statusMessagesRefused = 0;
  /** Setups that a subscription did not accept. */
  setupsRefused = 0;
  /** Setups that were acceptable, but a limit or the memory was reached. */
  imagesRefused = 0;

  // --- loss ---
  /** Datagrams sent again. */
  retransmits = 0;
  retransmittedBytes = 0;
  /** NAKs for a range that was sent again a moment ago. */
  naksLingering = 0;
  /** NAKs beyond the number or the rate of retransmissions. */
  retransmitOverflows = 0;
  /** NAKs for a range that was never sent, or that nobody holds any more. */
  naksRefused = 0;
  /** Ranges that were read from a block source to answer a NAK. */
  sourceRepairs = 0;

  // --- lifecycles ---
  imagesOpened = 0;
  imagesClosed = 0;
  /** Images that ended because nothing was heard any more. */
  imagesTimedOut = 0;
  publicationsOpened = 0;
  publicationsClosed = 0;
  /** Publications and destinations that stopped hearing status messages. */
  connectionsTimedOut = 0;
  /** Reads of a block source that failed. */
  sourceFailures = 0;
}
