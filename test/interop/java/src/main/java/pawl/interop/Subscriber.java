package pawl.interop;

import io.aeron.FragmentAssembler;
import io.aeron.Image;
import io.aeron.Subscription;
import java.nio.ByteOrder;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.agrona.DirectBuffer;
import org.agrona.concurrent.BackoffIdleStrategy;
import org.agrona.concurrent.IdleStrategy;

/** Takes one stream to its end, compares every byte, and reports what it saw. */
final class Subscriber {
  private static final int FRAGMENT_LIMIT = 64;

  private final Content content;
  private final long deadlineNs;
  private final AtomicInteger imageCount = new AtomicInteger();
  private final AtomicInteger endedImageCount = new AtomicInteger();
  private long byteCount;
  private int messageCount;
  private int firstMismatch = -1;
  /** Sequence number of the next message; negative while the first one of a late joiner decides. */
  private int next;
  private int firstSequence = -1;
  /** Reports when this many messages have arrived. */
  private final int progressAt;

  private Subscriber(final Options options) {
    content = new Content(options);
    next = options.integer("from", 0);
    progressAt = options.integer("progressAt", -1);
    final long limitNs = TimeUnit.SECONDS.toNanos(options.integer("limitSeconds"));
    deadlineNs = System.nanoTime() + limitNs;
  }

  static void run(final Options options) throws Exception {
    new Subscriber(options).receive(options);
  }

  private void receive(final Options options) throws Exception {
    try (Peer peer = new Peer(options);
        Subscription subscription =
            peer.aeron()
                .addSubscription(
                    options.text("channel"),
                    options.integer("stream"),
                    image -> imageCount.incrementAndGet(),
                    image -> endedImageCount.incrementAndGet())) {
      Events.event("ready").put("endpoint", awaitEndpoint(subscription)).print();
      final boolean isComplete = poll(subscription);
      final Events received = Events.event("received").put("messages", messageCount);
      received.put("bytes", byteCount).put("firstMismatch", firstMismatch);
      received.put("firstSequence", firstSequence);
      received.putRaw("complete", Boolean.toString(isComplete)).put("sha256", content.digest());
      received.print();
      Events.event("ended")
          .putRaw("endOfStream", Boolean.toString(awaitEnd(subscription)))
          .put("images", imageCount.get())
          .put("endedImages", endedImageCount.get())
          .print();
      Events.awaitEndOfInput();
      final Events closed = Events.event("closed").put("errors", peer.errorCount());
      closed.putRaw("counters", peer.counters()).print();
    }
  }

  private String awaitEndpoint(final Subscription subscription) {
    String endpoint = subscription.resolvedEndpoint();
    while (endpoint == null && isInTime()) {
      Thread.onSpinWait();
      endpoint = subscription.resolvedEndpoint();
    }
    return String.valueOf(endpoint);
  }

  private boolean poll(final Subscription subscription) {
    final FragmentAssembler assembler =
        new FragmentAssembler((buffer, offset, length, header) -> take(buffer, offset, length));
    final IdleStrategy idle = new BackoffIdleStrategy();
    while (next < content.count() && isInTime()) {
      idle.idle(subscription.poll(assembler, FRAGMENT_LIMIT));
    }
    return next == content.count();
  }

  private void take(final DirectBuffer buffer, final int offset, final int length) {
    if (firstSequence < 0) {
      next = next < 0 ? buffer.getInt(offset, ByteOrder.LITTLE_ENDIAN) : next;
      firstSequence = next;
    }
    if (firstMismatch < 0 && !content.matches(next, buffer, offset, length)) {
      firstMismatch = next;
    }
    content.hash(buffer, offset, length);
    byteCount += length;
    next++;
    messageCount++;
    if (messageCount == progressAt) {
      Events.event("progress").print();
    }
  }

  /** Whether the image says that its stream has ended and goes, with no message after the last. */
  private boolean awaitEnd(final Subscription subscription) {
    final IdleStrategy idle = new BackoffIdleStrategy();
    final int count = messageCount;
    boolean isEnded = false;
    while ((!isEnded || endedImageCount.get() == 0) && isInTime()) {
      if (subscription.imageCount() > 0) {
        final Image image = subscription.imageAtIndex(0);
        isEnded |= image.isEndOfStream();
      }
      idle.idle(subscription.poll((buffer, offset, length, header) -> messageCount++, 1));
    }
    return isEnded && count == messageCount;
  }

  private boolean isInTime() {
    return System.nanoTime() - deadlineNs < 0;
  }
}
