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
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
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
  private final FrameDigest digest = new FrameDigest();
  private final FrameDigest dataDigest = new FrameDigest();
  /** Segments that hold frames, in order. */
  private final List<Path> segments = new ArrayList<>();
  private long position;
  private long frameCount;
  private long paddingCount;
  private long payloadByteCount;
  private String failure = "";

  private LogWalker(final Path directory, final RecordingDescriptorDecoder descriptor) {
    this.directory = directory;
    this.descriptor = descriptor;
    this.position = descriptor.startPosition();
  }

  static void run(final Options options) throws IOException {
    final Path directory = Path.of(options.text("directory"));
    final RecordingDescriptorDecoder descriptor = readCatalog(directory.resolve(CATALOG));
    final LogWalker walker = new LogWalker(directory, descriptor);
    walker.walk();
    walker.report();
    walker.inScratch(ArchiveToolRun::run);
    walker.inScratch(ArchiveReplay::run);
  }

  private interface ArchiveUse {
    void run(File directory, long recordingId) throws IOException;
  }

  /** Aeron's archive writes into its directory: it gets a copied catalog, links to the rest. */
  private void inScratch(final ArchiveUse use) throws IOException {
    final File scratch = Files.createTempDirectory("pawl-archive-").toFile();
    try {
      Files.copy(directory.resolve(CATALOG), scratch.toPath().resolve(CATALOG));
      for (final Path segment : segments) {
        final Path link = scratch.toPath().resolve(segment.getFileName());
        Files.createSymbolicLink(link, segment.toAbsolutePath());
      }
      use.run(scratch, descriptor.recordingId());
    } finally {
      IoUtil.delete(scratch, true);
    }
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
      isOpen = Files.exists(path) && walkSegment(path);
    }
  }

  /** Returns whether the segment was full, so that another one may follow. */
  private boolean walkSegment(final Path path) throws IOException {
    final int segmentLength = descriptor.segmentFileLength();
    final long base = position;
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      final long length = Math.min(channel.size(), segmentLength);
      final var mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, length);
      try {
        walkFrames(new UnsafeBuffer(mapped), base);
      } finally {
        IoUtil.unmap(mapped);
      }
    }
    // A segment that was made ahead of need holds no frame yet.
    if (position > base) {
      segments.add(path);
    }
    return position == base + segmentLength;
  }

  private void walkFrames(final UnsafeBuffer segment, final long base) {
    while (failure.isEmpty() && position - base + HEADER_LENGTH <= segment.capacity()) {
      final int offset = (int) (position - base);
      final int frameLength = FrameDescriptor.frameLengthVolatile(segment, offset);
      if (frameLength == 0) {
        break;
      }
      failure = failureOf(segment, offset, frameLength);
      if (failure.isEmpty()) {
        take(segment, offset, frameLength);
      }
    }
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
    final int type = FrameDescriptor.frameType(segment, offset);
    digest.place(position, frameLength, type);
    if (FrameDescriptor.isPaddingFrame(segment, offset)) {
      paddingCount++;
    } else {
      final int length = frameLength - HEADER_LENGTH;
      digest.payload(segment, offset + HEADER_LENGTH, length);
      dataDigest.place(position, frameLength, type);
      dataDigest.payload(segment, offset + HEADER_LENGTH, length);
      payloadByteCount += length;
    }
    frameCount++;
    position += BitUtil.align(frameLength, FRAME_ALIGNMENT);
  }

  private void report() {
    Events.event("walked")
        .put("frames", frameCount)
        .put("paddingFrames", paddingCount)
        .put("payloadBytes", payloadByteCount)
        .put("segments", segments.size())
        .put("position", position)
        .put("termLength", descriptor.termBufferLength())
        .put("segmentLength", descriptor.segmentFileLength())
        .put("mtuLength", descriptor.mtuLength())
        .put("streamId", descriptor.streamId())
        .put("recordingId", descriptor.recordingId())
        .put("failure", failure)
        .put("sha256", digest.hex())
        .put("dataSha256", dataDigest.hex())
        .print();
  }
}
