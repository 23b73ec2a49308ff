package pawl.interop;

import io.aeron.ExclusivePublication;
import io.aeron.Publication;
import java.util.concurrent.TimeUnit;
import org.agrona.concurrent.BackoffIdleStrategy;
import org.agrona.concurrent.IdleStrategy;

/** Publishes the whole content, then closes the publication at once: Aeron sends the rest. */
final class Publisher {
  private Publisher() {}

  static void run(final Options options) throws Exception {
    final Content content = new Content(options);
    final long limitNs = TimeUnit.SECONDS.toNanos(options.integer("limitSeconds"));
    final long deadlineNs = System.nanoTime() + limitNs;
    try (Peer peer = new Peer(options)) {
      final ExclusivePublication publication =
          peer.aeron().addExclusivePublication(options.text("channel"), options.integer("stream"));
      Events.event("started").print();
      final long refusedCount = publish(content, publication, deadlineNs);
      final Events sent = Events.event("sent").put("messages", content.count());
      sent.put("position", publication.position()).put("sessionId", publication.sessionId());
      publication.close();
      sent.put("sha256", content.digest()).put("refusedCount", refusedCount).print();
      Events.awaitEndOfInput();
      final Events closed = Events.event("closed").put("errors", peer.errorCount());
      closed.putRaw("counters", peer.counters()).print();
    }
  }

  private static long publish(
      final Content content, final ExclusivePublication publication, final long deadlineNs) {
    final IdleStrategy idle = new BackoffIdleStrategy();
    long refusedCount = 0;
    for (int sequence = 0; sequence < content.count(); sequence++) {
      final int length = content.fill(sequence);
      content.hash(content.buffer(), 0, length);
      idle.reset();
      for (; ; ) {
        final long result = publication.offer(content.buffer(), 0, length);
        if (result > 0) {
          break;
        }
        if (result == Publication.CLOSED || result == Publication.MAX_POSITION_EXCEEDED) {
          throw new IllegalStateException("offer " + sequence + " answered " + result);
        }
        if (System.nanoTime() - deadlineNs > 0) {
          throw new IllegalStateException("offer " + sequence + " still answers " + result);
        }
        refusedCount++;
        idle.idle();
      }
    }
    return refusedCount;
  }
}
