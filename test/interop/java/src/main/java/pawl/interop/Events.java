package pawl.interop;

import java.io.IOException;

/** What a run reports: one JSON object per line on standard output. */
final class Events {
  private final StringBuilder line = new StringBuilder("{");

  private Events(final String name) {
    put("event", name);
  }

  static Events event(final String name) {
    return new Events(name);
  }

  Events put(final String key, final String value) {
    return putRaw(key, '"' + escaped(value) + '"');
  }

  Events put(final String key, final long value) {
    return putRaw(key, Long.toString(value));
  }

  /** A value that is JSON already. */
  Events putRaw(final String key, final String json) {
    if (line.length() > 1) {
      line.append(',');
    }
    line.append('"').append(escaped(key)).append("\":").append(json);
    return this;
  }

  /** The object without its event line, to be put into another one. */
  String json() {
    return line + "}";
  }

  void print() {
    System.out.println(json());
    System.out.flush();
  }

  /** Returns when whoever started this program closes its standard input, or dies. */
  static void awaitEndOfInput() throws IOException {
    System.in.readAllBytes();
  }

  private static String escaped(final String text) {
    final StringBuilder builder = new StringBuilder(text.length());
    for (int index = 0; index < text.length(); index++) {
      final char character = text.charAt(index);
      if (character == '"' || character == '\\') {
        builder.append('\\').append(character);
      } else if (character < ' ') {
        builder.append(String.format("\\u%04x", (int) character));
      } else {
        builder.append(character);
      }
    }
    return builder.toString();
  }
}
