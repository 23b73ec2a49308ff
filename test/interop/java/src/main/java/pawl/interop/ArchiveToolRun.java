package pawl.interop;

import static io.aeron.archive.ArchiveTool.VerifyOption.VERIFY_ALL_SEGMENT_FILES;

import io.aeron.archive.ArchiveTool;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.agrona.IoUtil;

/**
 * Aeron's ArchiveTool on a member's directory.
 *
 * <p>Verifying writes what it finds into the catalog, so it is given a copy of that, beside links to
 * the segments.
 */
final class ArchiveToolRun {
  private ArchiveToolRun() {}

  static void run(final Path directory, final long recordingId) throws IOException {
    final File scratch = Files.createTempDirectory("pawl-walk-").toFile();
    try {
      link(directory, scratch.toPath());
      final String described =
          output(out -> ArchiveTool.describeRecording(out, scratch, recordingId));
      final var options = EnumSet.of(VERIFY_ALL_SEGMENT_FILES);
      final boolean[] isValid = new boolean[1];
      final String verified =
          output(
              out -> isValid[0] = ArchiveTool.verify(out, scratch, options, null, file -> false));
      Events.event("tool")
          .put("entries", ArchiveTool.entryCount(scratch))
          .put("described", described)
          .put("verified", verified)
          .putRaw("valid", Boolean.toString(isValid[0]))
          .print();
    } finally {
      IoUtil.delete(scratch, true);
    }
  }

  private static void link(final Path directory, final Path scratch) throws IOException {
    Files.copy(directory.resolve("archive.catalog"), scratch.resolve("archive.catalog"));
    try (DirectoryStream<Path> segments = Files.newDirectoryStream(directory, "*.rec")) {
      for (final Path segment : segments) {
        Files.createSymbolicLink(scratch.resolve(segment.getFileName()), segment.toAbsolutePath());
      }
    }
  }

  private static String output(final java.util.function.Consumer<PrintStream> use) {
    final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8)) {
      use.accept(out);
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }

  private static long count(final String text, final String pattern) {
    final Matcher matcher = Pattern.compile(pattern).matcher(text);
    return matcher.results().count();
  }
}
