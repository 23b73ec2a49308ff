package pawl.interop;

import static io.aeron.archive.ArchiveTool.VerifyOption.VERIFY_ALL_SEGMENT_FILES;

import io.aeron.archive.ArchiveTool;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Aeron's ArchiveTool on an archive directory. Verifying writes what it finds into the catalog. */
final class ArchiveToolRun {
  private static final Pattern STOP_POSITION = Pattern.compile("stopPosition=(-?\\d+)");

  private ArchiveToolRun() {}

  /** Verifies every segment, then reads the descriptor with the end that was found. */
  static void run(final File directory, final long recordingId) {
    final boolean[] isValid = new boolean[1];
    final var options = EnumSet.of(VERIFY_ALL_SEGMENT_FILES);
    final String verified =
        output(
            out -> isValid[0] = ArchiveTool.verify(out, directory, options, null, file -> false));
    final String described =
        output(out -> ArchiveTool.describeRecording(out, directory, recordingId));
    final Matcher stop = STOP_POSITION.matcher(described);
    Events.event("verified")
        .put("entries", ArchiveTool.entryCount(directory))
        .put("stopPosition", stop.find() ? Long.parseLong(stop.group(1)) : -1)
        .putRaw("valid", Boolean.toString(isValid[0]))
        .put("output", verified.strip())
        .put("described", described.strip())
        .print();
  }

  private static String output(final Consumer<PrintStream> use) {
    final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8)) {
      use.accept(out);
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }
}
