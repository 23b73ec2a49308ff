package pawl.interop;

import io.aeron.Aeron;
import io.aeron.driver.MediaDriver;
import io.aeron.driver.ThreadingMode;
import io.aeron.driver.status.SystemCounterDescriptor;
import io.aeron.driver.status.SystemCounters;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.agrona.CloseHelper;

/** An Aeron client over a media driver of its own, both with Aeron's default settings. */
final class Peer implements AutoCloseable {
  private final AtomicInteger errorCount = new AtomicInteger();
  private final MediaDriver driver;
  private final Aeron aeron;

  Peer(final Options options) {
    final MediaDriver.Context context =
        new MediaDriver.Context()
            .aeronDirectoryName(options.text("directory"))
            .dirDeleteOnStart(true)
            .dirDeleteOnShutdown(true)
            .threadingMode(ThreadingMode.SHARED)
            .timerIntervalNs(TimeUnit.MILLISECONDS.toNanos(100))
            .errorHandler(this::onError);
    driver = MediaDriver.launchEmbedded(context);
    aeron =
        Aeron.connect(
            new Aeron.Context()
                .aeronDirectoryName(driver.aeronDirectoryName())
                .errorHandler(this::onError));
  }

  Aeron aeron() {
    return aeron;
  }

  int errorCount() {
    return errorCount.get();
  }

  /** The driver's own counters, by the names that Aeron gives them. */
  String counters() {
    final SystemCounters counters = driver.context().systemCounters();
    final Events json = Events.event("counters");
    for (final SystemCounterDescriptor descriptor : SystemCounterDescriptor.values()) {
      json.put(descriptor.name(), counters.get(descriptor).get());
    }
    return json.json();
  }

  @Override
  public void close() {
    CloseHelper.closeAll(aeron, driver);
  }

  private void onError(final Throwable error) {
    errorCount.incrementAndGet();
    System.err.println(error);
  }
}
