package pawl.interop;

import io.aeron.CommonContext;
import io.aeron.Subscription;
import io.aeron.archive.Archive;
import io.aeron.archive.ArchiveThreadingMode;
import io.aeron.archive.ArchivingMediaDriver;
import io.aeron.archive.client.AeronArchive;
import io.aeron.driver.MediaDriver;
import io.aeron.driver.ThreadingMode;
import io.aeron.logbuffer.FrameDescriptor;
import io.aeron.logbuffer.Header;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.agrona.BitUtil;
import org.agrona.DirectBuffer;
import org.agrona.IoUtil;
import org.agrona.concurrent.BackoffIdleStrategy;
import org.agrona.concurrent.IdleStrategy;

/** A real Aeron archive takes over the recording, finds its end, and replays all of it. */
final class ArchiveReplay {
  private static final int STREAM_ID = 1001;
  private static final int FRAGMENT_LIMIT = 256;
  private static final long LIMIT_NS = TimeUnit.SECONDS.toNanos(60);

  private final AtomicInteger errorCount = new AtomicInteger();
  private final FrameDigest digest = new FrameDigest();
  private long frameCount;

  private ArchiveReplay() {}

  static void run(final File directory, final long recordingId) throws IOException {
    final File aeronDirectory = Files.createTempDirectory("pawl-aeron-").toFile();
    try {
      new ArchiveReplay().replay(directory, aeronDirectory.getAbsolutePath(), recordingId);
    } finally {
      IoUtil.delete(aeronDirectory, true);
    }
  }

  private void replay(final File directory, final String aeronDirectory, final long recordingId) {
    try (ArchivingMediaDriver driver =
            ArchivingMediaDriver.launch(
                driverContext(aeronDirectory), archiveContext(directory, aeronDirectory));
        AeronArchive client = AeronArchive.connect(clientContext(aeronDirectory))) {
      final long stopPosition = client.getStopPosition(recordingId);
      final boolean isComplete = take(client, recordingId, stopPosition);
      Events.event("replayed")
          .put("frames", frameCount)
          .put("stopPosition", stopPosition)
          .putRaw("complete", Boolean.toString(isComplete))
          .put("errors", errorCount.get())
          .put("sha256", digest.hex())
          .print();
    }
  }

  private boolean take(
      final AeronArchive client, final long recordingId, final long stopPosition) {
    final long deadlineNs = System.nanoTime() + LIMIT_NS;
    final IdleStrategy idle = new BackoffIdleStrategy();
    long position = 0;
    try (Subscription subscription =
        client.replay(recordingId, 0, stopPosition, CommonContext.IPC_CHANNEL, STREAM_ID)) {
      while (position < stopPosition && System.nanoTime() - deadlineNs < 0) {
        idle.idle(subscription.poll(this::takeFrame, FRAGMENT_LIMIT));
        if (subscription.imageCount() > 0) {
          position = subscription.imageAtIndex(0).position();
        }
      }
    }
    return position == stopPosition;
  }

  private void takeFrame(
      final DirectBuffer buffer, final int offset, final int length, final Header header) {
    final int frameLength = header.frameLength();
    final long end = header.position();
    digest.place(
        end - BitUtil.align(frameLength, FrameDescriptor.FRAME_ALIGNMENT),
        frameLength,
        header.type());
    digest.payload(buffer, offset, length);
    frameCount++;
  }

  private MediaDriver.Context driverContext(final String aeronDirectory) {
    return new MediaDriver.Context()
        .aeronDirectoryName(aeronDirectory)
        .dirDeleteOnStart(true)
        .dirDeleteOnShutdown(true)
        .threadingMode(ThreadingMode.SHARED)
        .spiesSimulateConnection(false)
        .errorHandler(this::onError);
  }

  private Archive.Context archiveContext(final File directory, final String aeronDirectory) {
    return new Archive.Context()
        .aeronDirectoryName(aeronDirectory)
        .archiveDir(directory)
        .controlChannel("aeron:udp?endpoint=127.0.0.1:0")
        .replicationChannel("aeron:udp?endpoint=127.0.0.1:0")
        .threadingMode(ArchiveThreadingMode.SHARED)
        .errorHandler(this::onError);
  }

  private static AeronArchive.Context clientContext(final String aeronDirectory) {
    return new AeronArchive.Context()
        .aeronDirectoryName(aeronDirectory)
        .controlRequestChannel(CommonContext.IPC_CHANNEL)
        .controlRequestStreamId(AeronArchive.Configuration.localControlStreamId())
        .controlResponseChannel(CommonContext.IPC_CHANNEL);
  }

  private void onError(final Throwable error) {
    errorCount.incrementAndGet();
    System.err.println(error);
  }
}
