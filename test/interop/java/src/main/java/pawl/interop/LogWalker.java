package pawl.interop;

import static io.aeron.logbuffer.FrameDescriptor.FRAME_ALIGNMENT;
import static io.aeron.protocol.DataHeaderFlyweight.HEADER_LENGTH;

import io.aeron.archive.codecs.CatalogHeaderDecoder;
import io.aeron.archive.codecs.RecordingDescriptorDecoder;
import io.aeron.archive.codecs.RecordingDescriptorHeaderDecoder;
import io.aeron.archive.codecs.RecordingState;
import io.aeron.logbuffer.FrameDescriptor;
import io.aeron.logbuffer.LogBufferDescriptor;
import io.aeron.protocol.DataHeaderFlyweight;
import io.aeron.protocol.HeaderFlyweight;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.HexFormat;
import org.agrona.BitUtil;
import org.agrona.IoUtil;
import org.agrona.concurrent.UnsafeBuffer;

/**
 * Walks the recording of a member's directory frame by frame, with Aeron's decoders only.
 *
 * <p>Aeron computes where each frame must be from its header; a frame that says otherwise ends the
 * walk with the reason. The files are only read.
 */
final class LogWalker {
  private static final String CATALOG = "archive.catalog";

  private final Path directory;
  private final RecordingDescriptorDecoder descriptor;
  private final MessageDigest digest;
  private final ByteBuffer place = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);
  private long position;
  private long frameCount;
  private long paddingCount;
  private long payloadByteCount;
  private int segmentCount;
  private String failure = "";

  private LogWalker(final Path directory, final RecordingDescriptorDecoder descriptor)
      throws Exception {
    this.directory = directory;
    this.descriptor = descriptor;
    this.position = descriptor.startPosition();
    this.digest = MessageDigest.getInstance("SHA-256");
  }

  static void run(final String directoryName) throws Exception {
    final Path directory = Path.of(directoryName);
    final RecordingDescriptorDecoder descriptor = readCatalog(directory.resolve(CATALOG));
    final LogWalker walker = new LogWalker(directory, descriptor);
    walker.walk();
    walker.report();
    ArchiveToolRun.run(directory, descriptor.recordingId());
  }

  private static RecordingDescriptorDecoder readCatalog(final Path path) throws IOException {
    final UnsafeBuffer buffer = new UnsafeBuffer(Files.readAllBytes(path));
    final CatalogHeaderDecoder header = new CatalogHeaderDecoder();
    header.wrap(buffer, 0, CatalogHeaderDecoder.BLOCK_LENGTH, CatalogHeaderDecoder.SCHEMA_VERSION);
    final int entryOffset = header.length();
    final RecordingDescriptorHeaderDecoder entry = new RecordingDescriptorHeaderDecoder();
    entry.wrap(
        buffer,
        entryOffset,
        RecordingDescriptorHeaderDecoder.BLOCK_LENGTH,
        RecordingDescriptorHeaderDecoder.SCHEMA_VERSION);
    if (entry.state() != RecordingState.VALID) {
      throw new IllegalStateException("the first entry of the catalog is " + entry.state());
    }
    return new RecordingDescriptorDecoder()
        .wrap(
            buffer,
            entryOffset + RecordingDescriptorHeaderDecoder.BLOCK_LENGTH,
            RecordingDescriptorDecoder.BLOCK_LENGTH,
            RecordingDescriptorDecoder.SCHEMA_VERSION);
  }

  private void walk() throws IOException {
    boolean isOpen = true;
    while (isOpen) {
      final Path path = directory.resolve(descriptor.recordingId() + "-" + position + ".rec");
      isOpen = Files.exists(path) && walkSegment(path.toFile());
    }
  }

  /** Returns whether the segment was full, so that another one may follow. */
  private boolean walkSegment(final File file) throws IOException {
    final int segmentLength = descriptor.segmentFileLength();
    final long base = position;
    segmentCount++;
    try (FileChannel channel = FileChannel.open(file.toPath(), StandardOpenOption.READ)) {
      final long length = Math.min(channel.size(), segmentLength);
      final var mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, length);
      try {
        return walkFrames(new UnsafeBuffer(mapped), base) && position == base + segmentLength;
      } finally {
        IoUtil.unmap(mapped);
      }
    }
  }

  private boolean walkFrames(final UnsafeBuffer segment, final long base) {
    while (position - base + HEADER_LENGTH <= segment.capacity()) {
      final int offset = (int) (position - base);
      final int frameLength = FrameDescriptor.frameLengthVolatile(segment, offset);
      if (frameLength <= 0) {
        return false;
      }
      failure = failureOf(segment, offset, frameLength);
      if (!failure.isEmpty()) {
        return false;
      }
      take(segment, offset, frameLength);
    }
    return true;
  }

  private String failureOf(final UnsafeBuffer segment, final int offset, final int frameLength) {
    final int termLength = descriptor.termBufferLength();
    final int shift = LogBufferDescriptor.positionBitsToShift(termLength);
    final int termId = DataHeaderFlyweight.termId(segment, offset);
    final int termOffset = DataHeaderFlyweight.termOffset(segment, offset);
    final long place =
        LogBufferDescriptor.computePosition(
            termId, termOffset, shift, descriptor.initialTermId());
    final int type = FrameDescriptor.frameType(segment, offset);
    if (place != position) {
      return "the frame at " + position + " says that it is at " + place;
    }
    if (DataHeaderFlyweight.streamId(segment, offset) != descriptor.streamId()) {
      return "the frame at " + position + " is of another stream";
    }
    if (type != HeaderFlyweight.HDR_TYPE_DATA && type != HeaderFlyweight.HDR_TYPE_PAD) {
      return "the frame at " + position + " is of type " + type;
    }
    if (FrameDescriptor.frameVersion(segment, offset) != HeaderFlyweight.CURRENT_VERSION) {
      return "the frame at " + position + " is of another version";
    }
    if (frameLength < HEADER_LENGTH
        || termOffset + BitUtil.align(frameLength, FRAME_ALIGNMENT) > termLength) {
      return "the frame at " + position + " is " + frameLength + " bytes long";
    }
    if (type == HeaderFlyweight.HDR_TYPE_DATA && frameLength > descriptor.mtuLength()) {
      return "the frame at " + position + " is longer than the MTU: " + frameLength;
    }
    return "";
  }

  private void take(final UnsafeBuffer segment, final int offset, final int frameLength) {
    final boolean isPadding = FrameDescriptor.isPaddingFrame(segment, offset);
    place.clear();
    place.putLong(position).putInt(frameLength).putInt(FrameDescriptor.frameType(segment, offset));
    digest.update(place.flip());
    if (!isPadding) {
      final byte[] payload = new byte[frameLength - HEADER_LENGTH];
      segment.getBytes(offset + HEADER_LENGTH, payload);
      digest.update(payload);
      payloadByteCount += payload.length;
    }
    paddingCount += isPadding ? 1 : 0;
    frameCount++;
    position += BitUtil.align(frameLength, FRAME_ALIGNMENT);
  }

  private void report() {
    Events.event("walked")
        .put("frames", frameCount)
        .put("paddingFrames", paddingCount)
        .put("payloadBytes", payloadByteCount)
        .put("segments", segmentCount)
        .put("position", position)
        .put("termLength", descriptor.termBufferLength())
        .put("segmentLength", descriptor.segmentFileLength())
        .put("mtuLength", descriptor.mtuLength())
        .put("streamId", descriptor.streamId())
        .put("recordingId", descriptor.recordingId())
        .put("failure", failure)
        .put("sha256", HexFormat.of().formatHex(digest.digest()))
        .print();
  }
}
